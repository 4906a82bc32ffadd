"""The tasks: gold labels, vocabularies and samples against the recorded ones, and by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tpir.errors import TpirError
from tpir.training.examples import split
from tpir.training.tasks import TASKS, Sizes, Task, get_task

CHECKPOINTS = (
    "reverse_v8_n8",
    "hist_v8_n8",
    "hist_cat_v8_n8",
    "double_hist_v8_n8",
    "sort_v8_n8",
    "sort_v16_n16",
    "most_freq_v8_n8",
    "dyck1_n16",
    "dyck2_n16",
    "induction",
)

BY_HAND = [
    ("reverse", "<s> 1 2 2 </s>", "- 2 2 1 -"),
    ("hist", "<s> a b a a", "- 3 1 3 3"),
    ("double_hist", "<s> a b a c", "- 1 2 1 2"),
    ("sort", "<s> 3 10 2 </s>", "- 10 2 3 -"),
    ("most_freq", "<s> 2 1 0 1 2", "- 2 1 0 <s> <s>"),
    ("dyck1", "<s> ( ) ( ( ) ) ) (", "- P T P P P T F F"),
    ("dyck2", "<s> ( { ) } (", "- P P F F F"),
    ("induction", "<s> a 1 b 2 a 1 b", "- <unk> - <unk> - 1 - 2"),
    ("induction", "<s> 0 a 1 a 1", "- - <unk> - 1 -"),
    ("hist", "<s>", "-"),
    ("sort", "<s> </s>", "- -"),
]


@pytest.mark.parametrize(("name", "tokens", "labels"), BY_HAND)
def test_labels_by_hand(name: str, tokens: str, labels: str) -> None:
    expected = [None if label == "-" else label for label in labels.split()]
    assert get_task(name).label(tokens.split()) == expected


@pytest.mark.parametrize("folder", CHECKPOINTS)
def test_agrees_with_the_recorded_data(shared: Path, folder: str) -> None:
    """Gold labels, vocabulary, context and the held-out inputs themselves are the reference's."""
    place = shared / "checkpoints" / folder
    arguments = json.loads((place / "args.json").read_text())
    vocabulary = json.loads((place / "vocab.json").read_text())
    with gzip.open(place / "predictions.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    task = get_task(arguments["dataset"])
    vocab_size = len(vocabulary["tokens"])
    max_length = arguments["max_length"]

    assert len(rows) == 1000
    assert [task.label(row["tokens"]) for row in rows] == [row["gold"] for row in rows]
    assert list(task.vocabulary(vocab_size)) == vocabulary["tokens"]
    assert task.context(max_length) == vocabulary["n_ctx"]
    assert task.causal == vocabulary["causal"]
    labels = task.labels(Sizes(vocab_size, arguments["min_length"], max_length))
    # The reference lists the labels of its training set, where no input is one token seven times.
    rare = {"7"} if task.name == "hist" else set()
    assert [label for label in labels if label not in rare] == vocabulary["labels"]

    examples = task.generate(
        vocab_size,
        arguments["dataset_size"],
        arguments["min_length"],
        max_length,
        arguments["seed"],
    )
    splits = split(examples, seed=arguments["seed"])
    held_out = {*splits.validation.tokens, *splits.test.tokens}
    assert {tuple(row["tokens"]) for row in rows} <= held_out


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_generated_data_is_distinct_labelled_and_in_the_vocabulary(task: Task) -> None:
    sizes = task.defaults
    examples = task.generate(sizes.vocab_size, 300, sizes.min_length, sizes.max_length, seed=3)
    again = task.generate(sizes.vocab_size, 300, sizes.min_length, sizes.max_length, seed=3)
    other = task.generate(sizes.vocab_size, 300, sizes.min_length, sizes.max_length, seed=4)
    assert examples == again
    assert examples != other
    assert len(set(examples.tokens)) == len(examples) == 300
    assert max(map(len, examples.tokens)) <= task.context(sizes.max_length)
    assert set(examples.vocabulary()) <= set(task.vocabulary(sizes.vocab_size)[1:])
    assert set(examples.label_set()) <= set(task.labels(sizes)[1:])
    for tokens, labels in zip(examples.tokens, examples.labels, strict=True):
        assert task.label(tokens) == list(labels)


def test_a_small_space_gives_every_input_once() -> None:
    examples = get_task("sort").generate(5, 1000, 1, 5, seed=0)
    assert len(examples) == 2 + 4 + 8


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("sort", (3, 1, 8), "vocabulary size of 4"),
        ("sort", (8, 7, 8), "no inputs"),
        ("sort", (8, 0, 8), "no inputs"),
        ("dyck1", (8, 16, 16), "vocabulary size of 4"),
        ("induction", (10, 12, 9), "no inputs"),
        ("induction", (60, 9, 9), "4 to 54"),
    ],
)
def test_impossible_sizes_are_refused(name: str, sizes: tuple[int, int, int], message: str) -> None:
    vocab_size, min_length, max_length = sizes
    with pytest.raises(TpirError, match=message):
        get_task(name).generate(vocab_size, 10, min_length, max_length, seed=0)


def test_an_unknown_task_and_a_wrong_form_are_refused() -> None:
    with pytest.raises(TpirError, match="there are reverse, hist"):
        get_task("sorting")
    with pytest.raises(TpirError, match="</s>"):
        get_task("sort").label(["<s>", "1"])
    with pytest.raises(TpirError, match="form"):
        get_task("hist").label([])
    with pytest.raises(TpirError, match="form"):
        get_task("sort").label(["<s>"])
