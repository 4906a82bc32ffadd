"""Grids of training settings: a TOML file that stands for many runs."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tpir.errors import TpirError

PROBLEMS = ("task", "teacher", "data")
"""The settings that say what is learnt: alternatives to each other."""

Settings = Mapping[str, object]


@dataclass(frozen=True)
class GridRun:
    """One point of a grid: settings by name, ``method`` and one of ``PROBLEMS`` among them.

    ``name`` can be that of a folder, and no other run of the grid has it.
    """

    name: str
    settings: Settings

    def to_json(self) -> str:
        """The settings as indented JSON, in their order."""
        return json.dumps(self.settings, indent=2, ensure_ascii=False) + "\n"


def read_grid(text: str, source: str, methods: Sequence[str]) -> list[GridRun]:
    """The runs of a grid: the product of its lists.

    A setting that is a list has each of its values in turn; one that takes a list itself is given a
    list of lists. Tasks, teachers and data are alternatives: each is a problem of its own. A table
    named after a method has settings for that method alone. ``methods`` are those there are, the
    usual one first. A run is named after its problem, its method and the settings that are lists.

    Raises TpirError, in one line that starts with ``source``, for anything else.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TpirError(f"{source}: not TOML: {error}") from None
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    for name in tables:
        if name not in methods:
            raise TpirError(f"{source}: [{name}] is no method; there is: {', '.join(methods)}")
    common = {key: value for key, value in content.items() if key not in tables}
    points = [
        (point, listed)
        for problem in _problems(common, source)
        for method in _listed(common.get("method", methods[0]), "method", source)
        for point, listed in _product(
            {**_others(common), **tables.get(str(method), {})}, source, problem, method
        )
    ]
    for point, _ in points:
        if point["method"] not in methods:
            raise TpirError(
                f"{source}: there is no method {point['method']}; there is: {', '.join(methods)}"
            )
    return _named(points, source)


def _problems(common: Settings, source: str) -> list[tuple[str, object]]:
    found = [(key, v) for key in PROBLEMS for v in _listed(common.get(key, []), key, source, 0)]
    if not found:
        raise TpirError(f"{source}: say what to train on: give a task, a teacher or data")
    return found


def _others(common: Settings) -> dict[str, object]:
    return {key: value for key, value in common.items() if key not in (*PROBLEMS, "method")}


def _listed(value: object, key: str, source: str, least: int = 1) -> list[object]:
    """What a setting is in turn. Raises TpirError for an empty list, and for what is no setting."""
    values: list[object] = value if isinstance(value, list) else [value]
    if len(values) < least:
        raise TpirError(f"{source}: {key} is an empty list: there would be no run")
    for item in values:
        for part in item if isinstance(item, list) else [item]:
            if not isinstance(part, str | int | float):
                raise TpirError(f"{source}: {key}: {part} is no word, number or truth value")
    return values


def _product(
    settings: Settings, source: str, problem: tuple[str, object], method: object
) -> Iterator[tuple[dict[str, object], list[str]]]:
    """Each point with the names of the settings that are lists."""
    values = [_listed(value, key, source) for key, value in settings.items()]
    listed = [key for key, value in settings.items() if isinstance(value, list)]
    for chosen in itertools.product(*values):
        begin = {problem[0]: problem[1], "method": method}
        yield begin | dict(zip(settings, chosen, strict=True)), listed


def _named(points: list[tuple[dict[str, object], list[str]]], source: str) -> list[GridRun]:
    names = [_name(point, listed) for point, listed in points]
    counts = Counter(name.lower() for name in names)  # some file systems know no case
    runs: dict[str, GridRun] = {}
    for (point, _), name in zip(points, names, strict=True):
        if counts[name.lower()] > 1:  # they differ in what no folder can be called
            digest = hashlib.sha256(json.dumps(point).encode()).hexdigest()
            name = f"{name}_{digest[:8]}"
        if name in runs:
            raise TpirError(f"{source}: the run {name} stands there twice")
        runs[name] = GridRun(name, point)
    return list(runs.values())


def _name(point: Settings, listed: list[str]) -> str:
    problem = next(str(point[key]) for key in PROBLEMS if key in point)
    parts = [problem, str(point["method"]), *(f"{key}={_spelled(point[key])}" for key in listed)]
    return "_".join(re.sub(r"[^A-Za-z0-9_.=+-]+", "-", part).strip("-.") for part in parts)


def _spelled(value: object) -> str:
    if isinstance(value, list):
        return "+".join(map(_spelled, value))
    return value if isinstance(value, str) else json.dumps(value)
