"""Simple heads: of a program's kinds, well typed, each made once."""

from __future__ import annotations

from tpir.ir.ops import Aggregate, SelectorWidth
from tpir.ir.program import Node, Program, cone
from tpir.ir.types import Bool
from tpir.ir.verify import verify
from tpir.passes.failing import can_fail
from tpir.passes.simple_heads import SimpleHeads
from tpir.text import parse

HEADER = """
context 4;
vocabulary {"<s>", "a", "b"};
table wanted_keys { 0 -> "a"; _ -> "b" }
"""
COUNTING = HEADER + "n = selector_width(select(tokens, indices, wanted_keys));"
READING = HEADER + "x = aggregate(closest(select(tokens, indices, wanted_keys)), tokens);"


def all_heads(heads: SimpleHeads) -> list[Node]:
    first = heads.first()
    numbers = [node for node in first if isinstance(node.op, SelectorWidth)][:4]
    truths = heads.compared(numbers)
    assert all(isinstance(node.type, Bool) for node in truths)
    return [*first, *truths, *heads.second([*numbers, *truths])]


def with_output(program: Program, node: Node) -> Program:
    nodes = [*program.nodes, *(n for n in cone([node]) if n not in program.users)]
    order: list[Node] = []
    while len(order) < len(nodes):
        order += [n for n in nodes if n not in order and all(o in order for o in n.operands)]
    return Program(program.header, tuple(order), {"out": node})


def test_they_are_programs() -> None:
    program = parse(COUNTING)
    for node in all_heads(SimpleHeads(program)):
        verify(with_output(program, node))
        assert not can_fail(node)


def test_only_of_the_kinds_that_the_program_has() -> None:
    for text, kind, other in (
        (COUNTING, SelectorWidth, Aggregate),
        (READING, Aggregate, SelectorWidth),
    ):
        made = all_heads(SimpleHeads(parse(text)))
        assert any(isinstance(node.op, kind) for node in made)
        assert not any(isinstance(node.op, other) for node in made)


def test_each_is_made_once() -> None:
    heads = SimpleHeads(parse(COUNTING))
    made = all_heads(heads)
    assert made == all_heads(heads)
    below = cone(made)
    assert len({node.name for node in below}) == len(below)
    assert len({(node.op, node.operands) for node in below}) == len(below)


def test_the_head_that_a_learnt_one_stands_for_is_among_them() -> None:
    wanted = parse(HEADER + 'n = selector_width(select(tokens, "a", ==));').outputs["n"]
    found = [
        node
        for node in SimpleHeads(parse(COUNTING)).first()
        if with_output(parse(COUNTING), node).outputs["out"].op == wanted.op
        and node.operands[0].op == wanted.operands[0].op
    ]
    assert found
