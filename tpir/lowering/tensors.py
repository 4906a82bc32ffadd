"""Reading the tensors of a checkpoint by name, with their shapes checked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tpir.errors import TpirError

Floats = NDArray[np.float64]
Choices = NDArray[np.intp]


class Tensors:
    """The tensors of one model."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = state

    def __contains__(self, name: str) -> bool:
        return name in self._state

    def read(self, name: str, *shape: int) -> Floats:
        """The numbers of a tensor, float64.

        Raises TpirError if it is missing, has another shape or holds what is no finite number.
        """
        tensor = self._state.get(name)
        if tensor is None:
            raise TpirError(f"the checkpoint has no tensor {name}")
        if tuple(tensor.shape) != shape:
            raise TpirError(
                f"tensor {name} has shape {list(tensor.shape)}; "
                f"the model's sizes ask for {list(shape)}"
            )
        numbers: Floats = tensor.detach().cpu().double().numpy()
        if not np.isfinite(numbers).all():
            raise TpirError(f"tensor {name} holds a number that is not finite")
        return numbers

    def choices(self, name: str, *shape: int, axis: int = -1) -> Choices:
        """What each row of logits chooses: the place of its greatest, of equal ones the first."""
        found: Choices = self.read(name, *shape).argmax(axis=axis)
        return found

    def expect(self, name: str, expected: Floats, what: str) -> None:
        """Raise TpirError unless a tensor that is not learned holds what the architecture says."""
        if not np.array_equal(self.read(name, *expected.shape), expected):
            raise TpirError(f"tensor {name} is not {what}, so the model is no Transformer Program")
