"""Running every input: by stretches, on several cores, and going on from a saved state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tpir.equiv import exhaustion
from tpir.equiv.exhaustion import Done, State, exhaust, stretches
from tpir.equiv.sources import Sides, Source
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.semantics.program_space import space_of
from tpir.text import parse


def program(text: str) -> Program:
    return parse(text, vocabulary=("a", "b", "c"), context=7)


SAME = program("x = selector_width(select(tokens, tokens, ==)) > 1;")
ALSO = program("x = selector_width(select(tokens, tokens, ==)) >= 2;")
OTHER = program("x = selector_width(select(tokens, tokens, ==)) > 1 and indices < 5;")


def sides(left: Program, right: Program) -> Sides:
    return Sides(Source.of_program(left), Source.of_program(right))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhaustion, "BATCH", 50)
    monkeypatch.setattr(exhaustion, "STRETCH", 200)


def test_stretches_cover_the_space_once() -> None:
    space = space_of(SAME)
    found = list(stretches(space))
    assert sum(s.last - s.first for s in found) == space.count()
    inputs = [
        tuple(column)
        for s in found
        for batch in space.of_length(s.length, 33, s.first, s.last)
        for column in batch.T.tolist()
    ]
    assert inputs == [tuple(c) for _, batch in space.batches(1000) for c in batch.T.tolist()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_inputs_are_run_whatever_the_jobs(jobs: int) -> None:
    space, told = space_of(SAME), list[tuple[int, int]]()
    done = exhaust(sides(SAME, ALSO), space, jobs=jobs, on_progress=lambda *both: told.append(both))
    assert done == Done(len(list(stretches(space))), space.count())
    assert told[-1] == (space.count(), space.count())
    assert [n for n, _ in told] == sorted(n for n, _ in told)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_difference_is_the_smallest(jobs: int) -> None:
    done = exhaust(sides(SAME, OTHER), space_of(SAME), jobs=jobs)
    assert done.difference == (0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Broken:
    """Sides that break off after some batches."""

    recipe: Sides
    after: int

    def __call__(self):  # type: ignore[no-untyped-def]
        left, right = self.recipe()
        run, left_over = left.run_batch, [self.after]

        def counted(tokens):  # type: ignore[no-untyped-def]
            left_over[0] -= 1
            if left_over[0] < 0:
                raise KeyboardInterrupt
            return run(tokens)

        left.run_batch = counted  # type: ignore[method-assign]
        return left, right


def test_what_broke_off_goes_on_from_its_state(tmp_path: Path) -> None:
    space, state = space_of(SAME), State(tmp_path / "state.json", "this")
    with pytest.raises(KeyboardInterrupt):
        exhaust(Broken(sides(SAME, ALSO), 30), space, state=state)
    part = state.load()
    assert 0 < part.inputs < space.count()
    told = list[int]()
    done = exhaust(sides(SAME, ALSO), space, state=state, on_progress=lambda n, _: told.append(n))
    assert told[0] > part.inputs and done.inputs == space.count()
    assert state.load() == done
    # And once more: all is done, so nothing is run.
    again = exhaust(Broken(sides(SAME, ALSO), 0), space, state=state)
    assert again == done


def test_the_state_of_another_check_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    State(path, "this").save(Done(3, 100))
    with pytest.raises(TpirError, match="another check"):
        exhaust(sides(SAME, ALSO), space_of(SAME), state=State(path, "that"))
    path.write_text(json.dumps([1]))
    with pytest.raises(TpirError, match="another check"):
        State(path, "this").load()


def test_a_difference_is_found_again_when_resumed(tmp_path: Path) -> None:
    state = State(tmp_path / "state.json", "this")
    first = exhaust(sides(SAME, OTHER), space_of(SAME), state=state)
    assert exhaust(sides(SAME, OTHER), space_of(SAME), state=state).difference == first.difference
