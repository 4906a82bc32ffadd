"""Lowered checkpoints as standard Transformers, in float32, on the inputs recorded with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import tpir
from tests.backends.test_python_checkpoints import DECIDED, TRAINED
from tpir.models.transformer_predict import predict
from tpir.semantics.interpreter import run_many


def check(folder: Path, inputs: int) -> None:
    program = tpir.optimise(tpir.lower(folder), level=2)
    weights = tpir.compile(program, target="transformer")
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line, _ in zip(lines, range(inputs), strict=False)]
    sequences = [record["tokens"] for record in records]
    expected = [outcome.values for outcome in run_many(program, sequences)]
    for record, found, wanted in zip(records, predict(weights, sequences), expected, strict=True):
        margin = record["margin"] if isinstance(record["margin"], list) else [record["margin"]]
        decided = [by is None or by >= DECIDED for by in margin]
        assert wanted is not None
        for name, values in wanted.items():
            pairs = zip(found[name], values, decided, strict=True)
            assert all(a == b for a, b, sure in pairs if sure), record


@pytest.mark.parametrize("name", TRAINED)
def test_trained_checkpoints(name: str, shared: Path) -> None:
    check(shared / "checkpoints" / name, 200)


def test_variants(shared: Path) -> None:
    folders = sorted((shared / "checkpoints" / "variants").iterdir())
    assert folders
    for folder in folders:
        check(folder, 60)
