"""What a pass is: an immutable object that makes a program from a program, and says what it did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, TypeVar

from tpir.ir.adapt import adapt
from tpir.ir.builder import Builder
from tpir.ir.functions import Relation, ScoreTable, Table, TableWeights
from tpir.ir.infer import infer
from tpir.ir.ops import Choose, Classify, ClassifyPooled, Indices, Map, Op, Select
from tpir.ir.program import Node, Program
from tpir.passes.narrowing import fits, pinned_types

_Fact = TypeVar("_Fact")


@dataclass(frozen=True)
class PassResult:
    """The new program; whether it differs (if not, it is the old object); one line for each
    rewrite.

    ``notes`` also say why a rewrite that suggests itself was not done. ``witness`` names, for nodes
    of the old program, the node of the new one that is meant to stand for it: a hint for whoever
    proves the two equal, not a promise. Empty where nothing changed or the pass does not say.
    """

    program: Program
    changed: bool
    notes: tuple[str, ...] = ()
    witness: Mapping[str, str] = field(default_factory=dict, compare=False)


class Pass(ABC):
    """One simplification. Subclasses are frozen dataclasses; their fields are the options.

    ``run`` is pure and deterministic, never raises the pass's own ``measure``, and run again on its
    own result it changes nothing.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, program: Program) -> PassResult:
        """Simplify a program. What is returned means the same on every accepted input."""

    @abstractmethod
    def measure(self, program: Program) -> tuple[int, ...]:
        """What the pass never makes larger, compared lexicographically."""


@dataclass(frozen=True)
class Size:
    """How large a program is: nodes, and rows of all its tables, relations, scores and readouts."""

    nodes: int
    rows: int


def size_of_program(program: Program) -> Size:
    """Count nodes and rows, dead ones included."""
    return Size(len(program.nodes), sum(rows_of(node.op) for node in program.nodes))


def live_edges(program: Program) -> int:
    """How many operands the live nodes read, ``indices`` aside: that one is always there."""
    return sum(not isinstance(o.op, Indices) for node in program.live for o in node.operands)


def rows_of(op: Op) -> int:
    """How many rows the finite functions of an op have."""
    match op:
        case Map(Table(_, results)):
            return len(results)
        case Select(Relation(_, rows)):
            return len(rows)
        case Choose(score=ScoreTable(_, _, rows)):
            return len(rows)
        case Classify(weights=weights) | ClassifyPooled(weights=weights):
            return sum(len(w.rows) if isinstance(w, TableWeights) else 1 for w in weights)
    return 0


class Rewriting:
    """A program being rebuilt node by node: what rules use to make replacements."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.builder = Builder(program.header)
        self.changed = False
        self.notes: list[str] = []
        self._new: dict[Node, Node] = {}
        self._indices: Node | None = None

    @cached_property
    def _pinned(self) -> frozenset[Node]:
        return pinned_types(self.program)

    def replace(self, old: Node, op: Op, operands: tuple[Node, ...], why: str) -> Node | None:
        """A new node in the place of ``old``, with its name, origin and comments.

        None if its type is not one that the users of ``old`` can take.
        """
        type_ = infer(op, [o.type for o in operands], self.program.header.surroundings)
        if not fits(type_, old.type) or (type_ != old.type and old in self._pinned):
            self.refuse(old, f"{why}: its users could not take {type_} for {old.type}")
            return None
        self.note(old, why)
        return self.builder.add(
            op, operands, name=old.name, origin=old.origin, comments=old.comments
        )

    def alias(self, old: Node, new: Node, why: str) -> Node | None:
        """Let the users of ``old`` read ``new``, a node of the new program.

        None if its type is not one that they can take.
        """
        if not fits(new.type, old.type) or (new.type != old.type and old in self._pinned):
            self.refuse(old, f"{why}: its users could not take {new.type} for {old.type}")
            return None
        self.note(old, why)
        return new

    def note(self, node: Node, why: str) -> None:
        """Record that a node was rewritten."""
        self.changed = True
        self.notes.append(f"{node.name}: {why}")

    def refuse(self, node: Node, why: str) -> None:
        """Record why a rewrite was not done."""
        self.notes.append(f"{node.name}: kept, {why}")

    def indices(self) -> Node:
        """The node of the positions, made if the program has none so far."""
        if self._indices is None:
            self._indices = self.builder.add(Indices(), name="indices")
        return self._indices

    def new(self, old: Node) -> Node:
        """What a node of the old program has become."""
        return self._new[old]

    def run(self, rule: Rule) -> PassResult:
        """Apply a rule to every node, operands first; None from the rule copies the node."""
        for node in self.program.nodes:
            operands = tuple(self._new[operand] for operand in node.operands)
            self._new[node] = self._step(rule, node, operands)
        if not self.changed:
            return PassResult(self.program, False, tuple(self.notes))
        outputs = {name: self._new[node] for name, node in self.program.outputs.items()}
        witness = {old.name: new.name for old, new in self._new.items()}
        return PassResult(self.builder.build(outputs), True, tuple(self.notes), witness)

    def _step(self, rule: Rule, node: Node, operands: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Indices):
            if self._indices is None:
                self._indices = self.builder.copy(node, operands)
            return self._indices
        made = rule(self, node, operands)
        return self.copy(node, operands) if made is None else made

    def copy(self, node: Node, operands: tuple[Node, ...]) -> Node:
        """The node on new operands, fitted to their types."""
        return self.builder.add(
            self.fitted(node, operands),
            operands,
            name=node.name,
            origin=node.origin,
            comments=node.comments,
        )

    def fitted(self, node: Node, operands: tuple[Node, ...]) -> Op:
        """The op of a node, cut to what its new operands can be."""
        return self.cut(node.op, operands)

    def cut(self, op: Op, operands: tuple[Node, ...]) -> Op:
        """An op with its finite functions cut to the types of operands."""
        return adapt(op, [operand.type for operand in operands])


Rule = Callable[[Rewriting, Node, tuple[Node, ...]], Node | None]
"""From a node and its new operands to the node that replaces it, or None to keep it."""


def rewrite(program: Program, rule: Rule) -> PassResult:
    """Rebuild a program by a rule. The old program comes back if the rule never applied."""
    return Rewriting(program).run(rule)


def then(first: PassResult, step: Callable[[Program], PassResult]) -> PassResult:
    """One more step after a result, as one result."""
    second = step(first.program)
    notes = (*first.notes, *second.notes)
    witness = _composed(first, second)
    return PassResult(second.program, first.changed or second.changed, notes, witness)


def for_each(
    program: Program,
    facts: Mapping[Node, _Fact],
    step: Callable[[Program, Node, _Fact], PassResult],
) -> PassResult:
    """A step for each of some nodes, with what is known of it, as one result."""
    result = PassResult(program, False)
    for node, fact in facts.items():

        def of_node(now: Program, node: Node = node, fact: _Fact = fact) -> PassResult:
            return step(now, node, fact)

        result = then(result, of_node)
    return result


def _composed(first: PassResult, second: PassResult) -> Mapping[str, str]:
    """What stands for the nodes of the first program in the last."""
    if not first.changed or not second.changed:
        return second.witness if second.changed else first.witness
    pairs = first.witness.items()
    return {old: second.witness[new] for old, new in pairs if new in second.witness}


def until_stable(program: Program, step: Callable[[Program], PassResult]) -> PassResult:
    """Repeat a step until it changes nothing."""
    total = step(program)
    last = total
    while last.changed:
        last = step(last.program)
        notes, witness = (*total.notes, *last.notes), _composed(total, last)
        total = PassResult(last.program, True, notes, witness)
    return total
