"""``tpir sweep``: which runs are done, which again, and what stands in the table."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import TINY, Cli
from tpir.cli.sweep_folder import Sweep
from tpir.cli.sweep_run import methods, problem_of, run_in
from tpir.cli.train import METHODS
from tpir.cli.train_request import Request
from tpir.files import read_text
from tpir.models.checkpoint import CHECKPOINT_FILE
from tpir.models.transformer_format import load_transformer
from tpir.training.grid import read_grid
from tpir.training.loop import make_splits
from tpir.training.problem_settings import ProblemSettings
from tpir.training.run_folder import METRICS_FILE, STATE_FILE
from tpir.training.settings import TrainingSettings
from tpir.training.standard import StandardRecord, train_standard
from tpir.training.standard_settings import StandardSettings

COMMON = 'task = "hist"\nvocab_size = 4\nmax_length = 4\nsteps = 12\nepoch_steps = 6\n'
STANDARD = COMMON + 'method = "standard"\nd_model = [8]\nd_mlp = 8\ntarget_accuracy = 2.0\n'
NAME = "hist_standard_d_model=8"


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "results.csv").open() as stream:
        return {row["run"]: row for row in csv.DictReader(stream)}


def written(folder: Path) -> dict[Path, int]:
    files = [path for path in folder.glob("*/*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return tmp_path / "grid.toml"


def prepared(grid: Path, out: Path) -> Path:
    """The folder of the one run of a grid, before it is begun."""
    found = Sweep(out, read_grid(read_text(grid), str(grid), methods()), force=False)
    found.prepare()
    (run,) = found.runs
    return found.folder(run)


def test_a_sweep_compares_methods_and_outlives_a_run_that_fails(
    cli: Cli, grid: Path, tmp_path: Path
) -> None:
    grid.write_text(
        COMMON + 'method = ["gradient", "standard"]\n'
        "[gradient]\nseeds = 2\nbatch_size = 16\nn_layers = [1, 0]\n"
        "[standard]\nd_model = 16\n"
    )
    out = tmp_path / "out"
    good, bad, standard = (
        f"hist_{n}" for n in ("gradient_n_layers=1", "gradient_n_layers=0", "standard")
    )
    dry = cli("sweep", grid, "-o", out, "--dry-run")
    assert dry.out.splitlines() == [f"{name}  new" for name in (good, bad, standard)]
    assert not out.exists()

    answer = cli("sweep", grid, "-o", out, "--jobs", 2)
    assert answer.status == 2, answer
    assert "1 run of 3 failed" in answer.err
    reason = "n_layers is 0; it must be at least 1"
    assert f"{bad}: failed: {reason}" in answer.err
    rows = table(out)
    assert [(row["state"], row["error"]) for row in rows.values()] == [
        ("done", ""),
        ("failed", reason),
        ("done", ""),
    ]
    assert rows[good]["heads"] == "8" and rows[good]["mlps"] == "5"
    assert rows[standard]["heads"] == "16" and rows[standard]["lines"] == ""
    for name in (good, standard):
        evaluated = json.loads(cli("eval", out / name, "--task", "hist", "--json").out)
        for split in ("validation", "test"):
            accuracy = evaluated[split]
            assert float(rows[name][f"{split}_mean"]) == accuracy["mean_over_lengths"]
            assert float(rows[name][f"{split}_all"]) == accuracy["overall"]["accuracy"]
    printed = cli("opt", out / good, "-O2").out
    assert int(rows[good]["lines"]) == printed.count("\n")

    before = written(out)
    again = cli("sweep", grid, "-o", out, "--json")
    assert again.status == 2
    assert "3 runs, 2 done before" in again.err
    assert {row["run"]: row["state"] for row in json.loads(again.out)} == {
        good: "done",
        bad: "failed",
        standard: "done",
    }
    changed = {path.parent.name for path, when in written(out).items() if before.get(path) != when}
    assert changed == {bad}


def test_a_killed_run_goes_on_to_the_same_weights(cli: Cli, grid: Path, tmp_path: Path) -> None:
    grid.write_text(STANDARD.replace("steps = 12", "steps = 24"))
    assert cli("sweep", grid, "-o", tmp_path / "whole").status == 0
    folder = prepared(grid, tmp_path / "killed")

    class KilledError(Exception):
        """Stands for a signal."""

    def kill(record: StandardRecord, seconds: float) -> None:
        if record.epoch == 2:
            raise KilledError

    source = ProblemSettings(task="hist", vocab_size=4, max_length=4)
    settings = StandardSettings(steps=24, epoch_steps=6, d_model=8, d_mlp=8, target_accuracy=2.0)
    with pytest.raises(KilledError):
        train_standard(source.problem(), settings, folder, on_record=kill)
    (folder / "problem.json").write_text(source.to_json())
    assert cli("sweep", grid, "-o", tmp_path / "killed", "--dry-run").out == f"{NAME}  stopped\n"
    assert cli("sweep", grid, "-o", tmp_path / "killed").status == 0
    log = (folder / "log.txt").read_text()
    assert "epoch 3/4" in log and "epoch 2/4" not in log
    whole = tmp_path / "whole" / NAME
    assert (folder / METRICS_FILE).read_bytes() == (whole / METRICS_FILE).read_bytes()
    state, other = (load_transformer(part / CHECKPOINT_FILE).state for part in (folder, whole))
    assert state.keys() == other.keys()
    assert all(torch.equal(state[name], other[name]) for name in state)


def test_seconds_are_of_all_parts_of_a_run_and_of_no_pause(grid: Path, tmp_path: Path) -> None:
    grid.write_text(STANDARD)
    folder = prepared(grid, tmp_path / "out")
    long_ago = time.time() - 1_000_000
    (folder / "clock.json").write_text(json.dumps({"before": 100, "started": long_ago}))
    for path in folder.iterdir():
        os.utime(path, (long_ago + 20, long_ago + 20))
    run_in(folder)
    seconds = json.loads((folder / "result.json").read_text())["seconds"]
    assert 120 <= seconds < 500_000


def test_nothing_is_overwritten_without_force(cli: Cli, grid: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    grid.write_text(STANDARD)
    assert cli("sweep", grid, "-o", out, "--backend", "threading").status == 0
    before = written(out)
    grid.write_text(STANDARD.replace("d_mlp = 8", "d_mlp = 4"))
    assert "is a run with other settings; use --force" in cli("sweep", grid, "-o", out).err
    grid.write_text(STANDARD.replace("[8]", "[16]"))
    assert "has runs that the grid has not; use --force" in cli("sweep", grid, "-o", out).err
    other = tmp_path / "other"
    (other / "hist_standard_d_model=16").mkdir(parents=True)
    (other / "hist_standard_d_model=16" / "letters.txt").write_text("dear")
    for force in ((), ("--force",)):
        assert "is no run of a sweep: move it away" in cli("sweep", grid, "-o", other, *force).err
    assert written(out) == before
    grid.write_text(STANDARD.replace("d_mlp = 8", "d_mlp = 4"))
    assert cli("sweep", grid, "-o", out, "--force").status == 0
    assert table(out)[NAME]["d_mlp"] == "4"


def test_a_process_that_dies_is_a_run_that_failed(
    cli: Cli, grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid.write_text(STANDARD)
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\nkill -9 $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    answer = cli("sweep", grid, "-o", tmp_path / "out", "--jobs", 1)
    assert answer.status == 2
    assert table(tmp_path / "out")[NAME]["error"].startswith("its process was ended by signal 9")


def test_two_processes_do_not_write_to_one_run(grid: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="no file locks here")
    grid.write_text(STANDARD)
    folder = prepared(grid, tmp_path / "out")
    with (folder / "run.json").open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        run_in(folder)
    result = json.loads((folder / "result.json").read_text())
    assert result == {"error": f"another process is at work in {folder}"}
    assert not (folder / STATE_FILE).exists()


def test_a_method_that_writes_a_program_is_judged_by_it(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = tmp_path / "tiny.rasp"
    teacher.write_text(TINY)

    def write_program(request: Request) -> None:
        source = ProblemSettings(teacher=str(request.teacher))
        (request.out / "problem.json").write_text(source.to_json())
        (request.out / "program.rasp").write_text(TINY)

    monkeypatch.setitem(METHODS, "gradient", write_program)  # type: ignore[arg-type]
    grid.write_text(f'teacher = "{teacher}"\nmethod = "gradient"\n')
    folder = prepared(grid, tmp_path / "out")
    run_in(folder)
    result = json.loads((folder / "result.json").read_text())
    assert result["validation_mean"] == result["test_all"] == 1.0
    assert 5 < result["lines"] < 30


def test_a_reference_run_is_judged_on_its_own_inputs(tmp_path: Path) -> None:
    settings = TrainingSettings(task="hist", vocab_size=5, max_length=5, dataset_size=100, seed=3)
    (tmp_path / "settings.json").write_text(settings.to_json())
    assert problem_of(tmp_path).splits == make_splits(settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backend", "magic"), "--backend magic: there is loky, threading, ray, dask"),
        (("--jobs", 0), "--jobs 0: nothing would run"),
        (("--backend", "ray"), "--backend ray needs the package ray: pip install ray"),
        (("--backend", "dask"), "needs the package distributed: pip install distributed"),
    ],
)
def test_what_cannot_run_is_one_clear_line(
    cli: Cli, grid: Path, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    package = {"ray": "ray", "dask": "distributed"}.get(str(options[1]))
    if package is not None and importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    grid.write_text(STANDARD)
    answer = cli("sweep", grid, "-o", tmp_path / "out", *options)
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith("error: ")
    assert message in answer.err
    assert not (tmp_path / "out").exists()
