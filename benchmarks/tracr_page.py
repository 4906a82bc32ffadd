"""The page of tracr_table.py: what it measured, in words and tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lengths_page import duration, machine, ratio

BATCH = 64
"""How many inputs a timed forward pass has."""


@dataclass
class Side:
    """What one compiler makes of a program; ``problem`` says why there is nothing, or not all."""

    d_model: int | None = None
    layers: int | None = None
    heads: int | None = None
    key_size: int | None = None
    mlp_hidden: int | None = None
    parameters: int | None = None
    compile_seconds: float | None = None
    again_seconds: float | None = None
    forward_seconds: float | None = None
    fast_seconds: float | None = None
    positions: int | None = None
    wrong: int | None = None
    problem: str | None = None


@dataclass
class Line:
    """Both compilers on a program, for so many tokens and so long inputs."""

    program: str
    vocabulary: int
    length: int
    timed: bool
    tracr: Side
    tpir: Side

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


HEAD = """# Weights beside Tracr's

Made by `python benchmarks/tracr_table.py --tracr PATH --tracr-python PYTHON --write docs`. PATH is
a checkout of [Tracr](https://github.com/google-deepmind/tracr) (Lindner et al. 2023), PYTHON one
that has jax, dm-haiku, chex, einops and networkx for it. Without them the tables have tpir alone;
`--only`, `--json` and `--read` measure one table at a time.

The programs are those of Tracr's library; each cell: Tracr at its defaults / tpir.

"""

WORDS = """
- **heads**: in a layer; Tracr gives all layers as many. **parameters**: all that the weights hold;
  Tracr's unembedding is not in them.
- **compile**: from the program to weights, the first time; **again**: the same program in the same
  process, the least of three times more. Most of Tracr's first time goes to JAX, which compiles an
  operation for each new shape. Compiling is measured in processor seconds.
- **forward**: one pass of {batch} inputs of the longest length as each library runs its models, op
  by op in JAX and in PyTorch; **runtime**: the same by a compiler of such models, JAX's `jit` for
  Tracr's and ONNX Runtime for what `tpir export` writes. By the clock, on one thread, the least of
  a hundred.
- **wrong**: positions with another value than the program has there, of all positions of {count}
  random inputs, a quarter of them of the longest length. Real numbers may be off by 1e-4 of their
  size, and 1e-6 near 0; everything else is exact. What a program means is what tpir's interpreter
  says; for some of the inputs Tracr's own evaluator was asked, and agreed. Where that gives `None`
  Tracr's output does not count, tpir's does. Where Tracr was not run it says *not given*.

"""

COLUMNS: dict[str, Callable[[Side], str]] = {
    "d_model": lambda side: whole(side.d_model),
    "layers": lambda side: whole(side.layers),
    "heads": lambda side: whole(side.heads),
    "parameters": lambda side: whole(side.parameters),
    "compile": lambda side: seconds(side.compile_seconds),
    "again": lambda side: seconds(side.again_seconds),
    "forward": lambda side: seconds(side.forward_seconds),
    "runtime": lambda side: seconds(side.fast_seconds),
}


def whole(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def seconds(number: float | None) -> str:
    return "-" if number is None else duration(number)


def wrong(side: Side) -> str:
    if side.wrong is None or side.positions is None:
        return side.problem or "-"
    share = f"{side.wrong:,} of {side.positions:,}"
    return f"**{share}**" if side.wrong else share


def page(lines: Sequence[Line], origins: Mapping[str, str], count: int, load: float) -> str:
    """The page. ``origins``: what a program is in Tracr's library; ``count``: inputs of a line."""
    timed = [line for line in lines if line.timed]
    checked = [line for line in lines if not line.timed]
    parts = [HEAD, *table(timed, COLUMNS), WORDS.format(batch=BATCH, count=f"{count:,}")]
    parts += [f"{sentence}\n" for sentence in summary(timed)]
    if checked:
        few = {name: COLUMNS[name] for name in ("d_model", "parameters", "compile")}
        parts += ["\nMore tokens and longer inputs, compiled once and checked:\n\n"]
        parts += table(checked, few)
    programs = dict.fromkeys(line.program for line in lines)
    parts += ["\nThe programs:\n\n"]
    parts += [f"- [{name}](../examples/{name}.rasp): {origins[name]}\n" for name in programs]
    parts += [f"\n{machine(load)}\n"]
    return "".join(parts)


def table(lines: Sequence[Line], columns: Mapping[str, Callable[[Side], str]]) -> list[str]:
    """The lines of a table, one for each configuration."""
    names = ["program", "vocabulary", "length", *columns, "wrong"]
    found = [f"| {' | '.join(names)} |\n", "|---|" + "---:|" * (len(names) - 1) + "\n"]
    for line in lines:
        cells = [line.program, str(line.vocabulary), str(line.length)]
        for show in (*columns.values(), wrong):
            cells.append(f"{show(line.tracr)} / {show(line.tpir)}")
        found.append(f"| {' | '.join(cells)} |\n")
    return found


def summary(lines: Sequence[Line]) -> list[str]:
    """Geometric means of what Tracr takes over what tpir takes, and who was wrong how often."""
    found = []
    for what, field in (
        ("parameters", "parameters"),
        ("time to compile", "compile_seconds"),
        ("time to compile again", "again_seconds"),
        ("time of a forward pass", "forward_seconds"),
        ("time of a forward pass in a runtime", "fast_seconds"),
    ):
        pairs = [(getattr(line.tracr, field), getattr(line.tpir, field)) for line in lines]
        ratios = [theirs / own for theirs, own in pairs if theirs and own]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            found.append(
                f"- {what}: Tracr takes {ratio(mean)} tpir's (geometric mean of {len(ratios)} "
                f"lines, {ratio(min(ratios))} to {ratio(max(ratios))})."
            )
    for name in ("tracr", "tpir"):
        sides = [getattr(line, name) for line in lines]
        known = [side for side in sides if side.wrong is not None]
        if known:
            title = "Tracr" if name == "tracr" else "tpir"
            bad = sum(side.wrong > 0 for side in known)
            found.append(f"- {title}: {bad} of {len(known)} lines have wrong positions.")
    return found
