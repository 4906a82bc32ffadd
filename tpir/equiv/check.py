"""``check``: are two artefacts the same function on an input space?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import NoSuchExample
from numpy.typing import NDArray

from tpir.equiv.exhaustion import BATCH, Done, exhaust
from tpir.equiv.pair import Codes, Pair
from tpir.equiv.runners import ProgramRunner, Runner
from tpir.equiv.shrink import shrink
from tpir.equiv.verdict import Answer, Verdict
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.semantics.space import InputSpace
from tpir.semantics.strategies import inputs

Progress = Callable[[int, int], None]


def check_programs(
    left: Program,
    right: Program,
    space: InputSpace,
    *,
    limit: int = 1_000_000,
    samples: int = 20_000,
    seed: int = 0,
) -> Verdict:
    """Compare two programs by running them; see ``check``."""
    sides = (ProgramRunner(left), ProgramRunner(right))
    return check(*sides, space, limit=limit, samples=samples, seed=seed)


def check(
    left: Runner,
    right: Runner,
    space: InputSpace,
    *,
    limit: int = 1_000_000,
    samples: int = 20_000,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Verdict:
    """Run both sides and compare.

    A space of at most ``limit`` inputs is gone through whole, shortest inputs first: ``proved``, or
    ``refuted`` by the first difference, which is a smallest one. From a larger space ``samples``
    inputs are drawn, lengths evenly, and Hypothesis searches on: ``refuted`` by an input shrunk as
    far as it goes, or ``tested``.
    """
    pair = Pair(left, right, space)
    if space.count() <= limit:
        done = exhaust(lambda: (_Kept(left), _Kept(right)), space, on_progress=on_progress)
        return by_exhaustion(pair, done)
    return by_samples(pair, space, samples, seed, on_progress)


def by_exhaustion(pair: Pair, done: Done) -> Verdict:
    """The verdict when all inputs have been run."""
    if done.difference is not None:
        return pair.refuted(done.difference, done.inputs, "shortest inputs first", None)
    method = "by exhaustion"
    return Verdict(Answer.PROVED, done.inputs, method, None, None, done.float32, done.approximate)


def by_samples(
    pair: Pair,
    space: InputSpace,
    samples: int,
    seed: int,
    on_progress: Progress | None = None,
) -> Verdict:
    """Run drawn inputs and let Hypothesis search on: refuted or tested."""
    done = 0
    for batch in _drawn(space, samples, seed):
        found = pair.first_difference(batch)
        done += batch.shape[1]
        if on_progress is not None:
            on_progress(done, samples)
        if found is not None:
            smallest = shrink(found, space, pair.differ_each)
            return pair.refuted(smallest, done, "shrunk", seed)
    searched = _search(pair, space, seed)
    if searched is not None:
        smallest = shrink(searched, space, pair.differ_each)
        return pair.refuted(smallest, done, "shrunk", seed)
    total = space.count()
    possible = f"of {total:.3g} possible" if total > 10**9 else f"of {total:,} possible"
    return pair.agreed(Answer.TESTED, done, possible, seed)


class _Kept:
    """A runner that whoever made it closes."""

    def __init__(self, runner: Runner) -> None:
        self.vocabulary = runner.vocabulary
        self.run_batch = runner.run_batch
        self.float32_differences = runner.float32_differences

    def close(self) -> None:
        """Nothing."""


def _drawn(space: InputSpace, samples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Inputs drawn with lengths evenly spread, in batches of one length, short ones first."""
    drawn = space.sample(samples, np.random.default_rng(seed), by="length")
    by_length: dict[int, list[NDArray[np.int64]]] = {}
    for codes in drawn:
        by_length.setdefault(len(codes), []).append(codes)
    for length in sorted(by_length):
        rows = by_length[length]
        for k in range(0, len(rows), BATCH):
            yield np.stack(rows[k : k + BATCH], axis=1)


def _search(pair: Pair, space: InputSpace, seed: int) -> Codes | None:
    """Let Hypothesis look for a difference, one input at a time, and shrink what it finds."""

    def differs(tokens: list[Value]) -> bool:
        return pair.differ_each([tuple(space.encode(tokens).tolist())])[0]

    quiet = settings(
        max_examples=300,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        with TemporaryDirectory() as scratch:  # Hypothesis leaves a folder where it runs
            set_hypothesis_home_dir(scratch)
            found = find(inputs(space), differs, settings=quiet, random=Random(seed))
    except NoSuchExample:
        return None
    finally:
        set_hypothesis_home_dir(None)
    return tuple(space.encode(found).tolist())
