"""Asking a solver whether a literal of a circuit can be true: z3, bitwuzla, or both.

z3 reads clauses (DIMACS), bitwuzla SMT-LIB text. Neither is needed to import this module.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec

from tpir.equiv.smt.circuit import FALSE, TRUE, Circuit, Literal
from tpir.errors import TpirError


class Solver(Enum):
    """The solvers that can be asked. ``BOTH``: an answer counts if the two give the same."""

    Z3 = "z3"
    BITWUZLA = "bitwuzla"
    BOTH = "both"


def installed_solvers() -> tuple[Solver, ...]:
    """The single solvers that this Python can import, the faster first."""
    found = ((Solver.BITWUZLA, "bitwuzla"), (Solver.Z3, "z3"))
    return tuple(solver for solver, module in found if find_spec(module) is not None)


class OutOfTime(Exception):
    """There is no time left to write a question down."""


class Clock:
    """Counts down the seconds that a proof may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left; 0 where none are."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True)
class Answer:
    """``model`` is set where the literal can be true, ``impossible`` where it cannot.

    Neither, if the solver gave up. A model gives a truth value for every input gate that matters.
    """

    model: Mapping[int, bool] | None
    impossible: bool


GAVE_UP = Answer(None, False)
IMPOSSIBLE = Answer(None, True)


@dataclass
class Oracle:
    """A solver with a clock, and a count of what it was asked."""

    solver: Solver
    clock: Clock
    asked: int = 0
    largest: int = 0
    """The most gates that one question had."""

    def satisfy(self, circuit: Circuit, wanted: Literal) -> Answer:
        """Whether a literal can be true. A solver is asked only where structure leaves it open.

        Raises TpirError if the solver is not installed, or two solvers contradict each other.
        """
        if wanted == FALSE:
            return IMPOSSIBLE
        if wanted == TRUE:
            return Answer({}, False)
        cone = circuit.cone([wanted])
        self.asked += 1
        self.largest = max(self.largest, len(cone))
        if self.clock.left <= 0:
            return GAVE_UP
        if self.solver is Solver.Z3:
            return _ask_z3(circuit, cone, wanted, self.clock.left)
        first = _ask_bitwuzla(circuit, cone, wanted, self.clock.left)
        if self.solver is Solver.BITWUZLA:
            return first
        second = _ask_z3(circuit, cone, wanted, self.clock.left)
        if GAVE_UP in (first, second):
            return GAVE_UP
        if first.impossible != second.impossible:
            raise TpirError("z3 and bitwuzla contradict each other: one of them is wrong")
        return first


def default_solver() -> Solver:
    """The faster of the installed solvers. Raises TpirError if there is none."""
    found = installed_solvers()
    if not found:
        raise TpirError("no solver is installed; install tpir[smt], or check by exhaustion")
    return found[0]


def _ask_z3(circuit: Circuit, cone: list[int], wanted: Literal, seconds: float) -> Answer:
    try:
        import z3
    except ImportError:
        raise TpirError("z3 is not installed; install tpir[smt]") from None
    solver = z3.SolverFor("QF_FD")
    solver.set("timeout", max(1, int(seconds * 1000)))
    place = {gate: k + 1 for k, gate in enumerate(cone)}
    solver.from_string(dimacs(circuit, cone, place, wanted))
    found = solver.check()
    if found == z3.unsat:
        return IMPOSSIBLE
    if found != z3.sat:
        return GAVE_UP
    model = solver.model()
    true = {str(d): z3.is_true(model[d]) for d in model.decls()}
    inputs = (gate for gate in cone if circuit.is_input(gate))
    return Answer({gate: true.get(f"k!{place[gate]}", False) for gate in inputs}, False)


def _ask_bitwuzla(circuit: Circuit, cone: list[int], wanted: Literal, seconds: float) -> Answer:
    try:
        import bitwuzla
    except ImportError:
        raise TpirError("bitwuzla is not installed; install tpir[smt]") from None
    manager, options = bitwuzla.TermManager(), bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    parser = bitwuzla.Parser(manager, options)
    parser.parse(smtlib(circuit, cone, wanted), True, False)
    solver = parser.bitwuzla()
    end = time.monotonic() + seconds
    solver.configure_terminator(lambda: time.monotonic() > end)
    found = solver.check_sat()
    if found == bitwuzla.Result.UNSAT:
        return IMPOSSIBLE
    if found != bitwuzla.Result.SAT:
        return GAVE_UP
    terms = {str(term): term for term in parser.get_declared_funs()}
    inputs = (gate for gate in cone if circuit.is_input(gate))
    return Answer({g: bool(solver.get_value(terms[f"x{g}"]).value()) for g in inputs}, False)


def dimacs(circuit: Circuit, cone: list[int], place: Mapping[int, int], wanted: Literal) -> str:
    """The clauses that say that a literal holds (Tseitin), variables numbered by ``place``."""

    def signed(literal: Literal) -> int:
        number = place[literal >> 1]
        return -number if literal & 1 else number

    lines = [f"{signed(wanted)} 0"]
    for gate in cone:
        if not circuit.is_input(gate):
            g, a, b = place[gate], signed(circuit.left[gate]), signed(circuit.right[gate])
            lines += (f"{-g} {a} 0", f"{-g} {b} 0", f"{g} {-a} {-b} 0")
    return "\n".join((f"p cnf {len(cone)} {len(lines)}", *lines, ""))


def smtlib(circuit: Circuit, cone: list[int], wanted: Literal) -> str:
    """The same as SMT-LIB text, one definition for each gate."""

    def named(literal: Literal) -> str:
        gate = literal >> 1
        name = f"x{gate}" if circuit.is_input(gate) else f"g{gate}"
        return f"(not {name})" if literal & 1 else name

    def lines() -> Iterator[str]:
        yield "(set-logic QF_BV)"
        for gate in cone:
            if circuit.is_input(gate):
                yield f"(declare-const x{gate} Bool)"
            else:
                a, b = named(circuit.left[gate]), named(circuit.right[gate])
                yield f"(define-fun g{gate} () Bool (and {a} {b}))"
        yield f"(assert {named(wanted)})"

    return "\n".join(lines())
