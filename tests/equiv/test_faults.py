"""Known faults are found: the published decompiler's nearest-match rule, and mutated table rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tests.mutations import mutated, reached_rows
from tpir.equiv.artefact import checkpoint_artefact, program_artefact
from tpir.equiv.effort import Effort
from tpir.equiv.sides import compare
from tpir.equiv.smt.proof import prove_programs
from tpir.equiv.verdict import Answer
from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Expression, IfElse, Literal
from tpir.ir.ops import (
    Aggregate,
    And,
    Choose,
    Comparison,
    Indices,
    Map,
    Not,
    Otherwise,
    Select,
    SelectorWidth,
)
from tpir.ir.program import Node, Program
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import load_checkpoint
from tpir.semantics.program_space import space_of

EQUAL = Comparison(BinaryOp.EQUAL)


def counting_itself(program: Program) -> Program:
    """The program with the decompiler's rule in each head: the query's own position counts as far
    away as there are matches, not as farther than any.

    ``min(matches, key=lambda j: len(matches) if j == i else abs(i - j))`` in its words.
    """
    builder = Builder(program.header)
    new: dict[Node, Node] = {}
    indices = builder.add(Indices(), [])
    for node in program.nodes:
        if isinstance(node.op, Choose):
            new[node] = _chosen(builder, new[node.operands[0]], indices)
        else:
            new[node] = builder.copy(node, [new[operand] for operand in node.operands])
    return builder.build({name: new[node] for name, node in program.outputs.items()})


def _chosen(builder: Builder, matches: Node, indices: Node) -> Node:
    itself = builder.add(Select(EQUAL), [indices, indices])
    others = builder.add(And(), [matches, builder.add(Not(), [itself])])
    near = builder.add(Choose(otherwise=Otherwise.NONE), [others])
    place = builder.add(Aggregate(-1), [near, indices])
    count = builder.add(SelectorWidth(), [matches])
    own = builder.add(SelectorWidth(), [builder.add(And(), [matches, itself])])
    i, at, many, has = (Argument(k) for k in range(4))

    def op(kind: BinaryOp, left: Expression, right: Expression) -> Expression:
        return Binary(kind, left, right)

    right = op(BinaryOp.SUBTRACT, at, i)
    left = op(BinaryOp.SUBTRACT, i, at)
    after = op(BinaryOp.GREATER, at, i)
    # Of two that are equally far the left one: the position itself is left of what comes after it.
    first = IfElse(op(BinaryOp.LESS_EQUAL, many, right), after, op(BinaryOp.LESS, many, left))
    alone = op(BinaryOp.LESS, at, Literal(0))
    mine = op(BinaryOp.OR, alone, first)
    other = IfElse(Literal(0), alone, at)
    best = IfElse(i, op(BinaryOp.AND, op(BinaryOp.GREATER, has, Literal(0)), mine), other)
    position = builder.add(Map(best), [indices, place, count, own])
    return builder.add(Choose(), [builder.add(Select(EQUAL), [indices, position])])


def test_the_decompilers_rule_is_refuted_against_the_model(shared: Path) -> None:
    folder = shared / "checkpoints" / "hist_cat_v8_n8"
    checkpoint = load_checkpoint(folder)
    model = checkpoint_artefact(checkpoint, folder)
    lowered = lower_transformer_program(checkpoint)
    wrong = program_artefact(counting_itself(lowered), Path("decompiled.rasp"))
    by_running = compare(model, wrong, model.space)
    assert by_running.answer is Answer.REFUTED and by_running.counterexample is not None
    right = program_artefact(lowered, Path("lowered.rasp"))
    by_solver = compare(right, wrong, model.space, Effort(method="smt"))
    assert by_solver.answer is Answer.REFUTED and by_solver.method == "shortest by SMT"
    assert by_solver.counterexample is not None
    lengths = [len(v.counterexample.tokens) for v in (by_running, by_solver) if v.counterexample]
    assert lengths[0] == lengths[1]


def mutants(program: Program, rng: random.Random) -> Iterator[Program]:
    """Programs with one wrong row that inputs reach, in any of the tables."""
    rows = reached_rows(program, 400, 0)
    places = [(node, row) for node, reached in rows.items() for row in sorted(reached)]
    rng.shuffle(places)
    for node, row in places:
        try:
            yield mutated(program, node, row, rng)
        except TpirError:
            continue  # the other result is of no type that its users take


def test_mutations_of_reached_rows_are_refuted(shared: Path) -> None:
    """50 of sort. A mutation that running every input shows to change no label is none."""
    program = lower_transformer_program(load_checkpoint(shared / "checkpoints" / "sort_v8_n8"))
    space = space_of(program)
    right = program_artefact(program, Path("sort.rasp"))
    refuted = 0
    for mutant in mutants(program, random.Random(5)):
        found = compare(right, program_artefact(mutant, Path("mutant.rasp")), space)
        if found.answer is Answer.REFUTED:
            refuted += 1
            if refuted % 10 == 0:  # a solver that is short of time does not call it proved either
                proof = prove_programs(program, mutant, space, seconds=0)
                assert not proof.equal
        if refuted == 50:
            return
    raise AssertionError(f"only {refuted} mutations")
