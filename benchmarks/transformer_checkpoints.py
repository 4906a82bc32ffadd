"""Checkpoints as standard Transformers, position by position: docs/transformer_proofs.md.

    python benchmarks/transformer_checkpoints.py PATH --write docs --state runs/checkpoints.jsonl

PATH holds checkpoint folders (args.json, model.pt, predictions.jsonl.gz), at any depth. Each is
lowered, simplified at -O2 and compiled, in float32 and in float64. What the weights say, in their
own number type, is compared with what the program says: on all recorded inputs, and on every input
of the task where those are at most ``--most``. What is done is noted in ``--state`` and not done
again, as long as program and weights are the same.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformer_checkpoints_page import SMALL_MARGIN, Result, page

import tpir
from tpir.files import write_atomic
from tpir.ir.ops import Classify, ClassifyPooled, Pool
from tpir.ir.program import Program
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_predict import Predictor
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.program_space import space_of
from tpir.semantics.readout import label_logits

BATCH = 2_048
SHOWN = 50_000
"""After so many inputs a line says how far it is."""


@dataclass
class Tally:
    """Positions, those that are wrong, and those whose labels are nearly equal, in turn of both."""

    inputs: int = 0
    positions: int = 0
    close: int = 0
    wrong: int = 0
    wrong_and_close: int = 0

    def add(self, wrong: NDArray[np.bool_], close: NDArray[np.bool_]) -> None:
        """Count one batch [position, input]."""
        self.inputs += wrong.shape[1]
        self.positions += wrong.size
        self.close += int(close.sum())
        self.wrong += int(wrong.sum())
        self.wrong_and_close += int((wrong & close).sum())


def labels_and_margins(
    interpreter: Interpreter, tokens: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which label the program gives, and by how much it is ahead of the next [position, input]."""
    (output,) = interpreter.program.outputs.values()
    op = output.op
    assert isinstance(op, Classify | ClassifyPooled)
    machine = interpreter.machine(tokens)
    columns = [machine.state(operand) for operand in output.operands]
    features = [column for column in columns if isinstance(column, Column)]
    logits = np.array(label_logits(op, features, len(tokens)))
    if isinstance(op, ClassifyPooled):
        logits = logits[:, :1] if op.over is Pool.FIRST else logits.sum(axis=1, keepdims=True)
    said = machine.state(output)
    assert isinstance(said, Column)
    ranked = np.sort(logits, axis=0)
    shape = (logits.shape[1], tokens.shape[1])
    labels = np.broadcast_to(said.data.astype(np.intp), shape)
    return labels, np.broadcast_to(ranked[-1] - ranked[-2], shape)


def every_input(program: Program) -> Iterator[NDArray[np.int64]]:
    """All inputs, in batches of one length [position, input]."""
    for _, tokens in space_of(program).batches(BATCH):
        yield tokens


def recorded_inputs(program: Program, folder: Path) -> Iterator[NDArray[np.int64]]:
    """The recorded inputs, in batches of one length [position, input]."""
    interpreter = Interpreter(program)
    by_length: dict[int, list[list[int]]] = {}
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = interpreter.encode(json.loads(line)["tokens"])
            by_length.setdefault(len(row), []).append(row)
    for _, rows in sorted(by_length.items()):
        for start in range(0, len(rows), BATCH):
            yield np.array(rows[start : start + BATCH]).T


def compared(
    program: Program, weights: TransformerCheckpoint, batches: Iterator[NDArray[np.int64]]
) -> Tally:
    """How often the weights differ from the program."""
    interpreter, predictor = Interpreter(program), Predictor(weights)
    tally, shown = Tally(), 0
    for tokens in batches:
        labels, margins = labels_and_margins(interpreter, tokens)
        logits = predictor.logits(torch.tensor(tokens.T))
        (found,) = predictor.answers(logits)
        tally.add(labels != found.numpy().T, margins < SMALL_MARGIN)
        if tally.inputs // SHOWN > shown:
            shown = tally.inputs // SHOWN
            print(f"  {tally.inputs:,} inputs: {tally.wrong} wrong", file=sys.stderr, flush=True)
    return tally


def digest(program: Program, weights: TransformerCheckpoint) -> str:
    """What a result depends on."""
    found = hashlib.sha256(program.fingerprint.encode())
    for name, tensor in sorted(weights.state.items()):
        found.update(name.encode() + tensor.numpy().tobytes())
    return found.hexdigest()


def results_of(folder: Path, name: str, most: int, known: dict[str, Result]) -> Iterator[Result]:
    """All results of one checkpoint; those that are not known are made."""
    program = tpir.optimise(tpir.lower(folder), level=2)
    inputs = space_of(program).count()
    dtypes: tuple[Literal["float32", "float64"], ...] = ("float32", "float64")
    for dtype in dtypes:
        start = time.perf_counter()
        weights = tpir.compile(program, target="transformer", dtype=dtype)
        seconds = time.perf_counter() - start
        made = digest(program, weights)
        for every in (False, True) if inputs <= most else (False,):
            kind = "every" if every else "recorded"
            key = f"{made} {kind}"
            if key in known:
                yield known[key]
                continue
            print(f"{name}, {dtype}, {kind} input", file=sys.stderr, flush=True)
            batches = every_input(program) if every else recorded_inputs(program, folder)
            tally = compared(program, weights, batches)
            size = sum(tensor.numel() for tensor in weights.state.values())
            width = weights.state["embed.W_E"].shape[1]
            yield Result(
                key, name, dtype, every, weights.blocks, width, size, seconds, **asdict(tally)
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="a folder of checkpoints")
    parser.add_argument("--only", default="", help="folders whose name has this in it")
    parser.add_argument("--most", type=int, default=400_000, help="the most inputs to try all of")
    parser.add_argument("--state", type=Path, help="where results are kept; default: nowhere")
    parser.add_argument("--write", type=Path, help="the folder of the page; default: print")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = sorted(p.parent for p in options.root.rglob("args.json"))
    folders = [folder for folder in folders if options.only in folder.name]
    if not folders:
        sys.exit(f"no checkpoints under {options.root}")
    known: dict[str, Result] = {}
    if options.state is not None and options.state.exists():
        lines = options.state.read_text(encoding="utf-8").splitlines()
        known = {row.key: row for row in (Result(**json.loads(line)) for line in lines)}
    results = []
    for folder in folders:
        name = folder.relative_to(options.root).as_posix()
        for result in results_of(folder, name, options.most, known):
            results.append(result)
            if options.state is not None and result.key not in known:
                with options.state.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
    text = page(results)
    if options.write is None:
        print(text)
    else:
        write_atomic(options.write / "transformer_proofs.md", text, force=True)


if __name__ == "__main__":
    main()
