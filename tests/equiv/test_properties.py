"""Properties of programs, against brute force over small spaces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import programs
from tpir.equiv.artefact import program_artefact
from tpir.equiv.effort import Effort, Method
from tpir.equiv.influence import Influence, influence
from tpir.equiv.properties import Claim, claim, renaming_claims, shipped_claim
from tpir.equiv.sides import compare
from tpir.equiv.smt.solvers import Solver
from tpir.equiv.verdict import Verdict
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.passes.failing import can_fail
from tpir.semantics.interpreter import run
from tpir.semantics.program_space import space_of
from tpir.text import parse

METHODS: tuple[Method, ...] = ("exhaustive", "smt")
FORM = 'accepts "<s>" ("a" | "b" | "c"){1,4};'
WORDS = ("<s>", "a", "b", "c")
SORT = """
inner = select(tokens, "<s>", !=);
smaller = selector_width(select(tokens, tokens, <) and inner);
equal = selector_width(select(tokens, tokens, ==) and inner and select(indices, indices, <));
place = smaller + equal + 1 if indices > 0 else 0;
x = aggregate(select(place, indices, ==), tokens, "<s>");
"""
REVERSE = "x = aggregate(choose(select(indices, length - 1 - indices, ==)), tokens);"


def program(text: str, form: str = FORM) -> Program:
    return parse(form + text, vocabulary=WORDS, context=5)


def verdict_of(found: Claim, method: Method = "exhaustive") -> Verdict:
    sides = [program_artefact(p, Path("x.rasp")) for p in (found.left, found.right)]
    return compare(*sides, space_of(found.left), Effort(method=method, solver=Solver.Z3))


@pytest.mark.parametrize("method", METHODS)
def test_a_sort_is_sorted_and_a_permutation(method: Method) -> None:
    for name in ("sorted-output", "permutation"):
        assert verdict_of(shipped_claim(program(SORT), name), method).answer.value == "proved"


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_sort_is_refuted_at_its_shortest(method: Method) -> None:
    found = verdict_of(shipped_claim(program("x = tokens;"), "sorted-output"), method)
    assert found.counterexample is not None and len(found.counterexample.tokens) == 3
    found = verdict_of(
        shipped_claim(program('x = "a" if indices >= 0 else "b";'), "permutation"), method
    )
    assert found.counterexample is not None and len(found.counterexample.tokens) == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_property_of_ones_own(method: Method) -> None:
    counts = program("x = selector_width(select(tokens, tokens, ==));")
    true = "fair = output > 0 and output <= length;"
    assert verdict_of(claim(counts, true, "fair"), method).answer.value == "proved"
    false = "few = output < 3;"
    found = verdict_of(claim(counts, false, "few"), method)
    assert found.counterexample is not None and len(found.counterexample.tokens) == 4


@pytest.mark.parametrize("method", METHODS)
def test_renaming(method: Method) -> None:
    counts = program("x = selector_width(select(tokens, tokens, ==));")
    assert {verdict_of(c, method).answer.value for c in renaming_claims(counts)} == {"proved"}
    claims = renaming_claims(program('x = tokens == "a";'))
    assert "refuted" in {verdict_of(c, method).answer.value for c in claims}


def test_a_form_that_tells_tokens_apart_has_no_renamings() -> None:
    with pytest.raises(TpirError, match="tells tokens apart"):
        renaming_claims(program("x = tokens;", 'accepts "<s>" "a"* ("b" | "c");'))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = output;", "not a truth value"),
        ("x = ouput == 1;", "ouput"),
        ("x = ;", "property"),
    ],
)
def test_what_is_no_property_is_an_error(text: str, why: str) -> None:
    with pytest.raises(TpirError, match=why):
        claim(program("x = tokens;"), text, "mine.rasp")


def influences(made: Program, length: int) -> list[list[bool]]:
    """By running every pair of inputs."""
    space = space_of(made)
    inputs = [tuple(c) for b in space.of_length(length, 10**4) for c in b.T.tolist()]
    outcomes = {c: run(made, space.decode(c)) for c in inputs}
    columns = {c: list(zip(*o.values(), strict=True)) for c, o in outcomes.items()}
    found = [[False] * length for _ in range(length)]
    for one in inputs:
        for other in inputs:
            apart = [k for k in range(length) if one[k] != other[k]]
            if len(apart) == 1:
                for j in range(length):
                    found[apart[0]][j] |= columns[one][j] != columns[other][j]
    return found


@pytest.mark.parametrize("limit", [0, 10**6])
def test_influence_of_a_reversal(limit: int) -> None:
    made = influence(program(REVERSE), space_of(program(REVERSE)), 4, limit=limit, solver=Solver.Z3)
    assert str(made) == "    0 1 2 3\n0 | . . . .\n1 | . . x .\n2 | . x . .\n3 | x . . ."
    assert made.exact and made.method.startswith("by SMT" if limit == 0 else "by exhaustion")


@settings(max_examples=25)
@given(programs(max_context=3, may_pool=False), st.sampled_from((0, 10**6)))
def test_influence_is_that_of_brute_force(made: Program, limit: int) -> None:
    if any(can_fail(node) for node in made.outputs.values()):
        return
    first = dict(list(made.outputs.items())[:1])
    made = Program(made.header, made.nodes, first)
    space = space_of(made)
    length = space.lengths()[-1]
    found = influence(made, space, length, limit=limit, solver=Solver.Z3)
    brute = influences(made, length)
    for i, row in enumerate(found.cells):
        for j, cell in enumerate(row):
            if cell is not Influence.UNKNOWN:
                assert (cell is Influence.SOMETIMES) == brute[i][j]
    assert found.exact or limit == 0
