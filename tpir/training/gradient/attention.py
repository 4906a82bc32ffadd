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

    Both lead with seed and head. The result is [seed, head, i, j, batch].
    """
    return cast(Tensor, _Contract.apply(left, right))  # type: ignore[no-untyped-call]


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return _products(left, right)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        of_left = _products(right.transpose(2, 3), gradient.transpose(2, 3))
        return of_left, _products(left.transpose(2, 3), gradient)


def _products(left: Tensor, right: Tensor) -> Tensor:
    if left.device.type != "cpu":
        return torch.einsum("shkib,shkjb->shijb", left, right)
    total = left.new_empty(*left.shape[:2], left.shape[3], *right.shape[3:])
    left, right = left.unsqueeze(4), right.unsqueeze(3)
    for block in blocks(len(total), total[0].numel()):
        part, one, other = total[block], left[block], right[block]
        torch.mul(one[:, :, 0], other[:, :, 0], out=part)
        for k in range(1, left.shape[2]):
            part.addcmul_(one[:, :, k], other[:, :, k])
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
    """Weights [seed, head, query, key, batch] from chances to match of that shape, 0 to 1.

    Key j has the weight p_j · Π (1 − p_k) over the keys k preferred to j: the chance that it is the
    best of those that match, each by chance on its own. The first position has also what is left,
    the chance that none does.
    """
    return cast(Tensor, _Closest.apply(matches, nearness))  # type: ignore[no-untyped-call]


class _Closest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matches: Tensor, nearness: Nearness) -> Tensor:
        ranked = _reordered(matches, nearness.ranked)
        weights, reached, rest = _choose(ranked)
        ctx.save_for_backward(ranked, reached)
        ctx.nearness = nearness
        result = _reordered(weights, nearness.unranked)
        result[:, :, :, 0] += rest
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        of_weights = _reordered(gradient, ctx.nearness.ranked)
        found = _choose_backward(of_weights, gradient[:, :, :, 0], *ctx.saved_tensors)
        return _reordered(found, ctx.nearness.unranked), None


def _reordered(values: Tensor, places: Tensor) -> Tensor:
    return values.flatten(2, 3).index_select(2, places).view(values.shape)


def _choose(ranked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """From chances to match [seed, head, rank, query, batch]: of each rank, that it is the first.

    Also the chance that a rank is reached, and [seed, head, query, batch] that none matches.
    """
    rest = torch.ones_like(ranked[:, :, 0])
    weights, reached = [], []
    for rank in range(ranked.shape[2]):
        reached.append(rest)
        weights.append(ranked[:, :, rank] * rest)
        rest = rest - weights[-1]
    return torch.stack(weights, 2), torch.stack(reached, 2), rest


def _choose_backward(
    of_weights: Tensor, of_rest: Tensor, ranked: Tensor, reached: Tensor
) -> Tensor:
    """The gradient of the chances, from those of the weights and of the rest."""
    found = []
    for rank in reversed(range(ranked.shape[2])):
        # Later ranks are reached as often as this one is missed.
        difference = of_weights[:, :, rank] - of_rest
        of_rest = of_rest + difference * ranked[:, :, rank]
        found.append(difference * reached[:, :, rank])
    return torch.stack(found[::-1], 2)
