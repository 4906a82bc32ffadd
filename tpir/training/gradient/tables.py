"""Soft tables: MLPs that look up a value for a combination of soft values."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tpir.training.gradient.blocks import blocks


def look_up(inputs: Tensor, tables: Tensor) -> Tensor:
    """Values [table, value, place] of ``tables`` [table, value, row].

    ``inputs`` [table, input, value, place] weigh the values of each input; a row weighs the product
    of the weights of its values, the first input slowest.
    """
    return cast(Tensor, _LookUp.apply(inputs, tables))  # type: ignore[no-untyped-call]


class _LookUp(torch.autograd.Function):
    """The weights of the rows are many, and soon made again: they are not kept."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, tables: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, tables)
        found = inputs.new_empty(len(tables), tables.shape[1], inputs.shape[-1])
        for block in _blocks(inputs, tables):
            torch.bmm(tables[block], _rows(inputs[block]), out=found[block])
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        inputs, tables = ctx.saved_tensors
        of_inputs, of_tables = torch.empty_like(inputs), torch.empty_like(tables)
        for block in _blocks(inputs, tables):
            part = inputs[block]
            rows = _rows(part).transpose(1, 2)
            torch.bmm(gradient[block], rows, out=of_tables[block])
            of_rows = torch.bmm(tables[block].transpose(1, 2), gradient[block])
            of_inputs[block] = _share_out(of_rows, part)
        return of_inputs, of_tables


def _blocks(inputs: Tensor, tables: Tensor) -> list[slice]:
    if inputs.device.type != "cpu":
        return [slice(None)]
    return list(blocks(len(tables), tables.shape[-1] * inputs.shape[-1]))


def _rows(inputs: Tensor) -> Tensor:
    """Weights [table, row, place] of combinations of ``inputs`` [table, input, value, place]."""
    found = inputs[:, 0]
    for i in range(1, inputs.shape[1]):
        found = (found.unsqueeze(2) * inputs[:, i].unsqueeze(1)).flatten(1, 2)
    return found


def _share_out(of_rows: Tensor, inputs: Tensor) -> Tensor:
    """The gradient of the ``inputs`` of ``_rows``, from that of its result."""
    found = []
    for i in reversed(range(1, inputs.shape[1])):
        before = _rows(inputs[:, :i])
        pairs = of_rows.view(*before.shape[:2], -1, before.shape[-1])
        found.append((pairs * before.unsqueeze(2)).sum(1))
        of_rows = (pairs * inputs[:, i].unsqueeze(1)).sum(2)
    return torch.stack([of_rows, *found[::-1]], 1)
