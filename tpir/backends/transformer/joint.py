"""Selectors that are no conjunction, as one relation of two new variables."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from tpir.backends.transformer.domains import MAX_ROWS
from tpir.backends.transformer.forms import Forms, refusal
from tpir.backends.transformer.selection import MAX_PAIRS, Bools, Polynomial
from tpir.ir.functions import Relation, Table
from tpir.ir.ops import Always, Map, Select
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, sorted_values, value_key


def conjunctive(forms: Forms, node: Node, selector: Node) -> Node:
    """The selector, as one relation of two new variables where it is no conjunction."""
    terms = forms.terms(node, selector)
    if len(terms) == 1 and terms[0][0] == 1:
        return selector if terms[0][1].blocks else forms.everything(node)
    if not terms:
        empty = Select(Always(False))
        return forms.add(node, empty, forms.indices(), forms.indices(), suffix="_none")
    pairs = {pair for _, term in terms for pair in term.blocks}
    keys = list(dict.fromkeys(k for k, _ in sorted(pairs, key=lambda p: p[0].name)))
    queries = list(dict.fromkeys(q for _, q in sorted(pairs, key=lambda p: p[1].name)))
    sizes = [math.prod(len(forms.finite(n)) for n in side) for side in (keys, queries)]
    if max(sizes) > MAX_ROWS or math.prod(sizes) > MAX_PAIRS:
        raise refusal(node, f"{selector.name} combines variables of {sizes} joint values")
    matrix = _joint(forms, terms, keys, queries)
    key, key_class = _classes(forms, node, keys, matrix, "_keys")
    query, query_class = _classes(forms, node, queries, matrix.T, "_queries")
    rows = []
    for value in values_of(query.type) or ():
        column = matrix[:, query_class.index(value)]
        matched = {key_class[k] for k in np.flatnonzero(column)}
        rows.append(sorted_values(tuple(matched)))
    relation = Relation(values_of(query.type) or (), tuple(rows))
    return forms.add(node, Select(relation), key, query, suffix="_select")


def _joint(forms: Forms, terms: Polynomial, keys: list[Node], queries: list[Node]) -> Bools:
    """The selector over joint values [keys, queries]."""
    key_rows = list(product(*(range(len(forms.finite(n))) for n in keys)))
    query_rows = list(product(*(range(len(forms.finite(n))) for n in queries)))
    k, q = np.array(key_rows), np.array(query_rows)
    count = np.zeros((len(k), len(q)), dtype=np.int64)
    for coefficient, term in terms:
        holds = np.ones(count.shape, dtype=bool)
        for (key, query), block in term.blocks.items():
            holds &= block[np.ix_(k[:, keys.index(key)], q[:, queries.index(query)])]
        count += coefficient * holds
    return count > 0


def _classes(
    forms: Forms, node: Node, operands: list[Node], matrix: np.ndarray, suffix: str
) -> tuple[Node, list[Value]]:
    """A node of the class of joint values with equal rows of the matrix, and the classes."""
    _, classes = np.unique(matrix, axis=0, return_inverse=True)
    numbers: list[Value] = [int(c) for c in classes.reshape(-1)]
    operands = [forms.listed(n) for n in operands]
    domains = tuple(forms.finite(n) for n in operands)
    typed = tuple(values_of(n.type) or () for n in operands)
    known = dict(
        zip((tuple(map(value_key, row)) for row in product(*domains)), numbers, strict=True)
    )
    results = tuple(known.get(tuple(map(value_key, row)), 0) for row in product(*typed))
    return forms.add(node, Map(Table(typed, results)), *operands, suffix=suffix), numbers
