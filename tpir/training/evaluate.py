"""How often predictions are right: overall, and by length of the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.training.examples import Label


@dataclass(frozen=True)
class Tally:
    """Counts over some inputs: labelled positions and whole inputs, and those predicted right."""

    labels: int = 0
    correct: int = 0
    inputs: int = 0
    inputs_correct: int = 0

    @property
    def accuracy(self) -> float:
        """The share of labels that are right, 0 to 1; NaN where there is no label."""
        return self.correct / self.labels if self.labels else float("nan")

    @property
    def exact(self) -> float:
        """The share of inputs whose every label is right, 0 to 1; NaN where there is no input."""
        return self.inputs_correct / self.inputs if self.inputs else float("nan")

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.labels + other.labels,
            self.correct + other.correct,
            self.inputs + other.inputs,
            self.inputs_correct + other.inputs_correct,
        )


@dataclass(frozen=True)
class Accuracy:
    """``overall``, and ``by_length`` for each number of tokens (specials included), ascending."""

    overall: Tally
    by_length: Mapping[int, Tally]

    @property
    def mean_over_lengths(self) -> float:
        """The mean of the accuracies at each length that has labels, 0 to 1; NaN where none has.

        Data sets hold nearly only long inputs, as there are so few short ones: this counts a length
        as much as any other.
        """
        shares = [tally.accuracy for tally in self.by_length.values() if tally.labels]
        return sum(shares) / len(shares) if shares else float("nan")


def accuracy_by_length(
    tokens: Sequence[Sequence[str]],
    gold: Sequence[Sequence[Label]],
    predicted: Sequence[Sequence[Label]],
) -> Accuracy:
    """Compare ``predicted`` with ``gold``, input by input; where gold is None nothing counts.

    Each row of ``gold`` and ``predicted`` has an entry for each token, or one for a pooled output.
    Raises TpirError, naming the input, if the numbers of rows or entries differ.
    """
    if not len(tokens) == len(gold) == len(predicted):
        raise TpirError(
            f"{len(tokens)} inputs, {len(gold)} rows of labels and {len(predicted)} of predictions "
            "do not belong together"
        )
    lengths: dict[int, Tally] = {}
    for i, (row, labels, guesses) in enumerate(zip(tokens, gold, predicted, strict=True)):
        if len(labels) != len(guesses):
            raise TpirError(f"input {i + 1}: {len(guesses)} predictions for {len(labels)} labels")
        lengths[len(row)] = lengths.get(len(row), Tally()) + _tally(labels, guesses)
    return Accuracy(sum(lengths.values(), Tally()), dict(sorted(lengths.items())))


def _tally(gold: Sequence[Label], predicted: Sequence[Label]) -> Tally:
    right = [a == b for a, b in zip(gold, predicted, strict=True) if a is not None]
    return Tally(len(right), sum(right), 1, int(all(right)))
