"""Running a Transformer Program's torch module, discretised."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tpir.ir.types import Categorical, Pooled
from tpir.ir.values import Value
from tpir.models.checkpoint import Checkpoint
from tpir.models.config import PAD
from tpir.models.predict import predict_ids
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import BatchResult


class ModelRunner:
    """The module in float64, which verdicts are about, and in float32 to count differences."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        config = checkpoint.config
        self.vocabulary: tuple[Value, ...] = tuple(t for t in config.vocabulary if t != PAD)
        self._ids = np.array([config.vocabulary.index(str(t)) for t in self.vocabulary])
        self._exact = checkpoint.model(torch.float64)
        self._single = checkpoint.model(torch.float32)
        self._type = Pooled(config.labels) if config.pooled else Categorical(config.labels)
        self._differ = 0

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """See Runner."""
        ids = torch.from_numpy(self._ids[tokens.T.astype(np.intp)])
        exact, single = predict_ids(self._exact, ids), predict_ids(self._single, ids)
        data = exact.numpy().reshape(tokens.shape[1], -1).T
        other = single.numpy().reshape(tokens.shape[1], -1).T
        self._differ += int((data != other).any(axis=0).sum())
        failures = np.zeros(tokens.shape[1], dtype=np.uint8)
        return BatchResult({"output": Column(self._type, data)}, failures)

    def float32_differences(self) -> int | None:
        """Inputs on which the float32 module predicted something else."""
        return self._differ

    def close(self) -> None:
        """Nothing to let go of."""
