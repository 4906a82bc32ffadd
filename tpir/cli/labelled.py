"""Labelled inputs from JSON lines, gzipped or not, or from a table."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from tpir.errors import TpirError, counted
from tpir.files import json_value, read_text
from tpir.training.sources import read_table

Tokens = tuple[str, ...]
Labels = tuple[str | None, ...]


def read_labelled(path: Path) -> tuple[list[Tokens], list[Labels]]:
    """Inputs and their labels, index for index. Raises TpirError, naming the line.

    A line is an object with ``tokens`` and ``labels`` (or ``gold``): a label for each token, or a
    single one for the whole input; null where there is none. A ``.csv`` file is a table: see
    ``tpir.training.sources.read_table``.
    """
    if path.suffix == ".csv":
        examples = read_table(path, pooled=None)
        return list(examples.tokens), list(examples.labels)
    tokens: list[Tokens] = []
    labels: list[Labels] = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            row_tokens, row_labels = _row(line, f"{path}, line {number}")
            tokens.append(row_tokens)
            labels.append(row_labels)
    if not tokens:
        raise TpirError(f"{path} holds no examples")
    return tokens, labels


def _text(path: Path) -> str:
    if path.suffix != ".gz":
        return read_text(path)
    try:
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise TpirError(f"cannot read {path}: {error}") from None


def _row(line: str, where: str) -> tuple[Tokens, Labels]:
    row = json_value(line, where)
    if not isinstance(row, dict):
        raise TpirError(f'{where}: expected {{"tokens": [...], "labels": [...]}}')
    tokens, labels = row.get("tokens"), row.get("labels", row.get("gold"))
    if tokens is None or labels is None:
        raise TpirError(f"{where}: it has no {'tokens' if tokens is None else 'labels'}")
    if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens) or not tokens:
        raise TpirError(f"{where}: tokens must be a non-empty list of strings")
    if not isinstance(labels, list) or not all(x is None or isinstance(x, str) for x in labels):
        raise TpirError(f"{where}: labels must be a list of strings, null where there is no label")
    if len(labels) not in (1, len(tokens)):
        labelled = f"{counted(len(labels), 'label')} for {counted(len(tokens), 'token')}"
        raise TpirError(f"{where}: {labelled}")
    return tuple(tokens), tuple(labels)
