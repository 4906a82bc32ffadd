"""Selectors that are no conjunction, as one relation of two new variables."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from tpir.backends.transformer.domains import MAX_ROWS
from tpir.backends.transformer.forms import Forms, refusal
from tpir.backends.transformer.selection import MAX_PAIRS, Bools, Polynomial
from tpir.backends.transformer.tables import Codes
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
    folds = [[_folded(terms, n, side) for n in ns] for side, ns in enumerate((keys, queries))]
    sizes = [math.prod(len(forms.finite(n)) for n in side) for side in (keys, queries)]
    classes = [math.prod(int(fold.max()) + 1 for fold in side) for side in folds]
    if max(sizes) > MAX_ROWS or math.prod(classes) > MAX_PAIRS:
        raise refusal(node, f"{selector.name} combines variables of {sizes} joint values")
    matrix = _joint(terms, keys, queries, folds)
    key, key_class = _classes(forms, node, keys, matrix, folds[0], "_keys")
    query, query_class = _classes(forms, node, queries, matrix.T, folds[1], "_queries")
    rows = []
    for value in values_of(query.type) or ():
        column = matrix[:, query_class.index(value)]
        matched = {key_class[k] for k in np.flatnonzero(column)}
        rows.append(sorted_values(tuple(matched)))
    relation = Relation(values_of(query.type) or (), tuple(rows))
    return forms.add(node, Select(relation), key, query, suffix="_select")


def _folded(terms: Polynomial, node: Node, side: int) -> Codes:
    """A class for each value of a key (side 0) or query: what is in a block with one is with all.

    They are numbered as they come.
    """
    blocks = [
        block if side == 0 else block.T
        for _, term in terms
        for pair, block in term.blocks.items()
        if pair[side] is node
    ]
    stacked = np.concatenate(blocks, axis=1)
    _, first, codes = np.unique(stacked, axis=0, return_index=True, return_inverse=True)
    rank: Codes = np.argsort(np.argsort(first))[codes.reshape(-1)]
    return rank


def _joint(
    terms: Polynomial, keys: list[Node], queries: list[Node], folds: list[list[Codes]]
) -> Bools:
    """The selector over joint classes of values [keys, queries]."""
    k, q = (
        np.array(list(product(*(np.unique(fold, return_index=True)[1].tolist() for fold in side))))
        for side in folds
    )
    count = np.zeros((len(k), len(q)), dtype=np.int64)
    for coefficient, term in terms:
        holds = np.ones(count.shape, dtype=bool)
        for (key, query), block in term.blocks.items():
            holds &= block[np.ix_(k[:, keys.index(key)], q[:, queries.index(query)])]
        count += coefficient * holds
    return count > 0


def _classes(
    forms: Forms,
    node: Node,
    operands: list[Node],
    matrix: Bools,
    folds: list[Codes],
    suffix: str,
) -> tuple[Node, list[Value]]:
    """A node of the class of joint values with equal rows of the matrix, and the classes."""
    _, classes = np.unique(matrix, axis=0, return_inverse=True)
    numbers: list[Value] = [int(c) for c in classes.reshape(-1)]
    sizes = [int(fold.max()) + 1 for fold in folds]
    places = np.ravel_multi_index(tuple(np.meshgrid(*folds, indexing="ij")), sizes).reshape(-1)
    joint = [numbers[k] for k in places.tolist()]
    operands = [forms.listed(n) for n in operands]
    domains = tuple(forms.finite(n) for n in operands)
    typed = tuple(values_of(n.type) or () for n in operands)
    known = dict(zip((tuple(map(value_key, row)) for row in product(*domains)), joint, strict=True))
    results = tuple(known.get(tuple(map(value_key, row)), 0) for row in product(*typed))
    return forms.add(node, Map(Table(typed, results)), *operands, suffix=suffix), numbers
