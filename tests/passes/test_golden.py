"""Each pass on an example: the program before (cases/), after and explained (golden/)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.passes.laws import assert_laws
from tpir.passes.distill import Distill
from tpir.passes.pipeline import LOSSY, OPTIONAL, PASSES
from tpir.text import parse, print_program

CASES = Path(__file__).parent / "cases"


EGGLOG = pytest.mark.skipif(
    find_spec("egglog") is None,
    reason="egglog is not installed (pip install 'tpir[saturate]'): saturate was not run",
)


@pytest.mark.parametrize(
    "name", [*PASSES, *LOSSY, *(pytest.param(name, marks=EGGLOG) for name in OPTIONAL)]
)
def test_pass_on_its_example(name: str, golden: Callable[[str, str], None]) -> None:
    before = parse((CASES / f"{name}.rasp").read_text("utf-8"), name=name)
    if name in LOSSY:
        result = Distill(str(CASES / "distill.jsonl"), max_drop=0.0).run(before)
    else:
        result = assert_laws((PASSES | OPTIONAL)[name](), before)
    assert result.changed
    notes = "".join(f"# {note}\n" for note in result.notes)
    golden(f"{name}.rasp", print_program(result.program) + "\n" + notes)
