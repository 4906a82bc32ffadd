"""Checkpoints of Transformer Programs: a configuration, its tensors, and the inputs it accepts."""

from __future__ import annotations

from pathlib import Path

from tpir.errors import TpirError
from tpir.models.reference_format import load_reference, save_reference
from tpir.models.safetensors_format import KIND, load_safetensors, save_checkpoint
from tpir.models.stored import Checkpoint

__all__ = [
    "CHECKPOINT_FILE",
    "KIND",
    "Checkpoint",
    "load_checkpoint",
    "save_checkpoint",
    "save_reference",
]

CHECKPOINT_FILE = "checkpoint.safetensors"
"""The name of the checkpoint in the folder of a training run."""


def load_checkpoint(path: Path, *, vocabulary_file: Path | None = None) -> Checkpoint:
    """Read a Transformer Program in any form.

    ``path`` is a ``.safetensors`` file, the folder of a training run (it holds
    ``checkpoint.safetensors``), or a folder in the public reference's format (``args.json``,
    ``model.pt`` and ``vocab.json``; ``vocabulary_file`` stands in for the last).

    Raises TpirError, in one line, if there is no such thing, if a file is damaged or holds code, or
    if what the files say does not fit the tensors.
    """
    own = path / CHECKPOINT_FILE if path.is_dir() else path
    if own.is_file() and own.name != "model.pt":
        if vocabulary_file is not None:
            raise TpirError(f"{path} holds its own vocabulary; leave out {vocabulary_file}")
        return load_safetensors(own)
    if own.is_file():
        raise TpirError(f"{path} is one file of a checkpoint; give the folder, {path.parent}")
    if not path.is_dir():
        raise TpirError(f"there is no checkpoint {path}")
    if not (path / "model.pt").is_file() and not (path / "args.json").is_file():
        raise TpirError(f"{path} holds neither {CHECKPOINT_FILE} nor args.json and model.pt")
    return load_reference(path, vocabulary_file=vocabulary_file)
