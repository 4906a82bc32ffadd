"""How large programs are before and after simplification: the table in docs/sizes.md.

    python benchmarks/sizes.py PATH -o docs/sizes.md

For every checkpoint folder below the given one: nodes, table rows, printed lines of text, and lines
and AST nodes of the emitted Python (laid out at 100 columns), at -O0 and at -O3.
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
from pathlib import Path

import tpir
from tpir.files import write_atomic
from tpir.passes.base import size_of_program

HEAD = """# How much the optimiser takes away

Made by `python benchmarks/sizes.py PATH -o docs/sizes.md`, PATH a folder of checkpoints. For each
the program at `-O0` (as lowered) and at `-O3`: the same function on every input of its form.

"""
COLUMNS = ("nodes", "table rows", "lines of text", "lines of Python", "Python AST nodes")


def measures(program: tpir.Program) -> tuple[int, ...]:
    size, module = size_of_program(program), tpir.emit(program)
    return (
        size.nodes,
        size.rows,
        tpir.format(program).count("\n"),
        module.count("\n"),
        sum(1 for _ in ast.walk(ast.parse(module))),
    )


def table(folders: list[Path]) -> str:
    lines = [
        "| checkpoint | " + " | ".join(COLUMNS) + " | seconds |",
        "|---|" + "---|" * (len(COLUMNS) + 1),
    ]
    for folder in folders:
        program = tpir.lower(folder)
        start = time.perf_counter()
        simple = tpir.optimise(program, level=3)
        seconds = time.perf_counter() - start
        before, after = measures(program), measures(simple)
        cells = [f"{a:,} → {b:,}" for a, b in zip(before, after, strict=True)]
        lines.append(f"| {folder.name} | " + " | ".join(cells) + f" | {seconds:.1f} |")
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the checkpoint folders are")
    parser.add_argument("-o", "--output", type=Path, help="the file to write; default: print")
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.folder.rglob("model.pt"))
    if not folders:
        sys.exit(f"no checkpoints (model.pt) below {options.folder}")
    text = HEAD + table(folders)
    if options.output is None:
        print(text)
    else:
        write_atomic(options.output, text, force=True)


if __name__ == "__main__":
    main()
