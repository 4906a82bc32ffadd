"""Pass lists, levels, statistics, and a checker after each pass."""

from __future__ import annotations

import pytest

from tests.passes.test_golden import CASES
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.passes.constants import Constants
from tpir.passes.cse import Cse
from tpir.passes.dce import Dce
from tpir.passes.fold_tables import FoldTables
from tpir.passes.pipeline import Stage, level, parse_pipeline, run_pipeline
from tpir.passes.reachable import Reachable
from tpir.text import parse, print_program


def case(name: str) -> Program:
    return parse((CASES / f"{name}.rasp").read_text("utf-8"), name=name)


def test_pass_lists() -> None:
    assert parse_pipeline("dce") == (Dce(),)
    assert parse_pipeline(" cse , fold-tables{max-size=64},reachable{ exhaustive = 10 }") == (
        Cse(),
        FoldTables(max_size=64),
        Reachable(exhaustive=10),
    )
    assert parse_pipeline("fold-tables{}") == (FoldTables(),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a pass is missing"),
        ("dce,", "a pass is missing"),
        ("dce,,cse", "there is no pass ''"),
        ("fold-table", "did you mean 'fold-tables'?"),
        ("nonsense", "there are: dce, cse"),
        ("fold-tables{max_size=3}", "did you mean 'max-size'?"),
        ("dce{a=1}", "it has none"),
        ("fold-tables{max-size=many}", "takes a whole number of at least 1 (default 4096)"),
        ("fold-tables{max-size}", "takes a whole number"),
        ("fold-tables{max-size=0}", "at least 1"),
        ("fold-tables{max-size=1,max-size=2}", "given twice"),
        ("fold-tables{max-size=1", "cannot read"),
        ("dce cse", "there is no pass 'dce cse'"),
        ("dce}cse", "cannot read"),
    ],
)
def test_bad_pass_lists(text: str, said: str) -> None:
    with pytest.raises(TpirError) as error:
        parse_pipeline(text)
    assert said in str(error.value)


def test_unknown_level() -> None:
    with pytest.raises(TpirError, match="there is no -O4"):
        level(4)


def test_level_0_does_nothing() -> None:
    program = case("dce")
    assert run_pipeline(program, level(0)).program is program


def test_statistics() -> None:
    program = case("dce")

    def lines(found: Program) -> int:
        return len(print_program(found).splitlines())

    result = run_pipeline(program, [Dce(), Cse()], count_lines=lines)
    first, second = result.statistics
    assert (first.name, first.changed) == ("dce", True)
    assert first.nodes == (len(program.nodes), len(result.program.nodes))
    assert first.lines == (lines(program), lines(result.program))
    assert first.rows[0] > first.rows[1]
    assert (second.changed, second.nodes) == (False, (first.nodes[1],) * 2)
    assert result.changed
    assert ("dce", "dead: removed, no output reaches it") in result.notes


def test_a_stage_repeats_until_nothing_changes() -> None:
    program = case("unused-arguments")
    once = run_pipeline(program, [Dce(), FoldTables()])
    more = run_pipeline(program, [Stage((Dce(), FoldTables()), repeat=True)])
    assert len(more.program.nodes) < len(once.program.nodes)


def test_a_checker_can_stop_the_run() -> None:
    def stop(before: Program, after: Program, by: str) -> None:
        raise TpirError(f"{by} is wrong")

    with pytest.raises(TpirError, match="dce is wrong"):
        run_pipeline(case("dce"), [Dce(), Constants()], after_each=stop)
