"""The innermost arithmetic of a step, as plain torch or compiled.

Plain, each runs over its arrays several times; a compiler makes one loop of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.training.gradient.blocks import blocks

_SHAPES = 256
"""How many shapes of arrays one kernel is compiled for, before torch would give up."""


@dataclass(frozen=True)
class Kernels:
    """What ``attention`` and ``tables`` are made of; the functions below say what each does."""

    contract: Callable[[Tensor, Tensor], Tensor]
    choose: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
    choose_backward: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    rows: Callable[[Tensor], Tensor]
    share_out: Callable[[Tensor, Tensor], Tensor]


def contract(left: Tensor, right: Tensor) -> Tensor:
    """The sum over k of ``left`` [..., k, i, batch] times ``right`` [..., k, j, batch].

    Both lead with seed and head. The result is [seed, head, i, j, batch].
    """
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


def contract_at_once(left: Tensor, right: Tensor) -> Tensor:
    """``contract`` in one expression, for a compiler to make a loop of."""
    return (left.unsqueeze(4) * right.unsqueeze(3)).sum(2)


def choose(ranked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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


def choose_backward(of_weights: Tensor, of_rest: Tensor, ranked: Tensor, reached: Tensor) -> Tensor:
    """The gradient of the chances, from those of the weights and of the rest."""
    found = []
    for rank in reversed(range(ranked.shape[2])):
        # Later ranks are reached as often as this one is missed.
        difference = of_weights[:, :, rank] - of_rest
        of_rest = of_rest + difference * ranked[:, :, rank]
        found.append(difference * reached[:, :, rank])
    return torch.stack(found[::-1], 2)


def rows(inputs: Tensor) -> Tensor:
    """Weights [table, row, place] of combinations of ``inputs`` [table, input, value, place]."""
    found = inputs[:, 0]
    for i in range(1, inputs.shape[1]):
        found = (found.unsqueeze(2) * inputs[:, i].unsqueeze(1)).flatten(1, 2)
    return found


def share_out(of_rows: Tensor, inputs: Tensor) -> Tensor:
    """The gradient of the ``inputs`` of ``rows``, from that of its result."""
    found = []
    for i in reversed(range(1, inputs.shape[1])):
        before = rows(inputs[:, :i])
        pairs = of_rows.view(*before.shape[:2], -1, before.shape[-1])
        found.append((pairs * before.unsqueeze(2)).sum(1))
        of_rows = (pairs * inputs[:, i].unsqueeze(1)).sum(2)
    return torch.stack([of_rows, *found[::-1]], 1)


PLAIN = Kernels(contract, choose, choose_backward, rows, share_out)


@cache
def compiled() -> Kernels:
    """The same through ``torch.compile``: each is compiled when it first meets arrays of a shape.

    Raises TpirError where torch finds no compiler.
    """
    torch._dynamo.config.recompile_limit = _SHAPES
    made = Kernels(
        torch.compile(contract_at_once, dynamic=False),
        torch.compile(choose, dynamic=False),
        torch.compile(choose_backward, dynamic=False),
        torch.compile(rows, dynamic=False),
        torch.compile(share_out, dynamic=False),
    )
    try:
        made.rows(torch.ones(1, 2, 2, 16))
    except Exception as error:  # a missing or broken compiler is reported in many ways
        reason = str(error).strip().split("\n")[0]
        raise TpirError("torch cannot compile here; leave out compile", notes=[reason]) from error
    return made
