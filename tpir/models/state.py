"""Reading an architecture off the tensors of a state dict, or refusing them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.models.attention import nearest_bias
from tpir.models.config import (
    Attention,
    Mlps,
    PositionBias,
    Predicates,
    TransformerProgramConfig,
)
from tpir.models.embedding import ONE_HOT_LOGIT
from tpir.models.transformer_program import TransformerProgram

SIZES = (
    "context",
    "d_var",
    "n_vars_cat",
    "n_vars_num",
    "n_layers",
    "n_heads_cat",
    "n_heads_num",
    "n_cat_mlps",
    "n_num_mlps",
    "mlp_inputs",
    "d_mlp",
    "conjuncts",
)
"""The sizes that tensors determine, by their names in the configuration."""

_Flag = Literal["one_hot_embed", "count_only", "selector_width"]


class StateReader:
    """The architecture that ``state`` has, ``stated`` being what its file says of it beside.

    Tensors decide. What is stated is used only where tensors leave a choice (the sizes of parts
    that are not there; a flat position bias that is learned or fixed; whether a parameter that has
    its fixed value trains; whether a query value matches one key value or a set of them); a stated
    size that the tensors contradict is an error.
    """

    def __init__(self, source: str, state: Mapping[str, Tensor], stated: Mapping[str, object]):
        self.source, self.state, self.stated = source, state, stated

    def config(
        self,
        *,
        vocabulary: tuple[str, ...],
        labels: tuple[str, ...],
        causal: bool,
        pooled: bool,
    ) -> TransformerProgramConfig:
        """The configuration of a model that holds exactly these tensors.

        Raises TpirError where a tensor is missing, too many, of the wrong shape or type, not
        finite, or not the constant it must be, and where sizes, vocabulary or labels do not fit.
        """
        sizes = self._sizes()
        self._compare_lists(len(vocabulary), len(labels))
        config = TransformerProgramConfig(
            vocabulary=vocabulary,
            labels=labels,
            causal=causal,
            pooled=pooled,
            attention=self._attention(),
            position_bias=self._position_bias(sizes["context"]),
            one_hot_embed=self._flag("one_hot_embed", self._is_one_hot(sizes["d_var"])),
            count_only=self._flag("count_only", self._is_counting()),
            selector_width=self._flag("selector_width", self._is_selector_width()),
            masked_labels=self._masked(labels),
            predicates=self._predicates(),
            mlps=self._mlps(),
            **sizes,
        )
        self._check_tensors(config)
        return config

    def _tensor(self, name: str, dimensions: int) -> Tensor:
        if name not in self.state:
            raise TpirError(f"{self.source}: tensor {name} is missing; not a Transformer Program")
        tensor = self.state[name]
        if tensor.dim() != dimensions:
            raise TpirError(
                f"{self.source}: tensor {name} has shape {tuple(tensor.shape)}, not {dimensions}"
                " dimensions"
            )
        return tensor

    def _count(self, pattern: str) -> int:
        """How many different numbers stand where ``pattern`` has its group."""
        return len({found[1] for name in self.state if (found := re.match(pattern, name))})

    def _sizes(self) -> dict[str, int]:
        context, d_var = self._tensor("pos_embed.W", 2).shape
        width = self._tensor("embed.W_E", 2).shape[0]
        if d_var == 0 or width % d_var:
            raise TpirError(
                f"{self.source}: embed.W_E has {width} rows, not a multiple of d_var {d_var}"
            )
        sizes = {
            "context": context,
            "d_var": d_var,
            "n_vars_cat": width // d_var,
            "n_vars_num": self._tensor("num_embed.W_E", 2).shape[1],
            "n_layers": self._count(r"blocks\.(\d+)\."),
        }
        if sizes["n_layers"]:
            sizes |= self._heads()
            sizes["n_cat_mlps"] = self._count(r"blocks\.0\.cat_mlp\.mlps\.(\d+)\.")
            sizes["n_num_mlps"] = self._count(r"blocks\.0\.num_mlp\.mlps\.(\d+)\.")
            for kind in ("cat", "num"):
                if sizes[f"n_{kind}_mlps"]:
                    first = f"blocks.0.{kind}_mlp.mlps.0"
                    sizes["mlp_inputs"] = self._tensor(f"{first}.W_read.W", 2).shape[0]
                    if self._mlps() == "relu":
                        sizes["d_mlp"] = self._tensor(f"{first}.b_in", 1).shape[0]
        for name in SIZES:
            said = self.stated.get(name)
            if said is None:
                continue
            if not isinstance(said, int):
                raise TpirError(f"{self.source}: {name} is {said!r}, not a whole number")
            if sizes.setdefault(name, said) != said:
                raise TpirError(
                    f"{self.source}: {name} is stated as {said}; the weights have {sizes[name]}"
                )
        return sizes

    def _heads(self) -> dict[str, int]:
        """A head reads one value; it reads a key and a query for each conjunct."""
        sizes = {}
        for kind in ("cat", "num"):
            prefix = f"blocks.0.{kind}_attn"
            found = kind == "cat" or f"{prefix}.W_V.W" in self.state
            heads = self._tensor(f"{prefix}.W_V.W", 2).shape[0] if found else 0
            sizes[f"n_heads_{kind}"] = heads
            if heads and "conjuncts" not in sizes:
                rows = self._tensor(f"{prefix}.W_K.W", 2).shape[0]
                if rows == 0 or rows % heads:
                    raise TpirError(
                        f"{self.source}: {prefix}.W_K.W has {rows} rows, not a multiple of"
                        f" {heads} heads"
                    )
                sizes["conjuncts"] = rows // heads
        return sizes

    def _compare_lists(self, n_words: int, n_labels: int) -> None:
        embedded = self._tensor("embed.W_E", 2).shape[1]
        if n_words != embedded:
            raise TpirError(
                f"{self.source}: the vocabulary has {n_words} tokens; the weights embed {embedded}"
            )
        read_out = self._tensor("unembed.W_U", 2).shape[1]
        if n_labels != read_out:
            raise TpirError(
                f"{self.source}: there are {n_labels} labels; the weights have {read_out}"
            )

    def _attention(self) -> Attention:
        if self._count(r"blocks\.(\d+)\."):
            return "cat" if "blocks.0.cat_attn.rel_pos_bias.bias" in self.state else "score"
        return "score" if self.stated.get("attention") == "score" else "cat"

    def _predicates(self) -> Predicates:
        """As stated: matrices of logits for one key value and for sets of them look alike."""
        said = self.stated.get("predicates")
        if said is None or said == "one":
            return "one"
        if said != "set":
            raise TpirError(f"{self.source}: predicates is {said!r}; it must be one or set")
        return "set"

    def _mlps(self) -> Mlps:
        first = re.compile(r"blocks\.0\.(cat|num)_mlp\.mlps\.0\.(W_table|b_in)$")
        for name in self.state:
            if found := first.match(name):
                return "table" if found[2] == "W_table" else "relu"
        return "table" if self.stated.get("mlps") == "table" else "relu"

    def _position_bias(self, context: int) -> PositionBias:
        if self._attention() == "score":
            return "none"
        biases = [t for name, t in self.state.items() if name.endswith("rel_pos_bias.bias")]
        fitting: list[PositionBias] = ["fixed", "none", "clipped"]
        if any(bias.dim() != 2 or bias.shape[1] != 2 * context for bias in biases):
            raise TpirError(f"{self.source}: a position bias does not have two entries a position")
        if any(len(bias) for bias in biases):
            if not all((bias == 0).all() for bias in biases):
                fitting.remove("none")
            # Not to the last bit: it was computed by some version of torch on some device.
            nearest = nearest_bias(context)
            if not all(
                torch.allclose(b.float(), nearest.expand_as(b), rtol=0, atol=1e-6) for b in biases
            ):
                fitting.remove("fixed")
        said = self.stated.get("position_bias")
        return next((kind for kind in fitting if kind == said), fitting[0])

    def _flag(self, name: _Flag, fits: bool) -> bool:
        """An option that fixes parameters: on if they have the fixed values, unless stated off."""
        return fits and self.stated.get(name) is not False

    def _is_one_hot(self, d_var: int) -> bool:
        logits = self.state["embed.W_E"]
        fixed = torch.eye(d_var)[:, : logits.shape[1]] * (2 * ONE_HOT_LOGIT) - ONE_HOT_LOGIT
        return logits.shape == fixed.shape and bool((logits == fixed).all())

    def _is_counting(self) -> bool:
        return bool((self.state["num_embed.W_E"] == 1).all())

    def _is_selector_width(self) -> bool:
        reads = [t for name, t in self.state.items() if name.endswith("num_attn.W_V.W")]
        if not reads:
            return self.stated.get("selector_width") is True
        return all(
            bool((read[:, :1] == ONE_HOT_LOGIT).all() and (read[:, 1:] == -ONE_HOT_LOGIT).all())
            for read in reads
        )

    def _masked(self, labels: tuple[str, ...]) -> tuple[str, ...] | None:
        mask = self.state.get("unembed.mask")
        if mask is None:
            return None
        if mask.dtype != torch.bool or mask.shape != (1, 1, len(labels)):
            raise TpirError(f"{self.source}: unembed.mask is not one truth value for each label")
        pairs = zip(labels, mask.flatten().tolist(), strict=True)
        return tuple(label for label, masked in pairs if masked)

    def _check_tensors(self, config: TransformerProgramConfig) -> None:
        with torch.device("meta"):
            expected = TransformerProgram(config).state_dict()
        for name in sorted(expected.keys() - self.state.keys()):
            raise TpirError(f"{self.source}: tensor {name} is missing")
        for name in sorted(self.state.keys() - expected.keys()):
            raise TpirError(f"{self.source}: tensor {name} has no place in the model")
        for name, wanted in expected.items():
            tensor = self.state[name]
            if tensor.shape != wanted.shape:
                raise TpirError(
                    f"{self.source}: tensor {name} has shape {tuple(tensor.shape)};"
                    f" the other sizes ask for {tuple(wanted.shape)}"
                )
            if tensor.is_floating_point() != wanted.is_floating_point():
                raise TpirError(f"{self.source}: tensor {name} has type {tensor.dtype}")
            if not torch.isfinite(tensor).all():
                raise TpirError(f"{self.source}: tensor {name} holds NaN or infinity")
            self._check_constant(name, tensor)

    def _check_constant(self, name: str, tensor: Tensor) -> None:
        """Refuse buffers that are constants in every model but have another value here."""
        if name == "pos_embed.W" or name.endswith(".E"):
            constant = torch.eye(tensor.shape[-2], tensor.shape[-1])
        elif name.endswith(".idxs"):
            constant = torch.arange(len(tensor))
        else:
            return
        if not (tensor == constant).all():
            raise TpirError(f"{self.source}: {name} is a constant of the model, but was changed")
