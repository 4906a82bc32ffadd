"""What training starts from: files, checkpoints, whole programs and parts, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.training.gradient.test_loop import TINY
from tpir.backends.transformer_program import compile_transformer_program
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import save_checkpoint
from tpir.models.predict import predict
from tpir.models.stored import Checkpoint
from tpir.text import parse, print_program
from tpir.training.examples import Examples
from tpir.training.gradient.loop import train_seeds
from tpir.training.gradient.start import starting_model, starting_program
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_task
from tpir.training.teachers import problem_of_teacher

COUNT = "n = selector_width(select(tokens, tokens, ==));"


@pytest.fixture(scope="module")
def hist() -> Problem:
    return problem_of_task("hist", vocab_size=5, max_length=5, dataset_size=100)


def read(text: str, problem: Problem) -> Program:
    return parse(text, vocabulary=problem.vocabulary[1:], context=problem.context)


def is_whole(model: Checkpoint) -> bool:
    return bool(model.state["unembed.W_U"].any())


def right(model: Checkpoint, examples: Examples) -> float:
    """The share of labels that a model gives."""
    answers = predict(model, examples.tokens)
    pairs = [
        (found, label)
        for row, labels in zip(answers, examples.labels, strict=True)
        for found, label in zip(row, labels, strict=True)
        if label is not None
    ]
    return sum(found == label for found, label in pairs) / len(pairs)


def test_a_text_is_read_for_the_problem(hist: Problem, tmp_path: Path) -> None:
    path = tmp_path / "count.rasp"
    path.write_text(COUNT)
    program = starting_program(path, hist)
    assert (program.vocabulary, program.context) == (hist.vocabulary[1:], hist.context)
    model = starting_model(program, hist)
    assert model.config.vocabulary == hist.vocabulary
    assert model.config.labels == hist.labels
    assert right(model, hist.splits.test) == 1.0


def test_a_printed_program_may_know_more_words_in_another_order(
    hist: Problem, tmp_path: Path
) -> None:
    words = ("z", *reversed(hist.vocabulary[1:]))
    program = parse(
        'd = tokens == "0"; ' + COUNT, vocabulary=words, context=hist.context + 2, output="n"
    )
    path = tmp_path / "printed.rasp"
    path.write_text(print_program(program))
    assert right(starting_model(starting_program(path, hist), hist), hist.splits.test) == 1.0


@pytest.mark.parametrize("mlps", ["relu", "table"])
def test_a_checkpoint_is_what_its_weights_compute(hist: Problem, tmp_path: Path, mlps: str) -> None:
    whole = lower_transformer_program(starting_model(read(COUNT, hist), hist))
    compiled = compile_transformer_program(whole, mlps="relu" if mlps == "relu" else "table")
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, compiled, force=True)
    model = starting_model(starting_program(path, hist), hist)
    assert model.config.mlps == "table"
    assert right(model, hist.splits.test) == 1.0


def test_a_trained_run_goes_on_where_it_was(hist: Problem, tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, steps=150, epoch_steps=25, seeds=2)
    trained = train_seeds(hist, settings, tmp_path)
    accuracy = right(trained.best.checkpoint, hist.splits.train)
    assert accuracy > 0.5
    model = starting_model(starting_program(tmp_path, hist), hist)
    assert is_whole(model)
    assert right(model, hist.splits.train) == accuracy


@pytest.mark.parametrize(
    "text",
    [
        "same = select(tokens, tokens, ==); n = selector_width(same); output n; output indices;",
        "m = selector_width(select(tokens, tokens, !=));",
        'first = tokens == "0";',
        "share = selector_width(select(tokens, tokens, ==)) > 1;",
    ],
)
def test_a_part_has_a_readout_of_zeros(hist: Problem, text: str) -> None:
    model = starting_model(read(text, hist), hist)
    assert not is_whole(model)
    assert model.config.labels == hist.labels


def test_a_program_that_is_mostly_right_gives_the_label(hist: Problem) -> None:
    capped = "n = selector_width(select(tokens, tokens, ==)); m = n if n < 3 else 1;"
    model = starting_model(read(capped, hist), hist)
    assert is_whole(model)
    assert 0.5 < right(model, hist.splits.train) < 1.0


def test_labels_that_a_readout_lacks_are_never_above_its_own() -> None:
    """A readout of two labels whose logits are all negative, for a problem of three."""
    teacher = 's = "x" if tokens == "a" else ("y" if tokens == "b" else "z");'
    program = parse(teacher, vocabulary=("a", "b", "c"), context=3)
    problem = problem_of_teacher(program, begin=False, dataset_size=30)
    negative = """
        verdict = classify {
            labels {"x", "y"};
            bias [-1.0, -2.0];
            tokens: { "a" -> [-1.0, -7.0]; "b" -> [-8.0, -3.0]; "c" -> [-5.0, -5.0] };
        };
    """
    two = parse(negative, vocabulary=("a", "b", "c"), context=3)
    model = starting_model(two, problem)
    assert is_whole(model)
    assert predict(model, [["a", "b", "c"]]) == [["x", "y", "x"]]


def test_predicates_are_sets_where_asked_for_or_needed(hist: Problem) -> None:
    less = "n = selector_width(select(tokens, tokens, <));"
    assert starting_model(read(less, hist), hist).config.predicates == "set"
    assert starting_model(read(COUNT, hist), hist).config.predicates == "one"
    assert starting_model(read(COUNT, hist), hist, "set").config.predicates == "set"


def test_a_program_for_other_inputs_is_one_clear_line(hist: Problem, tmp_path: Path) -> None:
    words = hist.vocabulary[1:]
    for program, message in (
        (parse(COUNT, vocabulary=("0", "1"), context=9), "is a token of hist, not of the program"),
        (parse(COUNT, vocabulary=words, context=3), "up to 5 tokens, the program takes 3"),
        (parse(f"causal; {COUNT}", vocabulary=words, context=5), "the program is causal, and hist"),
    ):
        with pytest.raises(TpirError, match=message):
            starting_model(program, hist)
    module = tmp_path / "n.py"
    module.write_text("x = 1")
    with pytest.raises(TpirError, match=r"emitted|neither"):
        starting_program(module, hist)
    with pytest.raises(TpirError, match="does not exist"):
        starting_program(tmp_path / "nothing.safetensors", hist)
