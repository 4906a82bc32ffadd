"""Each law of each pass by itself: a small program, and the program that it becomes.

``units/PASS.txt`` holds them: ``== law``, where need be options of the pass in braces, the program
before, ``->``, and the program after; ``-> the same`` where nothing may be done. ``$units`` is the
folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.passes.laws import assert_laws
from tests.passes.test_distill_laws import assert_settled
from tests.passes.test_golden import EGGLOG
from tpir.passes.distill import Distill
from tpir.passes.pipeline import OPTIONAL, parse_pipeline
from tpir.text import parse

UNITS = Path(__file__).parent / "units"
HEADER = 'context 3; vocabulary {"a", "b", "c"};'
_HEADING = re.compile(r"== ([^{\n]*?) ?(\{.*\})?\Z")


@dataclass(frozen=True)
class Unit:
    """One law: the pass with its options, the program before and after."""

    each: str
    law: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.each}: {self.law}"


def units_of(name: str) -> list[Unit]:
    """The laws of a pass."""
    path = UNITS / f"{name}.txt"
    text = path.read_text("utf-8") if path.exists() else ""
    return [_unit(name, part) for part in re.split(r"^(?=== )", text, flags=re.M) if part]


def _unit(name: str, text: str) -> Unit:
    heading, rest = text.split("\n", 1)
    before, arrow, after = re.split(r"^(->.*)\n", rest, flags=re.M)
    found = _HEADING.match(heading)
    assert found is not None and arrow in ("->", "-> the same"), text
    return Unit(name + (found[2] or ""), found[1], before, after if after.strip() else before)


def _marked(unit: Unit) -> ParameterSet:
    optional = unit.each.partition("{")[0] in OPTIONAL
    return pytest.param(unit, id=str(unit), marks=EGGLOG if optional else ())


ALL = [unit for path in sorted(UNITS.glob("*.txt")) for unit in units_of(path.stem)]


@pytest.mark.parametrize("unit", [_marked(unit) for unit in ALL])
def test_law(unit: Unit) -> None:
    before, after = (parse(HEADER + body) for body in (unit.before, unit.after))
    (each,) = parse_pipeline(unit.each.replace("$units", str(UNITS)))
    result = each.run(before) if isinstance(each, Distill) else assert_laws(each, before)
    if isinstance(each, Distill):
        assert_settled(each, result.program)
    assert result.program == after
    assert result.changed is (unit.before != unit.after)
    if unit.each == "dce":  # programs are equal whatever is dead in them
        assert len(result.program.nodes) == len(after.nodes)
