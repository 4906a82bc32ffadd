"""Weights of standard Transformers: Tracr beside tpir on Tracr's library, in one run.

    python benchmarks/tracr_table.py --tracr PATH --tracr-python PYTHON --write docs
    python benchmarks/tracr_table.py --lengths 5,10 --programs hist,sort

Tracr (google-deepmind/tracr, Lindner et al. 2023) is not part of this project: PATH, or TPIR_TRACR,
is a checkout of it, and PYTHON one that has jax, dm-haiku, chex, einops and networkx. Without them
the table has tpir alone. Where onnxruntime can be imported, what tpir exports is timed in it too.

What a program means is what tpir's interpreter makes of the example of that name; on some inputs
Tracr's own evaluator is asked too, and a difference ends the run with an error. Tracr runs in a
process of its own (tracr_worker.py).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tracr_page import BATCH, Line, Side, page
from tracr_programs import TASKS, Task

import tpir
from tpir.files import write_atomic
from tpir.ir.program import Program
from tpir.ir.values import Value, value_key
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_onnx import onnx_bytes
from tpir.models.transformer_predict import predict
from tpir.semantics.interpreter import run_many

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "benchmarks" / "tracr_worker.py"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ASKED = 40
"""On how many inputs the two definitions of meaning are compared."""
COMPILATIONS, FORWARDS = 3, 100
"""How often a program is compiled after the first time, and tpir runs a batch; the least counts."""


class Worker:
    """The process that runs Tracr on one configuration. Used as a context, which ends it."""

    def __init__(self, options: argparse.Namespace) -> None:
        setting = {"path": str(options.tracr), "limit": options.limit, "memory": options.memory}
        self._process = subprocess.Popen(
            [options.tracr_python, str(WORKER), json.dumps(setting)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if options.quiet else None,
            encoding="utf-8",
            env={
                **os.environ,
                **dict.fromkeys(THREADS, "1"),
                "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
                "JAX_PLATFORMS": "cpu",
                "PYTHONUTF8": "1",
            },
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, kind: str, asked: Any) -> dict[str, Any]:
        """The answer to a question, which has ``error`` where there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({kind: asked}), file=self._process.stdin, flush=True)
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            return {"error": "its process ended"}
        return {"error": "late"} if "late" in answer else answer


@dataclass(frozen=True)
class Setup:
    """A program for one vocabulary and longest length, its inputs and what it makes of them."""

    task: Task
    vocabulary: list[str]
    length: int
    program: Program
    inputs: list[list[str]]
    expected: list[list[Value]]

    @property
    def batch(self) -> list[list[str]]:
        """The inputs of a timed forward pass, all of the longest length."""
        noise = random.Random(f"batch {self.task.example} {self.length}")
        return [noise.choices(self.vocabulary, k=self.length) for _ in range(BATCH)]


def setup(task: Task, size: int, length: int, count: int) -> Setup:
    vocabulary = task.vocabulary(size)
    file = ROOT / "examples" / f"{task.example}.rasp"
    program = tpir.load(file, vocabulary=vocabulary, context=length).program
    inputs = list(inputs_of(task, vocabulary, length, count))
    expected = []
    for tokens, outcome in zip(inputs, run_many(program, inputs), strict=True):
        if outcome.values is None:
            sys.exit(f"{task.example} fails on {tokens}: {outcome.failure}")
        (values,) = outcome.values.values()
        expected.append(list(values))
    return Setup(task, vocabulary, length, program, inputs, expected)


def inputs_of(
    task: Task, vocabulary: Sequence[str], length: int, count: int
) -> Iterator[list[str]]:
    """Random inputs: a quarter of the longest length, the others of any."""
    noise = random.Random(f"{task.example} {len(vocabulary)} {length}")
    for k in range(count):
        yield task.draw(noise, vocabulary, length if 4 * k < count else noise.randint(1, length))


def tracr(case: Setup, timed: bool, options: argparse.Namespace) -> Side:
    """Tracr on a configuration: sizes, seconds where asked for, wrong positions."""
    task = case.task
    tokens = dict(zip(case.vocabulary, task.peers_tokens(case.vocabulary), strict=True))
    back = {theirs: ours for ours, theirs in tokens.items()} if task.gives_tokens else {}

    def translated(inputs: Sequence[Sequence[str]]) -> list[list[Any]]:
        return [[tokens[token] for token in given] for given in inputs]

    def values(outputs: Any) -> list[list[Any]]:
        return [[back.get(value, value) for value in output] for output in outputs]

    asked = {
        "program": task.example,
        "vocabulary": list(tokens.values()),
        "length": case.length,
        "repeats": COMPILATIONS if timed else 0,
    }
    with Worker(options) as worker:
        meaning = worker.ask("meaning", {**asked, "inputs": translated(case.inputs[:ASKED])})
        if "error" in meaning:
            sys.exit(f"Tracr does not run {task.example}: {meaning['error']}")
        compare_meanings(case, values(meaning["outputs"]))
        answer = worker.ask("compile", asked)
        if "error" in answer:
            return Side(problem=answer["error"])
        side = Side(**answer)
        if timed:
            forward = worker.ask("forward", translated(case.batch))
            side.forward_seconds = forward.get("forward_seconds")
            side.fast_seconds = forward.get("jitted_seconds")
        run = worker.ask("run", translated(case.inputs))
        if "error" in run:
            side.problem = run["error"]
            return side
    side.positions, side.wrong = count_wrong(case, values(run["outputs"]), task.undefined)
    return side


def compare_meanings(case: Setup, outputs: Sequence[Sequence[Any]]) -> None:
    """End the run where Tracr's evaluator and tpir's interpreter do not agree."""
    triples = zip(case.inputs, case.expected, outputs, strict=False)  # a part of the inputs
    for tokens, expected, output in triples:
        for i, (wanted, got) in enumerate(zip(expected, output, strict=True)):
            undefined = case.task.undefined(i, wanted)
            if (got is None) != undefined or not (undefined or same(got, wanted)):
                sys.exit(f"{case.task.example} means something else to Tracr on {tokens}: {output}")


def ours(program: Program, case: Setup, timed: bool) -> Side:
    """tpir on the same; ``problem`` where it refuses."""

    def compiled_program() -> TransformerCheckpoint:
        return tpir.compile(program, target="transformer")

    torch.set_num_threads(1)
    try:
        compiled, first = least(compiled_program, 1)
        again = least(compiled_program, COMPILATIONS)[1] if timed else None
    except tpir.TpirError as error:
        return Side(problem=f"refused: {error.message}")
    shapes = {name: tuple(tensor.shape) for name, tensor in compiled.state.items()}
    heads = [shape[0] for name, shape in shapes.items() if name.endswith("attn.W_Q")]
    side = Side(
        d_model=shapes["embed.W_E"][1],
        layers=len(heads),
        heads=max(heads, default=0),
        key_size=max((s[2] for n, s in shapes.items() if n.endswith("attn.W_Q")), default=0),
        mlp_hidden=max((s[1] for n, s in shapes.items() if n.endswith("mlp.W_in")), default=0),
        parameters=sum(tensor.numel() for tensor in compiled.state.values()),
        compile_seconds=first,
        again_seconds=again,
    )
    if timed:
        _, side.forward_seconds = least(forward_of(compiled, case), FORWARDS, time.perf_counter)
        if importlib.util.find_spec("onnxruntime"):
            session = session_of(compiled, case)
            _, side.fast_seconds = least(session, FORWARDS, time.perf_counter)
    found = predict(compiled, case.inputs)
    outputs = [next(iter(values.values())) for values in found]
    side.positions, side.wrong = count_wrong(case, outputs, nowhere)
    return side


def forward_of(compiled: TransformerCheckpoint, case: Setup) -> Callable[[], torch.Tensor]:
    """A forward pass on the batch: token indices in, logits out."""
    model = compiled.model()
    first = [len(compiled.vocabulary)] if compiled.bos else []
    tokens = torch.tensor([first + row for row in coded(compiled, case)])

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = model(tokens)
            return logits

    return forward


def session_of(compiled: TransformerCheckpoint, case: Setup) -> Callable[[], Any]:
    """The same of the exported model, in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_bytes(compiled), options)
    tokens = np.array(coded(compiled, case), dtype=np.int64)
    given = {"tokens": tokens, "mask": np.ones(tokens.shape, dtype=np.bool_)}
    return lambda: session.run(None, given)


def coded(compiled: TransformerCheckpoint, case: Setup) -> list[list[int]]:
    """The indices of the tokens of the timed batch."""
    codes = {value_key(token): k for k, token in enumerate(compiled.vocabulary)}
    return [[codes[value_key(token)] for token in row] for row in case.batch]


def nowhere(_position: int, _value: Value) -> bool:
    """tpir's programs say what they give at every position."""
    return False


def count_wrong(
    case: Setup, outputs: Sequence[Sequence[Any]], undefined: Callable[[int, Value], bool]
) -> tuple[int, int]:
    """How many positions have a meaning, and at how many of these the output is another one."""
    positions = wrong = 0
    for expected, output in zip(case.expected, outputs, strict=True):
        for i, (wanted, got) in enumerate(zip(expected, output, strict=True)):
            if not undefined(i, wanted):
                positions += 1
                wrong += not same(got, wanted)
    return positions, wrong


def same(got: Any, wanted: Value) -> bool:
    """Equal; real numbers to 1e-4 of their size, and to 1e-6 near 0."""
    if isinstance(wanted, float) and isinstance(got, int | float):
        return abs(got - wanted) <= max(1e-4 * abs(wanted), 1e-6)
    return bool(got == wanted)


def least(
    call: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.process_time
) -> tuple[Any, float]:
    """What a call gives, and the seconds of the quickest."""
    best, result = float("inf"), None
    for _ in range(repeats):
        start = clock()
        result = call()
        best = min(best, clock() - start)
    return result, best


def numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(","))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    checkout = os.environ.get("TPIR_TRACR")
    parser.add_argument(
        "--tracr",
        type=lambda text: Path(text).resolve(),
        default=checkout and Path(checkout).resolve(),
        metavar="PATH",
        help="a checkout of google-deepmind/tracr; default: TPIR_TRACR",
    )
    parser.add_argument("--tracr-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--programs", type=lambda text: text.split(","), default=list(TASKS))
    parser.add_argument("--lengths", type=numbers, default=[5, 10, 20], help="timed, vocabulary 5")
    parser.add_argument(
        "--more-lengths", type=numbers, default=[50, 100], help="only checked, as is vocabulary 20"
    )
    parser.add_argument("--only", choices=["timed", "checked"], help="one part of the page")
    parser.add_argument("--inputs", type=int, default=500, help="of a configuration")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one answer of Tracr")
    parser.add_argument("--memory", type=float, default=6, help="GiB that Tracr may take")
    parser.add_argument(
        "--read", type=Path, nargs="+", default=[], metavar="FILE", help="lines of earlier --json"
    )
    parser.add_argument("--quiet", action="store_true", help="drop what Tracr prints")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where the page goes")
    return parser.parse_args()


def configurations(options: argparse.Namespace) -> Iterator[tuple[str, int, int, bool]]:
    """Program, size of the vocabulary, longest length, and whether it is timed."""
    if options.only != "checked":
        for length in options.lengths:
            yield from ((name, 5, length, True) for name in options.programs)
    if options.only != "timed":
        more = [(20, length) for length in options.lengths]
        more += [(size, length) for length in options.more_lengths for size in (5, 20)]
        for size, length in more:
            yield from ((name, size, length, False) for name in options.programs)


def read_lines(file: Path, load: list[float]) -> list[Line]:
    """What --json wrote; the load that it was measured under is added to ``load``."""
    record = json.loads(file.read_text(encoding="utf-8"))
    load.append(record["load"])
    sides = ("tracr", "tpir")
    return [
        Line(**{**row, **{side: Side(**row[side]) for side in sides}}) for row in record["lines"]
    ]


def main() -> None:
    options = arguments()
    load: list[float] = []
    lines: list[Line] = []
    for file in options.read:
        lines += read_lines(file, load)
    known = {(line.program, line.vocabulary, line.length, line.timed) for line in lines}
    for name, size, length, timed in configurations(options):
        if (name, len(TASKS[name].vocabulary(size)), length, timed) in known:
            continue
        load.append(os.getloadavg()[0])
        case = setup(TASKS[name], size, length, options.inputs)
        absent = Side(problem="not given")
        theirs = absent if options.tracr is None else tracr(case, timed, options)
        line = Line(
            name, len(case.vocabulary), length, timed, theirs, ours(case.program, case, timed)
        )
        lines.append(line)
        print(line, file=sys.stderr)
        if options.json is not None:
            record = {"load": max(load), "lines": [each.record() for each in lines]}
            write_atomic(options.json, json.dumps(record), force=True)
    text = page(
        lines, {name: task.origin for name, task in TASKS.items()}, options.inputs, max(load)
    )
    if options.write is None:
        print(text)
    else:
        write_atomic(options.write / "tracr.md", text, force=True)


if __name__ == "__main__":
    main()
