"""Every pass has every kind of test; and the laws that stand for three of them can be broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from tests.passes.laws import assert_laws
from tests.passes.test_distill_laws import LAWS_OF_LOSSY
from tests.passes.test_golden import CASES
from tests.passes.test_guilty import FAULTS
from tests.passes.test_laws import SHIPPED
from tests.passes.test_saturate import LAWS_OF_OPTIONAL
from tests.passes.test_units import units_of
from tpir.ir.builder import Builder, rebuild
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
from tpir.ir.ops import Map
from tpir.ir.program import Node, Program
from tpir.passes.base import Pass, PassResult
from tpir.passes.pipeline import LOSSY, OPTIONAL, PASSES
from tpir.text import parse

GOLDEN = Path(__file__).parent / "golden"


def laws(name: str) -> bool:
    """Whether random programs test its soundness, that it settles, and that it does not grow."""
    return name in {each.name for each in SHIPPED} | set(LAWS_OF_LOSSY) | set(LAWS_OF_OPTIONAL)


KINDS: dict[str, Callable[[str], bool]] = {
    "unit tests: units/NAME.txt": lambda name: any(u.before != u.after for u in units_of(name)),
    "an example before: cases/NAME.rasp": lambda name: (CASES / f"{name}.rasp").exists(),
    "and after: golden/NAME.rasp": lambda name: (GOLDEN / f"{name}.rasp").exists(),
    "laws on random programs: test_laws.py": laws,
    "a planted fault: FAULTS in test_guilty.py": lambda name: (
        name in FAULTS or name in LAWS_OF_LOSSY
    ),
}


@pytest.mark.parametrize("name", PASSES | LOSSY | OPTIONAL)
def test_every_pass_has_every_kind_of_test(name: str) -> None:
    lacking = [what for what, has in KINDS.items() if not has(name)]
    assert not lacking, f"the pass {name} lacks {'; '.join(lacking)}"


def test_nothing_is_left_of_passes_that_are_gone() -> None:
    known = PASSES | LOSSY | OPTIONAL
    found = {path.stem for folder in ("units", "cases", "golden") for path in _files(folder)}
    assert found | set(FAULTS) <= set(known)


def _files(folder: str) -> list[Path]:
    return list((Path(__file__).parent / folder).iterdir())


# ---- laws that are broken


@dataclass(frozen=True)
class AddsOne(Pass):
    """Adds one to outputs that are numbers, or adds it and takes it away again."""

    name: ClassVar[str] = "adds-one"
    then_takes_it: bool = False

    def measure(self, program: Program) -> tuple[int, ...]:
        """Nothing, so that it does not grow."""
        return ()

    def run(self, program: Program) -> PassResult:
        """Never settles."""

        def added(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node:
            made = builder.copy(node, operands)
            if node in program.outputs.values():
                made = builder.add(_plus(1), [made])
                made = builder.add(_plus(-1), [made]) if self.then_takes_it else made
            return made

        return PassResult(rebuild(program, added), True)


def _plus(number: int) -> Map:
    return Map(Binary(BinaryOp.ADD, Argument(0), Literal(number)))


@dataclass(frozen=True)
class Once(AddsOne):
    """The same, but settles at once."""

    def run(self, program: Program) -> PassResult:
        """Does nothing where something has been added."""
        done = any(isinstance(node.op, Map) for node in program.nodes)
        return PassResult(program, False) if done else super().run(program)


@dataclass(frozen=True)
class Grows(Once):
    """The same, counting nodes."""

    def measure(self, program: Program) -> tuple[int, ...]:
        """Nodes."""
        return (len(program.nodes),)


BROKEN: dict[str, Pass] = {
    "another meaning": Once(),
    "does not settle": AddsOne(then_takes_it=True),
    "grows": Grows(then_takes_it=True),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_laws_are_seen(what: str) -> None:
    with pytest.raises(AssertionError):
        assert_laws(BROKEN[what], parse("output o = indices;", vocabulary="ab", context=2))


def test_kept_laws_are_not() -> None:
    program = parse("output o = indices;", vocabulary="ab", context=2)
    assert assert_laws(Once(then_takes_it=True), program).changed
