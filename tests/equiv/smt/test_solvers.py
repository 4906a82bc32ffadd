"""Circuits and solvers against truth tables."""

from __future__ import annotations

import random
from itertools import product

import pytest

from tpir.equiv.smt.circuit import FALSE, TRUE, Circuit, Literal
from tpir.equiv.smt.solvers import GAVE_UP, Clock, Oracle, Solver, installed_solvers
from tpir.equiv.smt.words import added, decoded, known, less, summed

SOLVERS = [pytest.param(solver, id=solver.value) for solver in Solver]


def value(circuit: Circuit, literal: Literal, model: dict[int, bool]) -> bool:
    truth = {0: False}
    for gate in range(1, len(circuit.left)):
        if circuit.is_input(gate):
            truth[gate] = model.get(gate, False)
        else:
            a, b = circuit.left[gate], circuit.right[gate]
            truth[gate] = (truth[a >> 1] ^ bool(a & 1)) and (truth[b >> 1] ^ bool(b & 1))
    return truth[literal >> 1] ^ bool(literal & 1)


def random_circuit(rng: random.Random) -> tuple[Circuit, list[Literal], list[tuple[int, ...]]]:
    """A circuit, its literals, and their truth tables computed beside it."""
    circuit = Circuit()
    literals = [FALSE, TRUE, *(circuit.input() for _ in range(4))]
    rows = list(product((0, 1), repeat=4))
    tables = [(0,) * 16, (1,) * 16, *(tuple(row[k] for row in rows) for k in range(4))]
    for _ in range(30):
        i, j, k = (rng.randrange(len(literals)) for _ in range(3))
        a, b, c = literals[i] ^ 1, literals[j], literals[k]
        x, y, z = tuple(1 - v for v in tables[i]), tables[j], tables[k]
        made, table = rng.choice(
            [
                (circuit.both(a, b), [p & q for p, q in zip(x, y, strict=True)]),
                (circuit.either(a, b), [p | q for p, q in zip(x, y, strict=True)]),
                (circuit.differ(a, b), [p ^ q for p, q in zip(x, y, strict=True)]),
                (circuit.choice(a, b, c), [q if p else r for p, q, r in zip(x, y, z, strict=True)]),
                (circuit.all([a, b, c]), [p & q & r for p, q, r in zip(x, y, z, strict=True)]),
                (circuit.any([a, b, c]), [p | q | r for p, q, r in zip(x, y, z, strict=True)]),
            ]
        )
        literals.append(made)
        tables.append(tuple(table))
    return circuit, literals, tables


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_agree_with_truth_tables(solver: Solver) -> None:
    for seed in range(15):
        circuit, literals, tables = random_circuit(random.Random(seed))
        for literal, table in zip(literals, tables, strict=True):
            answer = Oracle(solver, Clock(20)).satisfy(circuit, literal)
            assert answer.impossible == (not any(table))
            if answer.model is not None:
                assert value(circuit, literal, dict(answer.model))


def test_no_time_is_no_answer() -> None:
    circuit = Circuit()
    wanted = circuit.both(circuit.input(), circuit.input())
    assert Oracle(installed_solvers()[0], Clock(0)).satisfy(circuit, wanted) is GAVE_UP


def test_words_add_and_compare_as_numbers() -> None:
    circuit = Circuit()
    left, right = [circuit.input() for _ in range(3)], [circuit.input() for _ in range(2)]
    total = summed(circuit, [left, right, known(5)])
    below = less(circuit, left, right)
    leaves = decoded(circuit, added(circuit, left, right), range(11))
    for bits in product((False, True), repeat=5):
        model = {x >> 1: bit for x, bit in zip([*left, *right], bits, strict=True)}
        a = sum(bit << k for k, bit in enumerate(bits[:3]))
        b = sum(bit << k for k, bit in enumerate(bits[3:]))
        assert sum(value(circuit, x, model) << k for k, x in enumerate(total)) == a + b + 5
        assert value(circuit, below, model) == (a < b)
        assert [value(circuit, x, model) for x in leaves] == [n == a + b for n in range(11)]
