"""SAT sweeping over two programs: pairs of nodes that are equal, proved from the inputs on.

Nodes of the second program that are a function of a node of the first on a sample of inputs are
candidates; so are nodes of one name, which passes keep. Each pair is proved on its own, operands
cut to variables, and the nodes above it then share what was proved. (Mishchenko et al., "FRAIGs: a
unifying representation for logic synthesis and verification", 2005.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tpir.equiv.smt.circuit import Literal
from tpir.equiv.smt.cones import Codes, Cones, Finding, Found
from tpir.equiv.smt.encoder import Encoder, Merge, positions_of
from tpir.equiv.smt.readout_bounds import label_never_differs
from tpir.equiv.smt.samples import Samples, comparable
from tpir.equiv.smt.solvers import Clock
from tpir.equiv.smt.summaries import Unsupported, differing, renamed
from tpir.ir.ops import Classify, Indices, Map, Tokens
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector
from tpir.ir.values import Key, Value, value_key
from tpir.passes.failing import can_fail

TRIES = 8
"""Candidates that are tried for one node, refined ones included."""

SHARE = 0.1
"""Of the time that is left, what one pair may take."""


@dataclass
class Sweep:
    """Merges nodes of two programs as far as they can be proved equal.

    ``witness``: from names of nodes of the second program to those of the first that they stand
    for, if a pass says so; equal names are tried without.
    """

    cones: Cones
    samples: Samples
    left: Program
    right: Program
    lengths: Sequence[int]
    witness: Mapping[str, str] = field(default_factory=dict)
    paired: int = 0
    apart: list[Codes] = field(default_factory=list)
    """Inputs on which a candidate turned out to be none."""
    _settled: set[object] = field(default_factory=set)

    @property
    def merges(self) -> dict[Node, Merge]:
        """What is known so far."""
        return self.cones.merges

    def run(self) -> None:
        """Go through both programs, operands first."""
        known: dict[object, Node] = {}
        representatives: list[Node] = []
        done: set[Node] = set()
        for program in (self.left, self.right):
            for node in program.live:
                if node in done:  # the two share nodes
                    self.paired += 1
                    continue
                done.add(node)
                name = self._structure(node)
                if name is not None and name in known:
                    self._merge(node, Merge(known[name]), program)
                elif self._by_proof(node, program, representatives):
                    self.paired += program is self.right
                else:
                    if program is self.left:
                        representatives.append(node)
                    if name is not None:
                        known[name] = node

    def _merge(self, node: Node, merge: Merge, program: Program) -> None:
        self.merges[node] = merge
        self.paired += program is self.right

    def _structure(self, node: Node) -> object | None:
        """What makes two nodes equal as they stand: one op on equal operands of equal types."""
        parts: list[object] = [node.op.key]
        for operand in node.operands:
            merge = self.merges.get(operand)
            if merge is not None and merge.function is not None:
                parts.append((operand, None))
            else:
                parts.append((operand if merge is None else merge.of, operand.type.key))
        return tuple(parts)

    def _by_proof(self, node: Node, program: Program, representatives: list[Node]) -> bool:
        """Whether the node is proved to be a function of an earlier one."""
        if isinstance(node.op, Tokens | Indices):
            return False
        if can_fail(node):
            return False
        tried: set[Node] = set()
        for _ in range(TRIES):
            candidate = next(self._candidates(node, program, representatives, tried), None)
            if candidate is None:
                return False
            of, merge = candidate
            finding = self._prove(node, of, merge)
            if finding.found is Found.NEVER:
                self.merges[node] = merge
                return True
            if finding.codes is None:
                tried.add(of)
            else:
                self.samples.add([finding.codes])
                self.apart.append(finding.codes)
        return False

    def _candidates(
        self, node: Node, program: Program, representatives: list[Node], tried: set[Node]
    ) -> Iterator[tuple[Node, Merge]]:
        """The earlier nodes that this one agrees with on the samples, the likeliest first."""
        if not len(self.samples.of(node)):
            return
        possible = [
            r for r in representatives if comparable(r, node) and r not in tried and not can_fail(r)
        ]
        name = self.witness.get(node.name, node.name)
        if program is self.left:
            # Within a program only what is the same: functions of it are what it computes.
            possible = [r for r in possible if r.type == node.type]
        possible.sort(key=lambda r: (r.name != name, not isinstance(r.op, Tokens | Indices)))
        own = self.samples.of(node)
        for other in possible:
            if np.array_equal(own, self.samples.of(other)):
                yield other, Merge(other)
        if program is self.left or isinstance(node.type, Selector):
            return
        for other in possible:
            function = self.samples.function(other, node)
            if function is not None:
                value = self.samples.value_of
                by_key: dict[Key, Value] = {
                    value_key(value(a)): value(b) for a, b in function.items()
                }
                yield other, Merge(other, by_key)

    def _prove(self, node: Node, of: Node, merge: Merge) -> Finding:
        """Whether the node ever is anything but the function of the other one."""
        try:
            if merge.function is None and label_never_differs(self.cones, of, node, self.lengths):
                return Finding(Found.NEVER)
            return self._for_each_length(node, of, merge)
        except Unsupported:
            return Finding(Found.OPEN)

    def _for_each_length(self, node: Node, of: Node, merge: Merge) -> Finding:
        oracle = self.cones.oracle
        whole = oracle.clock
        oracle.clock = Clock(whole.left * SHARE)
        opened: set[Node] = {of}
        try:
            for length in self.lengths:
                question = _Question(self, node, of, merge, length)
                finding = self.cones.decide(length, opened, question.ask, question.really)
                if finding.found is not Found.NEVER:
                    return finding
                self._settled |= question.settled
            return Finding(Found.NEVER)
        finally:
            oracle.clock = whole


@dataclass
class _Question:
    """Whether a node differs from a function of another one, at some position of a length."""

    sweep: Sweep
    node: Node
    of: Node
    merge: Merge
    length: int
    _asked: set[object] = field(default_factory=set)

    def ask(self, encoder: Encoder) -> Literal:
        """The literal of a difference; positions that look like settled ones are left out."""
        cases = []
        self._asked = set()
        for i in positions_of(self.node, self.length):
            name = self._name(encoder, i)
            if name is not None and name in self.sweep._settled:
                continue
            cases.append(self._at(encoder, i))
            if name is not None:
                self._asked.add(name)
        return encoder.frame.circuit.any(cases)

    @property
    def settled(self) -> set[object]:
        """The names of the positions that were asked about last."""
        return self._asked

    def _at(self, encoder: Encoder, i: int) -> Literal:
        circuit = encoder.frame.circuit
        if isinstance(self.node.type, Selector):
            pairs = zip(encoder.row(self.node, i), encoder.row(self.of, i), strict=True)
            return circuit.any(circuit.differ(a, b) for a, b in pairs)
        node, of = encoder.element(self.node, i), encoder.element(self.of, i)
        function = self.merge.function
        if function is None:
            return differing(circuit, node, of)
        expected = renamed(circuit, of, lambda value: function.get(value_key(value)))
        strange = circuit.any(
            x for v, x in zip(of.values, of.literals, strict=True) if value_key(v) not in function
        )
        return circuit.either(strange, differing(circuit, node, expected))

    def _name(self, encoder: Encoder, i: int) -> object | None:
        """What the question at a position depends on, where it looks at that position alone."""
        leaves = self._leaves(encoder)
        if leaves is None:
            return None
        frame = encoder.frame
        parts: list[object] = [self.node, self.of, frame.codes_at(i)]
        for leaf in leaves:
            parts += (leaf, i if isinstance(leaf.op, Indices) else frame.signature(leaf, i))
        return tuple(parts)

    def _leaves(self, encoder: Encoder) -> list[Node] | None:
        """The variables that both nodes are made of, by maps and readouts alone."""
        leaves: dict[Node, None] = {}
        stack = [self.node, self.of]
        while stack:
            node = stack.pop()
            merge = encoder.merges.get(node)
            if merge is not None:
                stack.append(merge.of)
            elif isinstance(node.op, Tokens | Indices) or encoder.is_cut(node):
                leaves[node] = None
            elif isinstance(node.op, Map | Classify):
                stack += node.operands
            else:
                return None
        return list(leaves)

    def really(self, codes: Codes) -> bool:
        """Whether the two differ on an input."""
        return self.sweep.samples.differ(self.node, self.of, self.merge.function, codes)
