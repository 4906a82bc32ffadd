"""Tables of labels: what the last step of a constructed program looks up."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tpir.training.construct.features import Feature, is_ordered

Rows = Mapping[tuple[int, ...], str]
"""Labels by values, one for each feature."""

_FEWEST = 3
"""So many other rows have to spell their numbers before one is taken to do so, too."""


class LabelTable:
    """The label of each combination of values of some features.

    Combinations that are not in ``rows`` were not seen. Their label is a guess: where labels spell
    the numbers, plus a constant, one of ``names`` that does; else that of all rows that differ in
    one feature, if these agree; else that of the nearest row that differs in one number; else
    ``usual``.
    """

    def __init__(
        self, features: tuple[Feature, ...], rows: Rows, usual: str, names: Collection[str] = ()
    ) -> None:
        self.features, self.rows, self._usual, self._names = features, rows, usual, names
        offsets = {_offset(key, label) for key, label in rows.items()}
        self._offset = offsets.pop() if len(offsets) == 1 else None
        self._lines: dict[tuple[int, tuple[int, ...]], dict[int, str]] = {}
        for key, label in rows.items():
            for column, rest in _lines_of(key):
                self._lines.setdefault((column, rest), {})[key[column]] = label

    def label(self, key: tuple[int, ...]) -> str:
        """The label of some values, one for each feature; a guess if they were not seen."""
        return self.rows.get(key) or self.guess(key)

    def guess(self, key: tuple[int, ...]) -> str:
        """What the label would be if there were no such row."""
        if self._offset is not None and len(self.rows.keys() - {key}) >= _FEWEST:
            spelled = str(key[0] + self._offset)
            if spelled in self._names:
                return spelled
        agreed: list[tuple[int, str]] = []
        nearest: list[tuple[int, int, str]] = []
        for column, rest in _lines_of(key):
            line, own = self._lines.get((column, rest), {}), key[column]
            others = {value: label for value, label in line.items() if value != own}
            if len(others) > 1 and len(set(others.values())) == 1:
                agreed.append((len(others), next(iter(others.values()))))
            if others and is_ordered(self.features[column]):
                value = min(others, key=lambda value: (abs(value - own), value))
                nearest.append((abs(value - own), column, others[value]))
        if agreed:
            return max(agreed, key=lambda entry: entry[0])[1]
        return min(nearest)[2] if nearest else self._usual


def _lines_of(key: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
    """Each column of a key, with the values of the others."""
    return [(column, key[:column] + key[column + 1 :]) for column in range(len(key))]


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


def _compatible(members: Rows, profile: Rows) -> bool:
    return all(members.get(rest, label) == label for rest, label in profile.items())


def _offset(key: tuple[int, ...], label: str) -> int | None:
    return int(label) - key[0] if len(key) == 1 and _is_number(label) else None


def _is_number(label: str) -> bool:
    return label.removeprefix("-").isdecimal()
