"""The page and the picture of rasp_lengths.py: what it measured, in words and lines."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from log_log import Line, draw

ORIGINAL = "original RASP"
INTERPRETER = "interpreter"
SAME_TEXT = "interpreter, the original's text"
COMMAND = "`tpir run`, start to end"
EMITTED = "emitted Python"
COLOURS = {
    ORIGINAL: "#b0310c",
    COMMAND: "#8a8f98",
    INTERPRETER: "#2464a8",
    EMITTED: "#2f7a35",
}
MEMORY_AT = 1000
GROWTH_FROM = 1000

HEAD = """# Speed at growing lengths

Made by `python benchmarks/rasp_lengths.py --original PATH --original-python PYTHON --write docs`.
PATH is a checkout of the [original RASP](https://github.com/tech-srl/RASP) of Weiss et al. 2021,
PYTHON one that has antlr4-python3-runtime==4.9.1 and termcolor for it. Without them the table has
tpir alone.

![seconds over length, one panel for each of four programs](lengths.svg)

Each cell: processor seconds for one input, on one thread; in parentheses how many times as long the
original takes in the same run. Every contestant gets the same random inputs, each a new one, and
its least time counts, of as many as fit {budget}. {compared} outputs were compared with the
interpreter's, by value and type; all are equal.

"""

CONTESTANTS = """
- **original RASP**: `call` of the s-op, which evaluates it on an input, without the prompt. A run
  may take {limit}; longer inputs than one that takes more are not tried. Its figures leave out
  *the original's start*, reading its library and the program.
- **interpreter**: tokens in, values out, in a process that has read the program and fitted it to
  the vocabulary and the length. *parse and specialise* is what that takes once the libraries are
  loaded. On *the original's text* it runs the text that the original runs, not the example.
- **`tpir run`**: the whole process, its start, reading, fitting, running and printing, as where the
  development tools are not installed.
- **emitted Python**: `run(tokens)` of the module that `tpir emit` writes. *emission* is what making
  its text takes, the program being read.

"""


@dataclass
class Cell:
    """A contestant at one length: None for seconds past the limit."""

    seconds: float | None
    peak: int | None = None
    digests: list[str] = field(default_factory=list)


@dataclass
class Record:
    """A contestant on one program: cells and the seconds of its preparation, by length."""

    cells: dict[int, Cell] = field(default_factory=dict)
    preparation: dict[int, dict[str, float]] = field(default_factory=dict)


Records = Mapping[str, Record]
"""What the contestants did on one program."""


def page(
    results: Mapping[str, Records],
    texts: Mapping[str, tuple[str, str]],
    lengths: Sequence[int],
    limit: float,
    budget: float,
    compared: int,
    load: float,
) -> str:
    """The page. ``texts``: for each program the name of the example, and the original's text."""
    columns = [f"{length:,}" for length in lengths]
    table = [
        f"| program | contestant | {' | '.join(columns)} |",
        "|---|---|" + "---:|" * len(columns),
        *(
            line
            for name, records in results.items()
            for line in lines_of(name, records, lengths, limit)
        ),
    ]
    growths = list(pairwise(length for length in lengths if length >= GROWTH_FROM))
    more = [
        *(f"emitted Python, {longer:,} / {shorter:,}" for shorter, longer in growths),
        *(f"peak memory at {MEMORY_AT:,}: {name}" for name in (ORIGINAL, INTERPRETER)),
    ]
    second = [
        f"| program | {' | '.join(more)} |",
        "|---|" + "---:|" * len(more),
        *(
            f"| {name} | {' | '.join(growths_and_memory(records, growths))} |"
            for name, records in results.items()
        ),
    ]
    what = [
        f"- {name}: tpir runs [examples/{example}.rasp](../examples/{example}.rasp), the original "
        f"{origin}."
        for name, (example, origin) in texts.items()
    ]
    parts = [
        HEAD.format(budget=f"{budget:g} s", compared=f"{compared:,}"),
        *(f"{line}\n" for line in table),
        CONTESTANTS.format(limit=f"{limit:g} s"),
        "How many times as long emitted Python takes on longer inputs, and the memory of processes:"
        "\n\n",
        *(f"{line}\n" for line in second),
        "\nThe texts:\n\n",
        *(f"{line}\n" for line in what),
        f"\n{machine(load)}\n",
    ]
    return "".join(parts)


def machine(load: float) -> str:
    """Where and when this was measured."""
    info = Path("/proc/cpuinfo")
    model = platform.machine()
    if info.exists():
        names = [line for line in info.read_text("utf-8").splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
    return (
        f"Measured on {datetime.date.today()}: {model}, {platform.system()}, Python "
        f"{platform.python_version()}; load average up to {load:.1f}."
    )


def growths_and_memory(records: Records, growths: Sequence[tuple[int, int]]) -> list[str]:
    cells = [growth(records[EMITTED], shorter, longer) for shorter, longer in growths]
    for name in (ORIGINAL, INTERPRETER):
        cell = records.get(name, Record()).cells.get(MEMORY_AT)
        known = cell is not None and cell.peak is not None
        cells.append(f"{cell.peak / 2**20:.0f} MiB" if known else "-")
    return cells


def growth(record: Record, shorter: int, longer: int) -> str:
    """How many times the seconds at one length those at another are."""
    times = [record.cells.get(length, Cell(None)).seconds for length in (shorter, longer)]
    return "-" if None in times else f"{times[1] / times[0]:.1f}"  # type: ignore[operator]


def lines_of(name: str, records: Records, lengths: Sequence[int], limit: float) -> Iterator[str]:
    """The lines of one program in the table."""
    original = records.get(ORIGINAL, Record())
    first = f"**{name}**"
    if not original.cells:
        yield f"| {first} | {ORIGINAL} |" + " not given |" * len(lengths)
        first = ""
    for contestant, record in records.items():
        cells = [
            shown(record.cells.get(length, Cell(None)), original.cells.get(length), limit)
            for length in lengths
        ]
        yield f"| {first} | {contestant} | {' | '.join(cells)} |"
        first = ""
    for contestant in (ORIGINAL, INTERPRETER, EMITTED):
        preparation = records.get(contestant, Record()).preparation
        parts = dict.fromkeys(part for seconds in preparation.values() for part in seconds)
        for part in parts:
            cells = [
                duration(preparation[length][part]) if length in preparation else ""
                for length in lengths
            ]
            yield f"| | *{part}* | {' | '.join(cells)} |"


def shown(cell: Cell, original: Cell | None, limit: float) -> str:
    """The seconds of a cell, and how many times those the original takes."""
    if cell.seconds is None:
        return f"> {limit:g} s"
    text = duration(cell.seconds)
    if original is None or original is cell:
        return text
    if original.seconds is None:
        return f"{text} (> {ratio(limit / cell.seconds)})"
    return f"{text} ({ratio(original.seconds / cell.seconds)})"


def duration(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{three_digits(seconds * factor)} {unit}"
    return f"{three_digits(seconds * 1e6)} µs"


def ratio(times: float) -> str:
    return f"{three_digits(times)}×"


def three_digits(number: float) -> str:
    """A number rounded to three digits, without an exponent."""
    rounded = float(f"{number:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def picture(results: Mapping[str, Records], limit: float) -> str:
    """Seconds over length: a panel for each program, a line for each contestant."""
    panels = {
        name: {
            contestant: line_of(records[contestant], limit)
            for contestant in COLOURS
            if contestant in records
        }
        for name, records in results.items()
    }
    plain = {contestant: contestant.replace("`", "") for contestant in COLOURS}
    return draw(
        {n: {plain[c]: line for c, line in panel.items()} for n, panel in panels.items()},
        {plain[c]: COLOURS[c] for c in COLOURS if any(c in panel for panel in panels.values())},
        "seconds over length",
        "length of the input",
        duration,
        f"more than {limit:g} s",
    )


def line_of(record: Record, limit: float) -> Line:
    seconds = {length: cell.seconds for length, cell in record.cells.items()}
    late = [length for length, s in seconds.items() if s is None]
    points = [(length, s) for length, s in seconds.items() if s is not None]
    return Line(points, (late[0], limit) if late else None)
