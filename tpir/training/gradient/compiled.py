"""The relaxed step as C, compiled with the C compiler of the machine when it is first needed."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig
from tpir.training.gradient.attention import Nearness
from tpir.training.gradient.layout import Layout
from tpir.training.problem import IGNORED

_SOURCE = Path(__file__).with_name("step.c")
_FLAGS = ("-std=gnu11", "-O3", "-march=native", "-shared", "-fPIC")


@cache
def _library() -> ctypes.CDLL:
    """The compiled code; ``CC`` names another compiler than ``cc``. It takes about 2 seconds.

    Raises TpirError where it cannot be compiled.
    """
    compiler, said = os.environ.get("CC", "cc"), ""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "step.so"
        for threads in (["-fopenmp"], []):  # some compilers have no OpenMP: then one thread
            command = [
                *shlex.split(compiler),
                *_FLAGS,
                *threads,
                "-o",
                str(path),
                str(_SOURCE),
                "-lm",
            ]
            try:
                subprocess.run(command, check=True, capture_output=True, text=True)
                return ctypes.CDLL(str(path))
            except (OSError, subprocess.CalledProcessError) as error:
                said = str(getattr(error, "stderr", None) or error)
    notes = said.strip().split("\n")[:1]
    raise TpirError(f"{compiler} cannot compile here; use engine=torch", notes=notes)


def compiles() -> bool:
    """Whether there is a C compiler that can make it."""
    try:
        return bool(_library())
    except TpirError:
        return False


class _Sizes(ctypes.Structure):
    """``Sizes`` of step.c."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in (
            *("d", "context", "layers", "cat_heads", "num_heads", "cat_mlps", "num_mlps"),
            *("inputs", "ones", "labels", "causal", "pooled", "pad", "size", "weights"),
        )
    ]


class CompiledStep:
    """Losses and predictions of many runs of some sizes, on the CPU; it holds no weights.

    ``threads`` share the runs; how many there are changes no bit. Raises TpirError where there is
    no C compiler.
    """

    def __init__(self, layout: Layout, threads: int = 1) -> None:
        config = layout.config
        self.layout, self.config, self.library = layout, config, _library()
        self.threads, self.lanes = threads, int(self.library.lanes_of_step())
        nearness = Nearness(config.context, config.context, torch.device("cpu"))
        by_rank = nearness.ranked.view(config.context, config.context)
        self.order = (by_rank.T % config.context).int().contiguous()
        masked = config.masked_labels or ()
        self.shown = torch.tensor([label not in masked for label in config.labels]).int()
        self.sizes = _Sizes(
            *(config.d_var, config.context, config.n_layers),
            *(config.n_heads_cat, config.n_heads_num, config.n_cat_mlps, config.n_num_mlps),
            *(config.mlp_inputs, config.n_vars_num, len(config.labels)),
            *(config.causal, config.pooled, -1 if config.pad_id is None else config.pad_id),
            *(layout.used, len(config.labels) * layout.features),
        )

    def __call__(self, soft: Tensor, readout: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of each run, [seed].

        ``soft`` [seed, number] are the choices in the order of the layout, ``readout`` [seed,
        label, feature]; ``tokens`` [batch, position] and ``targets`` as those of ``Data``.
        """
        blocks = _Blocks(self.config, tokens, self.lanes)
        blocked = blocks.of_targets(targets)
        scale = 1 / max(int((targets != IGNORED).sum()), 1)
        arguments = (soft, readout, self, blocks, blocked, scale)
        return cast(Tensor, _Step.apply(*arguments))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def predict(self, soft: Tensor, readout: Tensor, tokens: Tensor) -> Tensor:
        """Labels [seed, batch, position or 1 if pooled]."""
        blocks = _Blocks(self.config, tokens, self.lanes)
        found = torch.zeros(len(soft), *blocks.tokens.shape, dtype=torch.int32)
        self.run(blocks, None, 0.0, [soft, readout, None, None, None, found])
        found = found.transpose(2, 3).flatten(1, 2)[:, blocks.order[: len(tokens)].argsort()]
        return found[..., :1].long() if self.config.pooled else found.long()

    def run(
        self,
        blocks: _Blocks,
        targets: Tensor | None,
        scale: float,
        numbers: Sequence[Tensor | None],
    ) -> None:
        """``step`` of step.c; ``numbers`` are its last arguments."""
        inputs = (blocks.lengths, blocks.tokens, targets, self.order, self.shown)
        failed = self.library.step(
            ctypes.byref(self.sizes),
            *(len(cast(Tensor, numbers[0])), self.threads, blocks.count),
            *(_pointer(part) for part in inputs),
            ctypes.c_float(scale),
            *(_pointer(part) for part in numbers),
        )
        if failed:
            raise TpirError("there is not enough memory for a training step")


def _pointer(part: Tensor | None) -> ctypes.c_void_p:
    assert part is None or part.is_contiguous()
    return ctypes.c_void_p(None if part is None else part.data_ptr())


class _Blocks:
    """A minibatch as step.c takes it: inputs of like lengths side by side, in blocks of lanes.

    ``order`` are the inputs by length, the last repeated to fill its block.
    """

    def __init__(self, config: TransformerProgramConfig, tokens: Tensor, lanes: int) -> None:
        lengths = torch.full((len(tokens),), config.context)
        if config.pad_id is not None:
            counted = torch.arange(1, config.context + 1) * (tokens != config.pad_id)
            lengths = counted.amax(1).clamp_min(1)
        order = lengths.argsort(stable=True)
        self.order = torch.cat([order, order[-1:].expand(-len(tokens) % lanes)])
        self.size, self.count, self.context = len(tokens), len(self.order) // lanes, config.context
        self.lengths = lengths[self.order].view(-1, lanes).amax(1).int()
        self.tokens = self._blocked(tokens[self.order])

    def of_targets(self, targets: Tensor) -> Tensor:
        """Targets as the tokens; inputs that only fill a block have none."""
        missing = self.context - targets.shape[1]
        wide = functional.pad(targets, (0, missing), value=IGNORED)[self.order]
        wide[self.size :] = IGNORED
        return self._blocked(wide)

    def _blocked(self, values: Tensor) -> Tensor:
        return values.view(self.count, -1, self.context).transpose(1, 2).int().contiguous()


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        soft: Tensor,
        readout: Tensor,
        step: CompiledStep,
        blocks: _Blocks,
        targets: Tensor,
        scale: float,
    ) -> Tensor:
        soft, readout = soft.contiguous(), readout.contiguous()
        losses = soft.new_empty(len(soft))
        of_soft, of_readout = torch.empty_like(soft), torch.empty_like(readout)
        step.run(blocks, targets, scale, [soft, readout, losses, of_soft, of_readout, None])
        ctx.save_for_backward(of_soft, of_readout)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_soft, of_readout = ctx.saved_tensors
        scaled = of_soft * gradient[:, None], of_readout * gradient[:, None, None]
        return *scaled, None, None, None, None
