"""Every input of a space on both sides: in batches, on several cores, resumable.

The inputs are numbered, shortest first and those of a length in lexicographic order, and cut into
stretches. No list of them is ever held: a worker makes those of its stretch from their numbers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from joblib import Parallel, delayed

from tpir.equiv.pair import Codes, Pair
from tpir.equiv.runners import Runner
from tpir.errors import TpirError
from tpir.files import json_value, read_text, write_atomic
from tpir.semantics.space import InputSpace

BATCH = 2**15
"""Inputs that are run at once."""

STRETCH = 4 * BATCH
"""Inputs that a worker takes at a time, if they are of one length."""

SAVED_EVERY = 5.0
"""Seconds between two states on disk."""

Progress = Callable[[int, int], None]
Recipe = Callable[[], tuple[Runner, Runner]]
"""Makes both sides, in whatever process it is called; what workers are sent."""


@dataclass(frozen=True)
class Stretch:
    """The inputs of a length with numbers from ``first`` to ``last``, that one left out."""

    length: int
    first: int
    last: int


@dataclass(frozen=True)
class Done:
    """How far it has come: stretches and inputs without a difference, or the first difference.

    ``float32`` counts inputs on which float32 runs differ, ``approximate`` names outputs compared
    up to rounding.
    """

    stretches: int = 0
    inputs: int = 0
    difference: Codes | None = None
    float32: dict[str, int] = field(default_factory=dict)
    approximate: tuple[str, ...] = ()

    def and_then(self, other: Done) -> Done:
        """With one more stretch."""
        counts = {
            name: self.float32.get(name, 0) + other.float32.get(name, 0)
            for name in {**self.float32, **other.float32}
        }
        approximate = tuple(sorted({*self.approximate, *other.approximate}))
        return Done(
            self.stretches + other.stretches,
            self.inputs + other.inputs,
            other.difference,
            counts,
            approximate,
        )


@dataclass(frozen=True)
class State:
    """A file that says how far a check has come. ``of`` names what it is a check of."""

    path: Path
    of: str

    def load(self) -> Done:
        """What is done; nothing where there is no file. Raises TpirError for another check's."""
        if not self.path.exists():
            return Done()
        found = json_value(read_text(self.path), str(self.path))
        if not isinstance(found, dict) or found.get("of") != self.of or "done" not in found:
            raise TpirError(f"{self.path} is the state of another check; remove it to start anew")
        done = found["done"]
        return Done(
            done["stretches"], done["inputs"], None, done["float32"], tuple(done["approximate"])
        )

    def save(self, done: Done) -> None:
        """Write it, in one step."""
        content = {"of": self.of, "done": asdict(replace(done, difference=None))}
        write_atomic(self.path, json.dumps(content) + "\n", force=True)


def stretches(space: InputSpace) -> Iterator[Stretch]:
    """All inputs of a space, in order."""
    for length, total in space.count_by_length().items():
        for first in range(0, total, STRETCH):
            yield Stretch(length, first, min(first + STRETCH, total))


def exhaust(
    recipe: Recipe,
    space: InputSpace,
    *,
    jobs: int = 1,
    state: State | None = None,
    on_progress: Progress | None = None,
) -> Done:
    """Run both sides on every input, until the first difference.

    ``jobs`` processes (joblib's backend; -1 for all cores) work side by side, and their results are
    read in order, so that the difference is a smallest one whatever their number. With a ``state``
    it goes on from what was saved. Raises what the sides raise.
    """
    done = Done() if state is None else state.load()
    total, saved = space.count(), time.monotonic()
    todo = (s for k, s in enumerate(stretches(space)) if k >= done.stretches)
    results = _here(recipe, space, todo) if jobs == 1 else _side_by_side(recipe, space, todo, jobs)
    with closing(results):
        try:
            for result in results:
                after = done.and_then(result)
                if on_progress is not None:
                    on_progress(after.inputs, total)
                if after.difference is not None:
                    return after
                done = after
                if state is not None and time.monotonic() - saved > SAVED_EVERY:
                    state.save(done)
                    saved = time.monotonic()
        finally:
            if state is not None:
                state.save(done)
    return done


def _here(
    recipe: Recipe, space: InputSpace, todo: Iterable[Stretch]
) -> Generator[Done, None, None]:
    left, right = recipe()
    try:
        pair = Pair(left, right, space)
        for stretch in todo:
            yield _run(pair, space, stretch)
    finally:
        left.close()
        right.close()


def _side_by_side(
    recipe: Recipe, space: InputSpace, todo: Iterable[Stretch], jobs: int
) -> Generator[Done, None, None]:
    found = False

    def until_found() -> Iterator[Stretch]:
        for stretch in todo:
            if found:
                return
            yield stretch

    work = delayed(_in_worker)
    parallel = Parallel(n_jobs=jobs, return_as="generator", pre_dispatch="2*n_jobs")
    for result in parallel(work(recipe, space, stretch) for stretch in until_found()):
        if not found:  # what was under way after a difference is waited for, and not read
            found = result.difference is not None
            first = result
            if not found:
                yield result
    if found:
        yield first


_HELD: dict[bytes, Pair] = {}
"""What a worker has made: one pair at a time."""


def _in_worker(recipe: Recipe, space: InputSpace, stretch: Stretch) -> Done:
    name = repr((recipe, space.vocabulary)).encode()
    if name not in _HELD:
        _HELD.clear()
        _HELD[name] = Pair(*recipe(), space)
    return _run(_HELD[name], space, stretch)


def _run(pair: Pair, space: InputSpace, stretch: Stretch) -> Done:
    """The inputs of a stretch, or those up to and with the batch that shows a difference."""
    before, done, found = pair.float32_differences(), 0, None
    for batch in space.of_length(stretch.length, BATCH, stretch.first, stretch.last):
        found = pair.first_difference(batch)
        done += batch.shape[1]
        if found is not None:
            break
    after = pair.float32_differences()
    counts = {name: count - before.get(name, 0) for name, count in after.items()}
    return Done(int(found is None), done, found, counts, tuple(sorted(pair.approximate)))
