"""What each part of gradient training contributes: the usual settings, and one changed at a time.

Four seeds of 500 steps on three tasks at vocabulary 8 and length 8, none dropped on the way; the
best and the median seed by validation, accuracy averaged over lengths. Test inputs are not looked
at. Rows are kept as they come, and those there are are not made anew.

    python benchmarks/training_ablation.py                        # prints the table
    python benchmarks/training_ablation.py --rows rows.jsonl --write docs   # goes on where it was
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tpir.files import write_atomic
from tpir.training.gradient.loop import train_seeds
from tpir.training.gradient.polish import PolishSettings, polish
from tpir.training.gradient.settings import GradientSettings
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_task

TASKS = ("reverse", "sort", "double_hist")
USUAL = GradientSettings(seeds=4, steps=500, halvings=(), target_accuracy=None)
TRIALS = 5_000
"""How many changes polishing tries."""


@dataclass(frozen=True)
class Variant:
    """One line of the table: its ``part``, what is other than usual, and whether to polish."""

    part: str
    what: str
    changes: Mapping[str, object] = field(default_factory=dict)
    polished: bool = False

    @property
    def name(self) -> str:
        """What the rows file calls it."""
        return f"{self.part}: {self.what}"


VARIANTS = (
    Variant("", "usual settings"),
    Variant("noise", "none (`noise=0`)", {"noise": 0.0}),
    Variant("noise", "full (`noise=1`)", {"noise": 1.0}),
    Variant(
        "width",
        "2 + 1 heads, 1 + 1 MLPs",
        {"n_heads_cat": 2, "n_heads_num": 1, "n_cat_mlps": 1, "n_num_mlps": 1},
    ),
    Variant("polishing", f"of the best seed, {TRIALS:,} trials", polished=True),
    Variant("temperature", "from 1 to 0.3 (`tau_end=0.3`)", {"tau_end": 0.3}),
    Variant("temperature", "constant, 1 (`tau_end=1`)", {"tau_end": 1.0}),
    Variant("temperature", "constant, 0.3", {"tau_init": 0.3, "tau_end": 0.3}),
    Variant("temperature", "from 3 (`tau_init=3`)", {"tau_init": 3.0}),
    Variant("last steps", "not discrete (`readout_share=0`)", {"readout_share": 0.0}),
    Variant("inputs", "all alike (`evenness=0`)", {"evenness": 0.0}),
    Variant("inputs", "rare lengths more often (`evenness=0.5`)", {"evenness": 0.5}),
    Variant("predicates", "sets (`predicates=set`)", {"predicates": "set"}),
    Variant("start", "further apart (`initial_spread=1`)", {"initial_spread": 1.0}),
    Variant("readout", "rate of choices (`readout_rate=0.05`)", {"readout_rate": 0.05}),
    Variant("Adam", "longer memory (`beta2=0.999`)", {"beta2": 0.999}),
    Variant(
        "width",
        "12 + 4 heads, 6 + 4 MLPs",
        {"n_heads_cat": 12, "n_heads_num": 4, "n_cat_mlps": 6, "n_num_mlps": 4},
    ),
    Variant("depth", "3 layers", {"n_layers": 3}),
    Variant("MLPs", "none", {"n_cat_mlps": 0, "n_num_mlps": 0}),
)


def main() -> int:
    options = parse_arguments()
    rows = stored(options.rows)
    for variant in VARIANTS:
        for task in TASKS:
            if (variant.name, task) in rows:
                continue
            while options.pause is not None and options.pause.exists():
                time.sleep(1)
            row = measure(variant, task)
            rows[variant.name, task] = row
            print(json.dumps(row), flush=True)
            if options.rows is not None:
                with options.rows.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(row) + "\n")
    page = HEAD.format(load=os.getloadavg()[0]) + table(rows)
    if options.write is None:
        print(page)
    else:
        write_atomic(options.write / "ablation.md", page, force=True)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, help="keep rows here; those it has are not made anew")
    parser.add_argument("--write", type=Path, help="the folder of ablation.md")
    parser.add_argument("--pause", type=Path, help="wait between runs while this file exists")
    return parser.parse_args()


def stored(path: Path | None) -> dict[tuple[str, str], dict[str, object]]:
    """Rows by variant and task, of a file with one on each line."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["variant"], row["task"]): row for row in rows}


@cache
def problem_of(task: str) -> Problem:
    return problem_of_task(task, vocab_size=8, max_length=8)


def measure(variant: Variant, task: str) -> dict[str, object]:
    problem = problem_of(task)
    settings = USUAL.changed(variant.changes)
    started = time.thread_time()
    found = train_seeds(problem, settings)
    accuracies = [seed.accuracy for seed in found.seeds]
    if variant.polished:
        better = polish(found.best.checkpoint, problem, PolishSettings(budget=TRIALS))
        accuracies[0] = better.after
    seconds = time.thread_time() - started
    return {
        "variant": variant.name,
        "task": task,
        "seeds": sorted(accuracies),
        "seconds": round(seconds, 2),
    }


HEAD = """# What each part of training contributes

[Gradient training](training.md) with the usual settings (two layers of 6 + 2 heads and 3 + 2 MLPs),
then with one of them changed at a time: vocabulary 8, length 8, four seeds of 500 steps, none
dropped on the way. Each cell is the best and the median seed in validation, accuracy averaged over
lengths, in percent; the last column is seconds of one core for the four seeds, the mean of the
tasks. The seeds and the inputs are the same in every line. Four seeds are few: only differences of
several percent mean something.

Made by `python benchmarks/training_ablation.py --write docs` (load {load:.1f} at the end).

"""


def table(rows: Mapping[tuple[str, str], Mapping[str, object]]) -> str:
    lines = [
        "| part | " + " | ".join(["setting", *TASKS, "seconds"]) + " |",
        "|---" * (len(TASKS) + 3) + "|",
    ]
    for variant in VARIANTS:
        mine = [rows[variant.name, task] for task in TASKS if (variant.name, task) in rows]
        if len(mine) < len(TASKS):
            continue
        seconds = statistics.mean(float(str(row["seconds"])) for row in mine)
        cells = [variant.part, variant.what, *(cell(row) for row in mine), f"{seconds:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(row: Mapping[str, object]) -> str:
    seeds = row["seeds"]
    assert isinstance(seeds, list)
    return f"{100 * max(seeds):.1f}, {100 * statistics.median(seeds):.1f}"


if __name__ == "__main__":
    sys.exit(main())
