"""Compact rows: whatever the table, they read back to it, and they are few."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpir.ir.functions import Table
from tpir.text.layout import block
from tpir.text.parser import parse_syntax
from tpir.text.rows import RowReader
from tpir.text.source import Source
from tpir.text.syntax import TableStatement
from tpir.text.tables import cover, table_items

shapes = st.lists(st.integers(1, 5), min_size=0, max_size=3).map(tuple)


@given(shapes, st.integers(1, 4), st.integers(0, 2**32))
def test_rows_read_back(shape: tuple[int, ...], results: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, results, shape)
    for axis in range(len(shape)):  # now and then an argument that hardly matters
        if draw.random() < 0.5:
            codes = np.take(codes, np.zeros(shape[axis], dtype=int), axis=axis)
            codes.flat[0] = 0
    domains = tuple(tuple(range(size)) for size in shape)
    table = Table(domains, tuple(codes.ravel().tolist()))
    text = "\n".join(block("table t", table_items(table)))
    (statement,) = parse_syntax(Source("t", text)).statements
    assert isinstance(statement, TableStatement)
    assert RowReader(Source("t", text), strict=True).table(statement, domains) == table


@given(shapes, st.integers(1, 4), st.integers(0, 2**32))
def test_a_row_with_fewer_wildcards_wins(shape: tuple[int, ...], results: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, results, shape).astype(np.int32)
    rows = cover(codes)
    for place in product(*(range(size) for size in shape)):
        fitting = [
            (cells.count(None), code)
            for cells, code in rows
            if all(cell is None or k in cell for k, cell in zip(place, cells, strict=True))
        ]
        fewest = min(wild for wild, _ in fitting)
        assert {code for wild, code in fitting if wild == fewest} == {codes[place]}


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda a, b: a, "table t { (0, _) -> 0; (1, _) -> 1; (2, _) -> 2; (3, _) -> 3 }"),
        (lambda a, b: b, "table t { (_, 0) -> 0; (_, 1) -> 1; (_, 2) -> 2; (_, 3) -> 3 }"),
        (lambda a, b: 7, "table t { _ -> 7 }"),
        (lambda a, b: int(a == 1 and b == 2), "table t { (1, 2) -> 1; _ -> 0 }"),
        (lambda a, b: int(a == 1 or b == 2), "table t { ({0, 2, 3}, 2) | (1, _) -> 1; _ -> 0 }"),
        (lambda a, b: int(b >= 1 and a < 2), "table t { ({0, 1}, 1..3) -> 1; _ -> 0 }"),
    ],
)
def test_layout(function, text: str) -> None:
    table = Table.tabulate((tuple(range(4)), tuple(range(4))), function)
    assert "\n".join(block("table t", table_items(table))) == text
