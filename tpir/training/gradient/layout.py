"""Where the choices of one run stand in a flat vector, so that all of them are drawn at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tpir.models.config import TransformerProgramConfig

_REGISTER = 32
"""Numbers that any vector register, or two in a row, holds."""


@dataclass(frozen=True)
class Group:
    """Choices whose logits are an array of ``shape``; each is among the options along ``axis``."""

    name: str
    shape: tuple[int, ...]
    axis: int

    @property
    def size(self) -> int:
        """How many logits."""
        return math.prod(self.shape)


class Layout:
    """The groups of choices of a model, in the order of the flat vector.

    ``predicates`` [layer * head, key value, query value] are those of the categorical heads, then
    of the numerical ones; ``tables`` [layer * MLP, value, row] those of the categorical MLPs, then
    of the numerical ones, the first input slowest. Then, layer by layer, which variable each reader
    takes, [reader, variable]: ``reads`` (keys of all heads, queries of all heads, values of the
    categorical heads), ``sums`` (what numerical heads sum), ``cat_inputs`` and ``num_inputs`` (what
    the MLPs of either kind read). Groups without logits are left out. ``size`` is how long the
    vector is: what the groups need, made ``whole``.
    """

    def __init__(self, config: TransformerProgramConfig) -> None:
        self.config = config
        self.heads = config.n_heads_cat + config.n_heads_num
        self.mlps = config.n_cat_mlps + config.n_num_mlps
        d_var, rows = config.d_var, config.d_var**config.mlp_inputs
        groups = [
            Group("predicates", (config.n_layers * self.heads, d_var, d_var), 1),
            Group("tables", (config.n_layers * self.mlps, d_var, rows), 1),
        ]
        for layer in range(config.n_layers):
            groups += self._reads(layer)
        self.groups = tuple(group for group in groups if group.size)
        self.used = sum(group.size for group in self.groups)
        self.size = whole(self.used)

    def _reads(self, layer: int) -> Iterator[Group]:
        config, inputs = self.config, self.config.mlp_inputs
        n_cat, n_num = config.cat_variables(layer), config.num_variables(layer)
        readers = {
            "reads": (2 * self.heads + config.n_heads_cat, n_cat),
            "sums": (config.n_heads_num, n_num),
            "cat_inputs": (config.n_cat_mlps * inputs, n_cat + config.n_heads_cat),
            "num_inputs": (config.n_num_mlps * inputs, n_num + config.n_heads_num),
        }
        for name, shape in readers.items():
            yield Group(f"{name}.{layer}", shape, 1)

    @property
    def features(self) -> int:
        """How many rows the readout has: categorical values, then numbers."""
        config = self.config
        values = config.cat_variables(config.n_layers) * config.d_var
        return values + config.num_variables(config.n_layers)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """``flat`` [seed, size] by group: views [seed, *shape]."""
        sizes = [group.size for group in self.groups]
        parts = torch.split(flat, [*sizes, self.size - self.used], dim=1)[:-1]
        return {
            group.name: part.view(len(flat), *group.shape)
            for group, part in zip(self.groups, parts, strict=True)
        }

    def joined(self, parts: Mapping[str, Tensor]) -> Tensor:
        """What ``split`` made parts of, without what it has beyond the groups."""
        return torch.cat([parts[group.name].flatten(1) for group in self.groups], 1)

    def filled(self, default: float, **values: float) -> Tensor:
        """A vector [size] with one number for each group: ``values`` by name, else ``default``."""
        numbers = [values.get(group.name, default) for group in self.groups]
        sizes = [group.size for group in self.groups]
        repeats = torch.tensor([*sizes, self.size - self.used])
        return torch.tensor([*numbers, default]).repeat_interleave(repeats)


def whole(size: int) -> int:
    """``size`` rounded up to whole vector registers.

    Vector and scalar arithmetic round differently. Where every seed's numbers fill registers, each
    is computed alike, whichever place it has beside others.
    """
    return -(-size // _REGISTER) * _REGISTER
