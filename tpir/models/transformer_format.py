"""Standard Transformers in tpir's own form: tensors and JSON metadata in one ``.safetensors`` file.

``tpir.kind`` is ``transformer``, ``tpir.config`` one JSON object (JSON keeps ``1``, ``1.0``,
``true`` and ``"1"`` apart):

    vocabulary   the tokens, in the order of the rows of embed.W_E
    outputs      [{"name", "values": [...] or null, "pooled", "floats"}], as their logits stand side
                 by side
    variables    [{"name", "directions": [...], "written", "read"}], where the stream holds what
    causal       whether a position sees those after it; tensors cannot say
    context, bos, accepts, fingerprint    may be left out; the first two are read off the tensors
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch

from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.ir.values import Value, check_value, distinct, show_value
from tpir.models.config import PAD
from tpir.models.stored_transformer import Output, TransformerCheckpoint, Variable
from tpir.models.tensor_file import read_header, read_tensors, stated_config
from tpir.models.transformer_sizes import Sizes, sizes_of
from tpir.semantics.program_space import input_space

KIND = "transformer"

_TYPES = {"float32": torch.float32, "float64": torch.float64}
_KEYS = frozenset(
    ("vocabulary", "outputs", "variables", "causal", "context", "bos", "accepts", "fingerprint")
)
_MARK = "pos_embed.W_pos"
"""A tensor that no Transformer Program has: what a file holds that does not state its kind."""


def save_transformer(path: Path, checkpoint: TransformerCheckpoint, *, force: bool = False) -> None:
    """Write a ``.safetensors`` file, whole or not at all.

    Raises TpirError if it exists and ``force`` is not set, or cannot be written.
    """
    state = {name: tensor.contiguous() for name, tensor in checkpoint.state.items()}
    write_atomic(path, safetensors.torch.save(state, metadata_of(checkpoint)), force=force)


def metadata_of(checkpoint: TransformerCheckpoint) -> dict[str, str]:
    """What a file says beside the tensors: ``tpir.kind``, ``tpir.config``, and what was there."""
    others = {key: x for key, x in checkpoint.metadata.items() if not key.startswith("tpir.")}
    return others | {"tpir.kind": KIND, "tpir.config": _config_of(checkpoint)}


def dtype_named(name: str) -> torch.dtype:
    """The type that weights are stored and computed in. Raises TpirError for another name."""
    if name not in _TYPES:
        raise TpirError(f"there is no type {name} for weights: there is {', '.join(_TYPES)}")
    return _TYPES[name]


def holds_transformer(path: Path) -> bool:
    """Whether a ``.safetensors`` file holds a standard Transformer, by its ``tpir.kind``.

    Where it states none its tensors say. Raises TpirError if the file is damaged.
    """
    metadata, names = read_header(path)
    return metadata.get("tpir.kind", KIND if _MARK in names else None) == KIND


def load_transformer(path: Path) -> TransformerCheckpoint:
    """Read a file that ``holds_transformer``.

    Tensors decide: of the metadata only vocabulary, outputs, variables and ``causal`` must be
    there, and what is stated beside them has to agree with the tensors. Raises TpirError, in one
    line, for the first thing that is wrong with the file.
    """
    metadata, state = read_tensors(path)
    kind = metadata.pop("tpir.kind", KIND)
    if kind != KIND:
        raise TpirError(f"{path} is not a standard Transformer: its tpir.kind is {kind}")
    sizes = sizes_of(state, str(path))
    stated = _Stated(str(path), stated_config(path, metadata.pop("tpir.config", "{}"), _KEYS))
    vocabulary = stated.vocabulary()
    bos = stated.bos(len(vocabulary), sizes)
    context = stated.context(sizes.positions - bos)
    return TransformerCheckpoint(
        state,
        vocabulary,
        context,
        stated.truth("its tpir.config", stated.config, "causal"),
        bos,
        stated.outputs(sizes.logits),
        stated.variables(sizes),
        stated.accepts(vocabulary, context),
        stated.text("fingerprint"),
        metadata,
    )


def _config_of(checkpoint: TransformerCheckpoint) -> str:
    config = {
        "vocabulary": checkpoint.vocabulary,
        "outputs": [asdict(output) for output in checkpoint.outputs],
        "context": checkpoint.context,
        "causal": checkpoint.causal,
        "bos": checkpoint.bos,
        "variables": [asdict(variable) for variable in checkpoint.variables],
        "accepts": checkpoint.accepts,
        "fingerprint": checkpoint.fingerprint,
    }
    return json.dumps({k: v for k, v in config.items() if v is not None}, allow_nan=False)


@dataclass(frozen=True)
class _Stated:
    """``tpir.config`` of a file, read key by key; every error starts with the file's name."""

    source: str
    config: Mapping[str, object]

    def wrong(self, what: str) -> TpirError:
        return TpirError(f"{self.source}: {what}")

    def vocabulary(self) -> tuple[Value, ...]:
        tokens = self.values("vocabulary", self.config.get("vocabulary"))
        if PAD in tokens:
            raise self.wrong(f"vocabulary: {PAD} is no token of a program")
        return tokens

    def bos(self, tokens: int, sizes: Sizes) -> bool:
        """One row of W_E for each token; one more is the token of beginning."""
        if sizes.tokens not in (tokens, tokens + 1):
            raise self.wrong(
                f"the vocabulary has {tokens} tokens; the weights embed {sizes.tokens}"
            )
        bos = sizes.tokens == tokens + 1
        if "bos" in self.config and self.truth("its tpir.config", self.config, "bos") != bos:
            says = "one token more than the vocabulary" if bos else "the vocabulary and no more"
            raise self.wrong(f"bos is stated as {str(not bos).lower()}; the weights embed {says}")
        if sizes.positions == 1 and bos:
            raise self.wrong("the weights have one position, which bos takes")
        return bos

    def context(self, of_weights: int) -> int:
        stated = self.config.get("context", of_weights)
        if self.whole("context", stated) != of_weights:
            raise self.wrong(f"context is stated as {stated}; the weights have {of_weights}")
        return of_weights

    def outputs(self, logits: int) -> tuple[Output, ...]:
        rows = self.objects("outputs", {"name", "values", "pooled", "floats"})
        if not rows:
            raise self.wrong("outputs must name at least one")
        outputs = tuple(self.output(row, f"output {n}") for n, row in enumerate(rows, start=1))
        if len({output.name for output in outputs}) != len(outputs):
            raise self.wrong("outputs: a name stands there twice")
        width = sum(output.width for output in outputs)
        if width != logits:
            raise self.wrong(f"the outputs have {width} logits; the weights have {logits}")
        return outputs

    def output(self, row: Mapping[str, object], what: str) -> Output:
        values = None
        if row.get("values") is not None:
            values = self.values(f"values of {what}", row["values"])
        pooled, floats = (
            self.truth(what, row, key) if key in row else False for key in ("pooled", "floats")
        )
        return Output(self.name(what, row), values, pooled, floats)

    def variables(self, sizes: Sizes) -> tuple[Variable, ...]:
        rows = self.objects("variables", {"name", "directions", "written", "read"})
        return tuple(
            self.variable(row, f"variable {n}", sizes) for n, row in enumerate(rows, start=1)
        )

    def variable(self, row: Mapping[str, object], what: str, sizes: Sizes) -> Variable:
        name = self.name(what, row)
        what = f"variable {name}"
        listed = row.get("directions")
        if not isinstance(listed, list):
            raise self.wrong(f"{what}: directions must be a list of whole numbers")
        directions = tuple(self.whole(f"{what}: a direction", item) for item in listed)
        for direction in directions:
            if direction >= sizes.d_model:
                raise self.wrong(
                    f"{what}: direction {direction} is none of 0 to {sizes.d_model - 1}"
                )
        if len(set(directions)) != len(directions):
            raise self.wrong(f"{what}: a direction stands there twice")
        written = self.whole(f"{what}: written", row.get("written"))
        read = self.whole(f"{what}: read", row.get("read"))
        last = 2 * len(sizes.blocks)
        if written > last or not written <= read <= last + 1:
            raise self.wrong(
                f"{what}: written {written} and read {read} are no times of "
                f"{len(sizes.blocks)} blocks"
            )
        return Variable(name, directions, written, read)

    def accepts(self, vocabulary: tuple[Value, ...], context: int) -> str | None:
        accepts = self.text("accepts")
        try:
            input_space(vocabulary, context, accepts)
        except TpirError as error:
            raise self.wrong(f"accepts {accepts}: {error.message}") from None
        return accepts

    def text(self, key: str) -> str | None:
        value = self.config.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"{key} is {value!r}, not a string")
        return value

    def name(self, what: str, row: Mapping[str, object]) -> str:
        name = row.get("name")
        if not isinstance(name, str) or not name:
            raise self.wrong(f"{what} has no name")
        return name

    def truth(self, what: str, row: Mapping[str, object], key: str) -> bool:
        value = row.get(key)
        if not isinstance(value, bool):
            raise self.wrong(f"{what} must say whether it is {key}, true or false")
        return value

    def whole(self, what: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(f"{what} is {value!r}, not a whole number from 0 on")
        return value

    def objects(self, key: str, known: set[str]) -> list[dict[str, object]]:
        rows = self.config.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.wrong(f"{key} must be a list of objects")
        for row in rows:
            for name in sorted(row.keys() - known):
                raise self.wrong(f"{key}: an unknown key {name!r}")
        return rows

    def values(self, what: str, listed: object) -> tuple[Value, ...]:
        if not isinstance(listed, list) or not listed:
            raise self.wrong(f"{what} must be a list of words, numbers or truth values")
        for value in listed:
            check_value(value, f"{self.source}: {what}")
        if len(distinct(listed)) != len(listed):
            seen = [v for k, v in enumerate(listed) if len(distinct(listed[: k + 1])) <= k]
            raise self.wrong(f"{what}: {show_value(seen[0])} stands there twice")
        return tuple(listed)
