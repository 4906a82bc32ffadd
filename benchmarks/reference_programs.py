"""How fast the public reference's programs run, and how fast tpir's run beside them.

For each checkpoint, in sequences per second on one core:

- the Python program that the public reference code emits for it,
- the Python program that tpir emits for it at -O2 (or ``--ours DIR``, with NAME.py in it), in one
  process and by turns with the first,
- the reference's own torch model, discretised, at its best batch size,
- tpir's interpreter on the same inputs, in batches, on the program as lowered.

The reference code (princeton-nlp/TransformerPrograms) is not part of this project and this script
holds none of it: ``--reference PATH`` names a checkout. It needs ``pip install 'tpir[reference]'``.

    python benchmarks/reference_programs.py --reference PATH [-o docs/speed.md] [CHECKPOINT ...]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import gzip
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tpir
from tpir.files import write_atomic
from tpir.semantics.interpreter import Interpreter

ROOT = Path(__file__).resolve().parents[1]
BATCH_SIZES = (256, 512, 1024, 2048, 4096, 8192)
ROUNDS = 3
EXACT_MARGIN = 1e-4
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# What the reference's model takes from args.json as it stands there.
MODEL_ARGUMENTS = (
    *("n_vars_cat", "n_vars_num", "n_heads_cat", "n_heads_num", "d_mlp", "n_cat_mlps"),
    *("n_num_mlps", "mlp_vars_in", "n_layers", "attention_type", "rel_pos_bias"),
    *("pool_outputs", "one_hot_embed", "count_only", "selector_width"),
)

Run = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Example:
    """One recorded input; ``predicted`` is None where the model's own float32 sum decides."""

    tokens: list[str]
    predicted: list[str | None]


@dataclass
class Result:
    """What was measured for one checkpoint; rates in sequences a second, shares from 0 to 1."""

    name: str
    inputs: int
    program: float | None = None
    program_agrees: float | None = None
    ours: float | None = None
    ours_agrees: float | None = None
    torch: float | None = None
    torch_batch: int | None = None
    torch_agrees: float | None = None
    interpreter: float | None = None
    notes: list[str] = dataclasses.field(default_factory=list)


def main() -> int:
    options = parse_arguments()
    if options.reference is None or not (options.reference / "src/utils/code_utils.py").is_file():
        print(
            "the public reference code (princeton-nlp/TransformerPrograms) is not part of this "
            "project: get a checkout and name it with --reference PATH",
            file=sys.stderr,
        )
        return 2
    if missing := [name for name in ("pandas", "einops", "black") if not importable(name)]:
        print(
            f"the reference code needs {', '.join(missing)}: pip install 'tpir[reference]'",
            file=sys.stderr,
        )
        return 2
    if options.worker:
        print(json.dumps(dataclasses.asdict(measure(options.checkpoints[0], options))))
        return 0
    checkpoints = options.checkpoints or default_checkpoints()
    if not checkpoints:
        print("no checkpoint given, and no folder of checkpoints is there", file=sys.stderr)
        return 2
    results = []
    for checkpoint in checkpoints:
        print(f"measuring {checkpoint.name}", file=sys.stderr)
        results.append(measure_apart(checkpoint, options))
    if options.output is not None:
        write_atomic(options.output, HEAD + markdown(results), force=True)
    else:
        rows = [dataclasses.asdict(result) for result in results]
        print(json.dumps(rows) if options.json else table(results))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", nargs="*", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--reference", type=Path, help="a checkout of the public reference code")
    parser.add_argument("--ours", type=Path, help="folder of programs that tpir emitted: NAME.py")
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each measurement")
    parser.add_argument("-o", "--output", type=Path, help="a Markdown file to write")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def default_checkpoints() -> list[Path]:
    folder = ROOT.parent / "shared" / "checkpoints"
    return sorted(path.parent for path in folder.glob("*/model.pt"))


def importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def measure_apart(checkpoint: Path, options: argparse.Namespace) -> Result:
    """Measure one checkpoint in a process of its own, held to one core and one thread."""
    command = [sys.executable, "-B", __file__, "--worker", str(checkpoint.resolve())]
    command += ["--reference", str(options.reference.resolve()), "--seconds", str(options.seconds)]
    if options.ours:
        command += ["--ours", str(options.ours.resolve())]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if run.returncode:
        return Result(checkpoint.name, 0, notes=["the measurement failed, see above"])
    return Result(**json.loads(run.stdout.splitlines()[-1]))


def measure(checkpoint: Path, options: argparse.Namespace) -> Result:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    reference = Reference(options.reference, checkpoint)
    examples = read_examples(checkpoint)
    result = Result(checkpoint.name, len(examples))
    with tempfile.TemporaryDirectory() as folder:
        programs: dict[str, Callable[[], Run]] = {}
        try:
            emitted = reference.emit(Path(folder))
            programs["program"] = lambda: load_module(emitted).run
        except Exception as error:
            result.notes.append(f"the reference emits no program: {describe(error)}")
        ours = our_program(checkpoint, options.ours, Path(folder))
        programs["ours"] = lambda: load_module(ours).run
        measure_in_turns(programs, examples, options.seconds, result)
    measure_torch(reference, examples, options.seconds, result)
    measure_interpreter(checkpoint, examples, options.seconds, result)
    return result


def our_program(checkpoint: Path, given: Path | None, folder: Path) -> Path:
    """The Python program of a checkpoint: the one given, or emitted here at -O2."""
    if given is not None:
        return given / f"{checkpoint.name}.py"
    path = folder / "ours.py"
    path.write_text(tpir.emit(tpir.optimise(tpir.lower(checkpoint))), encoding="utf-8")
    return path


def read_examples(checkpoint: Path) -> list[Example]:
    """The recorded inputs of a checkpoint, each once."""
    distinct: dict[tuple[str, ...], Example] = {}
    with gzip.open(checkpoint / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            sure = [
                label if margin >= EXACT_MARGIN else None
                for label, margin in zip(row["predicted"], row["margin"], strict=True)
            ]
            distinct.setdefault(tuple(row["tokens"]), Example(row["tokens"], sure))
    return list(distinct.values())


def measure_in_turns(
    programs: dict[str, Callable[[], Run]],
    examples: Sequence[Example],
    seconds: float,
    result: Result,
) -> None:
    """Time the programs by turns, so that a busy machine slows them alike.

    A program that gets through all its inputs is loaded afresh before it sees one again, so nothing
    that it may have kept from an earlier call can help.
    """
    # What pandas and torch have on the heap is no affair of a collection during a run.
    gc.collect()
    gc.freeze()
    spent = dict.fromkeys(programs, 0.0)
    outputs: dict[str, list[tuple[Example, Any]]] = {name: [] for name in programs}
    for turn in range(ROUNDS):
        for name, load in list(programs.items()):
            try:
                until = seconds * (turn + 1) / ROUNDS
                while spent[name] < until:
                    took, answered = time_run(load(), examples[turn::ROUNDS], until - spent[name])
                    spent[name] += took
                    outputs[name] += answered
            except Exception as error:
                result.notes.append(f"{name} does not run: {describe(error)}")
                del programs[name]
    for name in programs:
        try:
            setattr(result, f"{name}_agrees", agreement(outputs[name]))
        except (TypeError, ValueError) as error:
            result.notes.append(f"{name} answers wrongly: {describe(error)}")
            continue
        setattr(result, name, len(outputs[name]) / spent[name])


def time_run(
    run: Run, examples: Sequence[Example], seconds: float
) -> tuple[float, list[tuple[Example, Any]]]:
    """Run a program on one input after the other until the time or the inputs are spent."""
    run(list(examples[0].tokens))
    answered = []
    start = time.perf_counter()
    for example in examples[1:]:
        answered.append((example, run(example.tokens)))
        if time.perf_counter() - start >= seconds:
            break
    return time.perf_counter() - start, answered


def agreement(outputs: Sequence[tuple[Example, Any]]) -> float:
    """The share of positions whose label is the recorded one.

    The reference's programs write the special tokens themselves in the first and the last place, so
    those positions do not count.
    """
    right = total = 0
    for example, answer in outputs:
        pooled = len(example.predicted) == 1
        labels = [answer] if isinstance(answer, str) else list(answer)
        if len(labels) != len(example.predicted):
            raise ValueError(f"{len(labels)} labels for {len(example.predicted)} positions")
        for place, (label, expected) in enumerate(zip(labels, example.predicted, strict=True)):
            special = not pooled and example.tokens[place] in ("<s>", "</s>")
            if expected is not None and not special:
                total += 1
                right += label == expected
    return right / total if total else 1.0


def load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"measured_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Reference:
    """The public reference code, from a checkout, with one checkpoint in its model."""

    def __init__(self, path: Path, checkpoint: Path) -> None:
        sys.path.insert(0, str(path))
        import numpy
        import torch
        from src.models.programs import TransformerProgramModel, argmax
        from src.utils import code_utils

        torch.set_num_threads(1)
        self.code_utils = code_utils
        self.args = json.loads((checkpoint / "args.json").read_text("utf-8"))
        self.vocab = json.loads((checkpoint / "vocab.json").read_text("utf-8"))
        self.tokens = numpy.array(self.vocab["tokens"])
        self.labels = numpy.array(self.vocab["labels"])
        sizes = {key: self.args[key] for key in MODEL_ARGUMENTS}
        sizes["d_var"] = self.args["d_var"] or max(len(self.tokens), self.vocab["n_ctx"])
        masked = numpy.isin(self.labels, ("<unk>", "<pad>")) if self.args["unembed_mask"] else None
        self.model = TransformerProgramModel(
            d_vocab=len(self.tokens),
            d_vocab_out=len(self.labels),
            n_ctx=self.vocab["n_ctx"],
            unembed_mask=masked,
            **sizes,
        )
        weights = torch.load(checkpoint / "model.pt", map_location="cpu", weights_only=True)
        self.model.load_state_dict(weights)
        self.model.set_temp(self.args["tau_end"], argmax)
        self.model.eval()

    def emit(self, folder: Path) -> Path:
        """Have the reference write its program, and the table that it reads, into a folder."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.code_utils.model_to_code(
                model=self.model,
                idx_w=self.tokens,
                idx_t=self.labels,
                embed_csv=not self.args["one_hot_embed"],
                one_hot=self.args["one_hot_embed"],
                autoregressive=self.vocab["causal"],
                var_types=True,
                output_dir=str(folder),
                name="program",
            )
        return folder / "program.py"

    def predict(self, batch: Any) -> Any:
        """Label indices [batch, position] of token indices [batch, position], 0 being padding."""
        import torch

        with torch.no_grad():
            real = batch != 0
            mask = real.unsqueeze(-1) & real.unsqueeze(-2)
            return self.model(batch, mask=mask.tril() if self.vocab["causal"] else mask).argmax(-1)

    def encode(self, examples: Sequence[Example]) -> Any:
        import torch

        index = {token: number for number, token in enumerate(self.vocab["tokens"])}
        rows = [[index[token] for token in example.tokens] for example in examples]
        return torch.tensor([row + [0] * (self.vocab["n_ctx"] - len(row)) for row in rows])


def measure_torch(
    reference: Reference, examples: Sequence[Example], seconds: float, result: Result
) -> None:
    """Time the discretised model, padded to its context, at each batch size; keep the best."""
    encoded = reference.encode(examples)
    predicted = reference.predict(encoded).tolist()
    answers = [[reference.vocab["labels"][label] for label in row] for row in predicted]
    result.torch_agrees = agreement(
        [(e, row[: len(e.predicted)]) for e, row in zip(examples, answers, strict=True)]
    )
    for size in BATCH_SIZES:
        batch = encoded.repeat(-(-size // len(encoded)), 1)[:size]
        reference.predict(batch)
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds / len(BATCH_SIZES) or done < 2 * size:
            reference.predict(batch)
            done += size
        rate = done / (time.perf_counter() - start)
        if result.torch is None or rate > result.torch:
            result.torch, result.torch_batch = rate, size


def measure_interpreter(
    checkpoint: Path, examples: Sequence[Example], seconds: float, result: Result
) -> None:
    """Time the interpreter on the inputs, grouped by length, repeated to some thousands."""
    program = tpir.lower(checkpoint)
    interpreter = Interpreter(program)
    by_length: dict[int, list[list[int]]] = {}
    for example in examples:
        by_length.setdefault(len(example.tokens), []).append(interpreter.encode(example.tokens))
    batches = [np.array(rows * 16).T for rows in by_length.values()]
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for batch in batches:
            interpreter.run_batch(batch)
        done += 16 * len(examples)
    result.interpreter = done / (time.perf_counter() - start)


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"


COLUMNS = (
    *("checkpoint", "inputs", "reference program/s", "agrees", "tpir program/s", "agrees"),
    *("ratio", "reference torch/s", "batch", "agrees", "tpir interpreter/s"),
)
HEAD = """# Speed

Made by `python benchmarks/reference_programs.py --reference PATH -o docs/speed.md`, PATH being a
checkout of the public reference code. Sequences per second on one core, one thread, distinct
inputs, nothing kept between calls; the two Python programs run by turns in one process. "agrees" is
the share of positions whose label is the recorded prediction (special tokens left out).

Programs written by hand, on inputs of up to 100,000 tokens: [growing lengths](lengths.md).

"""


def markdown(results: Sequence[Result]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(row_of(result))} |" for result in results]
    lines += ["", *(f"- {result.name}: {note}" for result in results for note in result.notes)]
    return "\n".join(lines).rstrip() + "\n"


def table(results: Sequence[Result]) -> str:
    rows = [COLUMNS, *map(row_of, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines += [f"{result.name}: {note}" for result in results for note in result.notes]
    return "\n".join(lines)


def row_of(result: Result) -> tuple[str, ...]:
    ratio = result.ours / result.program if result.ours and result.program else None
    return (
        result.name,
        str(result.inputs),
        shown(result.program, "{:,.1f}"),
        shown(result.program_agrees, "{:.2%}"),
        shown(result.ours, "{:,.0f}"),
        shown(result.ours_agrees, "{:.2%}"),
        shown(ratio, "{:,.0f}x"),
        shown(result.torch, "{:,.0f}"),
        shown(result.torch_batch, "{}"),
        shown(result.torch_agrees, "{:.2%}"),
        shown(result.interpreter, "{:,.0f}"),
    )


def shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


if __name__ == "__main__":
    sys.exit(main())
