"""Checkpoints in tpir's own form: tensors and JSON metadata in one ``.safetensors`` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.models.config import TransformerProgramConfig
from tpir.models.state import StateReader
from tpir.models.stored import Checkpoint
from tpir.models.tensor_file import read_tensors, stated_config

KIND = "transformer-program"


def save_checkpoint(path: Path, checkpoint: Checkpoint, *, force: bool = False) -> None:
    """Write a ``.safetensors`` file, whole or not at all.

    Real numbers that are all whole and from -128 to 127, as those of compiled models are, take one
    byte each: the tensor is of type int8, and ``load_state_dict`` takes it as it is. Raises
    TpirError if the file exists and ``force`` is not set, or cannot be written.
    """
    metadata = {key: x for key, x in checkpoint.metadata.items() if not key.startswith("tpir.")}
    metadata["tpir.kind"] = KIND
    metadata["tpir.config"] = checkpoint.config.to_json()
    if checkpoint.accepts is not None:
        metadata["tpir.accepts"] = checkpoint.accepts
    state = {name: _small(tensor).contiguous() for name, tensor in checkpoint.state.items()}
    write_atomic(path, safetensors.torch.save(state, metadata), force=force)


def load_safetensors(path: Path) -> Checkpoint:
    """Read a ``.safetensors`` file that says it holds a Transformer Program.

    Of its metadata, ``tpir.kind`` and in ``tpir.config`` the vocabulary, the labels, ``causal`` and
    ``pooled`` must be there; all else is read off the tensors, and must agree where it is stated.
    Raises TpirError if the file is damaged or is not that.
    """
    metadata, state = read_tensors(path)
    kind = metadata.pop("tpir.kind", None)
    if kind != KIND:
        raise TpirError(
            f"{path} is not a Transformer Program: its tpir.kind is {kind or 'not stated'}"
        )
    state = {name: x.float() if x.dtype == torch.int8 else x for name, x in state.items()}
    known = {item.name for item in fields(TransformerProgramConfig)}
    stated = stated_config(path, metadata.pop("tpir.config", "{}"), known)
    accepts = metadata.pop("tpir.accepts", None)
    config = StateReader(str(path), state, stated).config(
        vocabulary=string_list(str(path), "vocabulary", stated.get("vocabulary")),
        labels=string_list(str(path), "labels", stated.get("labels")),
        causal=_truth(path, stated, "causal"),
        pooled=_truth(path, stated, "pooled"),
    )
    if "masked_labels" in stated and _tuple(stated["masked_labels"]) != config.masked_labels:
        raise TpirError(f"{path}: the masked labels stated are not those of the weights")
    return Checkpoint(config, state, accepts, metadata)


def string_list(source: str, what: str, value: object) -> tuple[str, ...]:
    """``value`` as a tuple if it is a list of strings; TpirError if not."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TpirError(f"{source}: {what} must be a list of strings")
    return tuple(value)


def _small(tensor: Tensor) -> Tensor:
    """The same numbers in one byte each, where that holds them."""
    small = tensor.to(torch.int8) if tensor.is_floating_point() else tensor
    return small if torch.equal(small.to(tensor.dtype), tensor) else tensor


def _truth(path: Path, stated: Mapping[str, object], name: str) -> bool:
    value = stated.get(name)
    if not isinstance(value, bool):
        raise TpirError(f"{path}: its tpir.config must say whether the model is {name}")
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
