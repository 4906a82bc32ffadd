"""``tpir sweep``: a grid of training runs, side by side, and one table of what came of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.console import progress, say, show, show_json
from tpir.cli.options import Json
from tpir.cli.sweep_backends import BACKENDS, expect_backend, run_side_by_side
from tpir.cli.sweep_folder import DONE, FAILED, Sweep
from tpir.cli.sweep_run import methods
from tpir.cli.sweep_table import results_csv, results_table, told
from tpir.cli.verdicts import WRONG
from tpir.errors import TpirError, counted
from tpir.files import read_text, write_atomic
from tpir.training.grid import read_grid


def sweep(
    grid: Annotated[
        Path, typer.Argument(metavar="GRID.toml", help="The settings.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option("-o", metavar="FOLDER", help="Where the runs go.", show_default=False),
    ],
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", help="Runs at a time; -1 for one a core.")
    ] = -1,
    backend: Annotated[
        str,
        typer.Option(
            "--backend",
            metavar="|".join(BACKENDS),
            help="What joblib starts them through. Ray and Dask use the cluster of RAY_ADDRESS and "
            "DASK_SCHEDULER_ADDRESS, which has to share the folder.",
        ),
    ] = "loky",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the runs.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Delete the runs that are there, and start anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train every combination of the settings in a grid, and compare what comes of them.

    A list in GRID.toml has each of its values in turn, and there is a run for each combination.
    task, teacher and data say what is learnt, method how (standard is the model standard); the rest
    are settings of `tpir train`, those in a table named after a method for that method alone. Paths
    start where the command is called.

    Each run has a folder of its own in FOLDER, and a process of its own, which writes to log.txt.
    FOLDER/results.csv compares them. Called again, the command leaves finished runs alone, goes on
    with those that were stopped, and tries those again that failed.

    Exit status: 0 all runs are done, 2 some failed: the others are done.

    Examples:

    \b
      tpir sweep grid.toml -o runs/sizes
      tpir sweep grid.toml -o runs/sizes --dry-run
      tpir sweep grid.toml -o runs/sizes --jobs 64 --backend dask
    """
    expect_backend(backend)
    if jobs == 0:
        raise TpirError("--jobs 0: nothing would run; -1 is one run a core")
    found = Sweep(out, read_grid(read_text(grid), str(grid), methods()), force=force)
    if dry_run:
        show("\n".join(f"{run.name}  {found.state(run)}" for run in found.runs))
        return
    found.prepare()
    _run(found, jobs, backend)
    rows = found.rows()
    if as_json:
        show_json(rows)
    else:
        show(results_table(rows))
        say(f"wrote {found.table_file}")
    failed = [row for row in rows if row["state"] == FAILED]
    if failed:
        say(f"{counted(len(failed), 'run')} of {len(rows)} failed")
        raise typer.Exit(WRONG)


def _run(found: Sweep, jobs: int, backend: str) -> None:
    """Do what is left to do; the table is written anew after each run."""
    waiting = [run for run in found.runs if found.state(run) != DONE]
    say(f"{counted(len(found.runs), 'run')}, {len(found.runs) - len(waiting)} done before")
    folders = [found.folder(run).resolve() for run in waiting]
    with progress("runs") as advance:
        for number, name in enumerate(run_side_by_side(folders, jobs, backend), start=1):
            rows = found.rows()
            write_atomic(found.table_file, results_csv(rows), force=True)
            advance(number, len(waiting))
            say(f"{number}/{len(waiting)} {name}: {told(rows, name)}")
    write_atomic(found.table_file, results_csv(found.rows()), force=True)
