"""What the training of a standard Transformer depends on, its problem apart."""

from __future__ import annotations

from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.training.settings_text import SettingsText


@dataclass(frozen=True)
class StandardSettings(SettingsText):
    """A standard Transformer, and how it is trained: Adam on the cross entropy of all labels.

    ``n_heads`` heads a layer share the width of the residual stream, ``d_model``; MLPs have
    ``d_mlp`` hidden units. The usual sizes are those of the models of ``GradientSettings``: as many
    heads as it has of both kinds, and of hidden units as four MLPs of 64 have.

    The learning rate falls from ``learning_rate`` to 0 over the steps, linearly. An input of a
    length that n training inputs have is drawn with a weight of n ^ -``evenness``. Training stops
    once the model is right on ``target_accuracy`` of the labels at each length (mean over lengths),
    in validation and in training; None never does.

    Raises TpirError for values out of range.
    """

    seed: int = 0
    steps: int = 3000
    epoch_steps: int = 100
    batch_size: int = 64
    learning_rate: float = 0.001
    evenness: float = 0.5
    target_accuracy: float | None = 1.0
    n_layers: int = 2
    n_heads: int = 8
    d_model: int = 64
    d_mlp: int = 256

    def __post_init__(self) -> None:
        sizes = ("n_layers", "n_heads", "d_model", "d_mlp")
        for name in ("steps", "epoch_steps", "batch_size", *sizes):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise TpirError(f"{name} is {value}; it must be a whole number, at least 1")
        if self.d_model % self.n_heads:
            raise TpirError(f"d_model is {self.d_model}; {self.n_heads} heads cannot share it")
        if not 0 < self.learning_rate < float("inf"):
            raise TpirError(f"learning_rate is {self.learning_rate}; it must be a positive number")
        if not 0 <= self.evenness < float("inf"):
            raise TpirError(f"evenness is {self.evenness}; it must be 0 or more")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise TpirError(f"seed is {self.seed}; it must be from 0 to 2^32 - 1")

    @property
    def epochs(self) -> int:
        """How many epochs the steps make, the last one perhaps shorter."""
        return -(-self.steps // self.epoch_steps)
