"""Questions about nodes, answered under cuts that are opened where they mislead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from tpir.equiv.smt.circuit import FALSE, Literal
from tpir.equiv.smt.encoder import Encoder, Merge
from tpir.equiv.smt.frame import Frame
from tpir.equiv.smt.functions import Plans
from tpir.equiv.smt.solvers import Oracle, OutOfTime
from tpir.equiv.smt.summaries import exact_key
from tpir.errors import TpirError
from tpir.ir.ops import Indices, Tokens
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector
from tpir.passes.failing import can_fail
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.reachable import reachable_cells
from tpir.semantics.space import InputSpace

Codes = tuple[int, ...]


class Found(Enum):
    """What came of a question."""

    NEVER = "never"
    """It holds on no input of the length."""
    ONCE = "once"
    """There is an input, and the interpreter agrees."""
    OPEN = "open"
    """The solver gave up."""


@dataclass(frozen=True)
class Finding:
    """An answer, and for ``ONCE`` the input as indices of the space's vocabulary."""

    found: Found
    codes: Codes | None = None


@dataclass
class Cones:
    """The program whose nodes may be cut, on a space; and what is known about both programs.

    ``merges`` grows as pairs are proved. Nodes that can fail, or depend on one that can, are never
    cut: where a node fails its users have no value, which a variable could not say.
    """

    program: Program
    space: InputSpace
    oracle: Oracle
    merges: dict[Node, Merge] = field(default_factory=dict)
    plans: Plans = field(default_factory=Plans)
    deepened: int = 0
    """How often cuts were opened."""
    _frames: dict[int, Frame] = field(default_factory=dict)
    _fine: dict[Node, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._interpreter = Interpreter(self.program)
        self._fine = {node: _is_cuttable(node) for node in self.program.live}
        self.same_tokens = self.space.vocabulary == self.program.vocabulary
        codes = {token: k for k, token in enumerate(map(exact_key, self.program.vocabulary))}
        self._recode = np.array([codes[exact_key(t)] for t in self.space.vocabulary])

    def frame(self, length: int) -> Frame:
        """The variables of a length, made once."""
        if length not in self._frames:
            known = self.same_tokens
            cells = reachable_cells(self.program, self.space, length) if known else {}
            self._frames[length] = Frame(self.space, length, cells)
        return self._frames[length]

    def forget(self, length: int) -> None:
        """Free the circuit of a length."""
        self._frames.pop(length, None)

    def encoder(self, length: int, opened: frozenset[Node]) -> Encoder:
        """Elements under cuts at all nodes but those that are opened."""
        frame = self.frame(length)

        def is_cut(node: Node) -> bool:
            return self._fine.get(node, False) and node not in opened and frame.cuttable(node)

        return Encoder(
            frame, self.program.header, self.plans, self.merges, is_cut, self.oracle.clock
        )

    def decide(
        self,
        length: int,
        opened: set[Node],
        question: Callable[[Encoder], Literal],
        really: Callable[[Codes], bool],
    ) -> Finding:
        """Whether a question holds on some input of a length. ``opened`` grows.

        An answer under cuts is replayed: ``really`` says whether the input shows what is asked. If
        not, the cuts that had other values than the program gives are opened, and it is asked anew.

        Raises TpirError where an answer with no cut misleading it is not confirmed.
        """
        while True:
            encoder = self.encoder(length, frozenset(opened))
            frame = encoder.frame
            try:
                wanted = question(encoder)
            except OutOfTime:
                return Finding(Found.OPEN)
            if wanted == FALSE:
                return Finding(Found.NEVER)
            answer = self.oracle.satisfy(frame.circuit, frame.within(wanted))
            if answer.impossible:
                return Finding(Found.NEVER)
            if answer.model is None:
                return Finding(Found.OPEN)
            codes = frame.input_of(answer.model)
            if really(codes):
                return Finding(Found.ONCE, codes)
            misled = self._misled(frame, wanted, answer.model, codes) - opened
            if not misled:
                raise TpirError(
                    "the prover's circuit and the interpreter disagree on the input "
                    f"{self.space.decode(codes)}; please report this"
                )
            self.deepened += 1
            opened |= misled

    def _misled(
        self, frame: Frame, wanted: Literal, model: Mapping[int, bool], codes: Codes
    ) -> set[Node]:
        """The nodes whose variables have other values than the program gives on an input."""
        states, _ = self._interpreter.states(self._recode[np.array(codes)][:, None])
        truth = frame.evaluate(model)
        wrong: set[Node] = set()
        for (node, position), summary in frame.cuts_in(wanted).items():
            column = states[node]
            assert isinstance(column, Column)
            actual = exact_key(column.at(position))
            held = [k for k, x in zip(summary.keys, summary.literals, strict=True) if truth(x)]
            if held != [actual]:
                wrong.add(node)
        return wrong


def _is_cuttable(node: Node) -> bool:
    if isinstance(node.op, Tokens | Indices) or isinstance(node.type, Selector | Pooled):
        return False
    return not can_fail(node)
