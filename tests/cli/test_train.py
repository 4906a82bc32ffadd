"""``tpir train --method gradient``: folders, options that do not go together, what is printed."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

SMALL = (
    *("--vocab-size", 4, "--max-length", 4, "--seeds", 2),
    *(
        p
        for s in ("steps=12", "epoch_steps=6", "batch_size=16", "n_layers=1")
        for p in ("--set", s)
    ),
)


def test_many_seeds_write_a_run_that_other_commands_take(cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answer = cli("train", "hist", "-o", run, "--method", "gradient", *SMALL)
    assert answer.status == 0, answer
    assert answer.err.startswith("training 2 seeds on hist: 12 steps of 16\nepoch 1/2: best ")
    assert " % on the test set, mean over lengths (" in answer.out
    assert "of 2 seeds" in answer.out
    with (run / "metrics.csv").open() as stream:
        rows = [(row["epoch"], row["seed"]) for row in csv.DictReader(stream)]
    assert rows[:2] == [("1", "0"), ("1", "1")]
    assert cli("run", run, "--tokens", "<s> 0 1").status == 0
    assert "--force" in cli("train", "hist", "-o", run, "--method", "gradient", *SMALL).err

    resumed = cli("train", "-o", run, "--resume", "--json")
    assert resumed.status == 0, resumed
    found = json.loads(resumed.out)
    assert "4" in found["test"]["by_length"]
    assert [seed["seed"] for seed in found["seeds"]] in ([0, 1], [1, 0])


def test_it_learns_from_a_file_and_from_a_teacher(cli: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    rows = [f"<s> {a} {b},- {b} {a}" for a in "abcd" for b in "abcd"]
    data.write_text("tokens,labels\n" + "\n".join(rows) + "\n")
    some = ("--method", "gradient", *SMALL[4:])
    answer = cli("train", "--data", data, "-o", tmp_path / "file", *some)
    assert answer.status == 0, answer
    teacher = tmp_path / "count.rasp"
    teacher.write_text("n = selector_width(select(tokens, tokens, ==));")
    words = ("--vocab", "a,b", "--max-length", 5)
    answer = cli("train", "--teacher", teacher, *words, "-o", tmp_path / "teacher", *some)
    assert answer.status == 0, answer


def test_a_standard_transformer_is_trained_by_the_same_command(cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    some = ("--vocab-size", 4, "--max-length", 4, "--model", "standard", "--set", "d_model=16")
    steps = ("--set", "steps=12", "--set", "epoch_steps=6", "--set", "target_accuracy=null")
    answer = cli("train", "hist", "-o", run, *some, *steps)
    assert answer.status == 0, answer
    assert "epoch 2/2: validation " in answer.err
    assert "mean over lengths" in answer.out
    resumed = cli("train", "-o", run, "--resume", "--json")
    assert resumed.status == 0, resumed
    test = json.loads(resumed.out)["test"]
    evaluated = cli("eval", run, "--task", "hist", "--json")
    assert json.loads(evaluated.out)["test"] == test
    assert cli("run", run, "--tokens", "<s> 0 1").status == 0
    assert "blocks: 2, d_model: 16" in cli("info", run).out
    assert cli("check", run, run / "checkpoint.safetensors").out.startswith("proved")
    assert cli("lower", run).status == 2
    assert "--force" in cli("train", "hist", "-o", run, *some, *steps).err


def test_a_run_starts_from_a_program_and_from_a_run(cli: Cli, tmp_path: Path) -> None:
    program = tmp_path / "count.rasp"
    program.write_text("n = selector_width(select(tokens, tokens, ==));")
    run = tmp_path / "run"
    answer = cli("train", "hist", "-o", run, "--init", program, *SMALL)
    assert answer.status == 0, answer
    assert answer.err.startswith(
        f"starting from {program}, which gives the label: "
        "1 layer of at most 1 head and 1 MLP a layer\ntraining 2 seeds on hist: 12 steps of 16\n"
        "epoch 1/2: best 100.00 %"
    )
    assert answer.out.startswith("accuracy 100.00 % on the test set")
    again = cli("train", "hist", "-o", tmp_path / "on", "--init", run, *SMALL)
    assert again.out.startswith("accuracy 100.00 % on the test set"), again

    program.write_text("n = selector_width(select(tokens, indices, ==)); output n; output tokens;")
    frozen = ("--set", "freeze=true")
    answer = cli("train", "hist", "-o", run, "--init", program, *SMALL, *frozen, "--force")
    assert f"starting from {program}, a part of a program: " in answer.err, answer
    assert cli("train", "-o", run, "--resume", "--json").status == 0


def test_polishing_is_told_sweep_by_sweep(cli: Cli, tmp_path: Path) -> None:
    answer = cli("train", "hist", "-o", tmp_path / "run", "--polish", *SMALL)
    assert answer.status == 0, answer
    assert "\npolishing, sweep 0: 0 of 0 changes made, loss " in answer.err
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["polish"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("hist", "--method", "magic"), "there is no method magic; there is: search, "),
        (("hist", "--init", "x.rasp", "--method", "construct"), "--init goes with --method"),
        (("hist", "--init", "x.rasp"), "x.rasp does not exist"),
        (("hist", "--init", "x.rasp", "--from", "y"), "--from starts from a model"),
        (("hist", "--polish", "--method", "reference"), "--polish goes with --method gradient"),
        (("--method", "gradient"), "say what to train on"),
        (("hist", "--data", "x.csv", "--method", "gradient"), "one of them"),
        (("hist", "--method", "gradient", "--set", "n_layer=1"), "no setting is called 'n_layer'"),
        (("hist", "--method", "gradient", "--epochs", 3), "--set steps=N"),
        (("hist", "--method", "gradient", "--preset", "paper"), "--method reference"),
        (("hist", "--seeds", 3), "--method gradient"),
        (("--teacher", "x.rasp", "--method", "reference"), "--method gradient"),
        (("--data", "x.csv", "--method", "reference"), "--method gradient"),
        (("hist", "--tensorboard"), "--method gradient"),
        (("--preset", "small"), "there is no preset small; there is: demo, paper"),
        (("hist", "--model", "big"), "there is no model big; there is: program, standard"),
        (("hist", "--model", "standard", "--method", "gradient"), "--model program"),
        (("hist", "--model", "standard", "--seeds", 2), "no setting is called 'seeds'"),
        (("hist", "--from", "x", "--model", "standard"), "--from starts from a model"),
        (("hist", "--from", "x", "--method", "gradient"), "--from starts from a model"),
    ],
)
def test_what_does_not_go_together_is_one_clear_line(
    cli: Cli, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    answer = cli("train", *options, "-o", tmp_path / "run")
    assert answer.status == 2
    assert answer.err.startswith("error: ")
    assert message in answer.err
    assert not (tmp_path / "run").exists()


def test_tensorboard_is_asked_for_in_one_clear_line(cli: Cli, tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is not None:
        pytest.skip("tensorboard is installed here")
    answer = cli("train", "hist", "-o", tmp_path, "--method", "gradient", "--tensorboard", *SMALL)
    assert answer.status == 2
    assert answer.err == (
        "error: --tensorboard needs the package tensorboard: pip install tensorboard\n"
    )
