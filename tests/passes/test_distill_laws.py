"""The laws of ``distill`` on random programs and data: what it must keep though it is lossy."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.passes.test_golden import CASES
from tests.strategies_coarse import coarse_programs
from tests.strategies_tp import transformer_programs
from tpir.api import lower
from tpir.ir.program import Program
from tpir.ir.types import Categorical
from tpir.ir.verify import verify
from tpir.passes import distill
from tpir.passes.distill import Distill
from tpir.passes.failing import can_fail
from tpir.passes.pipeline import optimise
from tpir.passes.scores import Row, Scores, read_rows
from tpir.semantics.interpreter import run_many
from tpir.semantics.program_space import space_of
from tpir.text import parse, print_program

LAWS_OF_LOSSY = ("distill",)
"""Whose laws and planted faults are here: those of passes that keep the meaning do not fit them."""

LEAST = 0.3
"""At least this share of the programs must change."""


def write_data(program: Program, seed: int, path: Path) -> bool:
    """Twenty inputs with the labels that the program gives, some of them wrong or left out.

    False where the program has no labels in words, or the data none but held out.
    """
    (name, output), *more = program.outputs.items()
    words = output.type.domain if isinstance(output.type, Categorical) else ()
    if more or not words or can_fail(output) or not all(isinstance(w, str) for w in words):
        return False
    noise, space = random.Random(seed), space_of(program)
    inputs = [space.decode(row) for _, batch in space.batches(200) for row in batch.T]
    inputs = noise.sample(inputs, min(20, len(inputs)))
    lines = []
    for tokens, outcome in zip(inputs, run_many(program, inputs), strict=True):
        labels = [noise.choice((v, v, v, *words, None)) for v in (outcome.values or {})[name]]
        lines.append(json.dumps({"tokens": [*map(str, tokens)], "labels": labels}))
    path.write_text("\n".join(lines), "utf-8")
    return bool(Scores(program, trained_on(Distill(str(path)))).total)


def trained_on(each: Distill) -> list[Row]:
    """The rows that are not held out."""
    return [row for k, row in enumerate(read_rows(Path(each.data))) if k % each.held_out]


def assert_budget(each: Distill, program: Program, after: Program) -> None:
    """At most the share of the labels that ``each`` allows more are wrong than before."""
    scores = Scores(program, trained_on(each))
    lost = scores.right(program) - scores.right(after)
    assert lost <= each.max_drop * scores.total, (lost, scores.total)


def assert_settled(each: Distill, after: Program) -> None:
    """With no more to lose on the same data nothing changes, nor if written and read between."""
    again = replace(each, max_drop=0.0)
    for program in (after, parse(print_program(after))):
        result = again.run(program)
        assert result.program is program, result.notes
        assert not result.changed


@pytest.mark.parametrize("max_drop", [0.0, 0.1])
def test_laws_of_distill(max_drop: float, tmp_path: Path) -> None:
    each, changed = Distill(str(tmp_path / "data.jsonl"), max_drop), list[bool]()

    @settings(max_examples=PROGRAMS // 20)
    @given(st.one_of(coarse_programs(), transformer_programs()), st.integers(0, 2**32 - 1))
    def check(program: Program, seed: int) -> None:
        assume(program.vocabulary and all(isinstance(t, str) for t in program.vocabulary))
        assume(write_data(program, seed, Path(each.data)))
        result = each.run(program)
        changed.append(result.changed)
        verify(result.program)
        assert result.program.header == program.header
        assert tuple(result.program.outputs) == tuple(program.outputs)
        assert each.measure(result.program) <= each.measure(program)
        assert_budget(each, program, result.program)
        assert_settled(each, result.program)

    check()
    assert sum(changed) >= LEAST * len(changed)


def test_a_planted_fault_breaks_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    each = Distill(str(CASES / "distill.jsonl"), max_drop=0.0)
    program = parse((CASES / "distill.rasp").read_text("utf-8"))
    assert_budget(each, program, each.run(program).program)
    monkeypatch.setattr(Scores, "agrees", lambda self, program: True)
    with pytest.raises(AssertionError):
        assert_budget(each, program, each.run(program).program)


@pytest.mark.parametrize("max_drop", [0.0, 0.01])
@pytest.mark.parametrize("name", ["hist_v8_n8", "dyck1_n16"])
def test_a_distilled_model_is_left_alone(
    name: str, max_drop: float, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "checkpoints" / name
    each = Distill(str(tmp_path / "data.jsonl"), max_drop)
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as file:
        Path(each.data).write_text(file.read(), "utf-8")
    result = each.run(optimise(lower(folder), 2))
    assert result.changed
    assert_settled(each, result.program)


@pytest.mark.parametrize("seed", [1, 13])
def test_one_round_is_not_enough(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault planted in what settles it is seen: on these data a second round finds more."""
    program = parse((CASES / "distill.rasp").read_text("utf-8"))
    each = Distill(str(tmp_path / "data.jsonl"), max_drop=0.0)
    assert write_data(program, seed, Path(each.data))
    assert_settled(each, each.run(program).program)
    monkeypatch.setattr(distill, "until_stable", lambda program, step: step(program))
    with pytest.raises(AssertionError, match="fitted anew"):
        assert_settled(each, each.run(program).program)
