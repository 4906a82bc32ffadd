"""Soft attention with the batch as the innermost axis.

Sequences are short and there are many: arithmetic along the batch fills vector registers, which
products of small matrices do not.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tpir.models.attention import nearest_bias
from tpir.training.gradient.kernels import PLAIN, Kernels


def contract(left: Tensor, right: Tensor, kernels: Kernels = PLAIN) -> Tensor:
    """The sum over k of ``left`` [..., k, i, batch] times ``right`` [..., k, j, batch].

    Both lead with seed and head. The result is [seed, head, i, j, batch].
    """
    return cast(Tensor, _Contract.apply(left, right, kernels))  # type: ignore[no-untyped-call]


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, kernels: Kernels) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.contract = kernels.contract
        return kernels.contract(left, right)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        left, right = ctx.saved_tensors
        of_left = ctx.contract(right.transpose(2, 3), gradient.transpose(2, 3))
        return of_left, ctx.contract(left.transpose(2, 3), gradient), None


class Nearness:
    """For each query the order in which keys are preferred, for inputs of one length.

    It is that of the model's heads of position bias ``fixed``: the nearest key, of two the left
    one, the query's own position last. ``ranked`` are the places query * length + key, rank by
    rank and query by query; ``unranked`` invert them.
    """

    def __init__(self, length: int, context: int, device: torch.device) -> None:
        positions = torch.arange(length)
        bias = nearest_bias(context)[positions - positions.unsqueeze(1)]
        order = bias.sort(dim=-1, descending=True, stable=True).indices
        places = order + positions.unsqueeze(1) * length
        self.length = length
        self.ranked = places.T.flatten().to(device)
        self.unranked = self.ranked.argsort()


def closest(matches: Tensor, nearness: Nearness, kernels: Kernels = PLAIN) -> Tensor:
    """Weights [seed, head, query, key, batch] from chances to match of that shape, 0 to 1.

    Key j has the weight p_j · Π (1 − p_k) over the keys k preferred to j: the chance that it is the
    best of those that match, each by chance on its own. The first position has also what is left,
    the chance that none does.
    """
    return cast(Tensor, _Closest.apply(matches, nearness, kernels))  # type: ignore[no-untyped-call]


class _Closest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matches: Tensor, nearness: Nearness, kernels: Kernels) -> Tensor:
        ranked = _reordered(matches, nearness.ranked)
        weights, reached, rest = kernels.choose(ranked)
        ctx.save_for_backward(ranked, reached)
        ctx.nearness, ctx.backward_of_choose = nearness, kernels.choose_backward
        result = _reordered(weights, nearness.unranked)
        result[:, :, :, 0] += rest
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        of_weights = _reordered(gradient, ctx.nearness.ranked)
        found = ctx.backward_of_choose(of_weights, gradient[:, :, :, 0], *ctx.saved_tensors)
        return _reordered(found, ctx.nearness.unranked), None, None


def _reordered(values: Tensor, places: Tensor) -> Tensor:
    return values.flatten(2, 3).index_select(2, places).view(values.shape)
