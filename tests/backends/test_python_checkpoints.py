"""Lowered checkpoints as Python modules against the predictions recorded with them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backends.python_cases import assert_agrees, load
from tpir.backends.python import emit_python
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import load_checkpoint

TRAINED = (
    *("double_hist_v8_n8", "dyck1_n16", "dyck2_n16", "hist_cat_v8_n8", "hist_v8_n8"),
    *("induction", "most_freq_v8_n8", "reverse_v8_n8", "sort_v16_n16", "sort_v8_n8"),
)
INPUTS = 200
DECIDED = 1e-4
"""Margins below this are decided by the rounding of the recorded model's float32 sums."""


def check(folder: Path, inputs: int = INPUTS) -> str:
    program = lower_transformer_program(load_checkpoint(folder), name=folder.name)
    run = load(emit_python(program))["run"]
    assert isinstance(run, Callable)
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line, _ in zip(lines, range(inputs), strict=False)]
    for record in records:
        predicted, margin = record["predicted"], record["margin"]
        predicted = predicted if isinstance(predicted, list) else [predicted]
        margin = margin if isinstance(margin, list) else [margin]
        for found, wanted, by in zip(run(record["tokens"]), predicted, margin, strict=True):
            assert by is None or by < DECIDED or found == wanted, record
    return assert_agrees(program, [record["tokens"] for record in records[:50]])


@pytest.mark.parametrize("name", TRAINED)
def test_trained_checkpoints(name: str, shared: Path) -> None:
    check(shared / "checkpoints" / name)


def test_variants(shared: Path) -> None:
    folders = sorted((shared / "checkpoints" / "variants").iterdir())
    assert folders
    for folder in folders:
        check(folder, 60)
