"""``verify_each`` on every shipped pass: a fault in it is caught, named and shown small."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import pytest

from tests.passes.laws import Faulty
from tests.passes.test_golden import CASES, EGGLOG
from tpir.equiv.guard import verify_each
from tpir.equiv.verdict import GuiltyPass
from tpir.ir.builder import Builder, rebuild
from tpir.ir.exact_sums import Floats
from tpir.ir.functions import Table
from tpir.ir.ops import Map, Select
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import values_of
from tpir.ir.values import Value, value_key
from tpir.passes.base import Pass
from tpir.passes.pipeline import OPTIONAL, PASSES, run_pipeline
from tpir.passes.trials import Tokens, Trials
from tpir.semantics.interpreter import run_many
from tpir.semantics.meetings import Pairs
from tpir.semantics.program_space import space_of
from tpir.semantics.reachable import Bools
from tpir.text import parse

Inputs = list[list[Value]]


def every_input(program: Program) -> Inputs:
    space = space_of(program)
    return [space.decode(row) for _, batch in space.batches(100) for row in batch.T]


def first_difference(left: Program, right: Program) -> tuple[Value, ...]:
    """The first input, in the order of the space, on which two programs differ."""
    inputs = every_input(left)
    pairs = zip(inputs, run_many(left, inputs), run_many(right, inputs), strict=True)
    return next(tuple(tokens) for tokens, a, b in pairs if a.key != b.key)


def caught(program: Program, passes: list[Pass]) -> tuple[GuiltyPass, tuple[Value, ...]]:
    """What ``verify_each`` raised, and the first difference between the programs it had seen."""
    seen: list[tuple[Program, Program]] = []
    guard = verify_each()

    def after_each(before: Program, after: Program, name: str) -> None:
        seen.append((before, after))
        guard(before, after, name)

    with pytest.raises(GuiltyPass) as guilty:
        run_pipeline(program, passes, after_each=after_each)
    return guilty.value, first_difference(*seen[-1])


def assert_guilty(name: str, error: GuiltyPass, smallest: tuple[Value, ...]) -> None:
    assert error.name == name
    assert f"pass {name} " in str(error)
    counterexample = error.verdict.counterexample
    assert counterexample is not None
    assert counterexample.tokens == smallest
    assert counterexample.left.key != counterexample.right.key


def spoil(program: Program) -> Program:
    """Exchange one value of an output, the one that inputs reach last, so that most stay right."""
    name, target = next(iter(program.outputs.items()))
    domain = values_of(target.type)
    assert domain is not None
    outcomes = run_many(program, every_input(program))
    reached = [value_key(v) for o in outcomes for v in (o.values or {})[name]]
    last = list(dict.fromkeys(reached))[-1]

    def wrong(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node:
        copied = builder.copy(node, operands)
        if node is not target:
            return copied
        results = tuple("spoiled" if value_key(v) == last else v for v in domain)
        return builder.add(Map(Table((domain,), results)), [copied], name="spoiled")

    return rebuild(program, wrong)


@pytest.mark.parametrize("name", PASSES)
def test_a_spoiled_result_is_caught_and_named(name: str) -> None:
    program = parse((CASES / f"{name}.rasp").read_text("utf-8"), name=name)
    passes = [Faulty(kind(), spoil) if n == name else kind() for n, kind in PASSES.items()]
    assert_guilty(name, *caught(program, passes))


class MergesMaps(Builder):
    """Takes two maps of the same operands for one."""

    def copy(self, node: Node, operands: list[Node]) -> Node:  # type: ignore[override]
        for made in self.nodes:
            both_maps = isinstance(node.op, Map) and isinstance(made.op, Map)
            if both_maps and made.type == node.type and made.operands == tuple(operands):
                return made
        return super().copy(node, operands)


def reversed_rows(compose: Callable[..., Table]) -> Callable[..., Table]:
    def wrong(*arguments: object) -> Table:
        table = compose(*arguments)
        return Table(table.domains, table.results[::-1])

    return wrong


def forgets_a_row(reachable_facts: Callable[..., object]) -> Callable[..., object]:
    def wrong(*arguments: object) -> object:
        facts = reachable_facts(*arguments)
        for rows in facts.rows.values():  # type: ignore[attr-defined]
            if rows.sum() > 1:
                rows[tuple(np.argwhere(rows)[-1])] = False
        return facts

    return wrong


def forgets_a_pair(pairs_met: Callable[..., dict[Node, Pairs]]) -> Callable[..., object]:
    def wrong(*arguments: object) -> object:
        found = pairs_met(*arguments)
        for pairs in found.values():
            pairs.seen[-1, -1] = pairs.later[-1, -1] = False
        return found

    return wrong


def forgets_last_rows(rows_met: Callable[..., dict[Node, Bools]]) -> Callable[..., object]:
    def wrong(*arguments: object) -> object:
        found = rows_met(*arguments)
        for rows in found.values():
            rows[-1] = False
        return found

    return wrong


class Blind(Trials):
    """Takes every change for right."""

    def agrees(self, program: Program) -> bool:
        return True

    def counterexamples(self, program: Program) -> list[Tokens]:
        return []


def overrates_later_labels(leads: Callable[..., Floats]) -> Callable[..., Floats]:
    def wrong(*arguments: object) -> Floats:
        right = leads(*arguments)
        return right + np.tril(np.full(right.shape, 2.0), -1)

    return wrong


def exchanges_outputs(program: type[Program]) -> Callable[..., Program]:
    def wrong(header: Header, nodes: tuple[Node, ...], outputs: dict[str, Node]) -> Program:
        return program(header, nodes, dict(zip(outputs, reversed(outputs.values()), strict=True)))

    return wrong


FAULTS: dict[str, tuple[str, Callable[[object], object], str]] = {
    "dce": (
        "Program",
        exchanges_outputs,
        'table f { "c" -> 0; _ -> 1 }  table g { "c" -> 1; _ -> 1 }  dead = indices + 1;'
        " output one = f(tokens); output two = g(tokens);",
    ),
    "cse": (
        "Builder",
        lambda right: MergesMaps,
        """table f { "a" -> 0; _ -> 1 }  table g { "b" -> 0; _ -> 1 }
        table both { (0, 0) -> "x"; _ -> "y" }  output = both(f(tokens), g(tokens));""",
    ),
    "constants": (
        "is_empty",
        lambda right: lambda selector: isinstance(selector.op, Select),
        'table to_b { "c" -> "b"; _ -> {} }  '
        "output = selector_width(select(tokens, tokens, to_b));",
    ),
    "unused-arguments": (
        "can_fail",
        lambda right: lambda node: False,
        """table word { "b" -> "z"; _ -> 1 }  table last { (_, "c") -> 1; _ -> 2 }
        output = last((word(tokens) < 2), tokens);""",
    ),
    "selectors": (
        "selects_itself",
        lambda right: lambda selector, or_nothing: isinstance(selector.op, Select),
        'table to_b { "c" -> "b"; _ -> {} }  '
        "output = aggregate(closest(select(tokens, tokens, to_b)), tokens);",
    ),
    "fold-tables": (
        "compose",
        reversed_rows,
        """table f { "a" -> 0; "b" -> 1; _ -> 2 }  table g { 1 -> "y"; 2 -> "x"; _ -> "z" }
        output = g(f(tokens));""",
    ),
    "merge-values": (
        "_truth",
        lambda right: lambda node, predicate: np.zeros_like(right(node, predicate)),
        """table f { "a" -> 0; "b" -> 1; _ -> 2 }  table keys { 2 -> "c"; _ -> {} }
        output = selector_width(select(tokens, f(tokens), keys));""",
    ),
    "reachable": (
        "reachable_facts",
        forgets_a_row,
        'table f { ("a", _) -> 0; ("c", 2) -> 1; _ -> 2 }  output = f(tokens, indices);',
    ),
    "readout": (
        "_least_leads",
        overrates_later_labels,
        """output = classify { labels {"x", "y", "z"}; bias [0.0, 1.0, -9.0];
        tokens: { "c" -> [2.0, 0.0, 0.0]; _ -> [0.0, 0.0, 0.0]; }; };""",
    ),
    "trim": (
        "Trials",
        lambda right: Blind,
        """table f { "a" -> 0; "b" -> 1; _ -> 2 }  table g { 0 -> "x"; 1 -> "y"; _ -> "z" }
        output = g(f(tokens));""",
    ),
    "thresholds": (
        "_classes",
        lambda right: lambda program, node: np.zeros(2, dtype=np.intp),
        """relu last { unit -1.5, [1.0] -> [0.0, 1.0]; bias [0.25, 0.0] }
        output = last(indices);""",
    ),
    "relation-rules": (
        "pairs_met",
        forgets_a_pair,
        """table keys { "b" -> "a"; "c" -> {"a", "b", "c"}; _ -> {} }
        output = selector_width(select(tokens, tokens, keys));""",
    ),
    "table-rules": (
        "rows_met",
        forgets_last_rows,
        """table f { 0 -> 1; 1 -> 2; 2 -> 9 }  output = f(indices) < 5;""",
    ),
    "saturate": (
        "LAWS",
        lambda right: f"{right} (rewrite (And a b) a)",
        """output = selector_width(select(tokens, tokens, ==) and select(indices, indices, <));""",
    ),
    "integer-readout": (
        "_decides",
        lambda right: lambda index, label: True,
        """output = classify { labels {"x", "y"}; bias [0.0, 1.5];
        tokens: { "c" -> [2.0, 0.0]; _ -> [0.0, 0.0]; }; };""",
    ),
}
"""For each pass: one of its parts, a wrong one instead, a program that shows it."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=EGGLOG if name in OPTIONAL else ()) for name in FAULTS]
)
def test_a_fault_inside_a_pass_is_caught_and_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, wrong, body = FAULTS[name]
    program = parse(f'context 3; vocabulary {{"a", "b", "c"}}; {body}')
    each = (PASSES | OPTIONAL)[name]()
    run_pipeline(program, [each], after_each=verify_each())
    module = import_module(type(each).__module__)
    monkeypatch.setattr(module, part, wrong(getattr(module, part)))
    assert_guilty(name, *caught(program, [each]))
