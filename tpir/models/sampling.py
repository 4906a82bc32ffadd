"""How a row of logits becomes a choice while a model trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
