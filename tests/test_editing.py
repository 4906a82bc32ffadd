"""Edit a printed program by hand, compile it, and train on from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tpir.backends.transformer_program import choice_logit, compile_transformer_program
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import load_checkpoint
from tpir.semantics.interpreter import run_many
from tpir.text import parse, print_program
from tpir.training.continuation import CONTINUE, continue_training
from tpir.training.evaluate import accuracy_by_length
from tpir.training.tasks import get_task


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("sort_v8_n8", '0 | 7 -> "2"; 2 -> "0"', '0 | 7 -> "2"; 2 -> "4"'),
        ("hist_v8_n8", '"2" -> "2"', '"2" -> "3"'),
    ],
)
def test_an_edited_program_trains_on(shared: Path, name: str, before: str, after: str) -> None:
    original = lower_transformer_program(load_checkpoint(shared / "checkpoints" / name))
    text = print_program(original)
    assert text.count(before) >= 1, text
    edited = parse(text.replace(before, after, 1))
    assert edited != original

    compiled = compile_transformer_program(edited)
    assert lower_transformer_program(compiled) == edited
    assert 10 <= choice_logit(compiled.config) <= 14

    task = name.split("_")[0]
    examples = get_task(task).generate(8, 12_000, 1, 8, seed=5)
    (output,) = edited.outputs
    predicted = [o.values[output] for o in run_many(edited, examples.tokens) if o.values]
    accuracy = accuracy_by_length(examples.tokens, examples.labels, predicted).overall.accuracy

    settings = replace(CONTINUE, learning_rate=0.01)
    trained = continue_training(compiled, examples, settings)
    assert trained.accuracies[0] == pytest.approx(accuracy, abs=1e-12)
    third = len(trained.losses) // 3
    assert sum(trained.losses[-third:]) < 0.95 * sum(trained.losses[:third])
    again = lower_transformer_program(trained.checkpoint)
    assert again.vocabulary == edited.vocabulary
    assert again != edited
