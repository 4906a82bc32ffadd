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
from tpir.training.gradient.blocks import blocks


def contract(left: Tensor, right: Tensor) -> Tensor:
    """The sum over k of ``left`` [..., k, i, batch] times ``right`` [..., k, j, batch].

    The result is [..., i, j, batch].
    """
    return cast(Tensor, _Contract.apply(left, right))  # type: ignore[no-untyped-call]


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return _contracted(left, right)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        of_left = _contracted(right.transpose(-3, -2), gradient.transpose(-3, -2))
        return of_left, _contracted(left.transpose(-3, -2), gradient)


def _contracted(left: Tensor, right: Tensor) -> Tensor:
    if left.device.type != "cpu":
        return torch.einsum("s...kib,s...kjb->s...ijb", left, right)
    sizes = (*left.shape[:-3], left.shape[-2], right.shape[-2], left.shape[-1])
    total = left.new_empty(sizes)
    left, right = left.unsqueeze(-2), right.unsqueeze(-3)
    for block in blocks(len(total), total[0].numel()):
        part, one, other = total[block], left[block], right[block]
        torch.mul(one.select(-4, 0), other.select(-4, 0), out=part)
        for k in range(1, left.shape[-4]):
            part.addcmul_(one.select(-4, k), other.select(-4, k))
    return total


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


def closest(matches: Tensor, nearness: Nearness) -> Tensor:
    """Weights [..., query, key, batch] from chances to match ``matches`` of that shape, 0 to 1.

    Key j has the weight p_j · Π (1 − p_k) over the keys k preferred to j: the chance that it is the
    best of those that match, each by chance on its own. The first position has also what is left,
    the chance that none does.
    """
    return cast(Tensor, _Closest.apply(matches, nearness))  # type: ignore[no-untyped-call]


class _Closest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matches: Tensor, nearness: Nearness) -> Tensor:
        ranked = _reordered(matches, nearness, nearness.ranked)
        weights, reached = torch.empty_like(ranked), torch.empty_like(ranked)
        rest = torch.ones_like(ranked[..., 0, :, :])
        for rank in range(nearness.length):
            reached[..., rank, :, :] = rest
            weight = torch.mul(ranked[..., rank, :, :], rest, out=weights[..., rank, :, :])
            rest = rest - weight
        ctx.save_for_backward(ranked, reached)
        ctx.nearness = nearness
        result = _reordered(weights, nearness, nearness.unranked)
        result[..., 0, :] += rest
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ranked, reached = ctx.saved_tensors
        nearness = ctx.nearness
        of_rest = gradient[..., 0, :].clone()
        of_weights = _reordered(gradient, nearness, nearness.ranked)
        for rank in reversed(range(nearness.length)):
            # Keys of later ranks are reached as often as this one is missed.
            difference = of_weights[..., rank, :, :].sub_(of_rest)
            of_rest.addcmul_(difference, ranked[..., rank, :, :])
            difference.mul_(reached[..., rank, :, :])
        return _reordered(of_weights, nearness, nearness.unranked), None


def _reordered(values: Tensor, nearness: Nearness, places: Tensor) -> Tensor:
    flat = values.flatten(-3, -2)
    return flat.index_select(-2, places).view(values.shape)
