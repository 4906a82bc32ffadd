"""The trained models in ``examples/checkpoints``: small, right, programs, and made by training."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Cli
from tests.cli.conftest import cli as cli
from tpir.backends.transformer_program import compile_transformer_program
from tpir.files import read_text
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import CHECKPOINT_FILE, load_checkpoint
from tpir.passes.pipeline import optimise
from tpir.training.judge import accuracy_of, answers_of
from tpir.training.problem_settings import ProblemSettings

FOLDERS = sorted(
    path.parent
    for path in (Path(__file__).resolve().parents[2] / "examples" / "checkpoints").glob(
        f"*/{CHECKPOINT_FILE}"
    )
)
PAGE = FOLDERS[0].parent / "README.md"
LINE = re.compile(
    r"^\| \[(?P<name>\w+)\]\((?P=name)\) \| `(?P<command>[^`]+)` \| (?P<test>[\d.]+) \|"
    r" (?P<all>[\d.]*) \| (?P<layers>\d+) \| (?P<d_var>\d+) \| (?P<size>[\d.]+) \|$",
    re.MULTILINE,
)
QUICK = ("hist_v8_n8", "sort_v8_n8", "sort_v16_n16")
INPUTS = 1_000


def lines() -> list[re.Match[str]]:
    return list(LINE.finditer(read_text(PAGE)))


def test_the_page_lists_them_all_and_they_are_small() -> None:
    stated = {found["name"]: found for found in lines()}
    assert sorted(stated) == sorted(folder.name for folder in FOLDERS)
    assert len(FOLDERS) >= 12
    for folder in FOLDERS:
        size, config = (folder / CHECKPOINT_FILE).stat().st_size, load_checkpoint(folder).config
        assert stated[folder.name]["size"] == f"{size / 1000:.1f}"
        assert (config.n_layers, config.d_var) == (
            int(stated[folder.name]["layers"]),
            int(stated[folder.name]["d_var"]),
        )
        assert size < 100_000
    files = [path for folder in FOLDERS for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) < 1_000_000


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_models_are_right_programs(folder: Path) -> None:
    """On inputs drawn anew: the model, what it lowers to simplified, and that compiled."""
    checkpoint = load_checkpoint(folder)
    program = optimise(lower_transformer_program(checkpoint), 2)
    compiled = compile_transformer_program(program, mlps="table")
    assert lower_transformer_program(compiled) == program
    settings = ProblemSettings.from_json(read_text(folder / "problem.json"))
    seed = settings.dataset_seed + 1
    problem = replace(settings, dataset_seed=seed, dataset_size=INPUTS).problem()
    for subject in (checkpoint, program, compiled):
        answers = answers_of(subject, problem)
        for examples in (problem.splits.train, problem.splits.validation, problem.splits.test):
            found = accuracy_of(answers, problem.encoded(examples))
            assert found.overall.correct == found.overall.labels > 0


@pytest.mark.parametrize("name", QUICK)
def test_training_gives_them_again(cli: Cli, tmp_path: Path, name: str) -> None:
    (command,) = (found["command"] for found in lines() if found["name"] == name)
    out, folder = tmp_path / "run", PAGE.parent / name
    assert cli("train", *shlex.split(command), "-o", out).status == 0
    assert {path.name for path in out.iterdir()} == {path.name for path in folder.iterdir()}
    for path in out.iterdir():
        if path.name != CHECKPOINT_FILE:
            assert path.read_bytes() == (folder / path.name).read_bytes()
    new, old = load_checkpoint(out), load_checkpoint(folder)
    assert new.config == old.config and new.accepts == old.accepts
    assert new.state.keys() == old.state.keys()
    assert all(torch.equal(x, old.state[name]) for name, x in new.state.items())
