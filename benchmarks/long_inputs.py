"""How the interpreter fares on single inputs, from short to long ones.

    python benchmarks/long_inputs.py
    python benchmarks/long_inputs.py sort Dyck --lengths 1000,10000

The programs are those of length_scaling.py. For each length, the least of five in processor time:
to specialise the program to the input (its tokens, its length; the grammar having been read), and
to run it; and the most memory that the run takes, as tracemalloc counts it.
"""

from __future__ import annotations

import argparse
import random
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

from length_scaling import TASKS, Task

import tpir
from tpir.semantics.interpreter import run_many

RUNS = 5


def seconds(action: Callable[[], object]) -> float:
    def once() -> float:
        start = time.process_time()
        action()
        return time.process_time() - start

    return min(once() for _ in range(RUNS))


def peak(action: Callable[[], object]) -> int:
    tracemalloc.start()
    action()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def cell(task: Task, length: int) -> str:
    tokens = task.draw(random.Random(0), length)
    specialise = partial(
        tpir.parse, task.text, vocabulary=task.vocabulary.split(","), context=length
    )
    action = partial(run_many, specialise(), [tokens])
    return " | ".join(
        (
            f"{seconds(specialise) * 1e3:.1f}",
            f"{seconds(action) * 1e3:.1f}",
            f"{peak(action) / 2**20:.1f}",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", help="parts of the names of tasks; default: all")
    parser.add_argument("--lengths", default="10,100,1000,10000")
    options = parser.parse_args()
    lengths = [int(length) for length in options.lengths.split(",")]
    tpir.parse("x = tokens;", vocabulary="ab", context=2)
    columns = [f"{n:,}: specialise, ms | run, ms | peak, MiB" for n in lengths]
    print(f"| program | {' | '.join(columns)} |")
    print("|---|" + "---|" * (3 * len(lengths)))
    for name, task in TASKS.items():
        if not options.tasks or any(wanted in name for wanted in options.tasks):
            cells = [cell(task, length) for length in lengths]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
