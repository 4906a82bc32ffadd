"""No pass adds or removes a failure: what selects everything, nothing or itself may still fail."""

from __future__ import annotations

import pytest

from tests.passes.laws import assert_laws, assert_same_meaning
from tpir.passes.pipeline import PASSES, level, run_pipeline
from tpir.passes.reachable import Reachable
from tpir.passes.readout import ReadoutTerms
from tpir.semantics.interpreter import run_many
from tpir.text import parse

ALL = "select(1/tokens_asis, indices, True)"
NONE = "select(1/tokens_asis, indices, False)"
EMPTY = "select(tokens_asis % tokens_asis, tokens_asis, nothing)"
MIXED = '("a" if tokens_asis == 0 else 1)'
OTHER = "select(tokens_asis, tokens_asis, ==)"

PROGRAMS = {
    "everything and": f"selector_width({ALL} and {OTHER})",
    "and everything": f"selector_width({OTHER} and {ALL})",
    "nothing and": f"selector_width({NONE} and {OTHER})",
    "everything or": f"selector_width({ALL} or {OTHER})",
    "nothing or": f"selector_width({NONE} or {OTHER})",
    "or nothing": f"selector_width({OTHER} or {NONE})",
    "not everything": f"selector_width(not {ALL})",
    "not nothing": f"selector_width(not {NONE})",
    "queries of nothing": "selector_width(not select(tokens_asis, 1/tokens_asis, False))",
    "width of nothing": f"selector_width({NONE})",
    "mean over nothing": f"aggregate({NONE}, tokens_asis, 0)",
    "sum over nothing": f"aggregate_sum({NONE}, tokens_asis)",
    "sum of zeros": f"aggregate_sum({OTHER}, 0 * (1/tokens_asis))",
    "first of nothing": f"aggregate(closest({NONE}), indices)",
    "own position": "aggregate(closest(select(1/tokens_asis, indices, ==)), tokens_asis)",
    "one position": "aggregate(closest(select(indices, 1/tokens_asis, ==)), tokens_asis)",
    "constant value": f"aggregate(closest({ALL}), 7)",
    "comparison of mixed kinds": f"selector_width(select(tokens_asis, {MIXED}, <))",
    "relation to nothing": f"selector_width({EMPTY})",
    "or relation": f"selector_width({EMPTY} or {OTHER})",
    "unused operand": "0 if 1/tokens_asis == 1/tokens_asis else 0",
}


@pytest.mark.parametrize("context", [1, 2])
@pytest.mark.parametrize("body", PROGRAMS.values(), ids=PROGRAMS)
def test_failures_stay(body: str, context: int) -> None:
    header = f"context {context}; mixed; vocabulary {{0, 1}}; table nothing {{ _ -> {{}} }}"
    program = parse(f"{header} output = {body};")
    first, second = run_many(program, [(0,), (1,)])
    assert first.values is None
    assert second.values is not None
    shipped = [kind() for kind in PASSES.values()]
    for each in (*shipped, Reachable(exhaustive=100), ReadoutTerms(exhaustive=100)):
        assert_laws(each, program)
    for number in (1, 2, 3):
        assert_same_meaning(program, run_pipeline(program, level(number)).program)
