"""Attention heads as selectors, and what they copy, count or take the mean of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tpir.ir.ops import Otherwise, Preference, SelectorWidth
from tpir.ir.program import Node, Origin
from tpir.lowering.tensors import Tensors
from tpir.lowering.transformer.copies import add_copies
from tpir.lowering.transformer.means import add_means
from tpir.lowering.transformer.numbers import Codes, Floats
from tpir.lowering.transformer.ranking import Ranking, ranking_of
from tpir.lowering.transformer.reserve import first_in_reserve
from tpir.lowering.transformer.scores import GAP, Component, Kind, Misread, Unclear, pattern_of
from tpir.lowering.transformer.selectors import Selectors
from tpir.lowering.transformer.stream import Read, Stream, Variable
from tpir.lowering.transformer.sums import with_sums
from tpir.lowering.transformer.written import Written, written_by

NO_ORDER = Ranking(Preference.CLOSEST)
"""For selectors of one position at most, where every order says the same."""


def add_attention(stream: Stream, tensors: Tensors, block: int, shapes: tuple[int, int]) -> None:
    """Put into the stream what the heads of a block write.

    ``shapes``: how many heads, and their width. Raises TpirError, naming block and head, where
    their numbers are no program.
    """
    heads, size = shapes
    width = len(stream.base)
    prefix = f"blocks.{block}.attn."
    weights = {n: tensors.read(f"{prefix}W_{n}", heads, width, size) for n in "QKV"}
    biases = {n: tensors.read(f"{prefix}b_{n}", heads, size) for n in "QKV"}
    out = tensors.read(f"{prefix}W_O", heads, size, width)
    constant = tensors.read(f"{prefix}b_O", width)
    found: list[tuple[Floats, list[Variable]]] = []
    moved = constant.copy()
    for h in range(heads):
        if not out[h].any():
            continue
        head = _Head(stream, block, h)
        scale = math.sqrt(size)
        queries = with_sums(stream, stream.read(weights["Q"][h] / scale, biases["Q"][h] / scale))
        keys = with_sums(stream, stream.read(weights["K"][h], biases["K"][h]))
        value = weights["V"][h] @ out[h], biases["V"][h] @ out[h]
        try:
            if stream.bos is not None:
                sink = stream.bos @ weights["K"][h] + biases["K"][h]
                own = stream.bos @ weights["Q"][h] / math.sqrt(size)
                _check_bos(own + biases["Q"][h] / math.sqrt(size), keys, sink, stream)
                moved = moved + stream.bos @ value[0] + value[1]
                found.append(head.run(keys, queries, sink, value))
            else:
                found.append(head.run(keys, queries, None, value))
        except Unclear as problem:
            message = f"block {block}, head {h} computes no program: {problem}"
            raise Misread(message, problem.variables) from problem
    stream.base = stream.base + constant
    for base, variables in found:
        stream.base = stream.base + base
        for variable in variables:
            stream.add(variable)
    if stream.bos is not None:
        stream.bos = stream.bos + moved


def _check_bos(query: Floats, keys: Read, sink: Floats, stream: Stream) -> None:
    """The token of beginning must attend to itself alone, so that it is the same for all inputs."""
    if stream.causal:
        return
    most = float(query @ (keys.base - sink))
    most += sum(float((rows @ query).max()) for rows in keys.rows.values())
    if most > -GAP:
        raise Unclear("the token of beginning attends to the input")


class _Head:
    def __init__(self, stream: Stream, block: int, head: int) -> None:
        self.stream = stream
        self.name = f"head_{block}_{head}"
        self.origin = Origin(block, f"head {head}")

    def run(
        self, keys: Read, queries: Read, sink: Floats | None, value: tuple[Floats, Floats]
    ) -> tuple[Floats, list[Variable]]:
        """What the head adds to the base of the stream, and its variables."""
        stream = self.stream
        read = with_sums(stream, stream.read(*value))
        at_sink = None if sink is None or stream.bos is None else stream.bos @ value[0] + value[1]
        written = written_by(stream, read, at_sink, self.name, self.origin)
        pattern = pattern_of(keys, queries, sink, stream.indices)
        if pattern.kind is Kind.NOTHING:
            assert at_sink is not None
            return at_sink, []
        header = stream.builder.header
        self.selectors = Selectors(stream, written.name, self.origin)
        if pattern.kind is Kind.COUNT:
            return self._count(pattern.components, written)
        components = pattern.components
        looked_up = self._looked_up(components, written)
        if looked_up is not None:
            return looked_up
        reserved = first_in_reserve(components, stream.indices)
        if reserved is not None:
            whole = self.selectors.all_of(reserved) or self.selectors.everything()
            first = Ranking(Preference.FIRST)
            chosen = self.selectors.chosen(whole, first, Otherwise.FIRST)
            return add_copies(stream, written, chosen, may_fail=False)
        ranking = ranking_of(components, stream.indices, header.context, header.causal)
        selector = self.selectors.all_of(components)
        if ranking is None and selector is not None and self._is_single(components):
            ranking = NO_ORDER
        if ranking is None:
            return self._mean(selector, written)
        everything = selector is None
        otherwise = Otherwise.FIRST if everything else Otherwise.NONE
        chosen = self.selectors.chosen(selector or self.selectors.everything(), ranking, otherwise)
        return add_copies(stream, written, chosen, otherwise is Otherwise.NONE)

    def _count(
        self, components: Sequence[Component], written: Written
    ) -> tuple[Floats, list[Variable]]:
        """The token of beginning and n keys share the weight: each has 1 / (1 + n) of it."""
        if written.read.rows or written.at_sink is None:
            raise Unclear("it counts keys whose values differ")
        node = self._width(self.selectors.all_of(components), written.name)
        numbers = range(self.stream.builder.header.context + 1)
        share = np.array([1.0 / (1 + n) for n in numbers])
        rows = share[:, None] * (written.at_sink - written.read.base)
        return written.read.base, [Variable(node, tuple(numbers), rows)]

    def _width(self, selector: Node | None, name: str) -> Node:
        found = selector or self.selectors.everything()
        return self.stream.builder.add(SelectorWidth(), [found], name=name, origin=self.origin)

    def _mean(self, selector: Node | None, written: Written) -> tuple[Floats, list[Variable]]:
        indices = self.stream.indices
        rows = written.read.rows
        first = _first_only(rows[indices]) if list(rows) == [indices] else None
        if selector is None and first is not None:
            node = self._width(None, written.name)
            n = np.arange(self.stream.builder.header.context + 1)
            share = 1.0 / np.maximum(n, 1)
            added = share[:, None] * first
            return written.read.base - first, [Variable(node, tuple(n.tolist()), added, never=0)]
        if selector is None:  # the token of beginning is never all that is left
            written = replace(written, at_sink=None)
        return add_means(self.stream, written, selector or self.selectors.everything())

    def _is_single(self, components: Sequence[Component]) -> bool:
        """Whether no query can select two positions."""
        indices = self.stream.indices
        for component in components:
            if component.keys == (indices,):
                classes = component.classes[True, indices]
                selected = component.selected[classes]
                if (selected.sum(axis=0) <= 1).all():
                    return True
        return False

    def _looked_up(
        self, components: Sequence[Component], written: Written
    ) -> tuple[Floats, list[Variable]] | None:
        """A head that finds position n - 1 for a count n, which is there whenever n is not 0.

        What it reads of the position is then a function of the count.
        """
        indices = self.stream.indices
        if len(components) != 1 or set(written.read.rows) - {indices}:
            return None
        (component,) = components
        if component.keys != (indices,) or len(component.queries) != 1:
            return None
        count = component.queries[0]
        if not isinstance(count.node.op, SelectorWidth) or written.at_sink is None:
            return None
        key, query = component.classes[True, indices], component.classes[False, count]
        scores = component.scores[np.ix_(key, query)]
        selected = component.selected[np.ix_(key, query)]
        if selected[:, 0].any() or not selected[:, 1:].any(axis=0).all():
            return None
        best: Codes = np.where(selected, scores, -np.inf)[:, 1:].argmax(axis=0)
        ranked = np.sort(np.where(selected, scores, -np.inf)[:, 1:], axis=0)
        clear = len(ranked) < 2 or (ranked[-1] - ranked[-2] >= GAP).all()
        if not clear or (best != np.arange(len(best))).any():
            return None
        width, context = len(written.at_sink), len(key)
        added = written.read.rows.get(indices, np.zeros((context, width)))
        rows = np.concatenate([written.at_sink[None], written.read.base + added])
        return np.zeros(width), [Variable(count.node, count.values, rows)]


def _first_only(rows: Floats) -> Floats | None:
    """What position 0 adds, if all others add the same: rows count from that of position 0."""
    if len(rows) > 1 and (rows[1:] == rows[1]).all():
        return np.asarray(-rows[1])
    return None
