"""Files of tensors with metadata: what any ``.safetensors`` file of tpir has in common."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from tpir.errors import TpirError


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and every tensor of a file. Raises TpirError if it is damaged."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def read_header(path: Path) -> tuple[dict[str, str], frozenset[str]]:
    """The metadata of a file and the names of its tensors. Raises TpirError if it is damaged."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return dict(file.metadata() or {}), frozenset(file.keys())
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def stated_config(path: Path, text: str, known: Set[str]) -> dict[str, object]:
    """``tpir.config``, a JSON object with no other keys than ``known``. Raises TpirError."""
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TpirError(f"{path}: its tpir.config is not JSON") from error
    if not isinstance(stated, dict):
        raise TpirError(f"{path}: its tpir.config is not a JSON object")
    for name in sorted(stated.keys() - known):
        raise TpirError(f"{path}: its tpir.config has an unknown key {name!r}")
    return stated


def _unreadable(path: Path, error: Exception) -> TpirError:
    return TpirError(f"cannot read {path}: {str(error).splitlines()[0]}")
