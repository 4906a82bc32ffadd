"""Tables of labels: what the last step of a constructed program looks up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tpir.training.construct.features import Feature

Rows = Mapping[tuple[int, ...], str]
"""Labels by values, one for each feature."""

_FEWEST = 3
"""So many rows have to spell their numbers before others are taken to do so, too."""


@dataclass(frozen=True)
class LabelTable:
    """The label of each combination of values of some features.

    Combinations that are not in ``rows`` were not seen, and may get any label: ``usual``, where
    nothing makes another one simpler.
    """

    features: tuple[Feature, ...]
    rows: Rows
    usual: str


def merge_columns(rows: Rows) -> tuple[dict[tuple[int, int], int], Rows]:
    """Make one column of the first two of a table: combinations that it need not tell apart.

    The class of each combination seen, and the rows with that in place of the two. Combinations
    are compatible if no values of the other columns go with different labels: the functional
    decomposition of Ashenhurst and Curtis, with classes filled greedily.
    """
    profiles: dict[tuple[int, int], dict[tuple[int, ...], str]] = {}
    for key, label in rows.items():
        profiles.setdefault((key[0], key[1]), {})[key[2:]] = label
    classes: list[dict[tuple[int, ...], str]] = []
    class_of: dict[tuple[int, int], int] = {}
    for pair, profile in profiles.items():
        compatible = (k for k, members in enumerate(classes) if _compatible(members, profile))
        k = class_of[pair] = next(compatible, len(classes))
        if k == len(classes):
            classes.append({})
        classes[k].update(profile)
    merged = {
        (k, *rest): label for k, members in enumerate(classes) for rest, label in members.items()
    }
    return class_of, merged


def extended(rows: Rows, names: Sequence[str]) -> Rows:
    """A table whose labels spell its numbers (plus a constant) goes on where nothing was seen."""
    offsets = {_offset(key, label) for key, label in rows.items()}
    offset = offsets.pop()
    if offsets or offset is None or len(rows) < _FEWEST:
        return rows
    return {(int(name) - offset,): name for name in names if _is_number(name)} | dict(rows)


def _compatible(members: Rows, profile: Rows) -> bool:
    return all(members.get(rest, label) == label for rest, label in profile.items())


def _offset(key: tuple[int, ...], label: str) -> int | None:
    return int(label) - key[0] if len(key) == 1 and _is_number(label) else None


def _is_number(label: str) -> bool:
    return label.removeprefix("-").isdecimal()
