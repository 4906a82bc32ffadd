"""The public reference's files: ``args.json``, ``model.pt``, and ``vocab.json`` beside them."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.files import check_writable, json_value, read_text, write_atomic
from tpir.models.config import TransformerProgramConfig
from tpir.models.safetensors_format import string_list
from tpir.models.state import StateReader
from tpir.models.stored import Checkpoint
from tpir.models.task_forms import accepted_form

_SIZE_NAMES = {
    "d_var": "d_var",
    "n_vars_cat": "n_vars_cat",
    "n_vars_num": "n_vars_num",
    "n_layers": "n_layers",
    "n_heads_cat": "n_heads_cat",
    "n_heads_num": "n_heads_num",
    "n_cat_mlps": "n_cat_mlps",
    "n_num_mlps": "n_num_mlps",
    "mlp_vars_in": "mlp_inputs",
    "d_mlp": "d_mlp",
}
"""The arguments that state a size, and the configuration's names for them."""


def load_reference(folder: Path, *, vocabulary_file: Path | None = None) -> Checkpoint:
    """Read a folder in the public reference's format.

    The vocabulary is in ``vocabulary_file`` or else in the folder's ``vocab.json``: an object with
    ``tokens`` and ``labels`` in index order, and perhaps ``n_ctx``, ``causal`` and ``accepts``.
    Raises TpirError if a file is missing, damaged, holds code, or does not fit the others.
    """
    args = _json_object(folder / "args.json")
    names = vocabulary_file or folder / "vocab.json"
    if vocabulary_file is None and not names.exists():
        raise TpirError(f"{folder} has no vocab.json; give one with --vocab FILE.json")
    words = _json_object(names)
    if args.get("standard"):
        raise TpirError(f"{folder} holds a standard Transformer, not a Transformer Program")
    causal, pooled = _causal(folder, args, words), _truth(folder, args, "pool_outputs")
    stated = {name: args.get(key) for key, name in _SIZE_NAMES.items()}
    stated |= {"context": words.get("n_ctx"), "position_bias": args.get("rel_pos_bias")}
    stated |= {"attention": args.get("attention_type"), "conjuncts": 1}
    for name in ("one_hot_embed", "count_only", "selector_width"):
        stated[name] = _truth(folder, args, name) if name in args else None
    state = load_state(folder / "model.pt")
    config = StateReader(str(folder), state, stated).config(
        vocabulary=string_list(str(names), "tokens", words.get("tokens")),
        labels=string_list(str(names), "labels", words.get("labels")),
        causal=bool(causal),
        pooled=bool(pooled),
    )
    _expect_expressible(str(folder), config)
    metadata = {
        name: str(args[key])
        for key, name in (
            ("dataset", "task"),
            ("min_length", "min_length"),
            ("max_length", "max_length"),
        )
        if isinstance(args.get(key), str | int)
    }
    return Checkpoint(config, state, _accepts(config, args, words), metadata)


def is_expressible(config: TransformerProgramConfig) -> bool:
    """Whether the public reference has such models."""
    return (config.predicates, config.mlps, config.conjuncts) == ("one", "relu", 1)


def _expect_expressible(target: str, config: TransformerProgramConfig) -> None:
    for name, ours, only in (
        ("conjuncts", config.conjuncts, 1),
        ("predicates", config.predicates, "one"),
        ("mlps", config.mlps, "relu"),
    ):
        if ours != only:
            raise TpirError(
                f"{target}: the reference format has no models with {name} {ours}, only {only}"
            )


def load_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``model.pt``, on the CPU; anything but tensors by name is refused unread."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TpirError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch reports damage with whatever its parts happen to raise
        if "GLOBAL" in str(error):
            raise TpirError(
                f"{path} holds pickled code or objects, not only tensors; it was not loaded"
            ) from error
        raise TpirError(
            f"{path} is damaged or holds more than tensors; it was not loaded"
        ) from error
    if not isinstance(state, Mapping) or not state:
        raise TpirError(f"{path} is not a state dict: it holds no tensors by name")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or _is_exotic(tensor):
            raise TpirError(f"{path} is not a state dict: entry {name!r} is not a plain tensor")
    return dict(state)


def save_reference(folder: Path, checkpoint: Checkpoint, *, force: bool = False) -> None:
    """Write ``args.json``, ``model.pt`` and ``vocab.json``, as the reference and tpir read them.

    Raises TpirError, before anything is written, if one of them exists and ``force`` is not set, or
    for predicates that match sets, heads of several conjuncts and MLPs that are tables.
    """
    config = checkpoint.config
    _expect_expressible(str(folder), config)
    vocabulary: dict[str, object] = {
        "tokens": config.vocabulary,
        "labels": config.labels,
        "n_ctx": config.context,
        "causal": config.causal,
    }
    if checkpoint.accepts is not None:
        vocabulary["accepts"] = checkpoint.accepts
    buffer = io.BytesIO()
    torch.save(checkpoint.state, buffer)
    contents = {
        "model.pt": buffer.getvalue(),
        "vocab.json": _json_bytes(vocabulary),
        "args.json": _json_bytes(_arguments(checkpoint)),
    }
    for name in contents:
        check_writable(folder / name, force=force)
    for name, content in contents.items():
        write_atomic(folder / name, content, force=force)


def _arguments(checkpoint: Checkpoint) -> dict[str, object]:
    """What the reference's command line would have been for this model."""
    config, metadata = checkpoint.config, checkpoint.metadata
    sizes = {key: getattr(config, name) for key, name in _SIZE_NAMES.items()}
    lengths = {
        key: int(metadata[key])
        for key in ("min_length", "max_length")
        if metadata.get(key, "").isdecimal()
    }
    return {
        "dataset": metadata.get("task", "unknown"),
        "vocab_size": len(config.vocabulary),
        "min_length": 1,
        "max_length": config.context,
        **lengths,
        **sizes,
        "sample_fn": "gumbel_soft",
        "one_hot_embed": config.one_hot_embed,
        "count_only": config.count_only,
        "selector_width": int(config.selector_width),
        "attention_type": config.attention,
        "rel_pos_bias": config.position_bias,
        "mlp_type": "cat",
        "autoregressive": config.causal,
        "unembed_mask": int(config.masked_labels is not None),
        "pool_outputs": int(config.pooled),
        "standard": False,
        "dropout": 0.0,
    }


def _causal(folder: Path, args: Mapping[str, object], words: Mapping[str, object]) -> bool:
    said = {
        _truth(folder, source, name)
        for source, name in ((args, "autoregressive"), (words, "causal"))
        if name in source
    }
    if len(said) != 1:
        problem = "disagree on" if said else "do not say"
        raise TpirError(f"{folder}: args.json and the vocabulary {problem} whether it is causal")
    return said.pop()


def _truth(folder: Path, source: Mapping[str, object], name: str) -> bool:
    value = source.get(name, False)
    if not isinstance(value, int) or value not in (0, 1):
        raise TpirError(f"{folder}: {name} is {value!r}; it must be true or false")
    return bool(value)


def _accepts(
    config: TransformerProgramConfig, args: Mapping[str, object], words: Mapping[str, object]
) -> str | None:
    stated = words.get("accepts")
    if isinstance(stated, str):
        return stated
    minimum, maximum = args.get("min_length", 1), args.get("max_length", config.context)
    if not isinstance(minimum, int) or not isinstance(maximum, int):
        return None
    task = str(args.get("dataset"))
    return accepted_form(task, config.vocabulary, config.context, minimum=minimum, maximum=maximum)


def _is_exotic(tensor: Tensor) -> bool:
    return tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex()


def _json_object(path: Path) -> dict[str, object]:
    value = json_value(read_text(path), str(path))
    if not isinstance(value, dict):
        raise TpirError(f"{path} is not a JSON object")
    return value


def _json_bytes(value: Mapping[str, object]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
