"""Proving two programs equal on a space, length by length; or an input on which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.compare import differences
from tpir.equiv.smt.circuit import Literal
from tpir.equiv.smt.cones import Codes, Cones, Found
from tpir.equiv.smt.encoder import Encoder, positions_of
from tpir.equiv.smt.samples import Samples
from tpir.equiv.smt.solvers import Clock, Oracle, Solver, default_solver
from tpir.equiv.smt.summaries import Unsupported, differing, exact_key
from tpir.equiv.smt.sweep import Sweep
from tpir.errors import TpirError
from tpir.ir.program import Node, Program
from tpir.passes.failing import fails
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.space import InputSpace

SAMPLES = 4096
"""Inputs that candidates are found on, all lengths alike."""


@dataclass(frozen=True)
class Proof:
    """What a proof came to.

    ``equal``: over every input of the space. ``codes``: an input on which the programs differ, as
    indices of the space's vocabulary; ``shortest`` if all shorter ones are known not to. Neither:
    ``reason`` says why. ``proved_lengths``: where equality is settled. ``pairs``: names of nodes of
    the right program, and of the node of the left that each was proved to be a function of.
    """

    equal: bool
    solver: Solver
    codes: Codes | None = None
    shortest: bool = False
    reason: str | None = None
    proved_lengths: tuple[int, ...] = ()
    nodes: int = 0
    paired: int = 0
    pairs: tuple[tuple[str, str], ...] = ()
    questions: int = 0
    largest: int = 0
    deepened: int = 0


@dataclass
class _Work:
    """What a proof is made with."""

    left: Program
    right: Program
    space: InputSpace
    oracle: Oracle
    witness: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recode = [_codes(p, self.space) for p in (self.left, self.right)]
        self.interpreters = [Interpreter(p) for p in (self.left, self.right)]
        self.pairs = _paired(self.left, self.right)
        self.lengths = self.space.lengths()
        self.cones = Cones(self.left, self.space, self.oracle)
        self.fallible = [[n for n in p.live if fails(n)] for p in (self.left, self.right)]

    def differ(self, batch: NDArray[np.int64]) -> NDArray[np.bool_]:
        """On which inputs of one length the programs differ."""
        left, right = (
            interpreter.run_batch(recode[batch])
            for interpreter, recode in zip(self.interpreters, self.recode, strict=True)
        )
        return differences(left, right)

    def really(self, codes: Codes) -> bool:
        """Whether they differ on one input."""
        return bool(self.differ(np.array(codes, dtype=np.int64)[:, None])[0])

    def first_of(self, inputs: Sequence[Codes]) -> Codes | None:
        """The shortest of some inputs on which they differ."""
        by_length: dict[int, list[Codes]] = {}
        for codes in inputs:
            by_length.setdefault(len(codes), []).append(codes)
        for length in sorted(by_length):
            differ = self.differ(np.array(by_length[length], dtype=np.int64).T)
            if differ.any():
                return by_length[length][int(differ.argmax())]
        return None

    def inputs_among(self, rows: NDArray[np.int64]) -> list[Codes]:
        """Which of some sequences of one length, one in each row, are inputs of the space."""
        automaton = self.space.automaton
        state = np.full(len(rows), automaton.start)
        for column in rows.T:
            state = automaton.step[state, automaton.class_of[column]]
        return list(map(tuple, rows[automaton.accepting[state]].tolist()))

    def ask(self, encoder: Encoder) -> Literal:
        """When the outcomes differ; failures are all alike."""
        circuit, length = encoder.frame.circuit, encoder.length
        failures = [
            circuit.any(encoder.failure(n, i) for n in nodes for i in range(length))
            for nodes in self.fallible
        ]
        fine = circuit.any(failures) ^ 1
        cases = [circuit.differ(*failures)]
        for left, right in self.pairs:
            for i in positions_of(left, length):
                differ = differing(circuit, encoder.element(left, i), encoder.element(right, i))
                cases.append(circuit.both(differ, fine))
        return circuit.any(cases)


def prove_programs(
    left: Program,
    right: Program,
    space: InputSpace,
    *,
    seconds: float = 60.0,
    solver: Solver | None = None,
    witness: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Proof:
    """Prove that two programs have the same outcome on every input of a space.

    ``witness``: for names of nodes of the right program those of the left that they stand for.
    ``seconds`` bound the whole proof. Raises TpirError where outputs cannot be matched, a program
    does not know a token, no solver is installed, or solver and interpreter contradict each other.
    """
    oracle = Oracle(solver or default_solver(), Clock(seconds))
    work = _Work(left, right, space, oracle, witness or {})
    if left.causal != right.causal:
        return _proof(work, (), None, "one side is causal and the other is not", 0)
    drawn = space.sample(SAMPLES, np.random.default_rng(seed), by="length")
    inputs = list(dict.fromkeys(tuple(codes.tolist()) for codes in drawn))
    found = work.first_of(inputs)
    if found is not None:
        return _shortened(work, found)
    samples = Samples((left, right), work.recode)
    samples.add(inputs)
    sweep = Sweep(work.cones, samples, left, right, work.lengths, work.witness)
    sweep.run()
    found = _near(work, sweep.apart, np.random.default_rng(seed))
    if found is not None:
        return _shortened(work, found)
    return _outputs(work, sweep.paired)


NEAR = 2000
"""Inputs that are run around each one on which inner nodes differ."""


def _near(work: _Work, apart: Sequence[Codes], rng: np.random.Generator) -> Codes | None:
    """Look for a difference of outputs where nodes inside differ: there, and a few tokens away."""
    tokens = len(work.space.vocabulary)
    for codes in apart:
        around = np.repeat(np.array([codes], dtype=np.int64), NEAR, axis=0)
        places = rng.integers(len(codes), size=(NEAR, 3))
        changed = rng.integers(1, 4, size=NEAR)
        for k in range(3):
            rows = np.flatnonzero(changed > k)
            around[rows, places[rows, k]] = rng.integers(tokens, size=len(rows))
        found = work.first_of([codes, *work.inputs_among(around)])
        if found is not None:
            return found
    return None


def _outputs(work: _Work, paired: int) -> Proof:
    """The outputs, length by length, with all that the sweep has proved."""
    proved: list[int] = []
    opened: set[Node] = set()
    reason: str | None = None
    codes: Codes | None = None
    for length in work.lengths:
        try:
            finding = work.cones.decide(length, opened, work.ask, work.really)
        except Unsupported as problem:
            reason = reason or str(problem)
            break
        if finding.found is Found.ONCE:
            codes = finding.codes
            break
        if finding.found is Found.OPEN:
            reason = f"{work.oracle.solver.value} gave up after {work.oracle.clock.seconds:g} s"
            if work.oracle.clock.left <= 0:
                break
            continue
        proved.append(length)
    return _proof(work, tuple(proved), codes, reason, paired)


def _proof(
    work: _Work, proved: tuple[int, ...], codes: Codes | None, reason: str | None, paired: int
) -> Proof:
    shorter = () if codes is None else tuple(n for n in work.lengths if n < len(codes))
    return Proof(
        equal=codes is None and proved == work.lengths,
        solver=work.oracle.solver,
        codes=codes,
        shortest=codes is not None and set(shorter) <= set(proved),
        reason=reason,
        proved_lengths=proved,
        nodes=len(work.right.live),
        paired=paired,
        pairs=_names(work),
        questions=work.oracle.asked,
        largest=work.oracle.largest,
        deepened=work.cones.deepened,
    )


def _names(work: _Work) -> tuple[tuple[str, str], ...]:
    left, merges = set(work.left.live), work.cones.merges
    found = ((node, merges[node].of) for node in work.right.live if node in merges)
    return tuple((node.name, of.name) for node, of in found if of in left)


EXHAUSTED = 200_000
"""So many inputs of one length are run rather than asked about."""


def _shortened(work: _Work, found: Codes) -> Proof:
    """From an input on which they differ to a shortest one: shorter lengths are run or asked."""
    proved: list[int] = []
    counts = work.space.count_by_length()
    done = 0
    for length in work.lengths:
        if length >= len(found):
            break
        if counts[length] <= EXHAUSTED:
            shorter = _run_length(work, length)
        else:
            try:
                finding = work.cones.decide(length, set(), work.ask, work.really)
            except Unsupported:
                continue
            if finding.found is Found.OPEN:
                continue
            shorter = finding.codes
        if shorter is not None:
            found = shorter
            break
        proved.append(length)
        done += 1
    return _proof(work, tuple(proved), found, None, 0)


def _run_length(work: _Work, length: int) -> Codes | None:
    for batch in work.space.of_length(length, 2**14):
        differ = work.differ(batch)
        if differ.any():
            return tuple(batch[:, int(differ.argmax())].tolist())
    return None


def _codes(program: Program, space: InputSpace) -> NDArray[np.int64]:
    """The vocabulary index that each token of the space has in a program."""
    codes = {exact_key(token): k for k, token in enumerate(program.vocabulary)}
    missing = [t for t in space.vocabulary if exact_key(t) not in codes]
    if missing or space.lengths()[-1] > program.context:
        raise TpirError(f"{program.name} does not take every input of the space")
    return np.array([codes[exact_key(t)] for t in space.vocabulary], dtype=np.int64)


def _paired(left: Program, right: Program) -> list[tuple[Node, Node]]:
    """The outputs that belong together: by name, or one with one."""
    if len(left.outputs) == 1 and len(right.outputs) == 1:
        return [(next(iter(left.outputs.values())), next(iter(right.outputs.values())))]
    if set(left.outputs) != set(right.outputs):
        raise TpirError(
            f"the outputs differ: {', '.join(left.outputs)} against {', '.join(right.outputs)}"
        )
    return [(left.outputs[name], right.outputs[name]) for name in left.outputs]
