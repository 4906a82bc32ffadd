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


class TableMlp(nn.Module):
    """A table over ``mlp_inputs`` variables.

    ``W_table`` [combination of input values, value] holds the logits of each row's result, the
    first input running slowest. A number k reads as the value k.
    """

    def __init__(self, config: TransformerProgramConfig, n_variables: int, width: int) -> None:
        super().__init__()
        inputs, d_var = config.mlp_inputs, config.d_var
        self.W_table = nn.Parameter(torch.randn(d_var**inputs, d_var) / d_var**0.5)
        self.W_read = Read(inputs, n_variables, width)


class MlpGroup(nn.Module):
    """The MLPs of one kind in one layer; they run side by side as one batched product."""

    def __init__(
        self,
        config: TransformerProgramConfig,
        n_mlps: int,
        n_variables: int,
        *,
        numerical: bool,
    ) -> None:
        super().__init__()
        self.d_var, self.is_table, self.numerical = config.d_var, config.mlps == "table", numerical
        width = 1 if numerical else config.d_var
        kind = TableMlp if self.is_table else Mlp
        self.mlps = nn.ModuleList([kind(config, n_variables, width) for _ in range(n_mlps)])

    def stacked(self, name: str) -> Tensor:
        """The parameter ``name`` of all MLPs: [mlp, ...]."""
        return torch.stack([mlp.get_parameter(name) for mlp in self.mlps])

    def forward(self, variables: Tensor, sample: Sampler) -> Tensor:
        """New variables [batch, position, mlp, value] from [batch, position, variable, width]."""
        read = sample(self.stacked("W_read.W"))
        inputs = read.flatten(0, 1) @ variables
        inputs = inputs.view(*inputs.shape[:2], *read.shape[:2], -1)
        return self._look_up(inputs, sample) if self.is_table else self._compute(inputs, sample)

    def _compute(self, inputs: Tensor, sample: Sampler) -> Tensor:
        """What hidden layers make of ``inputs`` [batch, position, mlp, input, width]."""
        hidden = torch.einsum("btmx,mhx->btmh", inputs.flatten(3), self.stacked("W_in"))
        hidden = torch.relu(hidden + self.stacked("b_in"))
        logits = torch.einsum("btmh,mdh->btmd", hidden, self.stacked("W_out"))
        return sample(logits + self.stacked("b_out"))

    def _look_up(self, inputs: Tensor, sample: Sampler) -> Tensor:
        """What tables make of the same: each row is sampled once, then rows are mixed."""
        if self.numerical:
            inputs = spread(inputs.squeeze(-1), self.d_var)
        rows = inputs[..., 0, :]
        for k in range(1, inputs.shape[3]):
            rows = (rows.unsqueeze(-1) * inputs[..., k, :].unsqueeze(-2)).flatten(-2)
        return torch.einsum("btmr,mrd->btmd", rows, sample(self.stacked("W_table")))


def spread(numbers: Tensor, d_var: int) -> Tensor:
    """Numbers as weights of the integers 0 to ``d_var`` - 1: [...] to [..., d_var].

    A whole number has the weight 1 at itself, another is shared between its neighbours, so that
    the weights are piecewise linear in it; numbers beyond an end are at that end.
    """
    distance = numbers.clamp(0, d_var - 1).unsqueeze(-1) - torch.arange(
        d_var, device=numbers.device
    )
    return (1 - distance.abs()).clamp(min=0)
