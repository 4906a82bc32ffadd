"""One layer: heads read the residual stream, then MLPs read it with the heads' results."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from tpir.models.attention import CategoricalHeads, NumericalHeads
from tpir.models.config import TransformerProgramConfig
from tpir.models.mlp import MlpGroup
from tpir.models.sampling import Sampler


class Block(nn.Module):
    """Appends variables: categorical heads, categorical MLPs, numerical MLPs; numerical heads."""

    def __init__(self, config: TransformerProgramConfig, layer: int) -> None:
        super().__init__()
        n_cat, n_num = config.cat_variables(layer), config.num_variables(layer)
        self.cat_attn = CategoricalHeads(config, n_cat)
        self.num_attn = NumericalHeads(config, n_cat, n_num) if config.n_heads_num else None
        n_cat, n_num = n_cat + config.n_heads_cat, n_num + config.n_heads_num
        self.cat_mlp = MlpGroup(config, config.n_cat_mlps, n_cat, numerical=False)
        self.num_mlp = MlpGroup(config, config.n_num_mlps, n_num, numerical=True)
        self.n_heads_cat, self.conjuncts = config.n_heads_cat, config.conjuncts

    def forward(
        self, x_cat: Tensor, x_num: Tensor, permitted: Tensor, sample: Sampler
    ) -> tuple[Tensor, Tensor]:
        """``x_cat`` [batch, position, variable, value], ``x_num`` [batch, position, variable]."""
        heads_cat, heads_num = self._attend(x_cat, x_num, permitted, sample)
        x_cat = torch.cat([x_cat, heads_cat], 2)
        x_num = torch.cat([x_num, heads_num], 2)
        new = [x_cat]
        if len(self.cat_mlp.mlps):
            new.append(self.cat_mlp(x_cat, sample))
        if len(self.num_mlp.mlps):
            new.append(self.num_mlp(x_num.unsqueeze(-1), sample))
        return torch.cat(new, 2), x_num

    def _attend(
        self, x_cat: Tensor, x_num: Tensor, permitted: Tensor, sample: Sampler
    ) -> tuple[Tensor, Tensor]:
        cat, num = self.cat_attn, self.num_attn
        readers: list[Tensor] = [cat.W_K.W, cat.W_Q.W, cat.W_V.W]
        if num is not None:
            readers += [num.W_K.W, num.W_Q.W]
        read = (sample(torch.cat(readers)) @ x_cat).transpose(1, 2)
        parts = torch.split(read, [len(reader) for reader in readers], dim=1)
        heads_cat, heads_num = x_cat[:, :, :0], x_num[:, :, :0]
        if self.n_heads_cat:
            scores = self._scores(parts[0], parts[1], cat.relation(sample))
            weights = sample(cat.logits(scores, permitted)).to(x_cat.dtype)
            heads_cat = (weights @ parts[2]).transpose(1, 2)
        if num is not None:
            scores = self._scores(parts[3], parts[4], num.W_pred(sample))
            scores = scores.masked_fill(~permitted.unsqueeze(1), 0)
            values = x_num @ sample(num.W_V.W).T
            heads_num = torch.einsum("bhqk,bkh->bqh", scores, values)
        return heads_cat, heads_num

    def _scores(self, keys: Tensor, queries: Tensor, relation: Tensor) -> Tensor:
        """How much keys match, the product over the conjuncts: [batch, head, query, key].

        ``keys`` and ``queries`` [batch, head * conjunct, position, value], ``relation``
        [head * conjunct, query value, key value].
        """
        wanted = torch.einsum("bhtq,hqk->bhtk", queries, relation)
        matches = wanted @ keys.transpose(-1, -2)
        if self.conjuncts == 1:
            return matches
        return reduce(torch.mul, [matches[:, k :: self.conjuncts] for k in range(self.conjuncts)])
