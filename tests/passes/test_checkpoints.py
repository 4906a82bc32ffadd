"""The levels on the shared checkpoints: same labels, not larger, and still the form of weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tpir.backends.transformer_program import compile_transformer_program
from tpir.equiv.check import check_programs
from tpir.ir.program import Program
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import load_checkpoint
from tpir.passes.base import size_of_program
from tpir.passes.pipeline import level, run_pipeline
from tpir.semantics.interpreter import run_many
from tpir.semantics.program_space import space_of
from tpir.text import print_program

FOLDERS = (
    "double_hist_v8_n8",
    "dyck1_n16",
    "hist_cat_v8_n8",
    "sort_v16_n16",
    "variants/bias_clipped",
    "variants/factored_pooled",
    "variants/long",
    "variants/numeric_only",
    "variants/score_causal",
    "variants/selector_width",
)


SLOW = ("dyck1_n16", "double_hist_v8_n8", "most_freq_v8_n8", "sort_v8_n8")
"""Checkpoints whose every input -O3 goes through many times."""


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("folder", FOLDERS)
def test_levels(shared: Path, folder: str, number: int) -> None:
    if number == 3 and folder in SLOW and not os.environ.get("TPIR_LONG"):
        pytest.skip(f"-O3 of {folder} takes a minute: make test-long runs it")
    program = lower_transformer_program(load_checkpoint(shared / "checkpoints" / folder))
    result = run_pipeline(program, level(number)).program
    assert_same_on_samples(program, result)
    before, after = size_of_program(program), size_of_program(result)
    assert after.rows <= before.rows
    # -O3 writes what weights have no place for (expressions, readouts as tables), and a rule may
    # take a node more than the table that it replaces.
    if number < 3:
        assert after.nodes <= before.nodes
        assert lower_transformer_program(compile_transformer_program(result)) == result


@pytest.mark.parametrize(
    ("folder", "lines"), [("hist_v8_n8", 12), ("reverse_v8_n8", 178), ("dyck1_n16", 110)]
)
def test_what_is_left_to_read(shared: Path, folder: str, lines: int) -> None:
    if folder == "dyck1_n16" and not os.environ.get("TPIR_LONG"):
        pytest.skip("-O3 of dyck1_n16 takes half a minute: make test-long runs it")
    program = lower_transformer_program(load_checkpoint(shared / "checkpoints" / folder))
    result = run_pipeline(program, level(3)).program
    assert print_program(result).count("\n") <= lines
    assert str(check_programs(program, result, space_of(program))).startswith(
        "proved (by exhaustion"
    )


def test_the_histogram_is_found(shared: Path) -> None:
    program = lower_transformer_program(load_checkpoint(shared / "checkpoints" / "hist_v8_n8"))
    text = print_program(run_pipeline(program, level(3)).program)
    assert "n_0_0 = selector_width(select(tokens, tokens, ==));" in text
    assert "classify" not in text


def assert_same_on_samples(left: Program, right: Program) -> None:
    space = space_of(left)
    samples = space.sample(500, np.random.default_rng(0), by="length")
    inputs = [space.decode(sample) for sample in samples]
    for tokens, first, second in zip(
        inputs, run_many(left, inputs), run_many(right, inputs), strict=True
    ):
        assert first.key == second.key, tokens
