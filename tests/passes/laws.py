"""What every pass must satisfy, as functions that tests call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.compare import differences
from tpir.ir.program import Program
from tpir.ir.verify import verify
from tpir.passes.base import Pass, PassResult
from tpir.semantics.interpreter import BatchResult, run_batch
from tpir.semantics.program_space import space_of

MOST_INPUTS = 2000


def assert_laws(each: Pass, program: Program, meaning: Meaning | None = None) -> PassResult:
    """Well formed, the same meaning, not larger, and nothing left to do. Returns the result.

    ``meaning``: that of the program, where it is known already.
    """
    before = program.fingerprint, [n.name for n in program.nodes]
    result = each.run(program)
    assert (program.fingerprint, [n.name for n in program.nodes]) == before
    after = result.program
    if not result.changed:
        assert after is program
        return result
    verify(after)
    assert after.header == program.header
    assert tuple(after.outputs) == tuple(program.outputs)
    assert each.measure(after) <= each.measure(program), (each, each.measure(program), result.notes)
    again = each.run(after)
    assert not again.changed, (each, again.notes)
    (meaning or Meaning(program)).assert_kept(after)
    return result


class Meaning:
    """What a program gives on the inputs of its space: on the first few if they are many."""

    def __init__(self, program: Program) -> None:
        self.program, self.space = program, space_of(program)

    @cached_property
    def _results(self) -> list[tuple[NDArray[np.generic], BatchResult]]:
        few = self.space.count() <= 4 * MOST_INPUTS
        batches = islice(self.space.batches(MOST_INPUTS), None if few else 1)
        return [(tokens, run_batch(self.program, tokens)) for _, tokens in batches]

    def assert_kept(self, other: Program) -> None:
        """Equal outcomes, failures included."""
        for tokens, result in self._results:
            differ = differences(result, run_batch(other, tokens))
            assert not differ.any(), self.space.decode(tokens[:, int(differ.argmax())])


def assert_same_meaning(left: Program, right: Program) -> None:
    """Equal outcomes, failures included, on the inputs of the space; the first few if many."""
    Meaning(left).assert_kept(right)


@dataclass(frozen=True)
class Faulty(Pass):
    """A pass with a fault: ``mutate`` changes its result. For tests of what must catch faults.

    It has the name of the pass that it wraps, so that a checker names that one as guilty.
    """

    inner: Pass
    mutate: Callable[[Program], Program]

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name of the wrapped pass."""
        return self.inner.name

    def measure(self, program: Program) -> tuple[int, ...]:
        """The wrapped pass's."""
        return self.inner.measure(program)

    def run(self, program: Program) -> PassResult:
        """Run the wrapped pass and spoil what it made."""
        result = self.inner.run(program)
        spoiled = self.mutate(result.program)
        return PassResult(spoiled, spoiled is not program, result.notes)
