"""The inputs of one length as free variables, and variables that stand for nodes (cuts)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.smt.circuit import TRUE, Circuit, Literal
from tpir.equiv.smt.summaries import Summary, Unsupported
from tpir.equiv.smt.words import decoded
from tpir.ir.program import Node
from tpir.ir.types import size_of, values_of
from tpir.ir.values import Value
from tpir.semantics.automaton import DEAD
from tpir.semantics.space import InputSpace

Bools = NDArray[np.bool_]

MAX_CUT = 2**13
"""A sequence of more values than this is not cut."""


class Frame:
    """All inputs of a length: a circuit with a variable token at each position.

    ``cells``: what each sequence can be at a position with a token (see
    ``tpir.semantics.reachable``). Every question is asked together with the accepted form, and with
    the cells of the cuts that it involves.
    """

    def __init__(self, space: InputSpace, length: int, cells: Mapping[Node, Bools]) -> None:
        self.length, self.space, self.circuit = length, space, Circuit()
        self._cells = cells
        self._cuts: dict[tuple[Node, int], Summary] = {}
        self._owner: dict[int, tuple[Node, int]] = {}
        possible = space.possible_tokens()[length]
        self._codes = [sorted(found) for found in possible]
        self.tokens = [
            self._variable([space.vocabulary[code] for code in codes])[0] for codes in self._codes
        ]
        self.form = self._accepted()

    def _variable(self, values: list[Value]) -> tuple[Summary, list[int]]:
        """A variable over some values, and the inputs of the circuit that it is made of."""
        bits = [self.circuit.input() for _ in range((len(values) - 1).bit_length())]
        literals = decoded(self.circuit, bits, range(len(values)))
        return Summary(tuple(values), tuple(literals)), [bit >> 1 for bit in bits]

    def _accepted(self) -> Literal:
        """Whether the tokens make an input of the space: a walk through its automaton."""
        circuit, automaton = self.circuit, self.space.automaton
        completable = automaton.completable(self.length)
        states: dict[int, Literal] = {automaton.start: TRUE}
        for position, codes in enumerate(self._codes):
            following: dict[int, list[Literal]] = {}
            alive = completable[self.length - position - 1]
            for state, literal in states.items():
                row = automaton.step_tokens(state)
                for code, token in zip(codes, self.tokens[position].literals, strict=True):
                    to = int(row[code])
                    if to != DEAD and alive[to]:
                        following.setdefault(to, []).append(circuit.both(literal, token))
            states = {to: circuit.any(cases) for to, cases in following.items()}
        return circuit.any(states.values())

    def varied(self, position: int) -> Frame:
        """The same inputs with any token at one position; for nodes that are not cut."""
        other = copy(self)
        other.tokens = list(self.tokens)
        values = [self.space.vocabulary[code] for code in self._codes[position]]
        other.tokens[position], _ = self._variable(values)
        other.form = other._accepted()
        return other

    def cuttable(self, node: Node) -> bool:
        """Whether a variable can stand for a node."""
        size = size_of(node.type)
        return size is not None and (size <= MAX_CUT or node in self._cells)

    def cut(self, node: Node, position: int) -> Summary:
        """The variable that stands for a node at a position."""
        found = self._cuts.get((node, position))
        if found is None:
            values = values_of(node.type)
            if values is None:
                raise Unsupported(f"{node.name} has no finite set of values")
            codes = self._possible(node, position)
            known = values if codes is None else [values[k] for k in codes]
            found, inputs = self._variable(list(known))
            self._cuts[node, position] = found
            self._owner.update(dict.fromkeys(inputs, (node, position)))
        return found

    def _possible(self, node: Node, position: int) -> list[int] | None:
        cells = self._cells.get(node)
        if cells is None:
            return None
        codes = np.flatnonzero(cells[position].any(axis=0)).tolist()
        return codes or [0]

    def codes_at(self, position: int) -> tuple[int, ...]:
        """The tokens that can stand at a position, as indices of the space's vocabulary."""
        return tuple(self._codes[position])

    def cells_of(self, node: Node) -> Bools:
        """[i, t, v]: the values of a finite sequence; an axis t of size 1 is for all tokens."""
        cells = self._cells.get(node)
        if cells is None:
            return np.ones((self.length, 1, size_of(node.type) or 0), dtype=np.bool_)
        return cells

    def signature(self, node: Node, position: int) -> bytes:
        """What a cut says about a node at a position, as a name."""
        cells = self._cells.get(node)
        return b"" if cells is None else np.packbits(cells[position]).tobytes()

    def within(self, wanted: Literal) -> Literal:
        """The question, on inputs of the space, with cuts no wider than their cells."""
        circuit = self.circuit
        inside = [self._inside(*owner) for owner in self.cuts_in(wanted)]
        return circuit.all([wanted, self.form, *inside])

    def _inside(self, node: Node, position: int) -> Literal:
        """Whether the variable has one of the values that the token there allows."""
        circuit, summary = self.circuit, self._cuts[node, position]
        cells = self._cells.get(node)
        codes = self._possible(node, position)
        if cells is None or codes is None:
            return circuit.any(summary.literals)
        if cells.shape[1] == 1:
            return circuit.any(summary.literals)
        allowed = []
        for code, token in zip(self._codes[position], self.tokens[position].literals, strict=True):
            row = cells[position, code]
            allowed.append(
                circuit.both(
                    token,
                    circuit.any(x for k, x in zip(codes, summary.literals, strict=True) if row[k]),
                )
            )
        return circuit.any(allowed)

    def input_of(self, model: Mapping[int, bool]) -> tuple[int, ...]:
        """The vocabulary indices of an input that a model gives; what it leaves open is false."""
        truth = self.evaluate(model)
        found = []
        for codes, summary in zip(self._codes, self.tokens, strict=True):
            found.append(next(c for c, x in zip(codes, summary.literals, strict=True) if truth(x)))
        return tuple(found)

    def evaluate(self, model: Mapping[int, bool]) -> _Truth:
        """The truth value of any literal in a model."""
        return _Truth(self.circuit, model)

    def cuts_in(self, wanted: Literal) -> dict[tuple[Node, int], Summary]:
        """The variables for nodes that a literal depends on."""
        owners = (self._owner.get(gate) for gate in self.circuit.cone([wanted]))
        return {owner: self._cuts[owner] for owner in owners if owner is not None}


class _Truth:
    """Literals evaluated in a model, gates once each."""

    def __init__(self, circuit: Circuit, model: Mapping[int, bool]) -> None:
        self._circuit, self._known = circuit, {0: False}
        self._model = model

    def __call__(self, literal: Literal) -> bool:
        circuit, known = self._circuit, self._known
        stack = [literal >> 1]
        while stack:
            gate = stack[-1]
            if gate in known:
                stack.pop()
                continue
            if circuit.is_input(gate):
                known[gate] = self._model.get(gate, False)
                continue
            a, b = circuit.left[gate], circuit.right[gate]
            missing = [x >> 1 for x in (a, b) if x >> 1 not in known]
            if missing:
                stack += missing
            else:
                known[gate] = (known[a >> 1] ^ bool(a & 1)) and (known[b >> 1] ^ bool(b & 1))
        return known[literal >> 1] ^ bool(literal & 1)
