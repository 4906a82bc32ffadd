"""The results of a sweep: as a table for people, as CSV, and a line for each run as it ends."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tpir.cli.eval_tables import percent

if TYPE_CHECKING:
    from rich.table import Table

Row = dict[str, object]

RESULTS = (
    "layers",
    "heads",
    "mlps",
    "parameters",
    "validation_mean",
    "validation_all",
    "test_mean",
    "test_all",
    "seconds",
    "lines",
    "error",
)
"""The columns after the settings: ``tpir.cli.sweep_run`` says what they are."""


def results_csv(rows: Sequence[Row]) -> str:
    """All settings and results; shares from 0 to 1, nothing where there is nothing to say."""
    keys = dict.fromkeys(key for row in rows for key in row if key not in RESULTS)
    columns = [*keys, *RESULTS]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return table.getvalue()


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | bool) else value


def results_table(rows: Sequence[Row]) -> Table:
    """Name, sizes, accuracy, seconds and lines of each run; the reason where it failed."""
    from rich.table import Table

    table = Table("run")
    for title in ("layers", "heads", "MLPs", "validation", "test", "test, all", "seconds", "lines"):
        table.add_column(title, justify="right")
    table.add_column("")
    for row in rows:
        shares = (_share(row, key) for key in ("validation_mean", "test_mean", "test_all"))
        table.add_row(
            str(row["run"]),
            *(_number(row.get(key)) for key in ("layers", "heads", "mlps")),
            *shares,
            *(_number(row.get(key)) for key in ("seconds", "lines")),
            str(row.get("error", "" if row["state"] == "done" else row["state"])),
        )
    return table


def told(rows: Sequence[Row], name: str) -> str:
    """What came of the run called ``name``, in a line."""
    (row,) = (row for row in rows if row["run"] == name)
    if "error" in row:
        return f"failed: {row['error']}"
    return f"test {_share(row, 'test_mean')}, {_number(row.get('seconds'))} s"


def _share(row: Row, key: str) -> str:
    share = row.get(key)
    return "" if "error" in row else percent(share if isinstance(share, float) else math.nan)


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
    return "" if value is None else f"{value:,}"
