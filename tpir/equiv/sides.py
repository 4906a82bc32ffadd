"""Comparing two artefacts on a space that both sides take."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

from tpir.equiv.artefact import Artefact
from tpir.equiv.check import by_exhaustion, by_samples
from tpir.equiv.effort import Effort
from tpir.equiv.exhaustion import Recipe, State, exhaust
from tpir.equiv.pair import Pair
from tpir.equiv.runners import Runner
from tpir.equiv.shrink import shrink
from tpir.equiv.smt.proof import Proof, prove_programs
from tpir.equiv.smt.solvers import installed_solvers
from tpir.equiv.sources import Sides, Source
from tpir.equiv.verdict import Answer, Verdict
from tpir.errors import TpirError
from tpir.ir.values import show_value, value_key
from tpir.semantics.space import InputSpace

DEFAULT_EFFORT = Effort()


def compare(
    left: Artefact,
    right: Artefact,
    space: InputSpace,
    effort: Effort = DEFAULT_EFFORT,
    *,
    witness: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Check two artefacts on a space. ``witness``: see ``tpir.equiv.smt.proof``.

    Raises TpirError if one side does not know a token or take a length of the space, and where a
    solver is asked for that is not installed or sides that are not programs.
    """
    for side in (left, right):
        _expect_to_take(side, space)
    total = space.count()
    remark = None
    if effort.method == "smt" or (effort.method == "auto" and total > effort.limit):
        proof = _proof(left, right, space, effort, witness)
        if proof is not None:
            if proof.equal or proof.codes is not None:
                return _by_proof(left, right, space, proof)
            remark = proof.reason
    if effort.method == "exhaustive" or (effort.method == "auto" and total <= effort.limit):
        return _by_exhaustion(left, right, space, effort, on_progress)
    with _running(left, right, space) as pair:
        found = by_samples(pair, space, effort.samples, effort.seed, on_progress)
    return replace(found, remark=remark)


@contextmanager
def _running(left: Artefact, right: Artefact, space: InputSpace) -> Iterator[Pair]:
    """Both sides at work; what they hold is let go of in the end."""
    first = left.runner()
    with closing(first):
        second = right.runner()
        with closing(second):
            yield Pair(first, second, space)


def _proof(
    left: Artefact,
    right: Artefact,
    space: InputSpace,
    effort: Effort,
    witness: Mapping[str, str] | None,
) -> Proof | None:
    """What a solver says; None where ``auto`` has none to ask."""
    programs = (left.program, right.program)
    if programs[0] is None or programs[1] is None:
        if effort.method == "auto":
            return None
        other = left if left.program is None else right
        raise TpirError(f"{other.path} is no program: a solver is asked about programs only")
    if effort.method == "auto" and effort.solver is None and not installed_solvers():
        return None
    return prove_programs(
        programs[0],
        programs[1],
        space,
        seconds=effort.seconds,
        solver=effort.solver,
        witness=witness,
        seed=effort.seed,
    )


def _by_proof(left: Artefact, right: Artefact, space: InputSpace, proof: Proof) -> Verdict:
    """The verdict of a solver; a counterexample has been run on both sides."""
    if proof.equal:
        method = f"by SMT with {proof.solver.value}, {proof.paired} of {proof.nodes} nodes paired"
        return Verdict(
            Answer.PROVED,
            space.count(),
            method,
            solver=proof.solver.value,
            witness=dict(proof.pairs),
        )
    assert proof.codes is not None
    codes, method = proof.codes, "shortest by SMT"
    with _running(left, right, space) as pair:
        if not proof.shortest:
            codes, method = shrink(codes, space, pair.differ_each), "shrunk"
        return pair.refuted(codes, 1, method, None)


def _by_exhaustion(
    left: Artefact,
    right: Artefact,
    space: InputSpace,
    effort: Effort,
    on_progress: Callable[[int, int], None] | None,
) -> Verdict:
    state, recipe = None, _recipe(left, right)
    if effort.jobs != 1 or effort.state is not None:
        sides = Sides(Source.of(left), Source.of(right))
        recipe = sides if effort.jobs != 1 else recipe
        if effort.state is not None:
            state = State(effort.state, _name(sides, space))
    done = exhaust(recipe, space, jobs=effort.jobs, state=state, on_progress=on_progress)
    with _running(left, right, space) as pair:
        return by_exhaustion(pair, done)


def _recipe(left: Artefact, right: Artefact) -> Recipe:
    """Both sides, in this process."""

    def make() -> tuple[Runner, Runner]:
        first = left.runner()
        try:
            return first, right.runner()
        except BaseException:
            first.close()
            raise

    return make


def _name(sides: Sides, space: InputSpace) -> str:
    """What a check is of: both sides, and the space."""
    what = (sides.left.name, sides.right.name, space.vocabulary, space.context, str(space.form))
    return hashlib.sha256(repr(what).encode()).hexdigest()


def _expect_to_take(side: Artefact, space: InputSpace) -> None:
    known = {value_key(token) for token in side.vocabulary}
    missing = [token for token in space.vocabulary if value_key(token) not in known]
    if missing:
        raise TpirError(f"{side.path} does not know the token {show_value(missing[0])}")
    longest = space.lengths()[-1]
    if longest > side.context:
        raise TpirError(
            f"{side.path} takes {side.context} tokens at most, and there are inputs of {longest}"
        )
