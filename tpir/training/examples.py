"""Labelled inputs: the data that models are trained on and judged by."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tpir.errors import TpirError, counted
from tpir.files import json_value, read_text

Label = str | None


@dataclass(frozen=True)
class Examples:
    """Inputs and their gold labels, index for index.

    ``labels[i]`` has one entry for each token of ``tokens[i]``, or a single one for a model with a
    pooled output; None where a position has no label.
    """

    tokens: tuple[tuple[str, ...], ...]
    labels: tuple[tuple[Label, ...], ...]

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, indices: Iterable[int]) -> Examples:
        """The examples at ``indices``, in that order."""
        chosen = list(indices)
        return Examples(
            tuple(self.tokens[i] for i in chosen), tuple(self.labels[i] for i in chosen)
        )

    def vocabulary(self) -> tuple[str, ...]:
        """The distinct tokens, sorted."""
        return tuple(sorted({token for tokens in self.tokens for token in tokens}))

    def label_set(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted({label for row in self.labels for label in row if label is not None}))


@dataclass(frozen=True)
class Splits:
    """Three sets of examples that share no input."""

    train: Examples
    validation: Examples
    test: Examples


def split(examples: Examples, *, seed: int, fraction: float = 0.1) -> Splits:
    """Split at random: ``fraction`` of the inputs to test, as much of the rest to validation.

    With the default that is 81 / 9 / 10 %. Repeats of an input stay together, so that no input is
    in two sets. Raises TpirError if a set would be empty.
    """
    distinct = list(dict.fromkeys(examples.tokens))
    rest, test = _hold_out(list(range(len(distinct))), seed, fraction)
    train, validation = _hold_out(rest, seed, fraction)
    if not train or not validation or not test:
        raise TpirError(f"{len(distinct)} distinct inputs are too few to split in three sets")
    if len(distinct) == len(examples):
        return Splits(examples.take(train), examples.take(validation), examples.take(test))
    places: dict[tuple[str, ...], list[int]] = {}
    for index, tokens in enumerate(examples.tokens):
        places.setdefault(tokens, []).append(index)
    chosen = [
        examples.take(place for i in part for place in places[distinct[i]])
        for part in (train, validation, test)
    ]
    return Splits(*chosen)


def _hold_out(items: list[int], seed: int, fraction: float) -> tuple[list[int], list[int]]:
    order = np.random.RandomState(seed).permutation(len(items))
    held = math.ceil(fraction * len(items))
    return [items[i] for i in order[held:]], [items[i] for i in order[:held]]


def split_by_length(examples: Examples, *, seed: int, fraction: float = 0.1) -> Splits:
    """Split the inputs of each length: ``fraction`` to test, as much of the rest to validation.

    Each gets at least one input of every length that has three or more; lengths with fewer are for
    training. Repeats of an input stay together, so that no input is in two sets. Raises TpirError
    if no length has three inputs.
    """
    random = np.random.RandomState(seed)
    places: dict[tuple[str, ...], list[int]] = {}
    for index, tokens in enumerate(examples.tokens):
        places.setdefault(tokens, []).append(index)
    inputs: dict[int, list[list[int]]] = {}
    for tokens, repeats in places.items():
        inputs.setdefault(len(tokens), []).append(repeats)
    parts: tuple[list[int], ...] = ([], [], [])
    for length in sorted(inputs):
        order = random.permutation(len(inputs[length])).tolist()
        tested = validated = 0
        if len(order) >= 3:
            tested = max(1, round(fraction * len(order)))
            validated = max(1, round(fraction * (len(order) - tested)))
        bounds = (tested + validated, len(order)), (tested, tested + validated), (0, tested)
        for part, (first, last) in zip(parts, bounds, strict=True):
            part.extend(i for k in order[first:last] for i in inputs[length][k])
    if not parts[1]:
        raise TpirError(
            f"{len(places)} distinct inputs, no three of a length, are too few to split"
        )
    return Splits(*(examples.take(sorted(part)) for part in parts))


def read_examples(path: Path, *, pooled: bool = False) -> Examples:
    """Read JSON lines ``{"tokens": [...], "labels": [...]}``; null where a position has no label.

    With ``pooled``, ``labels`` has a single entry for the whole input. Raises TpirError, naming the
    line, for anything else.
    """
    tokens: list[tuple[str, ...]] = []
    labels: list[tuple[Label, ...]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            row_tokens, row_labels = _parse_line(line, f"{path}, line {number}", pooled)
            tokens.append(row_tokens)
            labels.append(row_labels)
    if not tokens:
        raise TpirError(f"{path} holds no examples")
    return Examples(tuple(tokens), tuple(labels))


def _parse_line(line: str, where: str, pooled: bool) -> tuple[tuple[str, ...], tuple[Label, ...]]:
    row = json_value(line, where)
    if not isinstance(row, dict) or "tokens" not in row or "labels" not in row:
        raise TpirError(f'{where}: expected {{"tokens": [...], "labels": [...]}}')
    tokens, labels = row["tokens"], row["labels"]
    if not _is_list_of_strings(tokens, none=False) or not tokens:
        raise TpirError(f"{where}: tokens must be a non-empty list of strings")
    if not _is_list_of_strings(labels, none=True):
        raise TpirError(f"{where}: labels must be a list of strings, null where there is no label")
    expected = 1 if pooled else len(tokens)
    if len(labels) != expected:
        raise TpirError(f"{where}: {counted(len(labels), 'label')}, where {expected} belong")
    return tuple(tokens), tuple(labels)


def _is_list_of_strings(value: object, *, none: bool) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) or (none and item is None) for item in value
    )


def format_examples(examples: Examples) -> str:
    """The JSON lines that ``read_examples`` reads."""
    rows = zip(examples.tokens, examples.labels, strict=True)
    return "".join(_format_row(tokens, labels) + "\n" for tokens, labels in rows)


def _format_row(tokens: Sequence[str], labels: Sequence[Label]) -> str:
    return json.dumps({"tokens": list(tokens), "labels": list(labels)}, ensure_ascii=False)
