"""Pipelines: passes by name with their options, the levels -O0 to -O3, and running them."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields

from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.ir.verify import verify
from tpir.passes.base import Pass, size_of_program
from tpir.passes.constants import Constants
from tpir.passes.cse import Cse
from tpir.passes.dce import Dce
from tpir.passes.distill import Distill
from tpir.passes.fold_tables import FoldTables
from tpir.passes.integer_readout import IntegerReadout
from tpir.passes.merge_values import MergeValues
from tpir.passes.reachable import Reachable
from tpir.passes.readout import ReadoutTerms
from tpir.passes.relation_rules import RelationRules
from tpir.passes.saturate import Saturate
from tpir.passes.selectors import Selectors
from tpir.passes.table_rules import TableRules
from tpir.passes.thresholds import Thresholds
from tpir.passes.trim import Trim
from tpir.passes.unused_arguments import UnusedArguments

PASSES: dict[str, type[Pass]] = {
    kind.name: kind
    for kind in (
        Dce,
        Cse,
        Constants,
        UnusedArguments,
        Selectors,
        FoldTables,
        MergeValues,
        Reachable,
        ReadoutTerms,
        IntegerReadout,
        Thresholds,
        RelationRules,
        TableRules,
        Trim,
    )
}
"""Every shipped pass that keeps the meaning, by name."""

LOSSY: dict[str, type[Pass]] = {Distill.name: Distill}
"""Passes that change the function, by name: no level runs them."""

OPTIONAL: dict[str, type[Pass]] = {Saturate.name: Saturate}
"""Passes that keep the meaning and need a package that is an extra, by name: no level runs them."""

ROUNDS = 30
"""A level repeats its passes until nothing changes, at most this often."""

AfterEach = Callable[[Program, Program, str], None]
"""Called with the program before and after, and the name of the pass between them."""

CountLines = Callable[[Program], int]
"""How many lines a program prints as."""


@dataclass(frozen=True)
class Stage:
    """Passes that run in turn: once, or again and again until none of them changes anything."""

    passes: tuple[Pass, ...]
    repeat: bool = False


@dataclass(frozen=True)
class Statistics:
    """One run of one pass. ``lines`` are None where nobody counts them."""

    name: str
    changed: bool
    nodes: tuple[int, int]
    rows: tuple[int, int]
    lines: tuple[int, int] | None
    seconds: float


@dataclass(frozen=True)
class PipelineResult:
    """The final program, and for each run of a pass its figures and notes."""

    program: Program
    statistics: tuple[Statistics, ...]
    notes: tuple[tuple[str, str], ...]

    @property
    def changed(self) -> bool:
        """Whether any pass changed anything."""
        return any(run.changed for run in self.statistics)


_CLEAN: tuple[Pass, ...] = (Dce(), Cse(), Constants(), UnusedArguments(), Selectors())
_O2 = (*_CLEAN, FoldTables(), MergeValues(), Reachable(), ReadoutTerms())
_FOLD = (*_CLEAN, FoldTables(max_size=65_536), MergeValues())  # before tables become formulas
_O3 = (
    *_FOLD,
    Reachable(exhaustive=400_000),
    ReadoutTerms(exhaustive=400_000),
)

LEVELS: dict[int, tuple[Stage, ...]] = {
    0: (),
    1: (Stage((*_CLEAN, ReadoutTerms()), repeat=True),),
    2: (Stage(_O2, repeat=True),),
    3: (
        Stage(_O2, repeat=True),
        Stage(_O3, repeat=True),
        Stage(
            (*_O3, Thresholds(), IntegerReadout(), *_FOLD, RelationRules(), TableRules(), Trim()),
            repeat=True,
        ),
    ),
}
"""What -O0 to -O3 run. -O1 looks at each node alone; -O2 uses the input space; -O3 may run it."""


def level(number: int) -> tuple[Stage, ...]:
    """The stages of ``-O<number>``. Raises TpirError if there is no such level."""
    if number not in LEVELS:
        raise TpirError(f"there is no -O{number}; the levels are -O0, -O1, -O2 and -O3")
    return LEVELS[number]


def optimise(program: Program, number: int = 2) -> Program:
    """The program that ``-O<number>`` makes."""
    return run_pipeline(program, level(number)).program


def run_pipeline(
    program: Program,
    pipeline: Sequence[Stage | Pass],
    *,
    after_each: AfterEach | None = None,
    count_lines: CountLines | None = None,
) -> PipelineResult:
    """Run stages and single passes in turn; verify what each one makes.

    ``after_each`` is called after each pass that changed something; what it raises ends the run.
    """
    runner = _Runner(program, after_each, count_lines)
    for part in pipeline:
        stage = part if isinstance(part, Stage) else Stage((part,))
        runner.run_stage(stage)
    return PipelineResult(runner.program, tuple(runner.statistics), tuple(runner.notes))


class _Runner:
    def __init__(
        self, program: Program, after_each: AfterEach | None, count_lines: CountLines | None
    ) -> None:
        self.program = program
        self.statistics: list[Statistics] = []
        self.notes: list[tuple[str, str]] = []
        self._after_each = after_each
        self._settled: dict[Pass, Program] = {}
        """After which program a pass has nothing left to do: what it made last."""
        self._count_lines = count_lines
        self._lines = None if count_lines is None else count_lines(program)

    def run_stage(self, stage: Stage) -> None:
        for _ in range(ROUNDS if stage.repeat else 1):
            before = self.program
            for each in stage.passes:
                if self._settled.get(each) is not self.program:
                    self.run_pass(each)
                    self._settled[each] = self.program
            if self.program is before:
                break

    def run_pass(self, each: Pass) -> None:
        before, lines = self.program, self._lines
        start = time.perf_counter()
        result = each.run(before)
        seconds = time.perf_counter() - start
        after = result.program
        if result.changed:
            _expect_same_surface(each.name, before, after)
            self.program = after
            self._lines = None if self._count_lines is None else self._count_lines(after)
        sizes = size_of_program(before), size_of_program(after)
        self.statistics.append(
            Statistics(
                name=each.name,
                changed=result.changed,
                nodes=(sizes[0].nodes, sizes[1].nodes),
                rows=(sizes[0].rows, sizes[1].rows),
                lines=None if lines is None or self._lines is None else (lines, self._lines),
                seconds=seconds,
            )
        )
        self.notes.extend((each.name, note) for note in result.notes)
        if result.changed and self._after_each is not None:
            self._after_each(before, after, each.name)


def _expect_same_surface(name: str, before: Program, after: Program) -> None:
    """Raise TpirError, naming the pass, if it broke the program or touched more than its graph."""
    try:
        verify(after)
    except TpirError as error:
        raise TpirError(f"pass {name} makes a program that is not well formed: {error}") from error
    if after.header != before.header or list(after.outputs) != list(before.outputs):
        raise TpirError(f"pass {name} changes the header or the outputs of the program")


_PART = re.compile(r"\s*([^,{}]*?)\s*(?:\{([^{}]*)\})?\s*(?:,|$)")


def parse_pipeline(text: str) -> tuple[Pass, ...]:
    """The passes of a text such as ``dce,cse,fold-tables{max-size=4096}``.

    Raises TpirError for an unknown pass or option and a value that does not fit, with what there
    is.
    """
    found: list[Pass] = []
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or part.end() == position:
            raise TpirError(
                f"cannot read {text[position:]!r} in the pass list {text!r}; "
                "write names with commas between, options in braces: fold-tables{max-size=64}"
            )
        found.append(_make(part[1], part[2]))
        position = part.end()
    if not found or text.rstrip().endswith(","):
        raise TpirError(f"a pass is missing in the pass list {text!r}")
    return tuple(found)


def _make(name: str, options: str | None) -> Pass:
    kinds = PASSES | LOSSY | OPTIONAL
    kind = kinds.get(name)
    if kind is None:
        raise TpirError(f"there is no pass {name!r}{_suggestion(name, list(kinds))}")
    known = {f.name.replace("_", "-"): f for f in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, int | float | str] = {}
    for option in filter(None, (o.strip() for o in (options or "").split(","))):
        key, equals, value = (part.strip() for part in option.partition("="))
        if key not in known:
            raise TpirError(f"pass {name} has no option {key!r}{_suggestion(key, list(known))}")
        if known[key].name in values:
            raise TpirError(f"option {key} of pass {name} is given twice")
        values[known[key].name] = _value(name, key, value if equals else "", known[key])
    return kind(**values)


def _value(name: str, key: str, text: str, option: Field[int | float | str]) -> int | float | str:
    if isinstance(option.default, str):
        return text
    least = int(option.metadata.get("least", 0))
    whole = not isinstance(option.default, float)
    form = r"[0-9]{1,18}" if whole else r"[0-9]{1,18}(\.[0-9]{1,18})?"
    if not re.fullmatch(form, text) or float(text) < least:
        default = "" if option.default is MISSING else f" (default {option.default})"
        kind = "whole number" if whole else "number"
        raise TpirError(
            f"option {key} of pass {name} takes a {kind} of at least {least}{default}, not {text!r}"
        )
    return int(text) if whole else float(text)


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else "; it has none"
