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
from tpir.ir.ops import Map
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical
from tpir.ir.values import Value, show_value, value_key
from tpir.semantics.blame import FAILS, FirstFailure, blame
from tpir.semantics.columns import Column
from tpir.semantics.failures import FAILURES
from tpir.semantics.machine import Machine, State
from tpir.semantics.maps import MapKernel, map_kernel
from tpir.semantics.selection import CELLS, selection_of


@dataclass(frozen=True, eq=False)
class BatchResult:
    """Outputs by name for a batch, and for each input the kind of its failure (0: none).

    ``approximate`` names the outputs whose numbers are right up to rounding, as weights give them.
    """

    outputs: Mapping[str, Column]
    failures: NDArray[np.uint8]
    approximate: frozenset[str] = frozenset()

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
        self._kernels: dict[Node, MapKernel] = {
            node: map_kernel(node) for node in program.live if isinstance(node.op, Map)
        }
        self._last_use = _last_use(program)

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

    def machine(self, tokens: NDArray[np.generic]) -> Machine:
        """What computes the nodes of the program for one batch, as they are asked for."""
        return Machine(self.program.header, tokens, self._kernels)

    def states(self, tokens: NDArray[np.generic]) -> tuple[dict[Node, State], NDArray[np.uint8]]:
        """What every live node holds for a batch, and the failures."""
        machine = self.machine(tokens)
        failures = _no_failures(tokens)
        for node in self.program.live:
            failures = _or_else(failures, machine.failed(node))
        return {node: machine.state(node) for node in self.program.live}, failures

    def _run(self, tokens: NDArray[np.generic]) -> BatchResult:
        """Outputs and failures; a node is forgotten once its last user has run."""
        machine = self.machine(tokens)
        failures = _no_failures(tokens)
        for node, done in self._last_use:
            failures = _or_else(failures, machine.failed(node))
            for operand in done:
                machine.forget(operand)
        outputs = {name: machine.state(node) for name, node in self.program.outputs.items()}
        batch = tokens.shape[1]
        return BatchResult(
            {n: c.broadcast(batch) for n, c in outputs.items() if isinstance(c, Column)}, failures
        )

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


def _no_failures(tokens: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.zeros(tokens.shape[1], dtype=np.uint8)


def _or_else(failures: NDArray[np.uint8], later: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    return failures if later is None else np.where(failures == 0, later, failures)


def _last_use(program: Program) -> list[tuple[Node, list[Node]]]:
    """The live nodes in order; beside each the operands that nothing after it reads."""
    needed = set(program.outputs.values())
    steps = []
    for node in reversed(program.live):
        done = [operand for operand in dict.fromkeys(node.operands) if operand not in needed]
        needed.update(done)
        steps.append((node, done))
    return steps[::-1]


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
        raise failure_error(outcome, program, tokens)
    return outcome.values


def first_failure(program: Program, tokens: Sequence[Value]) -> FirstFailure | None:
    """The first live node that fails on an input and where it does; None if the program does not.

    Raises TpirError for an input that the program does not take.
    """
    interpreter = Interpreter(program)
    batch = np.array(interpreter.encode(tokens), dtype=np.int64)[:, None]
    return blame(interpreter.machine(batch), program.live)


def failure_error(outcome: Outcome, program: Program | None, tokens: Sequence[Value]) -> TpirError:
    """The error for an input that something fails on; of a program it says where that is."""
    failure = None if program is None else first_failure(program, tokens)
    if failure is None:
        return TpirError(f"{FAILS}: {outcome.failure}")
    return failure.error()


def trace(program: Program, tokens: Sequence[Value]) -> dict[str, list[object]]:
    """Every live node on one input: values by position, or for a selector the selected keys."""
    interpreter = Interpreter(program)
    batch = np.array(interpreter.encode(tokens), dtype=np.int64)[:, None]
    states, _ = interpreter.states(batch)
    return {node.name: _shown(state) for node, state in states.items()}


def _shown(state: State) -> list[object]:
    if isinstance(state, Column):
        return list(state.decode(1)[0])
    return [
        np.flatnonzero(row).tolist()
        for _, matrix in selection_of(state).blocks()
        for row in matrix[:, :, 0]
    ]
