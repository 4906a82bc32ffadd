"""The sizes of a standard Transformer, read off the tensors of its state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tpir.errors import TpirError

_TYPES = (torch.float32, torch.float64)


@dataclass(frozen=True)
class BlockSizes:
    """One block: its heads, the width of each, and the hidden units of its MLP."""

    heads: int
    d_head: int
    hidden: int


@dataclass(frozen=True)
class Sizes:
    """What tensors say: rows of the embeddings, width of the stream, logits, blocks in order."""

    tokens: int
    positions: int
    d_model: int
    logits: int
    blocks: tuple[BlockSizes, ...]
    parameters: int

    @property
    def heads(self) -> int:
        """How many heads all blocks have."""
        return sum(block.heads for block in self.blocks)

    def __str__(self) -> str:
        return (
            f"{_count(self.parameters, 'parameter')}, {_count(len(self.blocks), 'block')}, "
            f"{_count(self.heads, 'head')}, d_model {self.d_model:,}"
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def sizes_of(state: Mapping[str, Tensor], source: str = "the state") -> Sizes:
    """The sizes of the model whose state this is, as ``tpir.models.transformer`` runs it.

    Raises TpirError, in one line that starts with ``source``, where a tensor is missing, too many,
    of a shape that the others contradict, of another type, or not finite.
    """
    reader = _Reader(source, state)
    tokens, d_model = reader.shape("embed.W_E", 2)
    (positions, _), (_, logits) = reader.shape("pos_embed.W_pos", 2), reader.shape("unembed.W_U", 2)
    count = len({found[1] for name in state if (found := re.match(r"blocks\.(\d+)\.", name))})
    blocks = tuple(reader.block(number) for number in range(count))
    expected: dict[str, tuple[int, ...]] = {
        "embed.W_E": (tokens, d_model),
        "pos_embed.W_pos": (positions, d_model),
        "unembed.W_U": (d_model, logits),
        "unembed.b_U": (logits,),
    }
    for number, block in enumerate(blocks):
        expected |= _shapes_of_block(f"blocks.{number}.", d_model, block)
    reader.check(expected)
    parameters = sum(tensor.numel() for tensor in state.values())
    return Sizes(tokens, positions, d_model, logits, blocks, parameters)


def _shapes_of_block(prefix: str, d_model: int, block: BlockSizes) -> dict[str, tuple[int, ...]]:
    heads, d_head, hidden = block.heads, block.d_head, block.hidden
    shapes: dict[str, tuple[int, ...]] = {}
    for name in "QKV":
        shapes[f"{prefix}attn.W_{name}"] = (heads, d_model, d_head)
        shapes[f"{prefix}attn.b_{name}"] = (heads, d_head)
    return shapes | {
        f"{prefix}attn.W_O": (heads, d_head, d_model),
        f"{prefix}attn.b_O": (d_model,),
        f"{prefix}mlp.W_in": (d_model, hidden),
        f"{prefix}mlp.b_in": (hidden,),
        f"{prefix}mlp.W_out": (hidden, d_model),
        f"{prefix}mlp.b_out": (d_model,),
    }


@dataclass(frozen=True)
class _Reader:
    source: str
    state: Mapping[str, Tensor]

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        if name not in self.state:
            raise TpirError(f"{self.source}: tensor {name} is missing; not a standard Transformer")
        shape = tuple(self.state[name].shape)
        if len(shape) != dimensions:
            raise TpirError(
                f"{self.source}: tensor {name} has shape {shape}, not {dimensions} dimensions"
            )
        if 0 in shape:
            raise TpirError(f"{self.source}: tensor {name} has shape {shape}, and holds nothing")
        return shape

    def block(self, number: int) -> BlockSizes:
        heads, _, d_head = self.shape(f"blocks.{number}.attn.W_Q", 3)
        _, hidden = self.shape(f"blocks.{number}.mlp.W_in", 2)
        return BlockSizes(heads, d_head, hidden)

    def check(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        for name in sorted(expected.keys() - self.state.keys()):
            raise TpirError(f"{self.source}: tensor {name} is missing")
        for name in sorted(self.state.keys() - expected.keys()):
            raise TpirError(f"{self.source}: tensor {name} has no place in the model")
        kind = self.state["embed.W_E"].dtype
        for name, wanted in expected.items():
            tensor = self.state[name]
            if tuple(tensor.shape) != wanted:
                raise TpirError(
                    f"{self.source}: tensor {name} has shape {tuple(tensor.shape)};"
                    f" the other sizes ask for {wanted}"
                )
            if tensor.dtype not in _TYPES:
                raise TpirError(
                    f"{self.source}: tensor {name} has type {tensor.dtype}, not float32 or float64"
                )
            if tensor.dtype != kind:
                raise TpirError(
                    f"{self.source}: tensor {name} has type {tensor.dtype}, embed.W_E {kind}"
                )
            if not torch.isfinite(tensor).all():
                raise TpirError(f"{self.source}: tensor {name} holds NaN or infinity")
