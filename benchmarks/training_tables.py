"""What training finds: every task of the paper, two sizes, and tasks that nobody tuned for.

For each problem the search runs from several seeds, each with data of its own. The seed kept is
the one that validation selects (of equal ones the shortest program); its test inputs are looked at
once. Every arrow after it is checked: program, weights, program lowered from them, -O2 of that.

    python benchmarks/training_tables.py                             # prints the tables
    python benchmarks/training_tables.py --seeds 1 reverse_v8_n8     # one line, one seed
    python benchmarks/training_tables.py --write docs
    python benchmarks/training_tables.py --rows rows.jsonl --write docs   # goes on where it was
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training_page import write_page

import tpir
from tpir.backends.transformer_program import compile_transformer_program
from tpir.errors import TpirError
from tpir.text import print_program
from tpir.training.construct.construct import ConstructSettings, construct
from tpir.training.judge import judge
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_task
from tpir.training.teachers import problem_of_teacher

ROOT = Path(__file__).resolve().parents[1]
TASKS = ROOT / "examples" / "tasks"


@dataclass(frozen=True)
class Line:
    """A problem, by the name of its checkpoint, and the command that trains on it."""

    name: str
    group: str
    command: str
    problem: Callable[[int], Problem]


def task_line(task: str, vocab_size: int, max_length: int, name: str, group: str) -> Line:
    sizes = f"--vocab-size {vocab_size} --max-length {max_length}"

    def problem(seed: int) -> Problem:
        return problem_of_task(task, vocab_size=vocab_size, max_length=max_length, seed=seed)

    return Line(name, group, f"tpir train {task} {sizes}", problem)


def teacher_line(name: str, vocabulary: str) -> Line:
    path, words = TASKS / f"{name}.rasp", ",".join(vocabulary)

    def problem(seed: int) -> Problem:
        return problem_of_teacher(path, vocabulary=tuple(vocabulary), max_length=9, seed=seed)

    command = f"tpir train --teacher examples/tasks/{name}.rasp --vocab {words} --max-length 9"
    return Line(name, "untuned", command, problem)


PAPER = ("reverse", "hist", "double_hist", "sort", "most_freq")

LINES = (
    *(task_line(task, 8, 8, f"{task}_v8_n8", "8/8") for task in PAPER),
    task_line("dyck1", 4, 16, "dyck1_n16", "8/8"),
    task_line("dyck2", 6, 16, "dyck2_n16", "8/8"),
    task_line("induction", 10, 9, "induction", "8/8"),
    *(task_line(task, 16, 16, f"{task}_v16_n16", "16/16") for task in PAPER),
    teacher_line("after_marker", "abcm"),
    teacher_line("alternating", "abcd"),
    teacher_line("distinct_so_far", "abcd"),
    teacher_line("first_repeated", "abcd"),
    teacher_line("length_parity", "abcd"),
    teacher_line("less_than_last", "01234"),
    teacher_line("longest_run", "abcd"),
    teacher_line("max_so_far", "01234"),
    teacher_line("mirrored", "abcd"),
    teacher_line("next_different", "abcd"),
    teacher_line("rotate", "abcd"),
    teacher_line("second_most_frequent", "abcd"),
    teacher_line("since_same", "abcd"),
    teacher_line("sum_mod_3", "0123"),
)


def main() -> int:
    options = parse_arguments()
    chosen = [line for line in LINES if not options.names or line.name in options.names]
    if not chosen:
        print(f"there is no {', '.join(options.names)}", file=sys.stderr)
        return 2
    read = {} if options.rows is None or not options.rows.exists() else stored_rows(options.rows)
    rows = []
    for line in chosen:
        if line.name in read:
            rows.append(read[line.name])
            continue
        row = measure(line, options.seeds)
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.rows is not None:
            with options.rows.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
    if options.write is not None:
        write_page(options.write / "found.md", rows)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these lines")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds each (default 3)")
    parser.add_argument("--rows", type=Path, help="keep rows here; those it has are not made anew")
    parser.add_argument("--write", type=Path, help="the folder of found.md")
    return parser.parse_args()


def stored_rows(path: Path) -> dict[str, dict[str, object]]:
    """Rows by name, of a file with one on each line."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["name"]: row for row in rows}


def measure(line: Line, seeds: int) -> dict[str, object]:
    """All seeds of one problem, and what is to be said of the one selected."""
    found = []
    for seed in range(seeds):
        problem = line.problem(seed)
        started = time.monotonic()
        result = construct(problem, ConstructSettings(seed=seed))
        seconds = time.monotonic() - started
        report = judge(result.program, problem, everything=False)
        length = len(print_program(result.program).splitlines())
        rank = (-report.validation.mean_over_lengths, length, seed)
        found.append((rank, seconds, problem, result))
    _, seconds, problem, result = min(found, key=lambda entry: entry[0])
    report = judge(result.program, problem)
    row: dict[str, object] = {
        "name": line.name,
        "group": line.group,
        "command": line.command,
        "solved": result.solved,
        "test": report.test.mean_over_lengths,
        "test_worst_length": min(t.accuracy for t in report.test.by_length.values() if t.labels),
        "all": None if report.everything is None else report.everything.overall.accuracy,
        "all_inputs": report.space_size,
        "share_seen": report.share_seen,
        "seconds": round(seconds, 2),
        "features": result.tried,
        "seeds_solved": sum(entry[3].solved for entry in found),
        "seeds": seeds,
        "validation_of_seeds": sorted(-entry[0][0] for entry in found),
        "program_lines": len(print_program(result.program).splitlines()),
    }
    try:
        checkpoint = compile_transformer_program(result.program, mlps="table", narrow=True)
    except TpirError as error:
        row["refused"] = error.message
        return row
    config = checkpoint.config
    heads = f"{config.n_heads_cat} + {config.n_heads_num}"
    mlps = f"{config.n_cat_mlps} + {config.n_num_mlps}"
    lowered = tpir.optimise(tpir.lower(checkpoint), level=2)
    row |= {
        "layers": config.n_layers,
        "heads": heads,
        "mlps": mlps,
        "d_var": config.d_var,
        "lowered_lines": len(tpir.format(lowered).splitlines()),
        "verdict": str(tpir.check(result.program, lowered)),
    }
    return row


if __name__ == "__main__":
    sys.exit(main())
