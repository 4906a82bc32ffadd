"""What every pass must satisfy, as functions that tests call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tpir.equiv.compare import differences
from tpir.ir.program import Program
from tpir.ir.verify import verify
from tpir.passes.base import Pass, PassResult
from tpir.semantics.interpreter import run_batch
from tpir.semantics.program_space import space_of

MOST_INPUTS = 2000


def assert_laws(each: Pass, program: Program) -> PassResult:
    """Well formed, the same meaning, not larger, and nothing left to do. Returns the result."""
    before = program.fingerprint, [n.name for n in program.nodes]
    result = each.run(program)
    assert (program.fingerprint, [n.name for n in program.nodes]) == before
    after = result.program
    verify(after)
    assert after.header == program.header
    assert tuple(after.outputs) == tuple(program.outputs)
    assert each.measure(after) <= each.measure(program), (each, each.measure(program), result.notes)
    assert result.changed or after is program
    again = each.run(after)
    assert not again.changed, (each, again.notes)
    assert_same_meaning(program, after)
    return result


def assert_same_meaning(left: Program, right: Program) -> None:
    """Equal outcomes, failures included, on the inputs of the space; the first few if many."""
    space = space_of(left)
    for _, tokens in space.batches(MOST_INPUTS):
        differ = differences(run_batch(left, tokens), run_batch(right, tokens))
        assert not differ.any(), space.decode(tokens[:, int(differ.argmax())])
        if space.count() > 4 * MOST_INPUTS:
            break


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
