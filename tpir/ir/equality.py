"""Equality and fingerprints of programs: graph isomorphism with ordered operands.

Colours are refined as in Weisfeiler and Leman's test: from the operands up, then from the users
down, until the partition stands. Operands are ordered and outputs are named, so in nearly every
program each node ends with a colour of its own, and equal fingerprints are an isomorphism. Where
two features of one readout stay alike, networkx searches for the isomorphism.

The features of a readout have no order here, though its sums run in operand order. Where they are
exact (see ``exact_sums``) the order means nothing; where they round, equal programs may differ in
the last bit of a logit, and ``check`` says whether a label depends on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tpir.ir.ops import Classify, ClassifyPooled

if TYPE_CHECKING:
    import networkx as nx

    from tpir.ir.program import Node


@dataclass(frozen=True)
class Shape:
    """A program reduced to what counts: facts of the header, labels of nodes, labelled edges."""

    facts: str
    labels: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]
    outputs: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, facts: object, nodes: Sequence[Node], outputs: Mapping[str, Node]) -> Shape:
        """The shape of the live nodes of a program, given in topological order."""
        number = {node: k for k, node in enumerate(nodes)}
        labels: list[str] = []
        edges: list[tuple[int, int, str]] = []
        for node in nodes:
            op = node.op
            readout = isinstance(op, Classify | ClassifyPooled)
            if isinstance(op, Classify | ClassifyPooled):
                pooled = op.over.value if isinstance(op, ClassifyPooled) else ""
                label = repr((type(op).__name__, _typed(op.labels), _typed(op.bias), pooled))
                places = [_digest(repr(weights.key)) for weights in op.weights]
            else:
                label = repr(op.key)
                places = [str(k) for k in range(len(node.operands))]
            labels.append(_digest(label))
            for place, operand in zip(places, node.operands, strict=True):
                edges.append((number[operand], number[node], ("f" if readout else "") + place))
        ends = tuple(sorted((name, number[node]) for name, node in outputs.items()))
        return cls(repr(_typed(facts)), tuple(labels), tuple(edges), ends)


def fingerprint(shape: Shape) -> str:
    """A hash that equal programs share."""
    colours = _colours(shape)
    ends = [(name, colours[k]) for name, k in shape.outputs]
    return _digest(repr((shape.facts, sorted(colours), ends)))


def is_isomorphic(left: Shape, right: Shape) -> bool:
    """Whether two shapes are the same up to the numbering of nodes."""
    if left == right:
        return True
    if fingerprint(left) != fingerprint(right):
        return False
    colours = _colours(left)
    if len(set(colours)) == len(colours):
        return True
    from networkx.algorithms import isomorphism  # here, as it is seldom needed

    matcher = isomorphism.MultiDiGraphMatcher(
        _graph(left, colours),
        _graph(right, _colours(right)),
        node_match=lambda a, b: a["colour"] == b["colour"],
        edge_match=lambda a, b: (
            sorted(e["place"] for e in a.values()) == sorted(e["place"] for e in b.values())
        ),
    )
    return bool(matcher.is_isomorphic())


def _colours(shape: Shape) -> list[str]:
    """Refine until no colour class splits any more."""
    operands: list[list[tuple[str, int]]] = [[] for _ in shape.labels]
    users: list[list[tuple[str, int]]] = [[] for _ in shape.labels]
    for source, target, place in shape.edges:
        operands[target].append((place, source))
        users[source].append((place, target))
    colours = list(shape.labels)
    for name, k in shape.outputs:
        colours[k] = _digest(f"{colours[k]} output {name}")
    classes = 0
    while len(set(colours)) > classes:
        classes = len(set(colours))
        for k in range(len(colours)):  # operands come first: one sweep carries all of them up
            below = sorted((place, colours[source]) for place, source in operands[k])
            colours[k] = _digest(repr((colours[k], below)))
        for k in reversed(range(len(colours))):
            above = sorted((place, colours[target]) for place, target in users[k])
            colours[k] = _digest(repr((colours[k], above)))
    return colours


def _graph(shape: Shape, colours: Sequence[str]) -> nx.MultiDiGraph[int]:
    import networkx as nx

    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    for k, colour in enumerate(colours):
        graph.add_node(k, colour=colour)
    for source, target, place in shape.edges:
        graph.add_edge(source, target, place=place)
    return graph


def _typed(part: object) -> object:
    if isinstance(part, tuple):
        return tuple(_typed(p) for p in part)
    if isinstance(part, float):
        return part + 0.0
    return (type(part).__name__, part)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
