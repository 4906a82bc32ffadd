"""Length generalisation: what was learnt up to one length, run on longer inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tpir.errors import TpirError
from tpir.ir.functions import Relation, Table, TableWeights
from tpir.ir.ops import Choose, Classify, ClassifyPooled, Map, Select
from tpir.ir.program import Node, Program
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.stored import Checkpoint
from tpir.models.transformer_program import TransformerProgram
from tpir.text import parse, print_program
from tpir.training.evaluate import Accuracy
from tpir.training.examples import Examples
from tpir.training.judge import Subject, accuracy_of, answers_of
from tpir.training.problem import BOS, Problem
from tpir.training.teachers import spelled

SAMPLES = 1_000


@dataclass(frozen=True)
class Beyond:
    """Accuracy on longer inputs, by length; or why there is none, in one line."""

    accuracy: Accuracy | None
    why_not: str | None = None


def judge_beyond(
    subject: Subject, problem: Problem, extra: int, *, samples: int = SAMPLES, seed: int = 0
) -> Beyond:
    """Accuracy on inputs up to ``extra`` tokens longer than the problem's.

    At most ``samples`` inputs of each length, drawn by ``seed``.
    A model refuses positions beyond its context. The program that it lowers to is run on them
    if it says what it does there (see ``lengthened``).
    """
    if problem.longer is None:
        return Beyond(None, f"nothing says what longer inputs of {problem.name} are")
    longest = problem.context + extra
    try:
        program = lengthened(_program(subject), longest - _hidden(subject, problem))
        longer = [
            problem.longer(length, samples, seed)
            for length in range(problem.context + 1, longest + 1)
        ]
        if not any(map(len, longer)):
            return Beyond(None, f"{problem.name} has no inputs of up to {longest} tokens")
        wider = _with_labels(problem, longer)
        answers = answers_of(program, wider)
        batches = [batch for examples in longer for batch in wider.encoded(examples)]
    except TpirError as error:
        return Beyond(None, error.message)
    return Beyond(accuracy_of(answers, batches))


def _with_labels(problem: Problem, longer: Sequence[Examples]) -> Problem:
    """The problem with the labels that only longer inputs have, such as larger counts."""
    found = {label for examples in longer for label in examples.label_set()}
    return replace(problem, labels=(*problem.labels, *sorted(found.difference(problem.labels))))


def lengthened(program: Program, context: int) -> Program:
    """The program for inputs of up to ``context`` tokens, where its text says what it does there.

    It does unless a table, a relation or a readout's row of weights is about values, such as
    positions, of which longer inputs have more; or a choice lists the distances it prefers. Raises
    TpirError, naming the node, if it does not.
    """
    if context <= program.context:
        return program
    text = print_program(program)
    stated = re.compile(r"^context \d+;", flags=re.MULTILINE)
    try:
        before = parse(text, name=program.name)
        after = parse(stated.sub(f"context {context};", text, count=1), name=program.name)
    except TpirError as error:
        raise TpirError(
            f"not run on longer inputs: a table lists only what occurs up to the context of "
            f"{program.context} ({error.message})"
        ) from None
    known = {node.name: node for node in before.live}
    for node in after.live:
        reason = _about_lengths(known.get(node.name), node)
        if reason is not None:
            raise TpirError(f"not run on longer inputs: {node.name} {reason}")
    return after


def _about_lengths(before: Node | None, after: Node) -> str | None:
    """Why a node says nothing of longer inputs, or None."""
    if before is None or type(before.op) is not type(after.op):
        return "becomes something else on longer inputs"
    op = before.op
    if isinstance(op, Choose) and isinstance(op.order, tuple):
        return "lists the distances that it prefers"
    for old, new in zip(_tabulated(before), _tabulated(after), strict=True):
        if old.type != new.type:
            return f"tabulates {old.name}, which has other values on longer inputs"
    return None


def _tabulated(node: Node) -> tuple[Node, ...]:
    """The operands whose values a node lists one by one."""
    match node.op:
        case Map(function) if isinstance(function, Table):
            return node.operands
        case Select(predicate) if isinstance(predicate, Relation):
            return node.operands
        case Choose(score=score) if score is not None:
            return node.operands[1:]
        case Classify(weights=weights) | ClassifyPooled(weights=weights):
            pairs = zip(node.operands, weights, strict=True)
            return tuple(operand for operand, w in pairs if isinstance(w, TableWeights))
    return ()


def _program(subject: Subject) -> Program:
    """The program of what is judged, as it is: simplified, it could rest on how long inputs are."""
    if isinstance(subject, Program):
        return subject
    if isinstance(subject, TransformerProgram):
        subject = Checkpoint.of_model(subject)
    if isinstance(subject, Checkpoint):
        return lower_transformer_program(subject)
    raise TpirError("not run on longer inputs: it is no program, and lowers to none here")


def _hidden(subject: Subject, problem: Problem) -> int:
    """1 where the problem's ``<s>`` is hidden from the program."""
    if not isinstance(subject, Program):
        return 0
    return int(BOS in problem.vocabulary and BOS not in map(spelled, subject.vocabulary))
