"""How logits become choices and truth values while a model trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

SoftMode = Literal["soft", "hard", "softmax"]
Mode = Literal["soft", "hard", "softmax", "discrete"]


@dataclass(frozen=True)
class Sampler:
    """Turns logits into weights over one dimension (paper, section 3.3).

    ``soft`` draws a Gumbel-softmax sample, ``hard`` the same with its argmax in the forward pass
    (straight through), ``softmax`` is the relaxation without noise. Noise comes from torch's global
    random number generator, so ``torch.manual_seed`` decides it.
    """

    mode: SoftMode = "soft"
    temperature: float = 1.0

    def __call__(self, logits: Tensor, dim: int = -1) -> Tensor:
        """Weights of the shape of ``logits`` that sum to 1 over ``dim``."""
        if self.mode == "softmax":
            return functional.softmax(logits / self.temperature, dim=dim)
        return functional.gumbel_softmax(
            logits, tau=self.temperature, hard=self.mode == "hard", dim=dim
        )

    def truth(self, logits: Tensor) -> Tensor:
        """Each entry by itself, from 0 to 1: whether its logit is above 0.

        It is a choice between that logit and 0, so the noise is the difference of two Gumbel
        variables, which is logistic.
        """
        if self.mode == "softmax":
            return torch.sigmoid(logits / self.temperature)
        noise = torch.empty_like(logits).exponential_().log() - (
            torch.empty_like(logits).exponential_().log()
        )
        soft = torch.sigmoid((logits + noise) / self.temperature)
        if self.mode == "soft":
            return soft
        return (logits + noise > 0).to(soft.dtype) - soft.detach() + soft
