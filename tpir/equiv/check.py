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

from tpir.equiv.compare import differences
from tpir.equiv.runners import ProgramRunner, Recoded, Runner
from tpir.equiv.shrink import shrink
from tpir.equiv.verdict import Answer, Counterexample, Verdict
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.semantics.space import InputSpace
from tpir.semantics.strategies import inputs

BATCH = 2**15
Progress = Callable[[int, int], None]
Codes = tuple[int, ...]


def check_programs(
    left: Program,
    right: Program,
    space: InputSpace,
    *,
    limit: int = 1_000_000,
    samples: int = 20_000,
    seed: int = 0,
) -> Verdict:
    """Compare two programs; see ``check``."""
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
    pair = _Pair(left, right, space)
    total = space.count()
    exhaustive = total <= limit
    batches = _all(space) if exhaustive else _drawn(space, samples, seed)
    done = 0
    for batch in batches:
        found = pair.first_difference(batch)
        done += batch.shape[1]
        if on_progress is not None:
            on_progress(done, total if exhaustive else samples)
        if found is not None:
            smallest = found if exhaustive else shrink(found, space, pair.differ_each)
            return pair.refuted(smallest, done, exhaustive, seed)
    if exhaustive:
        return pair.agreed(Answer.PROVED, done, "by exhaustion", None)
    searched = _search(pair, space, seed)
    if searched is not None:
        return pair.refuted(shrink(searched, space, pair.differ_each), done, exhaustive, seed)
    possible = f"of {total:.3g} possible" if total > 10**9 else f"of {total:,} possible"
    return pair.agreed(Answer.TESTED, done, possible, seed)


def _all(space: InputSpace) -> Iterator[NDArray[np.int64]]:
    for _, batch in space.batches(BATCH):
        yield batch


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


def _search(pair: _Pair, space: InputSpace, seed: int) -> Codes | None:
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


class _Pair:
    """Both sides over the space's vocabulary."""

    def __init__(self, left: Runner, right: Runner, space: InputSpace) -> None:
        self._sides = (left, right)
        self._space = space
        self._left = Recoded(left, space.vocabulary)
        self._right = Recoded(right, space.vocabulary)
        self._approximate: frozenset[str] = frozenset()

    def _differences(self, batch: NDArray[np.int64]) -> NDArray[np.bool_]:
        left, right = self._left.run_batch(batch), self._right.run_batch(batch)
        self._approximate = left.approximate | right.approximate
        return differences(left, right)

    def first_difference(self, batch: NDArray[np.int64]) -> Codes | None:
        differ = self._differences(batch)
        if not differ.any():
            return None
        return tuple(batch[:, int(differ.argmax())].tolist())

    def differ_each(self, inputs: list[Codes]) -> list[bool]:
        """For inputs of one length, whether the sides differ on each."""
        batch = np.array(inputs, dtype=np.int64).T
        found: list[bool] = self._differences(batch).tolist()
        return found

    def agreed(self, answer: Answer, done: int, method: str, seed: int | None) -> Verdict:
        counts, approximate = self._float32_differences(), tuple(sorted(self._approximate))
        return Verdict(answer, done, method, seed, None, counts, approximate)

    def refuted(self, codes: Codes, done: int, exhaustive: bool, seed: int) -> Verdict:
        batch = np.array([codes], dtype=np.int64).T
        example = Counterexample(
            tuple(self._space.decode(codes)),
            self._left.run_batch(batch).outcomes()[0],
            self._right.run_batch(batch).outcomes()[0],
        )
        method = "shortest inputs first" if exhaustive else "shrunk"
        approximate = tuple(sorted(self._approximate))
        drawn = None if exhaustive else seed
        return Verdict(Answer.REFUTED, done, method, drawn, example, approximate=approximate)

    def _float32_differences(self) -> dict[str, int]:
        counts = {
            name: side.float32_differences() for name, side in zip("AB", self._sides, strict=True)
        }
        return {name: count for name, count in counts.items() if count is not None}
