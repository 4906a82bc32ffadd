"""Proofs by SMT against exhaustion, on random programs, their simplified forms, and mutations."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mutations import mutated, tables_of
from tests.strategies import programs
from tpir.equiv.check import check_programs
from tpir.equiv.smt import sweep
from tpir.equiv.smt.proof import Proof, prove_programs
from tpir.equiv.smt.solvers import Solver
from tpir.equiv.verdict import Answer
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.passes.pipeline import optimise
from tpir.semantics.program_space import space_of
from tpir.semantics.space import InputSpace
from tpir.text import parse


def agree(left: Program, right: Program, solver: Solver = Solver.Z3) -> Proof:
    """Prove, and compare with exhaustion: what SMT says has to be so."""
    space = space_of(left)
    verdict = check_programs(left, right, space, limit=10**6)
    proof = prove_programs(left, right, space, seconds=30, solver=solver)
    if proof.equal:
        assert verdict.answer is Answer.PROVED
    elif proof.codes is not None:
        assert verdict.counterexample is not None
        if proof.shortest:
            assert len(proof.codes) == len(verdict.counterexample.tokens)
    else:
        assert proof.reason is not None
    return proof


@settings(max_examples=60)
@given(programs(max_context=3), st.sampled_from((Solver.Z3, Solver.BITWUZLA)))
def test_programs_and_what_o3_makes_of_them(program: Program, solver: Solver) -> None:
    proof = agree(program, optimise(program, 3), solver)
    assert proof.equal or proof.reason is not None


@settings(max_examples=60)
@given(programs(max_context=3), st.randoms(use_true_random=False))
def test_programs_and_their_mutations(program: Program, rng: random.Random) -> None:
    tables = tables_of(program)
    if tables:
        node = rng.choice(tables)
        try:
            spoiled = mutated(program, node, rng.randrange(len(node.op.function.results)), rng)  # type: ignore[union-attr]
        except TpirError:
            return  # the other result does not fit the types
        agree(program, spoiled)
        agree(optimise(program, 2), spoiled)


@settings(max_examples=25)
@given(programs(max_context=3), programs(max_context=3))
def test_programs_that_have_nothing_to_do_with_each_other(left: Program, right: Program) -> None:
    header = replace(right.header, context=left.context)
    if right.vocabulary == left.vocabulary and right.context == left.context:
        try:
            agree(left, Program(header, right.nodes, right.outputs))
        except TpirError as error:
            assert "outputs differ" in str(error) or "label for each position" in str(error)


HIST = "same = select(tokens, tokens, ==); n = selector_width(same);"


def test_two_ways_to_count_are_proved_over_a_space_no_one_can_run() -> None:
    vocabulary = tuple("abcdefgh")
    one = parse(f"{HIST} result = n > 1;", vocabulary=vocabulary, context=16)
    other = parse(
        "others = select(tokens, tokens, ==) and select(indices, indices, !=);"
        "result = selector_width(others) > 0;",
        vocabulary=vocabulary,
        context=16,
    )
    proof = prove_programs(one, other, space_of(one), seconds=60, solver=Solver.Z3)
    assert proof.equal and proof.proved_lengths == tuple(range(1, 17))


def test_a_difference_that_samples_miss_is_found_at_its_shortest() -> None:
    vocabulary = tuple("abcdefgh")
    one = parse(f"{HIST} result = n > 7;", vocabulary=vocabulary, context=12)
    other = parse(f"{HIST} result = n > 6;", vocabulary=vocabulary, context=12)
    proof = prove_programs(one, other, space_of(one), seconds=60, solver=Solver.Z3)
    assert proof.codes is not None and proof.shortest
    assert len(proof.codes) == 7 and len(set(proof.codes)) == 1


def test_forms_bound_what_is_proved() -> None:
    form = 'accepts "a"* "b"*;'
    left = parse(f'{form} x = tokens == "a";', vocabulary=("a", "b"), context=12)
    right = parse(
        f'{form} x = indices < selector_width(select(tokens, "a", ==));',
        vocabulary=("a", "b"),
        context=12,
    )
    assert prove_programs(left, right, space_of(left), solver=Solver.Z3).equal
    anything = InputSpace(("a", "b"), 12)
    proof = prove_programs(left, right, anything, solver=Solver.Z3)
    assert proof.codes == (1, 0) and proof.shortest


def test_a_solver_that_gives_up_proves_nothing() -> None:
    vocabulary = tuple("abcdefgh")
    one = parse(f"{HIST} result = n > 1;", vocabulary=vocabulary, context=16)
    other = parse(
        "others = select(tokens, tokens, ==) and select(indices, indices, !=);"
        "result = selector_width(others) > 0;",
        vocabulary=vocabulary,
        context=16,
    )
    proof = prove_programs(one, other, space_of(one), seconds=0, solver=Solver.Z3)
    assert not proof.equal and proof.codes is None
    assert proof.reason is not None and "gave up" in proof.reason


def test_pairs_prove_what_the_outputs_alone_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pairs the question about the outputs is a larger one."""
    vocabulary = tuple("abcd")
    layer = "select({0}, {0}, ==){1}"
    texts = []
    for twice in ("", " or (select(tokens, tokens, <) and select(tokens, tokens, >))"):
        one, two, three = (layer.format(x, twice) for x in ("tokens", "n", "m"))
        texts.append(
            f"n = selector_width({one}); m = selector_width({two}); x = selector_width({three});"
        )
    one, other = (parse(text, vocabulary=vocabulary, context=5) for text in texts)
    paired = prove_programs(one, other, space_of(one), solver=Solver.Z3)
    monkeypatch.setattr(sweep.Sweep, "run", lambda self: None)
    whole = prove_programs(one, other, space_of(one), solver=Solver.Z3)
    assert paired.equal and whole.equal
    assert paired.largest < whole.largest


def test_sides_of_which_one_is_causal_are_not_compared_here() -> None:
    left = parse(HIST, vocabulary="ab", context=3)
    right = Program(replace(left.header, causal=True), left.nodes, left.outputs)
    proof = prove_programs(left, right, space_of(left), solver=Solver.Z3)
    assert not proof.equal and (proof.codes is not None or proof.reason is not None)
