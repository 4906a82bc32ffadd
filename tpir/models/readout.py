"""The linear readout over all variables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tpir.models.config import TransformerProgramConfig

_MASKED = -1e30


class Readout(nn.Module):
    """Label logits: ``W_U`` [feature, label], features being categorical values, then numbers."""

    mask: Tensor | None

    def __init__(self, config: TransformerProgramConfig) -> None:
        super().__init__()
        self.n_values = config.cat_variables(config.n_layers) * config.d_var
        n_features = self.n_values + config.num_variables(config.n_layers)
        n_labels = len(config.labels)
        self.W_U = nn.Parameter(torch.randn(n_features, n_labels) / n_labels**0.5)
        self.d_var, self.context, self.pooled = config.d_var, config.context, config.pooled
        mask = None
        if config.masked_labels is not None:
            masked = [label in config.masked_labels for label in config.labels]
            mask = torch.tensor(masked).view(1, 1, -1)
        self.register_buffer("mask", mask)

    def forward(self, x_cat: Tensor, x_num: Tensor) -> Tensor:
        """Logits [batch, position, label] of a soft residual stream, neither pooled nor masked."""
        return torch.cat([x_cat.flatten(2), x_num], -1) @ self.W_U

    def of_choices(self, ids: Tensor, numbers: Tensor) -> Tensor:
        """The same from indices and numbers, both [variable, position, batch]."""
        n_variables, length, batch = ids.shape
        offsets = torch.arange(n_variables, device=ids.device).view(-1, 1) * self.d_var
        rows = self.W_U.index_select(0, (ids.flatten(1) + offsets).flatten())
        logits = rows.view(n_variables, length * batch, -1).sum(0)
        logits = logits + numbers.flatten(1).T @ self.W_U[self.n_values :]
        return logits.view(length, batch, -1).transpose(0, 1)

    def finish(self, logits: Tensor, counted: Tensor) -> Tensor:
        """Pool, if the model does, where ``counted`` [batch, position]; then mask labels.

        The pooled sum is divided by the context: the reference divides by the padded length, which
        is the context in its data sets.
        """
        if self.pooled:
            logits = logits.masked_fill(~counted.unsqueeze(-1), 0).sum(1) / self.context
        if self.mask is not None:
            logits = logits.masked_fill(self.mask.view(-1), _MASKED)
        return logits
