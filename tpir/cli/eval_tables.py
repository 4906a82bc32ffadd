"""Accuracies as tables for people, and as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from rich.table import Table

from tpir.training.evaluate import Accuracy, Tally


def percent(share: float) -> str:
    """A share, 0 to 1, in percent; what is not quite all is never shown as all."""
    if math.isnan(share):
        return "-"
    shown = f"{100 * share:.2f}"
    return "99.99 %" if shown == "100.00" and share < 1 else f"{shown} %"


def accuracy_table(accuracy: Accuracy) -> Table:
    """One set of examples: counts and accuracy by length, the mean over lengths, and overall."""
    table = _columns("length", "inputs", "all right", "labels", "right", "accuracy")
    for length, tally in accuracy.by_length.items():
        table.add_row(str(length), *_cells(tally))
    table.add_section()
    table.add_row("mean", "", "", "", "", percent(accuracy.mean_over_lengths))
    table.add_row("all", *_cells(accuracy.overall), style="bold")
    return table


def side_by_side(accuracies: Mapping[str, Accuracy]) -> Table:
    """Several sets of examples, a column each: accuracy by length, then over all lengths."""
    table = _columns("length", *accuracies)
    columns = accuracies.values()
    for length in sorted({length for column in columns for length in column.by_length}):
        tallies = [column.by_length.get(length, Tally()) for column in columns]
        table.add_row(str(length), *(percent(tally.accuracy) for tally in tallies))
    table.add_section()
    means = [percent(column.mean_over_lengths) for column in columns]
    table.add_row("mean over lengths", *means, style="bold")
    table.add_row("all positions", *(percent(column.overall.accuracy) for column in columns))
    table.add_row("whole inputs", *(percent(column.overall.exact) for column in columns))
    table.add_row("inputs", *(f"{column.overall.inputs:,}" for column in columns))
    return table


def as_json(accuracy: Accuracy) -> dict[str, object]:
    """Counts and shares, overall and by length; null where nothing has a label."""
    return {
        "overall": _as_json(accuracy.overall),
        "mean_over_lengths": _number(accuracy.mean_over_lengths),
        "by_length": {str(length): _as_json(t) for length, t in accuracy.by_length.items()},
    }


def _as_json(tally: Tally) -> dict[str, object]:
    return {**dataclasses.asdict(tally), "accuracy": _number(tally.accuracy)}


def _number(share: float) -> float | None:
    return None if math.isnan(share) else share


def _columns(*titles: str) -> Table:
    table = Table(*titles)
    for column in table.columns:
        column.justify = "right"
    return table


def _cells(tally: Tally) -> list[str]:
    counts = (tally.inputs, tally.inputs_correct, tally.labels, tally.correct)
    return [*(f"{count:,}" for count in counts), percent(tally.accuracy)]
