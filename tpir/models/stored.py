"""A Transformer Program at rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from tpir.models.config import TransformerProgramConfig
from tpir.models.transformer_program import TransformerProgram


@dataclass(frozen=True)
class Checkpoint:
    """A model at rest: ``state`` holds every tensor of ``TransformerProgram(config)`` by name.

    ``accepts`` is the accepted form, a regular expression over tokens; None accepts every sequence
    over the vocabulary. ``metadata`` is free text by key and changes nothing.
    """

    config: TransformerProgramConfig
    state: dict[str, Tensor]
    accepts: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_model(
        cls,
        model: TransformerProgram,
        *,
        accepts: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Self:
        """The model as it is now; later changes to it do not reach the checkpoint."""
        state = {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}
        return cls(model.config, state, accepts, dict(metadata or {}))

    def model(self, dtype: torch.dtype = torch.float32) -> TransformerProgram:
        """A new model with these weights, in ``discrete`` mode, its real numbers of type ``dtype``.

        The type is set first, so that weights stored in float64 keep their digits in float64.
        """
        model = TransformerProgram(self.config).to(dtype)
        model.load_state_dict(self.state)
        return model.set_mode("discrete")
