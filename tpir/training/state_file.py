"""The file that a killed run continues from: tensors and plain values, read as such only."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch

from tpir.errors import TpirError
from tpir.files import write_atomic

_State = TypeVar("_State")


def write_state(path: Path, content: Mapping[str, object]) -> None:
    """Write ``content`` in one step, over the file before. Raises TpirError if that fails."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    write_atomic(path, buffer.getvalue(), force=True)


def read_state(
    path: Path, version: int, build: Callable[[dict[str, object]], _State], what: str
) -> _State:
    """What ``build`` makes of a file that ``write_state`` wrote, whose ``format`` is ``version``.

    Raises TpirError if the file is damaged, or is no ``what`` of this version.
    """
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise TpirError(f"cannot read the training state {path}", notes=[str(error)]) from error
    if not isinstance(content, dict) or content.get("format") != version:
        raise TpirError(f"{path} is no {what} of this version")
    try:
        return build(content)
    except (KeyError, TypeError, ValueError) as error:
        raise TpirError(f"the training state {path} is damaged: {error}") from error
