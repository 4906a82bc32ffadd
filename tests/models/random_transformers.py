"""Random standard Transformers, and small programs compiled to some."""

from __future__ import annotations

import torch
from torch import Tensor

from tpir.ir.values import Value
from tpir.models.stored_transformer import Output, TransformerCheckpoint, Variable

D_MODEL = 6
OUTPUTS = (
    Output("word", ("x", "y", "z")),
    Output("number", None),
    Output("kind", (1, True, 1.0, "1"), pooled=True),
)


def random_transformer(
    seed: int = 0,
    *,
    vocabulary: tuple[Value, ...] = ("a", "b", "c"),
    context: int = 5,
    causal: bool = False,
    bos: bool = False,
    outputs: tuple[Output, ...] = OUTPUTS,
    dtype: torch.dtype = torch.float32,
) -> TransformerCheckpoint:
    """Two blocks of different sizes, all weights normal: every position reads every other."""
    generator = torch.Generator().manual_seed(seed)

    def weights(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    logits = sum(output.width for output in outputs)
    state = {
        "embed.W_E": weights(len(vocabulary) + bos, D_MODEL),
        "pos_embed.W_pos": weights(context + bos, D_MODEL),
        "unembed.W_U": weights(D_MODEL, logits),
        "unembed.b_U": weights(logits),
    }
    for number, (heads, d_head, hidden) in enumerate([(2, 3, 4), (1, 5, 7)]):
        for name in "QKV":
            state[f"blocks.{number}.attn.W_{name}"] = weights(heads, D_MODEL, d_head)
            state[f"blocks.{number}.attn.b_{name}"] = weights(heads, d_head)
        state[f"blocks.{number}.attn.W_O"] = weights(heads, d_head, D_MODEL)
        state[f"blocks.{number}.attn.b_O"] = weights(D_MODEL)
        state[f"blocks.{number}.mlp.W_in"] = weights(D_MODEL, hidden)
        state[f"blocks.{number}.mlp.b_in"] = weights(hidden)
        state[f"blocks.{number}.mlp.W_out"] = weights(hidden, D_MODEL)
        state[f"blocks.{number}.mlp.b_out"] = weights(D_MODEL)
    variables = (Variable("tokens", (0, 2), 0, 3), Variable("count", (1,), 2, 5))
    return TransformerCheckpoint(
        state,
        vocabulary,
        context,
        causal,
        bos,
        outputs,
        variables,
        fingerprint="0123abcd",
        metadata={"author": "me"},
    )
