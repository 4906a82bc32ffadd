"""Attention heads: parameters, and the logits that rank the keys.

Logits are float32 in a module of any type. A head's meaning is which key ranks first after that
float32 arithmetic; with more digits, other keys would win (1 + 1e-10 is 1 in float32 only).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tpir.models.config import TransformerProgramConfig
from tpir.models.embedding import Read, Relation
from tpir.models.sampling import Sampler

_BIAS_LIMIT = 10.0
_MASKED = -1e30
_MASKED_SCORE = -1e10


class OffsetBias(nn.Module):
    """What a key's offset from the query adds to its logit: ``bias`` [head, offset].

    Offset ``key - query`` is an index from the end where it is negative. ``fixed`` prefers the
    closest key, the query's own position last; ``clipped`` learns the bias, held within ±10;
    ``none`` is flat.
    """

    bias: Tensor
    idxs: Tensor

    def __init__(self, config: TransformerProgramConfig) -> None:
        super().__init__()
        self.kind = config.position_bias
        shape = (config.n_heads_cat, 2 * config.context)
        if self.kind == "clipped":
            self.bias = nn.Parameter(torch.zeros(shape))
        elif self.kind == "none":
            self.register_buffer("bias", torch.zeros(shape))
        else:
            self.register_buffer("bias", nearest_bias(config.context).repeat(config.n_heads_cat, 1))
        self.register_buffer("idxs", torch.arange(2 * config.context))

    def forward(self, scores: Tensor) -> Tensor:
        """Logits before masking from ``scores`` [..., head, query, key], both float32."""
        queries, keys = scores.shape[-2:]
        offsets = self.idxs[:keys] - self.idxs[:queries, None]
        bias = self.bias.float()[:, offsets]
        if self.kind == "none":
            return (scores * bias.softmax(-1) + 1e-10).log()
        if self.kind == "clipped":
            bias = bias.clamp(-_BIAS_LIMIT, _BIAS_LIMIT)
        return (scores + 1e-20).log() + bias


def nearest_bias(context: int) -> Tensor:
    """The bias of kind ``fixed``, [offset]: the same float32 numbers as the public reference's."""
    return torch.cat(
        [
            torch.tensor([-2.0]),
            torch.linspace(0.0, -context, context - 1) / context,
            torch.linspace(-context, 0.0, context) / context,
        ]
    )


class CategoricalHeads(nn.Module):
    """Heads that copy the value of one key (paper, section 3.1).

    ``W_K``, ``W_Q`` and ``W_pred`` have a row for each conjunct of each head, head-major.
    ``mask`` and ``pos_bias`` are unused; the public format has them.
    """

    mask: Tensor
    pos_bias: Tensor

    def __init__(self, config: TransformerProgramConfig, n_variables: int) -> None:
        super().__init__()
        heads, width = config.n_heads_cat, config.d_var
        triples = heads * config.conjuncts
        self.W_K = Read(triples, n_variables, width)
        self.W_Q = Read(triples, n_variables, width)
        self.W_pred = Relation(triples, width, config.predicates)
        self.W_V = Read(heads, n_variables, width)
        self.rel_pos_bias = OffsetBias(config) if config.attention == "cat" else None
        self.register_buffer("mask", torch.ones(config.context, config.context).tril())
        self.register_buffer("pos_bias", torch.arange(config.context, 0, -1))
        self.scale = math.sqrt(width)

    def relation(self, sample: Sampler) -> Tensor:
        """Weights or scores [head * conjunct, query value, key value]."""
        return self.W_pred(sample) if self.rel_pos_bias is not None else self.W_pred.W

    def logits(self, scores: Tensor, permitted: Tensor) -> Tensor:
        """Float32 logits of the keys from ``scores`` [batch, head, query, key].

        ``permitted`` [batch, query, key] is False where a key is padding or lies ahead.
        """
        scores, forbidden = scores.float(), ~permitted.unsqueeze(1)
        if self.rel_pos_bias is None:
            return scores.masked_fill(forbidden, _MASKED_SCORE) / self.scale
        matches = scores.masked_fill(forbidden, 0).sum(-1, keepdim=True)
        # A query that matches no key attends to the first position.
        first = scores[..., :1] + functional.relu(1 - matches / (matches + 1e-10))
        biased: Tensor = self.rel_pos_bias(torch.cat([first, scores[..., 1:]], -1))
        return biased.masked_fill(forbidden, _MASKED) / self.scale

    def ranking_logits(self) -> Tensor:
        """Logits of keys that all match: [head, query, key] for the full context."""
        assert self.rel_pos_bias is not None
        context = self.mask.shape[0]
        scores = torch.ones(len(self.W_V.W), context, context, device=self.mask.device)
        biased: Tensor = self.rel_pos_bias(scores)
        return biased / self.scale

    def score_logits(self) -> Tensor:
        """Logits of score attention: [head, query value, key value]."""
        return self.W_pred.W.float() / self.scale


class NumericalHeads(nn.Module):
    """Heads that sum a number over all matching keys (paper, section 3.2).

    ``W_K``, ``W_Q`` and ``W_pred`` have a row for each conjunct of each head, head-major.
    """

    mask: Tensor

    def __init__(self, config: TransformerProgramConfig, n_cat: int, n_num: int) -> None:
        super().__init__()
        heads, width = config.n_heads_num, config.d_var
        triples = heads * config.conjuncts
        self.W_K = Read(triples, n_cat, width)
        self.W_Q = Read(triples, n_cat, width)
        self.W_pred = Relation(triples, width, config.predicates)
        self.W_V = Read(heads, n_num, 1)
        if config.selector_width:
            self.W_V.fix(0)
        self.register_buffer("mask", torch.ones(config.context, config.context).tril())
