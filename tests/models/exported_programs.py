"""Programs compiled to standard Transformers, to be carried elsewhere and compared there."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

import tpir
from tests.models.random_transformers import random_transformer
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_predict import Predictor
from tpir.semantics.interpreter import run_many

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MEAN = 'mean = aggregate(select(indices, indices, <=), 1 if tokens == "a" else 0);'
WORDS = tuple(f"w{k}" for k in range(300))
ROWS = 60


@dataclass(frozen=True)
class Case:
    """A program of ``examples/``, or ``mean``, specialised."""

    name: str
    vocabulary: tuple[Value, ...]
    context: int
    dtype: Literal["float32", "float64"] = "float32"

    def __str__(self) -> str:
        return f"{self.name}_{self.context}_{self.dtype}"

    @cache  # noqa: B019
    def program(self) -> Program:
        path = EXAMPLES / f"{self.name}.rasp"
        text = MEAN if self.name == "mean" else path.read_text("utf-8")
        return tpir.parse(text, vocabulary=self.vocabulary, context=self.context)

    @cache  # noqa: B019
    def checkpoint(self) -> TransformerCheckpoint:
        return tpir.compile(self.program(), target="transformer", dtype=self.dtype)

    def sequences(self) -> list[tuple[Value, ...]]:
        """Of all lengths, so that a batch of them is padded; the longest ones first."""
        source = random.Random(0)
        lengths = [self.context, 1, *(source.randint(1, self.context) for _ in range(ROWS - 2))]
        return [tuple(source.choices(self.vocabulary, k=length)) for length in lengths]


CASES = (
    Case("sort", ("a", "b", "c"), 8),
    Case("sort", tuple("abcdefghijklmnopqrst"), 50),  # blocks of very different sizes
    Case("hist", ("a", "b", "c"), 8),
    Case("hist", WORDS, 30),  # scores of 7 digits, which must not round
    Case("shift", ("a", "b", "c"), 8),
    Case("parity", ("0", "1"), 10),  # causal
    Case("mean", ("a", "b", "c"), 20),  # the output is a number, not a label
    Case("mean", ("a", "b", "c"), 20, "float64"),
    Case("sort_by_frequency", ("a", "b", "c"), 6),
)
MODELS = {
    f"{'causal' if causal else 'both_ways'}{'_bos' if bos else ''}_{str(dtype)[-2:]}": (
        random_transformer(causal=causal, bos=bos, dtype=dtype)
    )
    for causal in (False, True)
    for bos in (False, True)
    for dtype in (torch.float32, torch.float64)
}
"""None of their weights is 0: every position reads every other, in blocks of different sizes."""

MODELS["no_blocks"] = tpir.compile(
    tpir.parse("same = tokens;", vocabulary="abc", context=5), target="transformer"
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-13}


def check_equal(checkpoint: TransformerCheckpoint, ours: Tensor, theirs: Tensor) -> float:
    """Compare logits [number, outputs]: places of the best exactly, numbers relatively.

    Returns the largest difference, relative to the largest logit.
    """
    assert theirs.dtype == ours.dtype
    assert theirs.shape == ours.shape
    widths = [output.width for output in checkpoint.outputs]
    for mine, other in zip(ours.split(widths, -1), theirs.split(widths, -1), strict=True):
        assert torch.equal(mine.argmax(-1), other.argmax(-1))
    difference = float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1))
    assert difference <= TOLERANCE[ours.dtype]
    return difference


def check_answers(case: Case, logits: Tensor) -> None:
    """Compare what logits [sequence, position, outputs] answer with the interpreter."""
    checkpoint = case.checkpoint()
    sequences = case.sequences()
    answers = Predictor(checkpoint).answers(logits)
    for row, outcome in enumerate(run_many(case.program(), sequences)):
        assert outcome.values is not None
        for output, found in zip(checkpoint.outputs, answers, strict=True):
            wanted = outcome.values[output.name]
            given = found[row, : len(wanted)].tolist()
            if output.values is None:
                assert given == pytest.approx(wanted, rel=1e-5, abs=1e-5)
            else:
                assert tuple(output.values[place] for place in given) == wanted


@torch.no_grad()
def stream_at(checkpoint: TransformerCheckpoint, time: int, ids: Tensor, present: Tensor) -> Tensor:
    """The residual stream after so many half blocks: the rest left out, and unembedded as it is."""
    blocks = (time + 1) // 2
    rest = tuple(f"blocks.{number}." for number in range(blocks, checkpoint.blocks))
    state = {name: x for name, x in checkpoint.state.items() if not name.startswith(rest)}
    if time % 2:
        mlp = f"blocks.{blocks - 1}.mlp."
        state |= {mlp + name: torch.zeros_like(state[mlp + name]) for name in ("W_out", "b_out")}
    d_model, dtype = state["embed.W_E"].shape[1], state["embed.W_E"].dtype
    state |= {"unembed.W_U": torch.eye(d_model), "unembed.b_U": torch.zeros(d_model)}
    return replace(checkpoint, state=state).model(dtype)(ids, present)
