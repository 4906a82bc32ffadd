"""Compact rows for finite functions: values grouped by result, the rest under ``_``.

``cover`` finds few rows. It works on an array of result codes and gives, for each row, a cell for
each argument; a row with fewer ``_`` wins over one with more, so a row of ``_`` may be a default
for the whole table or for a slice of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import permutations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import Domain, Relation, ScoreTable, Table, TableWeights
from tpir.ir.values import Value, show_value, value_key
from tpir.text.layout import listed
from tpir.text.numbers import Numbers

Codes = NDArray[np.int32]
Cells = tuple[tuple[int, ...] | None, ...]
"""For each argument the indices of its values, or None for ``_``."""
Cover = list[tuple[Cells, int]]
Result = TypeVar("Result", bound=Hashable)

_TRY_ORDERS = 4096
"""Tables up to this size are tried with their arguments in every order, and the best is taken."""


def table_items(table: Table) -> list[list[str]]:
    """The rows of a function, as pieces of text."""
    codes, results = _encode([value_key(v) for v in table.results], table.results)
    shape = tuple(len(d) for d in table.domains)
    shown = [[show_value(v)] for v in results]
    return _items(codes.reshape(shape), shown, table.domains)


def relation_items(relation: Relation) -> list[list[str]]:
    """The rows of a relation: a single key value stands alone, several in braces."""
    keys = [tuple(value_key(v) for v in row) for row in relation.rows]
    codes, rows = _encode(keys, relation.rows)
    shown = [
        [show_value(row[0])] if len(row) == 1 else listed(show_run(row), "{", "}") for row in rows
    ]
    return _items(codes, shown, (relation.queries,))


def score_items(score: ScoreTable, numbers: Numbers) -> list[list[str]]:
    """The columns' key values, then a list of scores for each query value."""
    columns = ["keys", *listed([show_value(v) for v in score.keys], "{", "}")]
    return [columns, *_weight_rows(score.rows, score.queries, numbers)]


def feature_items(weights: TableWeights, numbers: Numbers) -> list[list[str]]:
    """The weights of each value of a feature."""
    return _weight_rows(weights.rows, weights.domain, numbers)


def _weight_rows(
    rows: tuple[tuple[float, ...], ...], domain: Domain, numbers: Numbers
) -> list[list[str]]:
    texts = [tuple(numbers.row(row)) for row in rows]
    codes, distinct = _encode(texts, texts)
    items = _items(codes, [list(row) for row in distinct], (domain,))
    # The row of zeros is short: at the end there is most often room for it. The row of _ is last.
    return sorted(items, key=lambda item: (item[0] == "_", item[-1] == "0"))


def _encode(keys: Sequence[Hashable], results: Sequence[Result]) -> tuple[Codes, list[Result]]:
    """Codes by first appearance, and the distinct results."""
    numbers: dict[Hashable, int] = {}
    codes = np.empty(len(keys), dtype=np.int32)
    distinct: list[Result] = []
    for k, key in enumerate(keys):
        code = numbers.setdefault(key, len(numbers))
        if code == len(distinct):
            distinct.append(results[k])
        codes[k] = code
    return codes, distinct


def _items(codes: Codes, shown: list[list[str]], domains: tuple[Domain, ...]) -> list[list[str]]:
    """One item for each result: its patterns, an arrow, the result."""
    patterns: dict[int, list[Cells]] = {}
    default: int | None = None
    for cells, code in cover(codes):
        if cells and all(cell is None for cell in cells):
            default = code
        else:
            patterns.setdefault(code, []).append(cells)
    rows = [
        (code, _row_order(_merged(found))) for code, found in patterns.items() if code != default
    ]
    if default is not None:
        rest = _row_order(_merged(patterns.get(default, [])))
        rows.append((default, [*rest, (None,) * len(domains)]))
    items = []
    for code, found in rows:
        pieces: list[str] = []
        for cells in found:
            pieces.extend(["|"] if pieces else [])
            pieces.extend(_pattern(cells, domains))
        items.append([*pieces, "->", *shown[code]])
    return items


def _merged(found: list[Cells]) -> list[Cells]:
    """The same patterns, those that differ in the values of one argument only made one."""
    for axis in range(len(found[0]) if found and len(found[0]) > 1 else 0):
        together: dict[tuple[object, ...], list[Cells]] = {}
        for cells in found:
            rest = (*cells[:axis], cells[axis] is None, *cells[axis + 1 :])
            together.setdefault(rest, []).append(cells)
        found = []
        for group in together.values():
            union = tuple(sorted(k for cells in group for k in cells[axis] or ()))
            cell = union if group[0][axis] is not None else None
            found.append((*group[0][:axis], cell, *group[0][axis + 1 :]))
    return found


def _row_order(found: list[Cells]) -> list[Cells]:
    return sorted(found, key=lambda cells: [(-1,) if cell is None else cell for cell in cells])


def _pattern(cells: Cells, domains: tuple[Domain, ...]) -> list[str]:
    if all(cell is None for cell in cells) and cells:
        return ["_"]
    if len(cells) == 1:
        parts = show_run([domains[0][k] for k in cells[0] or ()])
        return [piece for part in parts for piece in ("|", part)][1:]
    pieces: list[str] = []
    for number, (cell, domain) in enumerate(zip(cells, domains, strict=True)):
        parts = ["_"] if cell is None else show_run([domain[k] for k in cell])
        texts = parts if len(parts) == 1 else listed(parts, "{", "}")
        pieces.extend(texts)
        if number < len(cells) - 1:
            pieces[-1] += ","
    if not pieces:
        return ["()"]
    pieces[0], pieces[-1] = "(" + pieces[0], pieces[-1] + ")"
    return pieces


def show_run(values: Sequence[Value]) -> list[str]:
    """The texts of values; three or more ints in a row become a range."""
    shown: list[str] = []
    k = 0
    while k < len(values):
        end = k
        while end + 1 < len(values) and _follows(values[end], values[end + 1]):
            end += 1
        if end - k >= 2:
            shown.append(f"{values[k]}..{values[end]}")
            k = end + 1
        else:
            shown.append(show_value(values[k]))
            k += 1
    return shown


def _follows(left: Value, right: Value) -> bool:
    return type(left) is int and type(right) is int and right == left + 1


# ---- few rows


def cover(codes: Codes) -> Cover:
    """Rows that give each cell of an array its code, few of them, defaults included."""
    if codes.ndim == 0:
        return [((), int(codes))]
    if codes.size > _TRY_ORDERS or codes.ndim == 1:
        return _cover(codes, None)
    best: Cover | None = None
    for order in permutations(range(codes.ndim)):
        found = _cover(np.ascontiguousarray(codes.transpose(order)), None)
        if best is None or _cost(found) < _cost(best):
            back = np.argsort(order)
            best = [(tuple(cells[a] for a in back), code) for cells, code in found]
    assert best is not None
    return best


def _cost(found: Cover) -> int:
    """Roughly the length of the text."""
    return sum(2 + sum(1 if c is None else len(c) for c in cells) for cells, _ in found)


def _cover(codes: Codes, given: int | None) -> Cover:
    """Rows for all cells but those of code ``given``, which a wider row already gives them."""
    wild = (None,) * codes.ndim
    counts = np.bincount(codes.ravel(), minlength=0 if given is None else given + 1)
    if np.count_nonzero(counts) == 1:
        code = int(counts.argmax())
        return [] if code == given else [(wild, code)]
    if codes.ndim == 1:
        return _cover_line(codes, counts, given)
    groups = _groups(codes)
    if len(groups) == 1:
        return [((None, *cells), code) for cells, code in _cover(codes[0], given)]
    options: list[Cover] = []
    for candidate in dict.fromkeys((given, int(counts.argmax()), _common_default(codes, groups))):
        rows: Cover = []
        for members in groups:
            found = _cover(codes[members[0]], candidate)
            rows.extend(((members, *cells), code) for cells, code in found)
        if candidate is not None and candidate != given:
            rows.append((wild, candidate))
        options.append(rows)
    return min(options, key=_cost)


def _common_default(codes: Codes, groups: list[tuple[int, ...]]) -> int:
    """The code that is most common in the most slices."""
    votes = [int(np.bincount(codes[members[0]].ravel()).argmax()) for members in groups]
    return int(np.bincount(votes).argmax())


def _cover_line(codes: Codes, counts: NDArray[np.int64], given: int | None) -> Cover:
    default = given
    largest = int(counts.argmax())
    if given is None or counts[given] == 0:
        default = largest if counts[largest] > 1 else None
    order: dict[int, list[int]] = {}
    for k, code in enumerate(codes.tolist()):
        if code != default:
            order.setdefault(code, []).append(k)
    rows: Cover = [((tuple(members),), code) for code, members in order.items()]
    if default is not None and default != given:
        rows.append(((None,), default))
    return rows


def _groups(codes: Codes) -> list[tuple[int, ...]]:
    """The indices of the first axis, those with equal slices together."""
    found: dict[bytes, list[int]] = {}
    for k in range(len(codes)):
        found.setdefault(codes[k].tobytes(), []).append(k)
    return [tuple(members) for members in found.values()]
