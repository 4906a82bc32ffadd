"""Programs: immutable graphs of typed nodes with a header and named outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from tpir.ir.equality import Shape, fingerprint, is_isomorphic
from tpir.ir.infer import Surroundings
from tpir.ir.ops import Op
from tpir.ir.types import Type
from tpir.ir.values import Value
from tpir.span import Span

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Origin:
    """Where a node came from: a place in a model, a place in source text, or both."""

    layer: int | None = None
    part: str | None = None
    span: Span | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if self.layer is None:
            return str(self.span) if self.part is None and self.span else (self.part or "")
        return f"layer {self.layer} {self.part or ''}".rstrip()


@dataclass(frozen=True, eq=False)
class Node:
    """One op applied to operands. Immutable; compared by identity (programs compare by structure).

    ``comments`` are the comment lines above the statement it was written in.
    """

    op: Op
    operands: tuple[Node, ...]
    type: Type
    name: str
    origin: Origin | None = None
    comments: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.name}: {self.type}>"


@dataclass(frozen=True)
class Header:
    """What a program says about its inputs and labels.

    ``labels`` is the full label list of the model it came from, masked labels included, in index
    order; empty for programs without a readout. ``accepts`` is the text of the accepted form
    or None: then every non-empty sequence over the vocabulary up to the context.
    """

    vocabulary: tuple[Value, ...]
    context: int
    causal: bool = False
    labels: tuple[Value, ...] = ()
    accepts: str | None = None
    name: str = "program"

    @property
    def surroundings(self) -> Surroundings:
        """What the type rules need."""
        return Surroundings(self.vocabulary, self.context, self.causal)


@dataclass(frozen=True, eq=False)
class Program:
    """An immutable program: header, nodes in topological order, named outputs.

    Programs are equal when the graphs that their outputs reach are isomorphic (operands ordered,
    the features of a readout unordered) and their headers agree up to the name.
    """

    header: Header
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Node]

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", MappingProxyType(dict(self.outputs)))

    @property
    def name(self) -> str:
        """The program's name."""
        return self.header.name

    @property
    def vocabulary(self) -> tuple[Value, ...]:
        """The tokens it knows; never ``<pad>``."""
        return self.header.vocabulary

    @property
    def labels(self) -> tuple[Value, ...]:
        """The full label list, in index order."""
        return self.header.labels

    @property
    def context(self) -> int:
        """The longest input, in tokens, specials included."""
        return self.header.context

    @property
    def causal(self) -> bool:
        """Whether position i sees only positions up to i."""
        return self.header.causal

    @property
    def accepts(self) -> str | None:
        """The accepted form as text, if one is declared."""
        return self.header.accepts

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """The nodes by name."""
        return MappingProxyType({node.name: node for node in self.nodes})

    @cached_property
    def live(self) -> tuple[Node, ...]:
        """The nodes that the outputs reach, in topological order."""
        reached: set[Node] = set()
        stack = list(self.outputs.values())
        while stack:
            node = stack.pop()
            if node not in reached:
                reached.add(node)
                stack.extend(node.operands)
        return tuple(node for node in self.nodes if node in reached)

    @cached_property
    def users(self) -> Mapping[Node, tuple[Node, ...]]:
        """For each node, the nodes that take it as an operand, each once."""
        found: dict[Node, dict[Node, None]] = {node: {} for node in self.nodes}
        for node in self.nodes:
            for operand in node.operands:
                found[operand][node] = None
        return MappingProxyType({node: tuple(users) for node, users in found.items()})

    @cached_property
    def graph(self) -> nx.MultiDiGraph[str]:
        """A frozen networkx view: nodes by name with attributes ``op``, ``type``, ``node``.

        Edges run from operand to user; the attribute ``operand`` is the place in the operand list.
        """
        import networkx as nx  # here, as programs run without it

        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        for node in self.nodes:
            graph.add_node(node.name, op=node.op, type=node.type, node=node)
        for node in self.nodes:
            for place, operand in enumerate(node.operands):
                graph.add_edge(operand.name, node.name, key=place, operand=place)
        return nx.freeze(graph)  # type: ignore[no-any-return]

    @cached_property
    def shape(self) -> Shape:
        """What equality and the fingerprint look at."""
        header = self.header
        facts = (header.vocabulary, header.labels, header.context, header.causal, header.accepts)
        return Shape.of(facts, self.live, self.outputs)

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits; equal programs have equal fingerprints."""
        return fingerprint(self.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Program):
            return NotImplemented
        return is_isomorphic(self.shape, other.shape)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        outputs = ", ".join(self.outputs)
        return (
            f"<Program {self.name}: {len(self.nodes)} nodes, vocabulary {len(self.vocabulary)}, "
            f"context {self.context}, outputs {outputs}>"
        )


def cone(nodes: Iterable[Node]) -> frozenset[Node]:
    """The nodes and all that they depend on."""
    reached: set[Node] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node not in reached:
            reached.add(node)
            stack.extend(node.operands)
    return frozenset(reached)
