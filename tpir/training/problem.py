"""What is to be learnt: labelled inputs, split, and what is known of the space they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tpir.training.examples import Label, Splits

Teacher = Callable[[Sequence[str]], list[Label]]
"""The gold labels of one input, an entry for each token; None where there is none."""


@dataclass(frozen=True)
class Problem:
    """A function to learn, by the inputs it is learnt and judged on.

    ``vocabulary`` and ``labels`` are in index order, ``<pad>`` first; ``context`` is the length of
    the longest input, special tokens included. ``accepts`` is the form of inputs (a regular
    expression over tokens), None for all sequences up to the context. ``teacher`` labels inputs
    that are in no split; None where the examples are all there is, as with those of a file.
    """

    name: str
    vocabulary: tuple[str, ...]
    labels: tuple[str, ...]
    context: int
    causal: bool
    accepts: str | None
    splits: Splits
    teacher: Teacher | None = None
