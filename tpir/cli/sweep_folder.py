"""The folder of a sweep: which of its runs are done, and what came of them."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

from tpir.cli.sweep_run import RESULT_FILE, RUN_FILE
from tpir.errors import TpirError
from tpir.files import json_value, read_text, write_atomic
from tpir.training.grid import GridRun

TABLE_FILE = "results.csv"

NEW, STOPPED, DONE, FAILED = "new", "stopped", "done", "failed"
"""The states of a run."""


class Sweep:
    """The runs of a grid in a folder.

    Raises TpirError, before anything is written, where the folder holds what is not of these runs;
    with ``force`` only where it is of no run at all.
    """

    def __init__(self, out: Path, runs: Sequence[GridRun], *, force: bool) -> None:
        self.out, self.runs, self.force = out, tuple(runs), force
        self.table_file = out / TABLE_FILE
        if out.exists() and not out.is_dir():
            raise TpirError(f"cannot write to {out}: it is no folder")
        for run in runs:
            self._expect_free(run)
        if not force:
            self._expect_own_table()

    def _expect_free(self, run: GridRun) -> None:
        folder = self.folder(run)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
        stored = folder / RUN_FILE
        if not stored.is_file():
            raise TpirError(f"{folder} is there, and is no run of a sweep: move it away")
        if not self.force and read_text(stored) != run.to_json():
            raise TpirError(
                f"{folder} is a run with other settings; use --force to start anew, or another -o"
            )

    def _expect_own_table(self) -> None:
        if not self.table_file.exists():
            return
        names = {run.name for run in self.runs}
        for row in csv.DictReader(read_text(self.table_file).splitlines()):
            if row.get("run") not in names:
                raise TpirError(
                    f"{self.table_file} has runs that the grid has not; use --force to overwrite "
                    "it, or another -o"
                )

    def folder(self, run: GridRun) -> Path:
        """The folder of one run."""
        return self.out / run.name

    def state(self, run: GridRun) -> str:
        """How far a run is."""
        folder = self.folder(run)
        if self.force or not (folder / RUN_FILE).is_file():
            return NEW
        if not (folder / RESULT_FILE).is_file():
            return STOPPED
        return FAILED if "error" in self._result(run) else DONE

    def prepare(self) -> None:
        """Write down what each run is; with ``force``, delete what was there."""
        for run in self.runs:
            folder = self.folder(run)
            if self.force and folder.exists():
                shutil.rmtree(folder)
            if not (folder / RUN_FILE).exists():
                write_atomic(folder / RUN_FILE, run.to_json())
        self.force = False

    def rows(self) -> list[dict[str, object]]:
        """A row for each run: its name and state, its settings, its result."""
        return [
            {"run": run.name, "state": self.state(run), **run.settings, **self._result(run)}
            for run in self.runs
        ]

    def _result(self, run: GridRun) -> dict[str, object]:
        path = self.folder(run) / RESULT_FILE
        if not path.is_file():
            return {}
        found = json_value(read_text(path), str(path))
        if not isinstance(found, dict):
            raise TpirError(f"{path} is damaged: delete it, and the run is judged again")
        return found
