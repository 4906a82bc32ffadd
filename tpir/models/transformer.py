"""A standard Transformer in torch: it runs alone, without any other part of tpir.

Token and position embeddings, softmax attention, ReLU MLPs, a residual stream, an unembedding; no
layer norm (Vaswani et al. 2017, section 3, without it). Heads and hidden units may differ from
block to block. State, with d the width of the residual stream, T the longest input:

    embed.W_E [tokens, d]  pos_embed.W_pos [T, d]  unembed.W_U [d, outputs]  unembed.b_U [outputs]
    blocks.N.attn.{W_Q, W_K, W_V} [heads, d, d_head]  .{b_Q, b_K, b_V} [heads, d_head]
    blocks.N.attn.W_O [heads, d_head, d]  .b_O [d]
    blocks.N.mlp.W_in [d, hidden]  .b_in [hidden]  .W_out [hidden, d]  .b_out [d]
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

ATTENTION = ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O")
MLP = ("W_in", "b_in", "W_out", "b_out")


class Transformer(nn.Module):
    """Logits [batch, position, outputs] of token indices [batch, position]."""

    def __init__(self, state: Mapping[str, Tensor], causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.embed = _parameters(state, "embed.", ("W_E",))
        self.pos_embed = _parameters(state, "pos_embed.", ("W_pos",))
        self.unembed = _parameters(state, "unembed.", ("W_U", "b_U"))
        self.blocks = nn.ModuleList()
        while f"blocks.{len(self.blocks)}.mlp.W_in" in state:
            prefix = f"blocks.{len(self.blocks)}."
            parts = {"attn": ATTENTION, "mlp": MLP}
            self.blocks.append(
                nn.ModuleDict({k: _parameters(state, f"{prefix}{k}.", v) for k, v in parts.items()})
            )

    def forward(self, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        """``present`` [batch, position] is false at padding, which nothing attends to."""
        length = tokens.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool, device=tokens.device)
        seen = (seen.tril() if self.causal else seen)[None, None]
        if present is not None:
            seen = seen & present[:, None, None, :]
        x = self.embed["W_E"][tokens] + self.pos_embed["W_pos"][:length]
        for block in self.blocks:
            x = x + _attention(block["attn"], x, seen)  # type: ignore[index]
            x = x + _mlp(block["mlp"], x)  # type: ignore[index]
        logits: Tensor = x @ self.unembed["W_U"] + self.unembed["b_U"]
        return logits


def _attention(p: nn.ParameterDict, x: Tensor, seen: Tensor) -> Tensor:
    """One row of keys a query: softmax(QK^T / sqrt(d_head)) V, summed over the heads."""
    q, k, v = (torch.einsum("bpd,hde->bhpe", x, p[f"W_{n}"]) + p[f"b_{n}"][:, None] for n in "QKV")
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~seen, -math.inf)
    z = scores.softmax(-1) @ v
    written: Tensor = torch.einsum("bhpe,hed->bpd", z, p["W_O"]) + p["b_O"]
    return written


def _mlp(p: nn.ParameterDict, x: Tensor) -> Tensor:
    written: Tensor = (x @ p["W_in"] + p["b_in"]).relu() @ p["W_out"] + p["b_out"]
    return written


def _parameters(
    state: Mapping[str, Tensor], prefix: str, names: tuple[str, ...]
) -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(state[prefix + name]) for name in names})
