"""The sizes and options of a Transformer Program: everything about a model but its weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal, get_args

from tpir.errors import TpirError

PAD = "<pad>"
UNKNOWN = "<unk>"

Attention = Literal["cat", "score"]
PositionBias = Literal["fixed", "clipped", "none"]
Predicates = Literal["one", "set"]
Mlps = Literal["relu", "table"]


@dataclass(frozen=True)
class TransformerProgramConfig:
    """One Transformer Program architecture (Friedman et al. 2023, arXiv 2306.01128, section 3).

    ``vocabulary`` and ``labels`` are in index order and hold ``<pad>`` where the model has it;
    ``context`` is the longest input, special tokens included. ``d_var`` is how many values each
    categorical variable can take. ``n_vars_cat`` and ``n_vars_num`` count the variables that a word
    embedding gives; the position is one more categorical variable. Heads and MLPs are per layer.
    ``count_only`` fixes the numerical embeddings to 1, ``one_hot_embed`` the categorical ones to
    the token itself, ``selector_width`` makes each numerical head read the first numerical
    variable. Score attention has no position bias: ``position_bias`` is then ``"none"``.
    ``masked_labels`` can never be predicted; None is a model without a label mask.

    Three options go beyond the paper. A query value matches ``one`` key value, or with
    ``predicates="set"`` any set of them. Then each head can have several ``conjuncts``, a key
    variable, a query variable and a predicate each, and a key matches where all of them match.
    MLPs are hidden ``relu`` layers of ``d_mlp`` units, or with ``mlps="table"`` tables of logits
    over all combinations of input values, and ``d_mlp`` means nothing. A numerical table has a row
    for each whole number from 0 to ``d_var`` - 1, numbers beyond read the nearest row; so it needs
    ``count_only``, whose numbers are whole.

    Raises TpirError if the sizes do not fit together.
    """

    vocabulary: tuple[str, ...]
    labels: tuple[str, ...]
    context: int
    causal: bool = False
    pooled: bool = False
    d_var: int = 8
    n_vars_cat: int = 1
    n_vars_num: int = 1
    n_layers: int = 1
    n_heads_cat: int = 2
    n_heads_num: int = 2
    n_cat_mlps: int = 1
    n_num_mlps: int = 1
    mlp_inputs: int = 2
    d_mlp: int = 64
    attention: Attention = "cat"
    position_bias: PositionBias = "fixed"
    one_hot_embed: bool = True
    count_only: bool = True
    selector_width: bool = False
    masked_labels: tuple[str, ...] | None = (PAD,)
    predicates: Predicates = "one"
    mlps: Mlps = "relu"
    conjuncts: int = 1

    def __post_init__(self) -> None:
        _check_types(self)
        _check_names("vocabulary", self.vocabulary)
        _check_names("labels", self.labels)
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise TpirError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        _check_options(self)

    @property
    def pad_id(self) -> int | None:
        """The index of ``<pad>`` in the vocabulary; None for a model that knows no padding."""
        return self.vocabulary.index(PAD) if PAD in self.vocabulary else None

    def cat_variables(self, layer: int) -> int:
        """How many categorical variables the residual stream holds before ``layer``."""
        return self.n_vars_cat + 1 + layer * (self.n_heads_cat + self.n_cat_mlps + self.n_num_mlps)

    def num_variables(self, layer: int) -> int:
        """How many numerical variables the residual stream holds before ``layer``."""
        return self.n_vars_num + layer * self.n_heads_num

    def to_json(self) -> str:
        """The configuration as one line of JSON, keys sorted."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, ensure_ascii=False)


_LEAST = {
    "context": 1,
    "d_var": 1,
    "n_vars_cat": 1,
    "n_vars_num": 0,
    "n_layers": 0,
    "n_heads_cat": 0,
    "n_heads_num": 0,
    "n_cat_mlps": 0,
    "n_num_mlps": 0,
    "mlp_inputs": 1,
    "d_mlp": 1,
    "conjuncts": 1,
}


_CHOICES = {
    "attention": Attention,
    "position_bias": PositionBias,
    "predicates": Predicates,
    "mlps": Mlps,
}


def _check_types(config: TransformerProgramConfig) -> None:
    for name in _LEAST:
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise TpirError(f"{name} is {value!r}; it must be a whole number")
    for name in ("causal", "pooled", "one_hot_embed", "count_only", "selector_width"):
        if not isinstance(getattr(config, name), bool):
            raise TpirError(f"{name} is {getattr(config, name)!r}; it must be true or false")
    for name, options in _CHOICES.items():
        if getattr(config, name) not in get_args(options):
            one_of = ", ".join(get_args(options))
            raise TpirError(f"{name} is {getattr(config, name)!r}; it must be one of {one_of}")


def _check_names(what: str, names: object) -> None:
    if not isinstance(names, tuple) or not names:
        raise TpirError(f"{what}: at least one word is needed")
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise TpirError(f"{what}: {name!r} is not a string")
        if name in seen:
            raise TpirError(f"{what}: {name!r} stands there twice")
        seen.add(name)


def _check_options(config: TransformerProgramConfig) -> None:
    if config.context > config.d_var:
        raise TpirError(
            f"d_var is {config.d_var}, too small for the positions of a context of {config.context}"
        )
    if config.one_hot_embed and config.n_vars_cat != 1:
        raise TpirError("one_hot_embed allows one categorical variable a token: n_vars_cat 1")
    if config.one_hot_embed and len(config.vocabulary) > config.d_var:
        raise TpirError(
            f"d_var is {config.d_var}, too small for {len(config.vocabulary)} one-hot tokens"
        )
    if config.n_vars_num == 0 and (config.n_heads_num or config.n_num_mlps):
        raise TpirError("n_vars_num is 0: numerical heads and MLPs would have nothing to read")
    if config.attention == "score" and config.position_bias != "none":
        raise TpirError("score attention has no position bias; position_bias must be none")
    if config.attention == "score" and config.predicates == "set":
        raise TpirError("score attention has no predicates; predicates must be one")
    if config.conjuncts > 1 and config.predicates == "one":
        raise TpirError(
            f"conjuncts is {config.conjuncts}: heads of several predicates need predicates set"
        )
    if config.mlps == "table" and config.n_num_mlps and not config.count_only:
        raise TpirError(
            "mlps is table: numerical tables read whole numbers, so count_only must be true"
        )
    if PAD in config.vocabulary and len(config.vocabulary) == 1:
        raise TpirError("vocabulary: there is no token but <pad>")
    masked = config.masked_labels
    if masked is None:
        return
    if not isinstance(masked, tuple):
        raise TpirError("masked_labels must be a list of labels, or absent")
    unknown = [label for label in masked if label not in config.labels]
    if unknown:
        raise TpirError(f"masked_labels: {unknown[0]!r} is not a label")
    if tuple(label for label in config.labels if label in masked) != masked:
        raise TpirError("masked_labels: each label once, in the order of labels")
    if len(masked) == len(config.labels):
        raise TpirError("masked_labels: every label is masked, so none could be predicted")
