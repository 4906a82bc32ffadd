"""``tpir train``, its usual method: a program found, written, compiled; options that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tpir
from tests.cli.conftest import Cli

SIZES = ("--vocab-size", 6, "--max-length", 6)


def test_a_task_is_solved_and_the_run_goes_round_the_loop(cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answer = cli("train", "reverse", "-o", run, *SIZES)
    assert answer.status == 0, answer
    assert answer.err.startswith("searching for a program for reverse: ")
    assert "accuracy 100.00 % on the test set, mean over lengths" in answer.out
    assert "accuracy 100.00 % on all 120 inputs" in answer.out
    checked = cli("check", run, run / "program.rasp", "--require", "proved")
    assert checked.status == 0, checked
    again = cli("train", "reverse", "-o", run, *SIZES)
    assert again.status == 2
    assert "--force" in again.err
    forced = cli("train", "reverse", "-o", run, *SIZES, "--force", "--json")
    found = json.loads(forced.out)
    assert found["solved"] and found["test"]["mean_over_lengths"] == 1
    assert found["all_inputs"]["overall"] == 1


def test_equal_settings_give_equal_files(cli: Cli, tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        assert cli("train", "sort", "-o", tmp_path / name, *SIZES, "--seed", 3).status == 0
        texts.append((tmp_path / name / "program.rasp").read_text())
    assert texts[0] == texts[1]


def test_it_learns_from_a_teacher_and_from_a_file(cli: Cli, tmp_path: Path) -> None:
    teacher = tmp_path / "count.rasp"
    teacher.write_text("n = selector_width(select(tokens, tokens, ==));")
    words = ("--vocab", "a,b,c", "--max-length", 6)
    answer = cli("train", "--teacher", teacher, *words, "-o", tmp_path / "teacher")
    assert answer.status == 0, answer
    assert "accuracy 100.00 % on all 363 inputs" in answer.out
    data = tmp_path / "data.csv"
    rows = [f"<s> {a} {b},- {b} {a}" for a in "abcd" for b in "abcd"]
    data.write_text("tokens,labels\n" + "\n".join(rows) + "\n")
    answer = cli("train", "--data", data, "-o", tmp_path / "file")
    assert answer.status == 0, answer
    program = tpir.load(tmp_path / "file" / "program.rasp").program
    assert tpir.run(program, ["<s>", "a", "d"])["output"][1:] == ("d", "a")


def test_where_none_is_found_the_best_is_written_or_seeds_are_trained(
    cli: Cli, tmp_path: Path
) -> None:
    little = ("--set", "budget=3")
    task = ("train", "double_hist", "-o", tmp_path / "a", *SIZES)
    answer = cli(*task, "--method", "construct", *little)
    assert answer.status == 0, answer
    assert "found none that is right everywhere" in answer.err
    assert (tmp_path / "a" / "program.rasp").is_file()
    settings = (*little, "--set", "steps=12", "--set", "epoch_steps=6", "--set", "n_layers=1")
    task = ("train", "double_hist", "-o", tmp_path / "b", *SIZES)
    answer = cli(*task, "--method", "search", *settings)
    assert answer.status == 0, answer
    assert "training by gradients instead" in answer.err
    assert (tmp_path / "b" / "metrics.csv").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("sort", "--resume"), "keeps no state"),
        (("sort", "--preset", "demo"), "--preset goes with"),
        (("sort", "--epochs", 3), "--epochs goes with"),
        (("sort", "--seeds", 3), "--seeds goes with"),
        (("sort", "--tensorboard"), "--tensorboard goes with"),
        (("sort", "--set", "budget=x"), "must be a whole number"),
        (("sort", "--set", "budget=0"), "at least 1"),
        (("sort", "--set", "nothing=1"), "no setting is called 'nothing'"),
        (("sort", "--max-length", 60), "up to 52 tokens"),
        ((), "say what to train on"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    cli: Cli, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    answer = cli("train", *options, "-o", tmp_path / "run", "--method", "construct")
    assert answer.status == 2
    assert message in answer.err
    assert answer.err.count("\n") <= 2
    assert not (tmp_path / "run" / "program.rasp").exists()
