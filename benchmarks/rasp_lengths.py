"""How long four programs take at growing lengths: the original RASP beside tpir, in one run.

    python benchmarks/rasp_lengths.py --original PATH --original-python PYTHON --write docs
    python benchmarks/rasp_lengths.py --lengths 10,100,1000

The original (tech-srl/RASP, Weiss et al. 2021) is not part of this project: PATH, or TPIR_RASP, is
a checkout of it, and PYTHON one that has antlr4-python3-runtime==4.9.1 and termcolor. Without them
the table has tpir alone.

What every contestant gives for an input is compared with what the others give: a difference ends
the run with an error. Each contestant runs in a process of its own (lengths_worker.py), one after
the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lengths_page import (
    COMMAND,
    EMITTED,
    INTERPRETER,
    ORIGINAL,
    SAME_TEXT,
    Cell,
    Record,
    Records,
    page,
    picture,
)
from random_inputs import Draw, brackets, words

from tpir.files import write_atomic

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "benchmarks" / "lengths_worker.py"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
RUNS = 30
"""How many inputs of one length a contestant gets at most; the least time counts."""


@dataclass(frozen=True)
class Task:
    """A program: tpir's example, and in the original's language.

    ``text`` is None where the original runs the example itself; ``output`` is what it computes.
    """

    example: str
    vocabulary: str
    draw: Draw
    text: str | None
    output: str
    origin: str


TASKS = {
    "histogram": Task("hist", "abcdefghij", words, None, "histogram", "the same file"),
    "sort": Task(
        "sort",
        "abcdefghij",
        words,
        "sorted = sort(tokens, tokens);",
        "sorted",
        "`sort(tokens, tokens)` of its library, the same algorithm (it has no `first`)",
    ),
    "sort by frequency": Task(
        "sort_by_frequency",
        "abcdefghij",
        words,
        """
        repeated = has_focus(select(tokens, tokens, ==) and select(indices, indices, <));
        times = 0 if repeated else selector_width(select(tokens, tokens, ==));
        word = "-" if repeated else tokens;
        by_frequency = sort(word, -times);
        """,
        "by_frequency",
        "the same with `sort` and `has_focus` of its library, in benchmarks/rasp_lengths.py",
    ),
    "Dyck-2": Task(
        "dyck2",
        "(){}",
        brackets(["()", "{}"]),
        'load "paper_examples";\nverdict = dyck2_ptf;',
        "verdict",
        "`dyck2_ptf` of its paper_examples.rasp, which finds partners by counting (it has no "
        "`last`)",
    ),
}


@dataclass(frozen=True)
class Contestant:
    """What runs a program: the kind of worker, its Python, and the folder it runs in."""

    name: str
    kind: str
    python: str
    file: Path
    folder: Path | None


class Worker:
    """A process that runs one contestant. Used as a context, which ends it."""

    def __init__(self, contestant: Contestant, task: Task, limit: float) -> None:
        setting = {
            "file": str(contestant.file),
            "path": str(contestant.folder),
            "output": task.output,
            "vocabulary": list(task.vocabulary),
            "limit": limit,
        }
        self.name = contestant.name
        self._process = subprocess.Popen(
            [contestant.python, str(WORKER), contestant.kind, json.dumps(setting)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            cwd=contestant.folder,
            env={
                **os.environ,
                **dict.fromkeys(THREADS, "1"),
                "PYTHONUTF8": "1",
                "PYTHONDONTWRITEBYTECODE": "",  # modules are compiled once, as installed ones are
            },
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question; the end of the program if there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            sys.exit(f"{self.name} does not run, see above")
        return answer


def inputs(name: str, task: Task, length: int) -> Iterator[list[str]]:
    """The inputs of one length, the same ones for every contestant and all of them different."""
    for k in range(RUNS):
        yield task.draw(random.Random(f"{name} {length} {k}"), length)


def measure(name: str, task: Task, contestant: Contestant, options: argparse.Namespace) -> Record:
    """A contestant at each length, up to the first one at which it is late."""
    record = Record()
    with Worker(contestant, task, options.limit) as worker:
        for length in options.lengths:
            record.preparation[length] = worker.ask({"prepare": length})
            record.cells[length] = cell = Cell(None)
            spent = 0.0
            for tokens in inputs(name, task, length):
                answer = worker.ask({"run": tokens})
                if "late" in answer:
                    break
                spent += answer["seconds"]
                cell.seconds = min(cell.seconds or answer["seconds"], answer["seconds"])
                cell.peak = answer["peak"]
                cell.digests.append(answer["digest"])
                if spent > options.budget:
                    break
            seconds = "late" if cell.seconds is None else f"{cell.seconds:.6f} s"
            print(f"{name}, {contestant.name}, {length:,}: {seconds}", file=sys.stderr)
            if cell.seconds is None:
                break
    return record


def compare(name: str, task: Task, records: Records) -> int:
    """End the program where a contestant differs from the interpreter; else how often none does."""
    compared = 0
    wanted = records[INTERPRETER].cells
    for contestant, record in records.items():
        for length in wanted.keys() & record.cells.keys() if contestant != INTERPRETER else ():
            left, right = wanted[length].digests, record.cells[length].digests
            # As many as the one that ran fewer.
            for one, other, tokens in zip(left, right, inputs(name, task, length), strict=False):
                if one != other:
                    sys.exit(f"{name}: {contestant} and the interpreter differ on {tokens}")
                compared += 1
    return compared


def contestants(task: Task, options: argparse.Namespace, folder: Path) -> list[Contestant]:
    """Who runs a program. ``folder`` is for the texts of the original."""
    example = ROOT / "examples" / f"{task.example}.rasp"
    found = [
        Contestant(name, kind, sys.executable, example, None)
        for name, kind in ((INTERPRETER, "interpreter"), (COMMAND, "command"), (EMITTED, "emitted"))
    ]
    if options.original is None:
        return found
    text = example
    if task.text is not None:
        text = folder / f"{task.example}.rasp"
        text.write_text(task.text, encoding="utf-8")
        found.insert(
            1, Contestant(SAME_TEXT, "interpreter", sys.executable, text, options.original)
        )
    return [
        Contestant(ORIGINAL, "original", options.original_python, text, options.original),
        *found,
    ]


def numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(","))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    original = os.environ.get("TPIR_RASP")
    parser.add_argument(
        "--original",
        type=lambda text: Path(text).resolve(),
        default=original and Path(original).resolve(),
        metavar="PATH",
        help="a checkout of tech-srl/RASP; default: TPIR_RASP",
    )
    parser.add_argument("--original-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--lengths", type=numbers, default=[10, 100, 1000, 10_000, 100_000])
    parser.add_argument("--limit", type=float, default=60, help="seconds for one run; default: 60")
    parser.add_argument("--budget", type=float, default=1, help="seconds for all of a cell's runs")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where the page goes")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    load = [os.getloadavg()[0]]
    results: dict[str, Records] = {}
    compared = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, task in TASKS.items():
            results[name] = {
                contestant.name: measure(name, task, contestant, options)
                for contestant in contestants(task, options, Path(folder))
            }
            compared += compare(name, task, results[name])
    load.append(os.getloadavg()[0])
    texts = {name: (task.example, task.origin) for name, task in TASKS.items()}
    text = page(results, texts, options.lengths, options.limit, options.budget, compared, max(load))
    if options.write is None:
        print(text)
    else:
        write_atomic(options.write / "lengths.md", text, force=True)
        write_atomic(options.write / "lengths.svg", picture(results, options.limit), force=True)


if __name__ == "__main__":
    main()
