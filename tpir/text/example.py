"""What open nodes are on one input: for ``sequence("abc")``, and for the prompt's example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tpir.errors import TpirError
from tpir.ir.ops import Uniform
from tpir.ir.program import Header
from tpir.ir.values import Key, Value, distinct, value_key
from tpir.semantics.blame import blame
from tpir.semantics.columns import Column
from tpir.semantics.machine import Machine, State
from tpir.semantics.selection import selection_of
from tpir.text.explain import explain, explain_mixture
from tpir.text.open import OpenNode, TokensAs
from tpir.text.problems import Heading, RaspError
from tpir.text.scope import Applied
from tpir.text.specialise import Specialiser, cone


def input_key(tokens: Sequence[Value]) -> tuple[Key, ...]:
    """What inputs are told apart by."""
    return tuple(map(value_key, tokens))


class Example:
    """One input, and the graph that was evaluated on it so far."""

    def __init__(self, tokens: Sequence[Value]) -> None:
        self.tokens, self.key = tuple(tokens), input_key(tokens)
        vocabulary = distinct(tokens)
        header = Header(vocabulary, len(tokens), causal=False, labels=())
        codes = {value_key(token): code for code, token in enumerate(vocabulary)}
        batch = np.array([codes[key] for key in self.key], dtype=np.int64)[:, None]
        self._specialiser = Specialiser(header)
        self._machine = Machine(header, batch)
        self._fine: set[OpenNode] = set()
        self._failed: dict[OpenNode, RaspError] = {}
        self._checked = 0

    def try_out(self, wanted: OpenNode) -> None:
        """Raise RaspError, in the words of the original, unless a node can be computed."""
        for node in cone([wanted], self._fine):
            if node not in self._failed:
                error = self._error(node)
                if error is None:
                    self._fine.add(node)
                    continue
                self._failed[node] = error
            raise self._failed[node]

    def value(self, wanted: OpenNode) -> Applied:
        """What a node is on this input. Raises RaspError where it fails."""
        self.try_out(wanted)
        state = self._state(wanted)
        if isinstance(state, Column):
            return Applied(self.tokens, tuple(state.decode(1)[0]), is_selector=False)
        matrix = selection_of(state).block(slice(0, len(self.tokens)))[:, :, 0]
        return Applied(self.tokens, tuple(map(tuple, matrix.tolist())), is_selector=True)

    def _state(self, node: OpenNode) -> State:
        return self._machine.state(self._specialiser.nodes[node])

    def _error(self, node: OpenNode) -> RaspError | None:
        """Why a node cannot be computed, if it cannot; what it depends on can."""
        try:
            self._specialiser.node(node)
        except TpirError as error:
            said = explain(node.op, self._operands(node))
            return self._worded(node, error.message, error.notes, said)
        made = self._specialiser.builder.nodes[self._checked :]
        self._checked += len(made)
        failure = blame(self._machine, made)
        if failure is None:
            return None
        if isinstance(failure.node.op, Uniform):
            state = self._machine.state(failure.node.operands[0])
            assert isinstance(state, Column)
            said = explain_mixture(node.op, tuple(state.decode(1)[0]))
        else:
            said = explain(node.op, self._operands(node))
        return self._worded(node, failure.kind, failure.error().notes, said)

    def _worded(
        self,
        node: OpenNode,
        kind: str,
        notes: Sequence[str],
        said: tuple[Heading, str] | None,
    ) -> RaspError:
        heading, words = said or (Heading.WRONG, kind)
        span = node.origin.span
        message = words if heading is Heading.WRONG else kind
        return RaspError(message, said=words, heading=heading, span=span, notes=notes)

    def _operands(self, node: OpenNode) -> list[tuple[Value, ...] | tuple[tuple[bool, ...], ...]]:
        if isinstance(node.op, TokensAs):
            return [self.tokens]
        return [self.value(operand).values for operand in node.operands]
