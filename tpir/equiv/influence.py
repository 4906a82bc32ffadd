"""Influence: whether another token at position i can change the output at position j."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.smt.cones import Cones
from tpir.equiv.smt.encoder import Encoder, positions_of
from tpir.equiv.smt.frame import Frame
from tpir.equiv.smt.functions import Plans
from tpir.equiv.smt.solvers import Clock, Oracle, Solver, default_solver
from tpir.equiv.smt.summaries import Unsupported, differing
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.passes.failing import can_fail
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.space import InputSpace

Ints = NDArray[np.int64]

FOUND_AT = 2**12
"""Inputs that are drawn, where not all are run, to find influences before a solver is asked."""


class Influence(Enum):
    """What is known of one pair of positions."""

    NEVER = "never"
    SOMETIMES = "sometimes"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class InfluenceMap:
    """For the inputs of one length: ``cells[i][j]``, from the token at i to the output at j.

    ``exact`` if nothing is unknown. ``method`` says how it was found.
    """

    length: int
    cells: tuple[tuple[Influence, ...], ...]
    method: str

    @property
    def exact(self) -> bool:
        """Whether every pair is decided."""
        return all(cell is not Influence.UNKNOWN for row in self.cells for cell in row)

    def __str__(self) -> str:
        width = len(str(self.length - 1))
        marks = {Influence.NEVER: ".", Influence.SOMETIMES: "x", Influence.UNKNOWN: "?"}
        columns = range(len(self.cells[0]))
        lines = [" " * (width + 3) + " ".join(f"{j:>{width}}" for j in columns)]
        for i, row in enumerate(self.cells):
            lines.append(f"{i:>{width}} | " + " ".join(f"{marks[c]:>{width}}" for c in row))
        return "\n".join(lines)


def influence(
    program: Program,
    space: InputSpace,
    length: int,
    *,
    limit: int = 1_000_000,
    seconds: float = 60.0,
    solver: Solver | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> InfluenceMap:
    """The influence map of the inputs of one length.

    Up to ``limit`` inputs are run one and all. Of more, some are drawn, each with all tokens at one
    position, and a solver is asked about the pairs that show nothing. Raises TpirError for a length
    that no input has, and for programs that can fail.
    """
    if length not in space.lengths():
        raise TpirError(f"no input has {length} tokens")
    if any(can_fail(node) for node in program.outputs.values()):
        raise TpirError("the program can fail, which is neither the same output nor another")
    work = _Work(program, space, length)
    total = space.count_by_length()[length]
    if total <= limit:
        inputs = np.concatenate(list(space.of_length(length, 2**16)), axis=1)
        return InfluenceMap(length, work.all_of(inputs), f"by exhaustion, {total:,} inputs")
    drawn = np.stack(work.drawn(np.random.default_rng(seed)), axis=1)
    known = work.around(drawn, on_progress)
    oracle = Oracle(solver or default_solver(), Clock(seconds))
    return InfluenceMap(length, work.asked(known, oracle), f"by SMT with {oracle.solver.value}")


class _Work:
    def __init__(self, program: Program, space: InputSpace, length: int) -> None:
        self.program, self.space, self.length = program, space, length
        self._interpreter = Interpreter(program)
        (first,) = (next(iter(program.outputs.values())),)
        self.outputs = len(positions_of(first, length))

    def _run(self, inputs: Ints) -> NDArray[np.generic]:
        """All outputs as one number for each position and input: (position, input)."""
        result = self._interpreter.run_batch(inputs)
        found: NDArray[np.generic] | None = None
        for column in result.outputs.values():
            _, codes = np.unique(_exact(column), return_inverse=True)
            codes = codes.reshape(column.data.shape)
            found = codes if found is None else found * (int(codes.max(initial=0)) + 1) + codes
        assert found is not None
        return found

    def all_of(self, inputs: Ints) -> tuple[tuple[Influence, ...], ...]:
        """From every input of the length: those that differ at i alone come together."""
        outputs = self._run(inputs)
        rows = []
        for i in range(self.length):
            others = np.delete(inputs, i, axis=0)
            order = np.lexsort(others)
            group, result = others[:, order], outputs[:, order]
            same = (group[:, 1:] == group[:, :-1]).all(axis=0)
            changed = ((result[:, 1:] != result[:, :-1]) & same).any(axis=1)
            rows.append(tuple(_known(bool(x)) for x in changed))
        return tuple(rows)

    def drawn(self, rng: np.random.Generator) -> list[Ints]:
        """Inputs of the length at random."""
        found = self.space.sample(FOUND_AT, rng, by="length")
        fitting = [codes for codes in found if len(codes) == self.length]
        return fitting or [next(self.space.of_length(self.length, 1))[:, 0]]

    def around(
        self, inputs: Ints, on_progress: Callable[[int, int], None] | None
    ) -> NDArray[np.bool_]:
        """[i, j]: whether an input shows an influence, when its token at i is replaced."""
        found = np.zeros((self.length, self.outputs), dtype=np.bool_)
        tokens = len(self.space.vocabulary)
        for i in range(self.length):
            for token in range(tokens):
                other = inputs.copy()
                other[i] = token
                fits = [self.space.contains(self.space.decode(c)) for c in other.T.tolist()]
                kept = np.flatnonzero(fits)
                if len(kept):
                    both = self._run(np.concatenate([inputs[:, kept], other[:, kept]], axis=1))
                    half = len(kept)
                    found[i] |= (both[:, :half] != both[:, half:]).any(axis=1)
            if on_progress is not None:
                on_progress(i + 1, self.length)
        return found

    def asked(self, known: NDArray[np.bool_], oracle: Oracle) -> tuple[tuple[Influence, ...], ...]:
        """A solver on the pairs that no drawn input shows."""
        cones = Cones(self.program, self.space, oracle)
        frame = cones.frame(self.length)
        outputs = list(self.program.outputs.values())
        plans = Plans()
        first = Encoder(frame, self.program.header, plans)
        rows = []
        for i in range(self.length):
            varied = frame.varied(i)
            second = Encoder(varied, self.program.header, plans)

            def pair(j: int, second: Encoder = second, varied: Frame = varied) -> Influence:
                circuit = frame.circuit
                differ = circuit.any(
                    differing(circuit, first.element(o, j), second.element(o, j)) for o in outputs
                )
                wanted = circuit.all([differ, frame.form, varied.form])
                answer = oracle.satisfy(circuit, wanted)
                if answer.model is None:
                    return Influence.NEVER if answer.impossible else Influence.UNKNOWN
                return self._confirmed(
                    frame.input_of(answer.model), varied.input_of(answer.model), j
                )

            rows.append(
                tuple(
                    Influence.SOMETIMES if known[i, j] else _or_unknown(pair, j)
                    for j in range(self.outputs)
                )
            )
        return tuple(rows)

    def _confirmed(self, one: tuple[int, ...], other: tuple[int, ...], j: int) -> Influence:
        outputs = self._run(np.array([one, other], dtype=np.int64).T)
        if outputs[j, 0] == outputs[j, 1]:
            raise TpirError("the prover's circuit and the interpreter disagree; please report this")
        return Influence.SOMETIMES


def _or_unknown(pair: Callable[[int], Influence], j: int) -> Influence:
    try:
        return pair(j)
    except Unsupported:
        return Influence.UNKNOWN


def _known(sometimes: bool) -> Influence:
    return Influence.SOMETIMES if sometimes else Influence.NEVER


def _exact(column: Column) -> NDArray[np.generic]:
    """Numbers that are equal where values are."""
    if column.tags is None:
        return column.data
    return column.data.astype(np.float64) + 8.0j * column.tags.astype(np.float64)
