"""The interpreter: what a program means. Every other form of a program is compared with this.

It runs whole batches: all inputs of one length at once, on arrays (see ``columns``). An input fails
if any node that the outputs reach fails at any position; nodes that no output reaches do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Not,
    Or,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical
from tpir.ir.values import Value, show_value, value_key
from tpir.semantics.aggregates import aggregate, aggregate_sum, selector_width
from tpir.semantics.columns import Column, DenseSelection, HardSelection, code_dtype
from tpir.semantics.failures import FAILURES
from tpir.semantics.maps import MapKernel, map_kernel
from tpir.semantics.readout import readout
from tpir.semantics.selectors import choose, dense, select

CELLS = 2**19
"""Inputs are run in chunks of about this many (query, key) pairs: what the cache holds."""

State = Column | DenseSelection | HardSelection


@dataclass(frozen=True, eq=False)
class BatchResult:
    """Outputs by name for a batch, and for each input the kind of its failure (0: none)."""

    outputs: Mapping[str, Column]
    failures: NDArray[np.uint8]

    def outcomes(self) -> list[Outcome]:
        """One outcome for each input."""
        batch = len(self.failures)
        values = {name: column.decode(batch) for name, column in self.outputs.items()}
        return [
            Outcome(None, FAILURES[kind - 1])
            if kind
            else Outcome({name: tuple(rows[b]) for name, rows in values.items()}, None)
            for b, kind in enumerate(self.failures.tolist())
        ]


@dataclass(frozen=True)
class Outcome:
    """What a program makes of one input: a tuple of values for each output, or a failure.

    A pooled output has one value, whatever the length of the input.
    """

    values: Mapping[str, tuple[Value, ...]] | None
    failure: str | None

    @property
    def key(self) -> object:
        """What outcomes are compared by: values told apart by type; failures are all alike."""
        if self.values is None:
            return None
        return {name: tuple(map(value_key, row)) for name, row in self.values.items()}


class Interpreter:
    """Runs one program; what can be prepared before the inputs are known is prepared once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._codes = Categorical(program.vocabulary).codes
        self._maps: dict[Node, MapKernel] = {
            node: map_kernel(node) for node in program.live if isinstance(node.op, Map)
        }

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """Run inputs of one length: vocabulary indices of shape (position, input)."""
        length, batch = tokens.shape
        if not 1 <= length <= self.program.context:
            raise TpirError(f"{length} tokens; the program takes 1 to {self.program.context}")
        step = max(1, CELLS // length**2)
        parts = [self._run(tokens[:, k : k + step]) for k in range(0, batch, step)]
        names = self.program.outputs
        return BatchResult(
            {name: Column.joined([p.outputs[name] for p in parts]) for name in names},
            np.concatenate([p.failures for p in parts]),
        )

    def _run(self, tokens: NDArray[np.generic]) -> BatchResult:
        states, failures = self.states(tokens)
        outputs = {name: states[node] for name, node in self.program.outputs.items()}
        batch = tokens.shape[1]
        return BatchResult(
            {n: c.broadcast(batch) for n, c in outputs.items() if isinstance(c, Column)}, failures
        )

    def states(self, tokens: NDArray[np.generic]) -> tuple[dict[Node, State], NDArray[np.uint8]]:
        """What every live node holds for a batch, and the failures."""
        states: dict[Node, State] = {}
        failures = np.zeros(tokens.shape[1], dtype=np.uint8)
        for node in self.program.live:
            state, failed = self._step(node, [states[o] for o in node.operands], tokens)
            states[node] = state
            if failed is not None:
                failures = np.where(failures == 0, failed, failures)
        return states, failures

    def _step(
        self, node: Node, operands: list[State], tokens: NDArray[np.generic]
    ) -> tuple[State, NDArray[np.uint8] | None]:
        """One node: its state and, where it can fail, which inputs failed and how."""
        length = tokens.shape[0]
        columns = [o for o in operands if isinstance(o, Column)]
        match node.op:
            case Tokens():
                dtype = code_dtype(len(self.program.vocabulary))
                return Column(node.type, tokens.astype(dtype, copy=False)), None
            case Indices():
                dtype = code_dtype(self.program.context)
                return Column(node.type, np.arange(length, dtype=dtype)[:, None]), None
            case Map():
                return self._maps[node].run(columns, length)
            case Select(predicate):
                return select(predicate, columns[0], columns[1], self.program.causal)
            case And():
                return DenseSelection(dense(operands[0]) & dense(operands[1])), None
            case Or():
                return DenseSelection(dense(operands[0]) | dense(operands[1])), None
            case Not():
                return DenseSelection(self._universe(length) & ~dense(operands[0])), None
            case Choose():
                return choose(node.op, dense(operands[0]), columns, self.program), None
            case Aggregate(default):
                return aggregate(operands[0], columns[0], default, node.type)
            case AggregateSum():
                return aggregate_sum(operands[0], columns[0], node.type)
            case SelectorWidth():
                return selector_width(operands[0], node.type), None
            case Classify() | ClassifyPooled():
                return readout(node, columns, length), None

    def _universe(self, length: int) -> NDArray[np.bool_]:
        every = np.ones((length, length, 1), dtype=np.bool_)
        return np.tril(every[:, :, 0])[:, :, None] if self.program.causal else every

    def encode(self, tokens: Sequence[Value]) -> list[int]:
        """Vocabulary indices of an input. Raises TpirError if it is empty, too long or unknown."""
        if not tokens:
            raise TpirError("the input is empty: a program takes at least one token")
        if len(tokens) > self.program.context:
            raise TpirError(
                f"{len(tokens)} tokens, but the program's context is {self.program.context}"
            )
        for place, token in enumerate(tokens):
            if value_key(token) not in self._codes:
                raise TpirError(
                    f"token {show_value(token)} at position {place} is not in the vocabulary "
                    f"{Categorical(self.program.vocabulary)}"
                )
        return [self._codes[value_key(token)] for token in tokens]


def run_batch(program: Program, tokens: NDArray[np.generic]) -> BatchResult:
    """Run a program on inputs of one length: vocabulary indices of shape (position, input)."""
    return Interpreter(program).run_batch(tokens)


def run_many(program: Program, inputs: Sequence[Sequence[Value]]) -> list[Outcome]:
    """Run a program on inputs of any lengths. Raises TpirError for an input it does not take."""
    interpreter = Interpreter(program)
    encoded = [interpreter.encode(tokens) for tokens in inputs]
    by_length: dict[int, list[int]] = {}
    for k, codes in enumerate(encoded):
        by_length.setdefault(len(codes), []).append(k)
    outcomes: dict[int, Outcome] = {}
    for places in by_length.values():
        batch = np.array([encoded[k] for k in places], dtype=np.int64).T
        outcomes.update(zip(places, interpreter.run_batch(batch).outcomes(), strict=True))
    return [outcomes[k] for k in range(len(inputs))]


def run(program: Program, tokens: Sequence[Value]) -> Mapping[str, tuple[Value, ...]]:
    """Run a program on one input: a tuple of values for each output.

    Raises TpirError for an input it does not take, and where the program fails on it.
    """
    outcome = run_many(program, [tokens])[0]
    if outcome.values is None:
        raise TpirError(f"the program fails on this input: {outcome.failure}")
    return outcome.values


def trace(program: Program, tokens: Sequence[Value]) -> dict[str, list[object]]:
    """Every live node on one input: values by position, or for a selector the selected keys."""
    interpreter = Interpreter(program)
    batch = np.array(interpreter.encode(tokens), dtype=np.int64)[:, None]
    states, _ = interpreter.states(batch)
    shown: dict[str, list[object]] = {}
    for node, state in states.items():
        if isinstance(state, Column):
            shown[node.name] = list(state.decode(1)[0])
        else:
            shown[node.name] = [np.flatnonzero(row).tolist() for row in dense(state)[:, :, 0]]
    return shown
