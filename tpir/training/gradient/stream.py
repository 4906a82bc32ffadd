"""The residual stream of the relaxed models: written once, read in place.

Appending variables to a stream would copy it, and adding up the gradients of its many readers would
pass over it again for each. Both are held in one array instead, of values and of gradients.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Stream:
    """Variables [seed, variable, number], the first ``fixed`` of which have no gradient.

    One pass forward and one backward are made on it at a time: the next pass overwrites it.
    """

    def __init__(self, seeds: int, variables: int, numbers: int, device: torch.device) -> None:
        self.values = torch.empty(seeds, variables, numbers, device=device)
        self.gradients = torch.empty_like(self.values)
        self.fixed = self.length = 0
        self._last = torch.empty(0)

    def begin(self, first: Tensor) -> None:
        """Start anew with the variables ``first`` [variable, number], the same for all seeds."""
        self.fixed = self.length = len(first)
        self.values[:, : self.length] = first
        # What is read depends on what was appended last: that orders the pass backward.
        self._last = torch.empty(0, device=first.device, requires_grad=True)

    def append(self, new: Tensor) -> None:
        """Append variables [seed, variable, number]."""
        self._last = cast(Tensor, _Append.apply(self._last, new, self))  # type: ignore[no-untyped-call]

    def read(self, weights: Tensor) -> Tensor:
        """Mixtures [seed, reader, number] by ``weights`` [seed, reader, variable]."""
        return cast(Tensor, _Read.apply(self._last, weights, self))  # type: ignore[no-untyped-call]

    def read_all(self, weights: Tensor, places: int) -> Tensor:
        """Sums [seed, label, place] over all variables' values, ``weights`` [seed, label, value].

        Each variable's numbers are its values at each of ``places``. It is what is read last: its
        gradient is the first to reach the stream.
        """
        arguments = (self._last, weights, self, places)
        return cast(Tensor, _ReadAll.apply(*arguments))  # type: ignore[no-untyped-call]


class _Append(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, last: Tensor, new: Tensor, stream: Stream) -> Tensor:
        ctx.stream, ctx.place = stream, slice(stream.length, stream.length + new.shape[1])
        ctx.set_materialize_grads(False)
        stream.values[:, ctx.place] = new
        stream.length += new.shape[1]
        return torch.empty_like(last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[None, Tensor, None]:
        return None, ctx.stream.gradients[:, ctx.place], None


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, last: Tensor, weights: Tensor, stream: Stream) -> Tensor:
        ctx.stream, ctx.length = stream, stream.length
        ctx.save_for_backward(weights)
        return torch.bmm(weights, stream.values[:, : stream.length])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        (weights,) = ctx.saved_tensors
        stream = ctx.stream
        learnt = slice(stream.fixed, ctx.length)
        if ctx.length > stream.fixed:
            stream.gradients[:, learnt].baddbmm_(weights[:, :, learnt].transpose(1, 2), gradient)
        return None, torch.bmm(gradient, stream.values[:, : ctx.length].transpose(1, 2)), None


class _ReadAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, last: Tensor, weights: Tensor, stream: Stream, places: int) -> Tensor:
        ctx.stream, ctx.places = stream, places
        ctx.save_for_backward(weights)
        values = stream.values[:, : stream.length]
        return torch.bmm(weights, values.reshape(len(values), -1, places))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        (weights,) = ctx.saved_tensors
        stream, seeds = ctx.stream, len(weights)
        values = stream.values.view(seeds, -1, ctx.places)
        torch.bmm(weights.transpose(1, 2), gradient, out=stream.gradients.view(values.shape))
        return None, torch.bmm(gradient, values.transpose(1, 2)), None, None
