"""Inputs from the command line and from files, and running an artefact on them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from tpir.cli.console import STDOUT, Advance
from tpir.equiv.artefact import Artefact
from tpir.errors import TpirError
from tpir.files import json_value, read_text
from tpir.ir.values import Value, show_value
from tpir.semantics.interpreter import Outcome

_BATCH = 2**14

Inputs = list[tuple[Value, ...]]


def tokens_given(tokens: str | None, text: str | None) -> tuple[Value, ...] | None:
    """The words of ``--tokens`` or the characters of ``--text``; None if neither was given."""
    if tokens is not None and text is not None:
        raise TpirError("give --tokens or --text, not both")
    if text is not None:
        return tuple(text)
    return tuple(tokens.split()) if tokens is not None else None


def in_vocabulary(words: Sequence[Value], vocabulary: Sequence[Value]) -> tuple[Value, ...]:
    """Words as tokens: where ``3`` is no word of the vocabulary it may be its number 3."""
    spelled = {show_value(token): token for token in vocabulary if not isinstance(token, str)}
    known = set(vocabulary)
    return tuple(
        spelled.get(word, word) if isinstance(word, str) and word not in known else word
        for word in words
    )


def take_utf8() -> None:
    """Have standard input read as UTF-8, with or without a byte order mark, whatever the locale."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict")


def _standard_input() -> str:
    take_utf8()
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise TpirError("standard input is not a text (UTF-8)") from None


def name_of_inputs(path: Path) -> str:
    """What errors call a file of inputs."""
    return "standard input" if path == STDOUT else str(path)


def read_inputs(path: Path) -> Inputs:
    """One JSON array of tokens a line; ``-`` is standard input. Raises TpirError with the line."""
    text = _standard_input() if path == STDOUT else read_text(path)
    inputs, name = Inputs(), name_of_inputs(path)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            inputs.append(_tokens_of(line, f"{name}, line {number}"))
    if not inputs:
        raise TpirError(f"{name} holds no inputs")
    return inputs


def _tokens_of(line: str, where: str) -> tuple[Value, ...]:
    row = json_value(line, where)
    if not isinstance(row, list) or not all(isinstance(t, str | int | float) for t in row):
        raise TpirError(f"{where}: expected a JSON array of tokens")
    return tuple(row)


def run_all(
    artefact: Artefact,
    inputs: Sequence[Sequence[Value]],
    advance: Advance | None = None,
    *,
    where: str = "input",
) -> list[Outcome]:
    """What the artefact makes of each input.

    Raises TpirError, naming the input by ``where`` and its number, for one it does not accept.
    """
    space = artefact.space
    codes_by_length: dict[int, list[tuple[int, list[int]]]] = {}
    for number, tokens in enumerate(inputs):
        reason = space.why_not(tokens)
        if reason is not None:
            raise TpirError(reason if len(inputs) == 1 else f"{where} {number + 1}: {reason}")
        codes = space.encode(tokens).tolist()
        codes_by_length.setdefault(len(codes), []).append((number, codes))
    outcomes: dict[int, Outcome] = {}
    runner = artefact.runner()
    try:
        for rows in codes_by_length.values():
            for start in range(0, len(rows), _BATCH):
                part = rows[start : start + _BATCH]
                batch = np.array([codes for _, codes in part], dtype=np.int64).T
                results = runner.run_batch(batch).outcomes()
                outcomes.update(zip((number for number, _ in part), results, strict=True))
                if advance is not None:
                    advance(len(outcomes), len(inputs))
    finally:
        runner.close()
    return [outcomes[number] for number in range(len(inputs))]


def as_json(outcome: Outcome) -> object:
    """An outcome as JSON: a list, or an object of lists where outputs have names.

    A program that fails on the input gives ``{"error": why}``.
    """
    if outcome.values is None:
        return {"error": outcome.failure}
    rows = {name: list(values) for name, values in outcome.values.items()}
    return next(iter(rows.values())) if len(rows) == 1 else rows


def plain(value: Value) -> str:
    """A value as a person reads it among others: words without quotes where they are plain."""
    return value if isinstance(value, str) and value.split() == [value] else show_value(value)
