"""How short programs get with ``distill``, and how accurate they are: docs/distilled.md.

    python benchmarks/distilled.py PATH -o docs/distilled.md

For each checkpoint folder in the given one, of a task that is known by the name in its
``args.json``: inputs of the task with their true labels are drawn, the model at -O2 is distilled on
four fifths of them at no loss of accuracy, and what comes out is simplified by -O3. Each checkpoint
runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tpir
from tpir.files import write_atomic
from tpir.passes.distill import distilled
from tpir.passes.scores import Row, Scores
from tpir.training.tasks import TASKS

EXAMPLES, EVERY, SEED = 5_000, 5, 1
SIZES = Path(__file__).resolve().parents[1] / "docs" / "sizes.md"
SHOWN = ("reverse_v8_n8", "sort_v8_n8", "dyck1_n16", "double_hist_v8_n8", "dyck2_n16")
BRACKETS = {"dyck1": 2, "dyck2": 4}

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
"""With more, sums are added in another order, and a search may end elsewhere."""

HEAD = f"""# Distilled

Made by `python benchmarks/distilled.py PATH -o docs/distilled.md`, PATH a folder of checkpoints:
[`distill`](simplifying.md#distilling) with `max-drop=0` on the program at `-O2`, then `-O3`. The
data are {EXAMPLES:,} inputs of the task with their true labels, drawn with seed {SEED}; one in
{EVERY} is held out of everything and only measured.

**Read this first.** `distill` keeps what the *labels* need, not how the *model* gets them. Its
readout may choose heads that the model does not have: of the kinds that it has, with relations that
a person would write. Where a model solves its task, the short program is often the textbook
algorithm. The model need not run it, and where the model is wrong, the program may be right: the
column "same label" says how often the two agree. For the function of the model itself, with proofs,
see [sizes](sizes.md).

Two models do not solve their tasks, and show the limits. `most_freq_v8_n8` stays longer than a
screen: its readout still needs many features. And for it and `sort_v16_n16` what holds in sample
does not quite hold on what is held out; `sort_v16_n16` loses more where lengths count alike.

Accuracy is over all labelled positions; "by length" is the mean over the lengths of inputs. Lines
are of the printed program, header and all; those at `-O3` are the ones of [sizes](sizes.md).
Seconds are processor time of `-O2` and `distill`.

"""
TITLES = (
    "lines at `-O0`",
    "at `-O3`",
    "distilled",
    "right, in sample",
    "held out",
    "held out, by length",
    "same label, held out",
    "seconds",
)


def examples(folder: Path) -> list[Row]:
    """Inputs of a checkpoint's task, with their labels."""
    args = json.loads((folder / "args.json").read_text("utf-8"))
    name = args["dataset"]
    size = 2 + BRACKETS[name] if name in BRACKETS else args["vocab_size"]
    drawn = TASKS[name].generate(size, EXAMPLES, args["min_length"], args["max_length"], SEED)
    return [Row(*pair) for pair in zip(drawn.tokens, drawn.labels, strict=True)]


def measures(program: tpir.Program, rows: list[Row]) -> tuple[float, float]:
    """Accuracy over all labelled positions, and its mean over the lengths of inputs."""
    shares = []
    for length in sorted({len(row.tokens) for row in rows}):
        part = Scores(program, [row for row in rows if len(row.tokens) == length])
        if part.total:
            shares.append(part.right(program) / part.total)
    whole = Scores(program, rows)
    return whole.right(program) / whole.total, sum(shares) / len(shares)


def row(folder: Path) -> tuple[str, str]:
    """The line of the table for one checkpoint, and the distilled program."""
    rows = examples(folder)
    train, test = [r for k, r in enumerate(rows) if k % EVERY], rows[::EVERY]
    model = tpir.lower(folder)
    start = time.process_time()
    result = distilled(tpir.optimise(model, level=2), train, test, 0.0)
    seconds = time.process_time() - start
    short = tpir.optimise(result.program, level=3)
    text = tpir.format(short)
    before, after = measures(model, train), measures(short, train)
    before_out, after_out = measures(model, test), measures(short, test)
    held = Scores(model, test)
    figures = [
        f"{lines(tpir.format(model)):,}",
        exact_lines(folder.name),
        f"**{lines(text)}**",
        change(before[0], after[0]),
        change(before_out[0], after_out[0]),
        change(before_out[1], after_out[1]),
        f"{held.alike(model, short) / held.total:.2%}",
        f"{seconds:.0f}",
    ]
    return f"| {folder.name} | " + " | ".join(figures) + " |", text


def lines(text: str) -> int:
    return text.count("\n")


def exact_lines(name: str) -> str:
    """How many lines a checkpoint has at -O3, as docs/sizes.md says."""
    table = [line.split("|") for line in SIZES.read_text("utf-8").splitlines()]
    place = next(cells.index(" lines of text ") for cells in table if " lines of text " in cells)
    found = [cells[place].split("→")[-1] for cells in table if cells[1:2] == [f" {name} "]]
    return found[0].strip() if found else ""


def change(before: float, after: float) -> str:
    return f"{before:.2%} → {after:.2%}"


def apart(folder: Path) -> tuple[str, str]:
    """``row`` in a process of its own."""
    command = [sys.executable, __file__, "--row", str(folder)]
    made = subprocess.run(command, check=True, capture_output=True, text=True, env=ONE_THREAD)
    line, _, text = made.stdout.partition("\n")
    print(line, file=sys.stderr, flush=True)
    return line, text


def page(folders: list[Path], jobs: int) -> str:
    with ThreadPoolExecutor(jobs) as pool:
        made = dict(zip(folders, pool.map(apart, folders), strict=True))
    lines = ["| checkpoint | " + " | ".join(TITLES) + " |", "|---|" + "---|" * len(TITLES)]
    parts = [*lines, *(line for line, _ in made.values()), ""]
    for folder, (_, text) in made.items():
        if folder.name in SHOWN:
            parts += [f"## {folder.name}", "", "```", text.rstrip("\n"), "```", ""]
    return HEAD + "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the checkpoint folders are")
    parser.add_argument("-o", "--output", type=Path, help="the file to write; default: print")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="checkpoints at the same time")
    parser.add_argument("--row", action="store_true", help="the line of this one checkpoint")
    options = parser.parse_args()
    if options.row:
        print(*row(options.folder), sep="\n")
        return
    folders = sorted(path.parent for path in options.folder.glob("*/model.pt"))
    if not folders:
        sys.exit(f"no checkpoints (*/model.pt) in {options.folder}")
    text = page(folders, options.jobs)
    if options.output is None:
        print(text)
    else:
        write_atomic(options.output, text, force=True)


if __name__ == "__main__":
    main()
