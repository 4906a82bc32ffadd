"""Standard Transformers in TransformerLens, with hooks that line up with our variables.

A bridge (``TransformerBridge.boot_native``) holds blocks of one size, so heads, their widths and
hidden units are filled up with zeros to the widest block; outputs stay what they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.models.stored_transformer import TransformerCheckpoint, Variable
from tpir.models.transformer_sizes import Sizes, sizes_of

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


@dataclass(frozen=True)
class HookedVariable:
    """Where hooks see a variable: ``cache[hook][..., variable.directions]`` for each of ``hooks``.

    The first is where it is written. Position 0 is the token of beginning where there is one.
    """

    variable: Variable
    hooks: tuple[str, ...]


def hooked_variables(checkpoint: TransformerCheckpoint) -> tuple[HookedVariable, ...]:
    """For each variable, in order, the points of the stream from its writing to its last reading.

    A variable that the embeddings hold is seen from ``blocks.0.hook_resid_pre`` on, one that
    attention writes from ``hook_resid_mid``, one that an MLP writes from ``hook_resid_post``.
    """
    points = ["blocks.0.hook_resid_pre" if checkpoint.blocks else "ln_final.hook_in"]
    for number in range(checkpoint.blocks):
        points += [f"blocks.{number}.hook_resid_mid", f"blocks.{number}.hook_resid_post"]
    return tuple(
        HookedVariable(v, tuple(points[v.written : max(v.read, v.written + 1)]))
        for v in checkpoint.variables
    )


def lens_bridge(checkpoint: TransformerCheckpoint) -> TransformerBridge:
    """The bridge that has these weights, in their type, on the CPU.

    Call it as ``bridge(ids, attention_mask=present)``, with what
    ``tpir.models.transformer_predict.model_inputs`` gives for sequences of tokens. Raises TpirError
    where TransformerLens is missing.
    """
    try:
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.model_bridge import TransformerBridge
    except ImportError:
        raise TpirError(
            "a TransformerLens model needs transformer_lens: pip install 'tpir[lens]'"
        ) from None

    sizes = sizes_of(checkpoint.state)
    widest = _Widest(sizes)
    dtype = checkpoint.state["embed.W_E"].dtype
    config = TransformerBridgeConfig(
        n_layers=len(sizes.blocks),
        d_model=sizes.d_model,
        n_heads=widest.heads,
        d_head=widest.d_head,
        d_mlp=widest.hidden,
        n_ctx=sizes.positions,
        d_vocab=sizes.tokens,
        d_vocab_out=sizes.logits,
        act_fn="relu",
        normalization_type=None,
        positional_embedding_type="standard",
        attention_dir="causal" if checkpoint.causal else "bidirectional",
        init_weights=False,
        default_prepend_bos=False,
        tokenizer_prepends_bos=False,
        dtype=dtype,
    )
    # Without dtype here the bridge would be float32, whatever the configuration says.
    bridge = TransformerBridge.boot_native(config, device="cpu", dtype=dtype, model_name="tpir")
    bridge.load_state_dict(_state(checkpoint, sizes, widest), strict=True)
    for block, own in zip(bridge.blocks, sizes.blocks, strict=True):
        # Scores that should be equal are exactly so before the division alone: a factor in the
        # weights, in place of a divisor for each block, would round them apart.
        attention = block.attn.original_component
        if not math.isclose(attention.scale, math.sqrt(widest.d_head)):
            raise TpirError("this version of TransformerLens scales scores in another way")
        attention.scale = math.sqrt(own.d_head)
    bridge.eval()
    return bridge


class _Widest:
    """The sizes of all blocks when the smaller ones are filled up."""

    def __init__(self, sizes: Sizes) -> None:
        # 0 would mean "not given" to TransformerLens.
        self.heads = max((block.heads for block in sizes.blocks), default=1)
        self.d_head = max((block.d_head for block in sizes.blocks), default=1)
        self.hidden = max((block.hidden for block in sizes.blocks), default=1)


def _state(checkpoint: TransformerCheckpoint, sizes: Sizes, widest: _Widest) -> dict[str, Tensor]:
    """The bridge's state dict: the matrices of all heads are one ``torch.nn.Linear``."""
    given = checkpoint.state
    state = {
        "embed.weight": given["embed.W_E"],
        "pos_embed.weight": given["pos_embed.W_pos"],
        "unembed.weight": given["unembed.W_U"].T,
        "unembed.bias": given["unembed.b_U"],
    }
    heads, d_head, d_model, hidden = widest.heads, widest.d_head, sizes.d_model, widest.hidden
    for number in range(len(sizes.blocks)):
        p = f"blocks.{number}.attn."
        for name in "QKV":
            weight = _filled(given[f"{p}W_{name}"], heads, d_model, d_head)
            state[f"{p}{name.lower()}.weight"] = weight.transpose(1, 2).reshape(-1, d_model)
            bias = _filled(given[f"{p}b_{name}"], heads, d_head)
            state[f"{p}{name.lower()}.bias"] = bias.reshape(-1)
        state[f"{p}o.weight"] = _filled(given[f"{p}W_O"], heads, d_head, d_model).flatten(0, 1).T
        state[f"{p}o.bias"] = given[f"{p}b_O"]
        p = f"blocks.{number}.mlp."
        state[f"{p}in.weight"] = _filled(given[f"{p}W_in"], d_model, hidden).T
        state[f"{p}in.bias"] = _filled(given[f"{p}b_in"], hidden)
        state[f"{p}out.weight"] = _filled(given[f"{p}W_out"], hidden, d_model).T
        state[f"{p}out.bias"] = given[f"{p}b_out"]
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _filled(tensor: Tensor, *shape: int) -> Tensor:
    """The tensor in the first corner of a larger one of zeros."""
    larger = torch.zeros(shape, dtype=tensor.dtype)
    larger[tuple(slice(size) for size in tensor.shape)] = tensor
    return larger
