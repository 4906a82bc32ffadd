"""Running a standard Transformer on batches, as programs and other models are run."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tpir.ir.expressions import NOT_A_NUMBER
from tpir.ir.types import Categorical, Pooled, Real
from tpir.ir.values import Value
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_predict import Predictor
from tpir.semantics.approximate import far_apart
from tpir.semantics.columns import Column
from tpir.semantics.failures import failure_code
from tpir.semantics.interpreter import BatchResult


class TransformerRunner:
    """The module in the type its weights are stored in, which verdicts are about.

    Weights stored in float64 run in float32 as well, to count differences.
    """

    def __init__(self, checkpoint: TransformerCheckpoint) -> None:
        self.vocabulary: tuple[Value, ...] = checkpoint.vocabulary
        self._outputs = checkpoint.outputs
        self._stored = Predictor(checkpoint)
        double = self._stored.dtype == torch.float64
        self._single = Predictor(checkpoint, torch.float32) if double else None
        self._differ = 0

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """See Runner. Logits that are not finite are a failure: a number out of range."""
        ids = torch.from_numpy(tokens.T.astype(np.int64))
        logits = self._stored.logits(ids)
        if self._single is not None:
            self._differ += self._differing(logits, self._single.logits(ids))
        finite = logits.isfinite().all(-1).all(-1).numpy()
        failures = np.where(finite, 0, failure_code(NOT_A_NUMBER)).astype(np.uint8)
        columns = {
            output.name: Column(_type(output.values, output.pooled), _array(answers))
            for output, answers in zip(self._outputs, self._stored.answers(logits), strict=True)
        }
        approximate = frozenset(o.name for o in self._outputs if o.values is None)
        return BatchResult(columns, failures, approximate)

    def float32_differences(self) -> int | None:
        """Inputs on which float32 answers something else; None where the weights are float32."""
        return None if self._single is None else self._differ

    def close(self) -> None:
        """Nothing to let go of."""

    def _differing(self, logits: Tensor, single: Tensor) -> int:
        differ = torch.zeros(len(logits), dtype=torch.bool)
        pairs = zip(self._stored.answers(logits), self._stored.answers(single), strict=True)
        for output, (exact, other) in zip(self._outputs, pairs, strict=True):
            if output.values is None:
                apart = torch.from_numpy(far_apart(_array(exact), _array(other)))
                differ |= apart.any(0)
            else:
                differ |= (exact != other).any(1)
        return int(differ.sum())


def _type(values: tuple[Value, ...] | None, pooled: bool) -> Categorical | Pooled | Real:
    if values is None:
        return Real()
    return Pooled(values) if pooled else Categorical(values)


def _array(answers: Tensor) -> NDArray[np.generic]:
    """Answers as columns hold them: (position, input), numbers in float64."""
    array: NDArray[np.generic] = answers.T.contiguous().numpy()
    return array.astype(np.float64) if answers.is_floating_point() else array
