"""How many labels of some data a program gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.files import json_value, read_text
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical, Pooled
from tpir.ir.values import value_key
from tpir.passes.trials import labels
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.machine import Machine
from tpir.semantics.maps import MapKernel

NONE, OTHER = -1, -2
"""Codes of no label, and of one that the program never gives."""


@dataclass(frozen=True)
class Row:
    """An input and its labels: one for each token, or one alone; None where there is none."""

    tokens: tuple[str, ...]
    labels: tuple[str | None, ...]


def read_rows(path: Path) -> list[Row]:
    """JSON lines of objects with ``tokens`` and ``labels`` (or ``gold``).

    Raises TpirError, naming the line, for anything else.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            rows.append(_row(json_value(line, f"{path}, line {number}"), path, number))
    if not rows:
        raise TpirError(f"{path} holds no examples")
    return rows


def _row(value: object, path: Path, number: int) -> Row:
    if isinstance(value, dict):
        tokens, found = value.get("tokens"), value.get("labels", value.get("gold"))
        if isinstance(tokens, list) and isinstance(found, list):
            whole = len(found) in (1, len(tokens))
            words = all(isinstance(t, str) for t in tokens)
            if whole and words and all(x is None or isinstance(x, str) for x in found):
                return Row(tuple(tokens), tuple(found))
    raise TpirError(
        f'{path}, line {number}: expected {{"tokens": [...], "labels": [...]}}, '
        "a label for each token or one alone, null where there is none"
    )


@dataclass(frozen=True, eq=False)
class _Group:
    machine: Machine
    gold: NDArray[np.intp]


class Scores:
    """Data that a program is measured on; what its nodes hold there is computed once."""

    def __init__(self, program: Program, rows: Sequence[Row]) -> None:
        self.original = program
        self.least = 0
        self._kernels: dict[Node, MapKernel] = {}
        interpreter = Interpreter(program)
        by_length: dict[int, list[Row]] = {}
        for row in rows:
            by_length.setdefault(len(row.tokens), []).append(row)
        self.groups = []
        for _, group in sorted(by_length.items(), reverse=True):
            batch = np.array([interpreter.encode(row.tokens) for row in group], dtype=np.int64).T
            machine = Machine(program.header, batch, self._kernels)
            self.groups.append(_Group(machine, _gold(program, group)))
        self.total = sum(int((group.gold != NONE).sum()) for group in self.groups)

    def right(self, program: Program) -> int:
        """How many labels a program gets right."""
        name = next(iter(self.original.outputs))
        return sum(
            int((labels(program, self.original, group.machine)[name] == group.gold).sum())
            for group in self.groups
        )

    def alike(self, program: Program, other: Program) -> int:
        """How many of the labelled places get the same label from both."""
        name, count = next(iter(self.original.outputs)), 0
        for group in self.groups:
            found = (labels(p, self.original, group.machine)[name] for p in (program, other))
            count += int((np.equal(*found) & (group.gold != NONE)).sum())
        return count

    def agrees(self, program: Program) -> bool:
        """Whether a program gets at least ``least`` labels right."""
        missing = self.total - self.least
        name = next(iter(self.original.outputs))
        for group in self.groups:
            found = labels(program, self.original, group.machine)[name]
            missing -= int(((found != group.gold) & (group.gold != NONE)).sum())
            if missing < 0:
                return False
        return True

    def keep(self, program: Program) -> None:
        """Forget what nodes hold that are not in this program, or in the original."""
        wanted = {*program.nodes, *self.original.nodes}
        for group in self.groups:
            group.machine.keep(wanted)
        for node in [node for node in self._kernels if node not in wanted]:
            del self._kernels[node]


def _gold(program: Program, rows: Sequence[Row]) -> NDArray[np.intp]:
    """Codes of the labels, (position, input)."""
    type_ = next(iter(program.outputs.values())).type
    assert isinstance(type_, Categorical | Pooled)
    place = {value_key(v): k for k, v in enumerate(type_.domain)}
    wanted = 1 if isinstance(type_, Pooled) else len(rows[0].tokens)
    if any(len(row.labels) != wanted for row in rows):
        raise TpirError(f"each example of {len(rows[0].tokens)} tokens needs {wanted} labels")
    codes = [
        [NONE if label is None else place.get(value_key(label), OTHER) for label in row.labels]
        for row in rows
    ]
    return np.array(codes, dtype=np.intp).T
