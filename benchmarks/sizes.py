"""How large programs are before and after simplification: the table in docs/sizes.md.

    python benchmarks/sizes.py PATH examples/checkpoints -o docs/sizes.md

For every checkpoint folder below the given ones: nodes, table rows, printed lines of text and how
many of these are weights of the readout, and lines and AST nodes of the emitted Python (laid out at
100 columns), at -O0 and at -O3; beside them the length of the program that was published for the
task, as its authors pruned it. Each checkpoint is simplified in a process of its own, and what -O3
made is compared with the checkpoint on all inputs, where there are few enough; else on some, and
with the program as lowered by a solver.
"""

from __future__ import annotations

import argparse
import ast
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import tpir
from tpir.files import write_atomic
from tpir.passes.base import size_of_program

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
"""With more, sums are added in another order, and a search may end elsewhere."""

HEAD = """# How much the optimiser takes away

Made by `python benchmarks/sizes.py PATH examples/checkpoints -o docs/sizes.md`, PATH a folder of
public checkpoints; those of the second table are tpir's own. For each the program at `-O0` (as
lowered) and at `-O3`: the same function on every input of its form, as `tpir check` found it to be.
"Proved" is by all inputs, with the checkpoint itself, "proved by SMT" with the program as lowered.
"Readout" counts the lines of text that are weights of the readout. "Published" is the length in
lines of the Python program that the authors of Transformer Programs pruned for the task; its
readout weights stand in a file of their own and are not counted. "Like for like" are the lines of
text at `-O3` that are not weights of the readout, as a share of that, and "with readout" all lines.
Seconds and memory are those of `-O3`, without the check.

"""
COLUMNS = (
    "nodes",
    "table rows",
    "lines of text",
    "readout",
    "lines of Python",
    "Python AST nodes",
)
PUBLISHED = {
    "reverse_v8_n8": 713,
    "hist_v8_n8": 160,
    "double_hist_v8_n8": 423,
    "sort_v8_n8": 635,
    "most_freq_v8_n8": 666,
    "dyck1_n16": 892,
    "dyck2_n16": 733,
}
MOST_PROVED = 1_000_000
"""Where there are more inputs than this, the check is of some only."""


def measures(program: tpir.Program) -> tuple[int, ...]:
    """The figures of a program, in the order of ``COLUMNS``."""
    size, module = size_of_program(program), tpir.emit(program)
    text = tpir.format(program)
    return (
        size.nodes,
        size.rows,
        text.count("\n"),
        readout_lines(text),
        module.count("\n"),
        sum(1 for _ in ast.walk(ast.parse(module))),
    )


def readout_lines(text: str) -> int:
    """How many lines of a program's text stand inside its readouts."""
    count, inside = 0, False
    for line in text.splitlines():
        if inside and line.startswith("}"):
            inside = False
        count += inside
        inside = inside or ("= classify" in line and line.endswith("{"))
    return count


def row(folder: Path) -> str:
    """The line of the table for one checkpoint."""
    program = tpir.lower(folder)
    start = time.perf_counter()
    simple = tpir.optimise(program, level=3)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    before, after = measures(program), measures(simple)
    cells = [f"{a:,} → {b:,}" for a, b in zip(before, after, strict=True)]
    verdict = str(tpir.check(folder, simple, limit=MOST_PROVED)).split(",")[0].split("(")[0]
    if verdict.startswith("tested"):
        solved = str(tpir.check(program, simple, method="smt"))
        verdict = "proved by SMT" if solved.startswith("proved") else verdict
    figures = [*cells, *shares(folder.name, after), verdict.strip()]
    figures += [f"{seconds:.1f}", f"{memory:.1f}"]
    return f"| {folder.name} | " + " | ".join(figures) + " |"


def shares(name: str, after: tuple[int, ...]) -> list[str]:
    """The published lines of a task, and ours as shares of them; empty where none are published."""
    published = PUBLISHED.get(name)
    if published is None:
        return ["", "", ""]
    lines, readout = after[COLUMNS.index("lines of text")], after[COLUMNS.index("readout")]
    return [str(published), f"{(lines - readout) / published:.0%}", f"{lines / published:.0%}"]


def table(folders: list[Path]) -> str:
    """The table, each line made by a process of its own, so that memory is that of one."""
    heads = (*COLUMNS, "published", "like for like", "with readout", "check", "seconds", "GiB")
    lines = ["| checkpoint | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for folder in folders:
        command = [sys.executable, __file__, "--row", str(folder)]
        made = subprocess.run(command, check=True, capture_output=True, text=True, env=ONE_THREAD)
        lines.append(made.stdout.strip())
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="where the checkpoint folders are")
    parser.add_argument("-o", "--output", type=Path, help="the file to write; default: print")
    parser.add_argument("--row", action="store_true", help="the line of this one checkpoint")
    options = parser.parse_args()
    if options.row:
        print(row(options.folders[0]))
        return
    tables = []
    for folder in options.folders:
        found = sorted(
            path.parent
            for name in ("model.pt", "checkpoint.safetensors")
            for path in folder.rglob(name)
        )
        if not found:
            sys.exit(f"no checkpoints (model.pt, checkpoint.safetensors) below {folder}")
        tables.append(table(found))
    text = HEAD + "\n".join(tables)
    if options.output is None:
        print(text)
    else:
        write_atomic(options.output, text, force=True)


if __name__ == "__main__":
    main()
