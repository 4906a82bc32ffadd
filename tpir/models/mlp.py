"""MLPs: each reads a few variables and chooses a value of a new categorical one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tpir.models.config import TransformerProgramConfig
from tpir.models.embedding import Read
from tpir.models.sampling import Sampler


class Mlp(nn.Module):
    """One hidden ReLU layer over ``mlp_inputs`` variables of ``width`` values each.

    ``W_in`` [hidden, input * width], ``b_in`` [hidden]; ``W_out`` [value, hidden], ``b_out``
    [value].
    """

    def __init__(self, config: TransformerProgramConfig, n_variables: int, width: int) -> None:
        super().__init__()
        hidden, inputs, d_var = config.d_mlp, config.mlp_inputs, config.d_var
        self.W_in = nn.Parameter(torch.randn(hidden, width * inputs) / hidden**0.5)
        self.b_in = nn.Parameter(torch.zeros(hidden))
        self.W_out = nn.Parameter(torch.randn(d_var, hidden) / d_var**0.5)
        self.b_out = nn.Parameter(torch.zeros(d_var))
        self.W_read = Read(inputs, n_variables, width)


class MlpGroup(nn.Module):
    """The MLPs of one kind in one layer; they run side by side as one batched product."""

    def __init__(
        self, config: TransformerProgramConfig, n_mlps: int, n_variables: int, width: int
    ) -> None:
        super().__init__()
        self.mlps = nn.ModuleList([Mlp(config, n_variables, width) for _ in range(n_mlps)])

    def stacked(self, name: str) -> Tensor:
        """The parameter ``name`` of all MLPs: [mlp, ...]."""
        return torch.stack([mlp.get_parameter(name) for mlp in self.mlps])

    def forward(self, variables: Tensor, sample: Sampler) -> Tensor:
        """New variables [batch, position, mlp, value] from [batch, position, variable, width]."""
        read = sample(self.stacked("W_read.W"))
        inputs = (read.flatten(0, 1) @ variables).flatten(2)
        inputs = inputs.view(*inputs.shape[:2], len(read), -1)
        hidden = torch.einsum("btmx,mhx->btmh", inputs, self.stacked("W_in"))
        hidden = torch.relu(hidden + self.stacked("b_in"))
        logits = torch.einsum("btmh,mdh->btmd", hidden, self.stacked("W_out"))
        return sample(logits + self.stacked("b_out"))
