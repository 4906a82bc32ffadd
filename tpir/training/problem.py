"""What is to be learnt: labelled inputs, split, and what is known of the space they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.semantics.program_space import input_space
from tpir.semantics.space import InputSpace
from tpir.training.examples import Examples, Label, Splits

PAD, BOS, EOS = "<pad>", "<s>", "</s>"

IGNORED = -100
"""The label id where there is no label, as ``torch.nn.functional.cross_entropy`` has it."""

UNLISTED = -1
"""The label id of a label that is not in the list: it counts, and no prediction equals it."""

COUNTED = 1_000_000
"""Spaces of at most so many inputs are gone through, input by input, where that is of use."""

Ids = NDArray[np.int64]


def at_most(size: int, space_size: int) -> int:
    """How many of ``size`` inputs are drawn from a space: at most 60 % of it, at least one.

    So what is held out, or not drawn at all, stays more than leftovers.
    """
    return min(size, max(1, space_size * 6 // 10))


class BatchLabels(NamedTuple):
    """``labels`` [input, position] (or [input, 1] if pooled) as label ids, ``IGNORED`` for none.

    ``defined`` [input]: whether the teacher labels the input at all.
    """

    labels: Ids
    defined: NDArray[np.bool_]


class Labelled(NamedTuple):
    """Inputs of one length: ``tokens`` [input, position], ``labels`` likewise or [input, 1]; ids.

    Ids are places in a problem's vocabulary and labels; see ``IGNORED`` and ``UNLISTED``.
    """

    tokens: Ids
    labels: Ids


Teacher = Callable[[Sequence[str]], list[Label]]
"""The gold labels of one input, an entry for each token; None where there is none.

Raises TpirError for an input that it does not label.
"""

Longer = Callable[[int, int, int], Examples]
"""Labelled inputs of a given length, also beyond the context: of length, count and seed.

As many distinct ones as are found, up to the count; none where the length is not one of inputs.
Raises TpirError where the function does not extend to that length.
"""

BatchTeacher = Callable[[Ids], BatchLabels]
"""The same for inputs of one length at once, as vocabulary ids [input, position]."""


@dataclass(frozen=True)
class Problem:
    """A function to learn, by the inputs it is learnt and judged on.

    ``vocabulary`` and ``labels`` are in index order, ``<pad>`` first; ``context`` is the length of
    the longest input, special tokens included. ``accepts`` is the form of inputs (a regular
    expression over tokens), None for all sequences up to the context. ``teacher`` labels inputs
    that are in no split; None where the examples are all there is, as with those of a file.
    ``batch_teacher`` is the same function on arrays. ``pooled``: one label for the whole input.

    ``lengths`` are those that inputs are drawn at, None for all; ``total`` says that the teacher
    labels every input of the form at these lengths. ``longer`` draws inputs of any length, where
    the function says what longer inputs are.
    """

    name: str
    vocabulary: tuple[str, ...]
    labels: tuple[str, ...]
    context: int
    causal: bool
    accepts: str | None
    splits: Splits
    teacher: Teacher | None = None
    batch_teacher: BatchTeacher | None = None
    pooled: bool = False
    lengths: tuple[int, ...] | None = None
    total: bool = True
    longer: Longer | None = None

    @cached_property
    def space(self) -> InputSpace:
        """The inputs of the accepted form, over the vocabulary without ``<pad>``."""
        return input_space(self.vocabulary[1:], self.context, self.accepts)

    @cached_property
    def space_size(self) -> int | None:
        """How many inputs there are that the teacher labels; None without a teacher.

        Where it refuses some of more than ``COUNTED``, those are counted, too.
        """
        if self.batch_teacher is None:
            return None
        size = self._form_size
        if self.total or size > COUNTED:
            return size
        return sum(len(batch.tokens) for batch in self.all_inputs())

    @property
    def share_seen(self) -> float | None:
        """The share of all inputs that are in the training split, 0 to 1; None if not known."""
        if self.space_size is None:
            return None
        return len(set(self.splits.train.tokens)) / self.space_size

    @property
    def listable(self) -> bool:
        """Whether ``all_inputs`` goes through at most ``COUNTED`` inputs."""
        return self.batch_teacher is not None and self._form_size <= COUNTED

    def encoded(self, examples: Examples) -> Iterator[Labelled]:
        """Examples as ids, those of each length together, shortest first.

        Raises TpirError for a token that is not in the vocabulary.
        """
        tokens = {token: i for i, token in enumerate(self.vocabulary)}
        labels: dict[Label, int] = {label: i for i, label in enumerate(self.labels)}
        labels[None] = IGNORED
        groups: dict[int, tuple[list[list[int]], list[list[int]]]] = {}
        for words, answers in zip(examples.tokens, examples.labels, strict=True):
            rows, found = groups.setdefault(len(words), ([], []))
            unknown = next((word for word in words if word not in tokens), None)
            if unknown is not None:
                raise TpirError(f"{unknown} is no token of {self.name}")
            rows.append([tokens[word] for word in words])
            found.append([labels.get(answer, UNLISTED) for answer in answers])
        for length in sorted(groups):
            rows, found = groups[length]
            yield Labelled(np.array(rows, dtype=np.int64), np.array(found, dtype=np.int64))

    def all_inputs(self, size: int = 2**14) -> Iterator[Labelled]:
        """All inputs with their labels, shortest first, at most ``size`` at a time.

        Raises TpirError where there is no teacher.
        """
        if self.batch_teacher is None:
            raise TpirError(f"{self.name} has no teacher: only the inputs of its data have labels")
        for length, codes in self.space.batches(size):
            if self.lengths is None or length in self.lengths:
                tokens = np.ascontiguousarray(codes.T) + 1  # <pad> comes first
                labels, defined = self.batch_teacher(tokens)
                yield Labelled(tokens[defined], labels[defined])

    @property
    def _form_size(self) -> int:
        counts = self.space.count_by_length()
        return sum(n for k, n in counts.items() if self.lengths is None or k in self.lengths)
