"""Bases, hinges, lines, boxes and gates give exactly the functions that they are made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tpir.backends.transformer.basis import basis_of
from tpir.backends.transformer.hinges import hinges
from tpir.backends.transformer.tables import Ridges, boxes_of, gates_of, line_of, separated

Floats = NDArray[np.float64]


@st.composite
def tables(draw: st.DrawFn) -> Floats:
    """A table of small whole numbers: one to three arguments, one or two outputs."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    outputs = draw(st.integers(1, 2))
    size = int(np.prod(shape)) * outputs
    entries = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    return np.array(entries, dtype=float).reshape(*shape, outputs)


def values_of_ridges(ridges: Ridges, shape: tuple[int, ...]) -> Floats:
    found = np.zeros((*shape, len(ridges.base))) + ridges.base
    for ridge in ridges.ridges:
        inner = np.full(shape, ridge.constant)
        for axis, column in enumerate(ridge.columns):
            if column is not None:
                inner = inner + np.array(column).reshape(
                    [-1 if a == axis else 1 for a in range(len(shape))]
                )
        found += np.maximum(inner, 0)[..., None] * ridge.value
    return found


@given(tables())
def test_boxes_are_the_table(table: Floats) -> None:
    assert (values_of_ridges(boxes_of(table), table.shape[:-1]) == table).all()


@given(tables())
def test_gates_are_the_table(table: Floats) -> None:
    for gates in gates_of(table):
        assert np.allclose(values_of_ridges(gates, table.shape[:-1]), table, atol=1e-12)


def test_a_choice_between_two_numbers_takes_a_unit_for_each() -> None:
    table = np.array([[[x if gate else y for y in range(5)] for x in range(5)] for gate in (0, 1)])
    gates = gates_of(table[..., None].astype(float))
    assert min(len(ridges.ridges) for ridges in gates) == 2
    assert len(boxes_of(table[..., None].astype(float)).ridges) > 2


def test_a_quotient_takes_one_column_of_each_argument_and_cancels_nothing() -> None:
    table = np.array([[x * x / z for z in range(1, 21)] for x in range(30)])[..., None]
    gates = min(gates_of(table), key=lambda ridges: ridges.rounds)
    assert gates.rounds == 0
    assert len({ridge.columns[0] for ridge in gates.ridges}) == 1
    assert np.allclose(values_of_ridges(gates, table.shape[:-1]), table, rtol=1e-13, atol=0.0)


@given(tables())
def test_a_line_tells_rows_apart_and_hinges_draw_it(table: Floats) -> None:
    line = line_of(table)
    points, values = line.points.reshape(-1), table.reshape(-1, table.shape[-1])
    kept, first = np.unique(points, return_index=True)
    if len(kept) == 1:
        assert (values == values[0]).all()
        return
    drawn = hinges(kept, values[first])
    at = np.maximum(drawn.sign * (points[:, None] - drawn.thresholds), 0) @ drawn.weights
    assert (drawn.constant + at == values).all()
    assert len(drawn.thresholds) == line.units


@given(tables())
def test_separated_columns_add_up(table: Floats) -> None:
    whole = table[..., 0]
    parts = separated(whole)
    if parts is not None:
        total = np.full(whole.shape, parts[0])
        for axis, column in enumerate(parts[1]):
            total = total + np.array(column).reshape(
                [-1 if a == axis else 1 for a in range(whole.ndim)]
            )
        assert (total == whole).all()


def test_a_sum_is_separated_and_a_product_is_not() -> None:
    x, y = np.meshgrid(np.arange(4.0), np.arange(3.0), indexing="ij")
    assert separated(x * x - 2 * y) is not None
    assert separated(x * y) is None


@given(
    st.integers(1, 6), st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), max_size=4)
)
def test_columns_are_read_from_their_basis(size: int, rows: list[list[int]]) -> None:
    columns = list(dict.fromkeys(tuple(map(float, row[:size])) for row in rows))
    basis = basis_of(columns, size)
    for column in columns:
        constant, weights = basis.readings[column]
        assert (constant + basis.rows @ weights == np.array(column)).all()


@given(st.integers(1, 5), st.lists(st.lists(st.integers(-3, 3), min_size=5), min_size=1))
def test_bare_columns_are_read_without_a_constant(size: int, rows: list[list[int]]) -> None:
    columns = tuple(dict.fromkeys(tuple(map(float, row[:size])) for row in rows))
    basis = basis_of(columns, size, bare=columns[:1])
    for column, (constant, weights) in basis.readings.items():
        assert tuple(constant + basis.rows @ weights) == column
    assert basis.readings[columns[0]][0] == 0


def test_bases_are_as_small_as_they_can_be() -> None:
    numbers = (0.0, 1.0, 2.0, 3.0, 4.0)
    squares = tuple(x * x for x in numbers)
    doubled = tuple(2 * x + 1 for x in numbers)
    assert basis_of([numbers, doubled], 5).size == 1
    assert basis_of([numbers, squares, doubled], 5).size == 2
    assert basis_of([(0.0, 0.0, 1.0, 1.0, 0.0)], 5).size == 1
    each = [tuple(float(k == v) for v in range(5)) for k in range(5)]
    assert basis_of(each, 5).size == 4
    large = [(0, 1, 2**40, 5, 2**33), (0, 2**35, 3, 2**31, 7), (0, 2, 2**32, 2**45, 1)]
    columns = np.array([*large, np.sum(large[:2], axis=0)], dtype=float)
    assert basis_of([tuple(column) for column in columns.tolist()], 5).size == 3
