"""What a token and its position put into the residual stream, and how it is read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tpir.models.config import Predicates, TransformerProgramConfig
from tpir.models.sampling import Sampler

ONE_HOT_LOGIT = 10.0
"""A fixed choice has this logit, every other its negative: the public reference's convention."""


class TokenEmbedding(nn.Module):
    """Each token chooses one value of each of ``n_vars_cat`` categorical variables.

    ``W_E`` [variable * value, token] holds the logits of the choices.
    """

    def __init__(self, config: TransformerProgramConfig) -> None:
        super().__init__()
        self.d_var = config.d_var
        n_words, width = len(config.vocabulary), config.n_vars_cat * config.d_var
        if config.one_hot_embed:
            fixed = torch.eye(config.d_var)[:, :n_words] * (2 * ONE_HOT_LOGIT) - ONE_HOT_LOGIT
            self.W_E = nn.Parameter(fixed, requires_grad=False)
        else:
            self.W_E = nn.Parameter(torch.randn(width, n_words) / width**0.5)

    def logits(self) -> Tensor:
        """[variable, value, token]."""
        return self.W_E.view(-1, self.d_var, self.W_E.shape[1])

    def forward(self, tokens: Tensor, sample: Sampler) -> Tensor:
        """One draw for each word of the vocabulary: [batch, position, variable, value]."""
        table = sample(self.logits(), dim=1).permute(2, 0, 1)
        embedded = functional.embedding(tokens, table.flatten(1))
        return embedded.view(*tokens.shape, *table.shape[1:])


class NumberEmbedding(nn.Module):
    """Each token has ``n_vars_num`` numbers: 1 for models that only count, else learned.

    ``W_E`` [token, variable].
    """

    def __init__(self, config: TransformerProgramConfig) -> None:
        super().__init__()
        shape = (len(config.vocabulary), config.n_vars_num)
        if config.count_only:
            self.W_E = nn.Parameter(torch.ones(shape), requires_grad=False)
        else:
            self.W_E = nn.Parameter(torch.randn(shape) / config.n_vars_num**0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """[batch, position, variable]."""
        return functional.embedding(tokens, self.W_E)


class PositionEmbedding(nn.Module):
    """The position as a one-hot categorical variable: ``W`` [position, value]."""

    W: Tensor

    def __init__(self, config: TransformerProgramConfig) -> None:
        super().__init__()
        self.register_buffer("W", torch.eye(config.context, config.d_var))

    def forward(self, tokens: Tensor) -> Tensor:
        """[batch, position, 1, value]."""
        batch, length = tokens.shape
        return self.W[:length, None].expand(batch, -1, -1, -1)


class Read(nn.Module):
    """Which variable of the residual stream each of several readers takes (paper, equation 2).

    ``W`` [reader, variable] holds the logits; ``E`` [variable, value, value] is the identity for
    each variable, kept because the public format has it.
    """

    E: Tensor

    def __init__(self, n_readers: int, n_variables: int, width: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(n_readers, n_variables) / n_variables**0.5)
        self.register_buffer("E", torch.eye(width).repeat(n_variables, 1, 1))

    def fix(self, variable: int) -> None:
        """Let every reader take ``variable``, and train no more."""
        fixed = torch.full_like(self.W, -ONE_HOT_LOGIT)
        fixed[:, variable] = ONE_HOT_LOGIT
        self.W = nn.Parameter(fixed, requires_grad=False)


class Relation(nn.Module):
    """What each value of a query asks of a key: ``W`` [predicate, query value, key value].

    For a predicate of kind ``one`` these are logits of a choice among key values, for one of kind
    ``set`` a key value matches where its logit is above 0; for score attention, the scores.
    """

    def __init__(self, n_predicates: int, d_var: int, kind: Predicates) -> None:
        super().__init__()
        self.kind = kind
        self.W = nn.Parameter(torch.randn(n_predicates, d_var, d_var) / d_var**0.5)

    def forward(self, sample: Sampler) -> Tensor:
        """How much each key value matches, from 0 to 1: [predicate, query value, key value]."""
        return sample.truth(self.W) if self.kind == "set" else sample(self.W)
