"""Relu functions as comparisons: bounds between reals, and functions that take too many cases."""

from __future__ import annotations

import pytest

import tpir.passes.thresholds as thresholds
from tests.passes.laws import assert_laws
from tpir.passes.thresholds import Thresholds, _between
from tpir.text import parse, print_program

REALS = """
context 4;
vocabulary {"a", "b", "c"};
table height { "a" -> 0.125; "b" -> 0.5; _ -> 2.75 }
relu last {
    unit -1.5, [1.0] -> [0.0, 1.0];
    bias [0.25, 0.0];
}
high = last(height(tokens));
output high;
"""


@pytest.mark.parametrize(
    ("low", "high", "bound"),
    [(3.0, 4.0, 3), (0.1, 0.9, 0.5), (1.234, 1.2351, 1.235), (-2.0, 0.0, -2)],
)
def test_bounds_are_short(low: float, high: float, bound: float) -> None:
    found = _between(low, high)
    assert found == bound
    assert low <= found < high


def test_a_function_of_reals() -> None:
    result = assert_laws(Thresholds(), parse(REALS))
    assert result.changed
    text = print_program(result.program)
    assert "relu" not in text
    assert "if height_map <= 1.6 else" in text or "<= 2" in text or "<= 1" in text


def test_too_many_cases_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "MOST_LEAVES", 1)
    result = Thresholds().run(parse(REALS))
    assert not result.changed
    assert "takes more than 1 cases" in result.notes[0]
