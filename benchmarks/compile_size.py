"""How long programs take to become weights of a Transformer, by their size.

    python benchmarks/compile_size.py --write docs
    python benchmarks/compile_size.py --sizes 10,100 --seeds 1

Random programs of random_programs.py, several for each family and size: processor seconds of
``tpir.compile``, on one thread; the weights it makes, and the memory it takes. What the weights
compute is compared with the interpreter on random inputs.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from compile_page import Case, page, picture
from random_programs import CONTEXT, FAMILIES, VOCABULARY, program

import tpir
from tpir.files import write_atomic
from tpir.ir.program import Program
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_predict import predict
from tpir.semantics.interpreter import run_many

REPEATED = 1.0
"""What took fewer seconds is compiled again, twice; the least counts."""


def measure(family: str, size: int, seeds: int, inputs: int) -> list[Case]:
    """Programs of one family and size, one for each seed; in a process of their own."""
    torch.set_num_threads(1)
    timed(program(family, 10, 0))  # what is imported late, is
    return [case(family, size, seed, inputs) for seed in range(seeds)]


def case(family: str, size: int, seed: int, inputs: int) -> Case:
    """One program: compiled, weighed and checked. Raises TpirError where it is refused."""
    source = program(family, size, seed)
    assert len(source.live) == size
    seconds, compiled = timed(source)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # as Linux counts
    if seconds < REPEATED:
        seconds = min(seconds, timed(source)[0], timed(source)[0])
    return Case(
        family,
        size,
        seed,
        seconds,
        sum(name.endswith("attn.W_Q") for name in compiled.state),
        compiled.state["embed.W_E"].shape[1],
        sum(tensor.numel() for tensor in compiled.state.values()),
        peak,
        wrong(source, compiled, inputs, random.Random(f"inputs {family} {size} {seed}")),
    )


def timed(source: Program) -> tuple[float, TransformerCheckpoint]:
    start = time.process_time()
    compiled = tpir.compile(source, target="transformer")
    return time.process_time() - start, compiled


def wrong(
    source: Program, compiled: TransformerCheckpoint, count: int, noise: random.Random
) -> int:
    """On how many random inputs any position has another value than the interpreter gives it."""
    inputs = [noise.choices(VOCABULARY, k=noise.randint(1, CONTEXT)) for _ in range(count)]
    expected = [outcome.values for outcome in run_many(source, inputs)]
    assert all(values is not None for values in expected)
    found = predict(compiled, inputs)
    return sum(dict(w or {}) != dict(f) for w, f in zip(expected, found, strict=True))


def numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(","))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=numbers, default=[10, 20, 50, 100, 200, 500, 1000])
    parser.add_argument("--seeds", type=int, default=3, help="programs of a family and size")
    parser.add_argument("--inputs", type=int, default=100, help="on which a program is checked")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where the page goes")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    load = [os.getloadavg()[0]]
    cases: list[Case] = []
    for family in FAMILIES:
        for size in options.sizes:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                work = process.submit(measure, family, size, options.seeds, options.inputs)
                cases += work.result()
            print(*cases[-options.seeds :], sep="\n", file=sys.stderr)
    load.append(os.getloadavg()[0])
    text = page(cases, options.inputs, max(load))
    if options.write is None:
        print(text)
    else:
        write_atomic(options.write / "compile_time.md", text, force=True)
        write_atomic(options.write / "compile_time.svg", picture(cases), force=True)


if __name__ == "__main__":
    main()
