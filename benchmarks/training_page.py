"""The page that ``training_tables.py`` writes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tpir.files import write_atomic

Row = Mapping[str, object]

PUBLISHED = {
    "reverse_v8_n8": "99.99",
    "hist_v8_n8": "100",
    "double_hist_v8_n8": "99.99",
    "sort_v8_n8": "100",
    "most_freq_v8_n8": "83.14",
    "dyck1_n16": "99.94",
    "dyck2_n16": "99.64",
    "induction": "100",
    "reverse_v16_n16": "40 to 42",
    "hist_v16_n16": "99.9",
    "double_hist_v16_n16": "47 to 98",
    "sort_v16_n16": "78 to 88",
    "most_freq_v16_n16": "51 to 54",
}
"""Accuracies of discretised models, best seed: the largest published grid, and public runs."""

GROUPS = (
    ("8/8", "Vocabulary 8, length 8", "Brackets up to 16 tokens."),
    ("16/16", "Vocabulary 16, length 16", ""),
    ("untuned", "Tasks that nobody tuned for", "Up to 8 tokens; [what they are](tasks.md)."),
)


def write_page(path: Path, rows: Sequence[Row]) -> None:
    parts = [HEAD.format(load=os.getloadavg()[0])]
    for group, title, remark in GROUPS:
        mine = [row for row in rows if row["group"] == group]
        if mine:
            parts.append(f"## {title}\n\n" + (f"{remark}\n\n" if remark else "") + table(mine))
    write_atomic(path, "\n".join(parts), force=True)


HEAD = """# What training finds

`tpir train TASK` looks for the program itself, from the shortest on ([how](training.md)). Each line
below is the same command with no settings but the sizes, from several seeds, each with data of its
own: 20,000 inputs at most. The seed shown is the one that validation selects; its test inputs were
looked at once. Accuracy is the mean over lengths, on the test inputs; then on all inputs there are,
where those are at most 1,000,000. Published: best seed, over labelled positions.

Sizes are those of the Transformer Program that the program compiles to; heads and MLPs are
categorical + numerical, per layer. The last columns: lines of the program, and whether lowering
those weights and simplifying (-O2) gives a program that is proved equal to it.

Made by `python benchmarks/training_tables.py --write docs` on two shared cores (load {load:.1f} at
the end).
"""


def table(rows: Sequence[Row]) -> str:
    columns = (
        "task",
        "published",
        "test",
        "all inputs",
        "saw",
        "seeds",
        "seconds",
        "layers",
        "heads",
        "MLPs",
        "lines",
        "round trip",
    )
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cells(row: Row) -> list[str]:
    name = str(row["name"])
    verdict = str(row.get("verdict", row.get("refused", "")))
    return [
        name,
        PUBLISHED.get(name, ""),
        percent(row["test"]),
        "" if row["all"] is None else percent(row["all"]),
        "" if row["share_seen"] is None else f"{100 * number(row['share_seen']):.2g} %",
        f"{row['seeds_solved']} of {row['seeds']}",
        f"{number(row['seconds']):.1f}",
        str(row.get("layers", "")),
        str(row.get("heads", "")),
        str(row.get("mlps", "")),
        str(row["program_lines"]),
        verdict.split(" ")[0],
    ]


def number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def percent(value: object) -> str:
    """Never rounded up to 100."""
    share = number(value)
    digits = next((n for n in range(2, 9) if share == 1 or round(share, n + 2) < 1), 9)
    return f"{100 * share:.{digits}f}"
