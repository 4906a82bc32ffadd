"""The page and the picture of compile_size.py: what it measured, in words and lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from lengths_page import duration, machine, three_digits
from log_log import Line, draw

MEASURED, LINEAR = "seconds to compile", "in proportion to the nodes"
COLOURS = {MEASURED: "#2464a8", LINEAR: "#c2c6cc"}

HEAD = """# Time to compile

Made by `python benchmarks/compile_size.py --write docs`.

![seconds over nodes, one panel for each family of programs](compile_time.svg)

How long `tpir.compile(program, target="transformer")` takes, from a program to its tensors:
processor seconds on one thread, the median of {seeds} random programs, vocabulary 4 and context 8.
All of them compile. What the weights compute was compared with the interpreter on {inputs} random
inputs of each: {wrong}

"""

GROWTH = """
The last columns say by what factor the seconds grow for ten times the nodes, 10 being in
proportion: by the straight line through all sizes on logarithmic axes, and in the last decade.

"""

FAMILIES = """- **random**: operands from all that is there: tables, sums, means, counts, copies;
  selectors that compare or relate, and `and`, `or` and `not` of them.
- **deep sharing**: each node reads the one before it and the one before that, maps and heads by
  turns. As a tree, the program is exponentially large.
- **heads**: each head compares and copies what the head before it made.
- **counts**: each head counts what the head before it counted.

The generator is [random_programs.py](../benchmarks/random_programs.py); every node reaches the one
output.
"""

SIZES = """
Tensors do not grow in proportion. They are dense: d_model times what the heads and hidden units of
each block read and write, nearly all of it 0. *memory* is the most that a process of one size had,
with Python and torch, which take {least}.

"""


@dataclass(frozen=True)
class Case:
    """One program: what it took, what became of it, and on how many inputs it was wrong.

    ``peak``: bytes of memory that the process took at most, libraries included.
    """

    family: str
    size: int
    seed: int
    seconds: float
    blocks: int
    d_model: int
    parameters: int
    peak: int
    wrong: int


def page(cases: Sequence[Case], inputs: int, load: float) -> str:
    """The page. ``inputs``: on how many each program was checked."""
    sizes = list(dict.fromkeys(case.size for case in cases))
    bad = [case for case in cases if case.wrong]
    verdict = "all equal." if not bad else f"**{len(bad)} of {len(cases)} programs are wrong.**"
    seeds = len({case.seed for case in cases})
    columns = [f"{size:,}" for size in sizes]
    ends = f"{sizes[-1]:,} / {sizes[-1] // 10:,}" if sizes[-1] // 10 in sizes else None
    first = ["nodes", *columns, "fit", *([ends] if ends else [])]
    parts = [HEAD.format(seeds=seeds, inputs=inputs, wrong=verdict), *head(first)]
    for family, seconds in medians(cases, lambda case: case.seconds).items():
        cells = [*(duration(seconds[size]) for size in sizes), f"{growth(seconds):.1f}×"]
        if ends:
            cells.append(f"{seconds[sizes[-1]] / seconds[sizes[-1] // 10]:.1f}×")
        parts.append(row(family, *cells))
    least = mebibytes(min(case.peak for case in cases))
    parts += [GROWTH, FAMILIES, SIZES.format(least=least), *head(["", "", *columns])]
    for name, show in SHOWN.items():
        for family in dict.fromkeys(case.family for case in cases):
            own = [case for case in cases if case.family == family]
            parts.append(row(name, family, *(show([c for c in own if c.size == s]) for s in sizes)))
    return "".join([*parts, f"\n{machine(load)}\n"])


SHOWN: dict[str, Callable[[Sequence[Case]], str]] = {
    "blocks": lambda cases: f"{median(case.blocks for case in cases):,.0f}",
    "d_model": lambda cases: f"{median(case.d_model for case in cases):,.0f}",
    "weights": lambda cases: thousands(median(case.parameters for case in cases)),
    "memory": lambda cases: mebibytes(max(case.peak for case in cases)),
}


def medians(cases: Sequence[Case], value: Callable[[Case], float]) -> dict[str, dict[int, float]]:
    """By family and size."""
    found: dict[str, dict[int, list[float]]] = {}
    for case in cases:
        found.setdefault(case.family, {}).setdefault(case.size, []).append(value(case))
    return {f: {size: median(v) for size, v in sizes.items()} for f, sizes in found.items()}


def growth(seconds: dict[int, float]) -> float:
    """10 to the slope of the line of least squares on logarithmic axes."""
    x = [math.log(size) for size in seconds]
    y = [math.log(s) for s in seconds.values()]
    middle = sum(x) / len(x)
    spread = sum((a - middle) ** 2 for a in x)
    slope = sum((a - middle) * b for a, b in zip(x, y, strict=True)) / spread if spread else 0.0
    return float(10**slope)


def mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"


def thousands(number: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{three_digits(number / size)}{unit}"
    return f"{number:.0f}"


def head(cells: Sequence[str]) -> list[str]:
    texts = sum(not cell for cell in cells) or 1
    return [row(*cells), "|" + "---|" * texts + "---:|" * (len(cells) - texts) + "\n"]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def picture(cases: Sequence[Case]) -> str:
    """Seconds over nodes: a panel for each family, with the line that a linear compiler has."""
    panels = {}
    for family, seconds in medians(cases, lambda case: case.seconds).items():
        first, last = min(seconds), max(seconds)
        each = math.exp(sum(math.log(s / n) for n, s in seconds.items()) / len(seconds))
        panels[family] = {
            LINEAR: Line([(first, first * each), (last, last * each)]),
            MEASURED: Line(list(seconds.items())),
        }
    return draw(panels, COLOURS, "seconds to compile over nodes", "nodes", duration)
