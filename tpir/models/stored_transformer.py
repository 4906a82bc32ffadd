"""A standard Transformer at rest: tensors, and what has to be said about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tpir.ir.values import Value
from tpir.models.transformer import Transformer

MOST_LABELS = 512
"""An output of more numbers than this is one logit, the number itself, and no longer exact.

Which value it is, a line of logits 2 c x - c^2 tells from a code c: rounding leaves that exact for
codes up to 512 times their smallest distance.
"""


@dataclass(frozen=True)
class Variable:
    """Directions of the residual stream that hold one variable for some time.

    Times count half blocks: 0 is the embedding, 2b + 1 the attention and 2b + 2 the MLP of block b.
    The variable is there after ``written`` and read for the last time by ``read``; readouts read at
    2 x blocks + 1.
    """

    name: str
    directions: tuple[int, ...]
    written: int
    read: int


@dataclass(frozen=True)
class Output:
    """What the logits mean: the best of them names one of ``values``, in order.

    Without values there is one logit, and it is the number itself; ``floats`` says that the number
    is a float where it is whole too. A ``pooled`` output is one value for the input, read at its
    first position.
    """

    name: str
    values: tuple[Value, ...] | None
    pooled: bool = False
    floats: bool = False

    @property
    def width(self) -> int:
        """How many logits it has. The logits of several outputs stand side by side."""
        return 1 if self.values is None else len(self.values)


@dataclass(frozen=True)
class TransformerCheckpoint:
    """The weights of a Transformer that computes a program.

    ``state`` is what ``tpir.models.transformer`` runs. Token k is ``vocabulary[k]``; with ``bos``
    the model has one token more, the last, which comes first in every input and which users never
    see: positions count from it, and logits there mean nothing.
    """

    state: dict[str, Tensor]
    vocabulary: tuple[Value, ...]
    context: int
    causal: bool
    bos: bool
    outputs: tuple[Output, ...]
    variables: tuple[Variable, ...]
    accepts: str | None = None
    fingerprint: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        """How many blocks of attention and MLP."""
        return len({name.split(".")[1] for name in self.state if name.startswith("blocks.")})

    def model(self, dtype: torch.dtype = torch.float32) -> Transformer:
        """A module that runs it."""
        return Transformer({k: v.to(dtype) for k, v in self.state.items()}, self.causal)
