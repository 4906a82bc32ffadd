"""Which outcomes differ: values exactly, numbers of weights up to rounding."""

from __future__ import annotations

import numpy as np
import pytest

from tpir.equiv.compare import differences
from tpir.ir.types import Categorical, Integer, Real
from tpir.semantics.approximate import far_apart
from tpir.semantics.columns import INT, Column
from tpir.semantics.interpreter import BatchResult

ABOUT = frozenset(("x",))


def result(column: Column, approximate: frozenset[str] = frozenset()) -> BatchResult:
    return BatchResult({"x": column}, np.zeros(column.data.shape[1], np.uint8), approximate)


def reals(*numbers: float) -> Column:
    return Column(Real(), np.array([numbers], dtype=np.float64))


@pytest.mark.parametrize(
    ("left", "right", "apart"),
    [
        (0.0, 9.9e-5, False),
        (0.0, 1.1e-4, True),
        (0.5, 0.50009, False),
        (0.5, 0.5002, True),
        (1000.0, 1000.09, False),
        (1000.0, 1000.2, True),
        (-1000.0, -1000.09, False),
        (-0.5, 0.5, True),
        (float("nan"), 0.0, True),
        (float("inf"), float("inf"), True),
        (1e300, float("inf"), True),
    ],
)
def test_how_far_numbers_may_be_apart(left: float, right: float, apart: bool) -> None:
    one, other = np.array([left]), np.array([right])
    assert far_apart(one, other).tolist() == [apart]
    assert far_apart(other, one).tolist() == [apart]


def test_only_what_is_said_to_be_approximate_is_compared_so() -> None:
    exact, near = reals(1 / 3, 2.0), reals(1 / 3 + 1e-6, 2.0)
    assert differences(result(exact), result(near)).tolist() == [True, False]
    assert differences(result(exact), result(near, ABOUT)).tolist() == [False, False]
    assert differences(result(exact, ABOUT), result(near)).tolist() == [False, False]
    far = result(reals(1 / 3 + 1e-3, 2.0), ABOUT)
    assert differences(result(exact), far).tolist() == [True, False]


def test_an_output_of_another_name_is_exact() -> None:
    columns = {"x": reals(0.5), "y": reals(0.5)}
    near = {"x": reals(0.500001), "y": reals(0.500001)}
    none = np.zeros(1, np.uint8)
    left = BatchResult(columns, none)
    assert differences(left, BatchResult(near, none, ABOUT)).tolist() == [True]
    assert differences(
        left, BatchResult({"x": near["x"], "y": columns["y"]}, none, ABOUT)
    ).tolist() == [False]


def test_an_approximate_number_may_stand_for_an_int_but_for_no_word() -> None:
    near = result(reals(2.0000001, 3.0), ABOUT)
    ints = Column(Integer(2, 5), np.array([[0, 1]], dtype=np.uint8))
    assert differences(result(ints), near).tolist() == [False, False]
    kept = Column(Real(), np.array([[2.0, 3.0]]), np.array([[INT, INT]], dtype=np.uint8))
    assert differences(result(kept), near).tolist() == [False, False]
    words = Column(Categorical(("2", 3)), np.array([[0, 1]], dtype=np.uint8))
    assert differences(result(words), near).tolist() == [True, False]
