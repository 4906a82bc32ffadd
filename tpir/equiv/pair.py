"""Two sides over one space: where their outcomes differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.compare import differences
from tpir.equiv.runners import Recoded, Runner
from tpir.equiv.verdict import Answer, Counterexample, Verdict
from tpir.semantics.space import InputSpace

Codes = tuple[int, ...]


class Pair:
    """Both sides over the space's vocabulary. ``approximate``: outputs compared up to rounding."""

    def __init__(self, left: Runner, right: Runner, space: InputSpace) -> None:
        self._sides = (left, right)
        self._space = space
        self._left = Recoded(left, space.vocabulary)
        self._right = Recoded(right, space.vocabulary)
        self.approximate: frozenset[str] = frozenset()

    def _differences(self, batch: NDArray[np.int64]) -> NDArray[np.bool_]:
        left, right = self._left.run_batch(batch), self._right.run_batch(batch)
        self.approximate = left.approximate | right.approximate
        return differences(left, right)

    def first_difference(self, batch: NDArray[np.int64]) -> Codes | None:
        """The first input of a batch (position, input) on which they differ."""
        differ = self._differences(batch)
        if not differ.any():
            return None
        return tuple(batch[:, int(differ.argmax())].tolist())

    def differ_each(self, inputs: list[Codes]) -> list[bool]:
        """For inputs of one length, whether the sides differ on each."""
        batch = np.array(inputs, dtype=np.int64).T
        found: list[bool] = self._differences(batch).tolist()
        return found

    def example(self, codes: Codes) -> Counterexample:
        """An input, and what each side makes of it."""
        batch = np.array([codes], dtype=np.int64).T
        return Counterexample(
            tuple(self._space.decode(codes)),
            self._left.run_batch(batch).outcomes()[0],
            self._right.run_batch(batch).outcomes()[0],
        )

    def agreed(self, answer: Answer, done: int, method: str, seed: int | None) -> Verdict:
        """The verdict where no difference was found."""
        approximate = tuple(sorted(self.approximate))
        return Verdict(answer, done, method, seed, None, self.float32_differences(), approximate)

    def refuted(self, codes: Codes, done: int, method: str, seed: int | None) -> Verdict:
        """The verdict on an input on which they differ."""
        example = self.example(codes)
        approximate = tuple(sorted(self.approximate))
        return Verdict(Answer.REFUTED, done, method, seed, example, approximate=approximate)

    def float32_differences(self) -> dict[str, int]:
        """On how many inputs so far the float32 run of a side differed, where it has one."""
        counts = {
            name: side.float32_differences() for name, side in zip("AB", self._sides, strict=True)
        }
        return {name: count for name, count in counts.items() if count is not None}
