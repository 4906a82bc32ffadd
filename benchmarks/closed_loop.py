"""Prove every arrow of the loop on every input: the table in docs/proofs.md.

    python benchmarks/closed_loop.py PATH/*_v8_n8 -o docs/proofs.md

For each checkpoint folder: the discrete torch model, the program at -O2 and -O3, the emitted Python
and the recompiled weights, each against the lowered program. Each arrow runs in a process of its
own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import tpir
from tpir.equiv.artefact import Artefact, checkpoint_artefact, load_artefact, program_artefact
from tpir.files import write_atomic

ARROWS = ("torch model", "-O2", "-O3", "emitted Python", "recompiled weights", "text, parsed")
HEAD = """# Proofs on the public checkpoints

Made by `python benchmarks/closed_loop.py PATH/*_v8_n8 -o docs/proofs.md`, PATH a folder of
checkpoints. Each row compares one form with the program as lowered, on every input of the task's
form. Torch models run in float64; "float32 differs" counts the inputs on which their float32 run
says something else. Seconds are of the check alone, memory is the peak of its process (torch
included where a model is run).

| checkpoint | against the lowered program | verdict | inputs | float32 differs | seconds | MiB |
|---|---|---|---|---|---|---|
"""


def other_side(arrow: str, folder: Path, program: tpir.Program, scratch: Path) -> Artefact:
    if arrow == "torch model":
        return load_artefact(folder)
    if arrow in ("-O2", "-O3"):
        return program_artefact(tpir.optimise(program, level=int(arrow[-1])), folder)
    if arrow == "recompiled weights":
        return checkpoint_artefact(tpir.compile(tpir.optimise(program, level=2)), folder)
    path = scratch / ("module.py" if arrow == "emitted Python" else "program.rasp")
    simple = tpir.optimise(program)
    path.write_text(
        tpir.emit(simple) if arrow == "emitted Python" else tpir.format(simple), encoding="utf-8"
    )
    return load_artefact(path)


def row(job: tuple[str, Path]) -> str:
    arrow, folder = job
    with tempfile.TemporaryDirectory() as scratch:
        program = tpir.lower(folder)
        other = other_side(arrow, folder, program, Path(scratch))
        start = time.perf_counter()
        verdict = tpir.check(program, other)
        seconds = time.perf_counter() - start
    differs = ", ".join(f"{n:,}" for n in verdict.float32_differences.values()) or "–"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer = str(verdict).split("\n")[0] if verdict.counterexample else verdict.answer.value
    return (
        f"| {folder.name} | {arrow} | {answer} | {verdict.inputs:,} | {differs} "
        f"| {seconds:.1f} | {memory:,.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="checkpoint folders")
    parser.add_argument("-o", "--output", type=Path, help="the file to write; default: print")
    options = parser.parse_args()
    folders = [f for f in options.folders if f.is_dir()]
    if not folders:
        sys.exit("no such checkpoint folders")
    context, lines = multiprocessing.get_context("spawn"), []
    for job in [(arrow, folder) for folder in folders for arrow in ARROWS]:
        with context.Pool(1) as pool:
            lines.append(pool.apply(row, (job,)))
        print(lines[-1], file=sys.stderr, flush=True)
    text = HEAD + "\n".join(lines) + "\n"
    if options.output is None:
        print(text)
    else:
        write_atomic(options.output, text, force=True)


if __name__ == "__main__":
    main()
