"""What training starts from: a program, whole or in part, as weights for a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tpir.backends.transformer_program import compile_transformer_program
from tpir.equiv.artefact import load_artefact
from tpir.errors import TpirError
from tpir.files import read_text
from tpir.ir.builder import Builder
from tpir.ir.functions import NumberWeights, TableWeights
from tpir.ir.ops import (
    AggregateSum,
    Classify,
    ClassifyPooled,
    Pool,
    Readout,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import Pooled, values_of
from tpir.ir.values import show_value
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.config import Predicates
from tpir.models.stored import Checkpoint
from tpir.text import needs_specialising, parse
from tpir.training.judge import accuracy_of, answers_of
from tpir.training.problem import Problem
from tpir.training.teachers import spelled

LABEL_WEIGHT = 8.0
"""How far the label that a program gives is above the others, where it has no readout."""

_WHOLE = 0.5
"""A program that is right on more than this share of the training labels gives the label."""

Row = tuple[float, ...]


def starting_program(path: Path, problem: Problem) -> Program:
    """The program of a file or a checkpoint, for the inputs of ``problem``.

    A text that states no vocabulary and context is read for those of the problem. Raises TpirError
    for what is no program, and where it does not take the problem's inputs.
    """
    if path.is_file() and path.suffix == ".rasp":
        text, words, context = read_text(path), None, None
        if needs_specialising(text, name=str(path)):
            words, context = problem.vocabulary[1:], problem.context
        return parse(text, name=str(path), vocabulary=words, context=context)
    artefact = load_artefact(path)
    if artefact.checkpoint is None:
        raise TpirError(f"{path} is neither a .rasp program nor the weights of one")
    return lower_transformer_program(artefact.checkpoint)


def starting_model(
    program: Program, problem: Problem, predicates: Predicates = "one"
) -> Checkpoint:
    """Weights that compute a program on the inputs of ``problem``.

    Where its one output is right on more than half of the training labels, the readout gives it.
    Else the program is a part: its outputs are variables, and the readout is zeros. ``predicates``
    is ``set`` where the model is to have sets; with ``one`` it has them where the program needs
    them. Raises TpirError, naming the node, for what has no place in a model.
    """
    fitted = _fitted(program, problem)
    readout = _whole(fitted, problem) if _gives_label(fitted, problem) else _parts(fitted, problem)
    kind: Predicates | None = None if predicates == "one" else predicates
    return compile_transformer_program(
        readout.program(), name=problem.name, predicates=kind, mlps="table"
    )


def _fitted(program: Program, problem: Problem) -> Program:
    """The same program over the vocabulary, context and form of the problem's inputs."""
    known = set(program.vocabulary)
    missing = [word for word in problem.vocabulary[1:] if word not in known]
    if missing:
        raise TpirError(
            f"{show_value(missing[0])} is a token of {problem.name}, not of the program"
        )
    if program.context < problem.context:
        raise TpirError(
            f"inputs of {problem.name} have up to {problem.context} tokens, "
            f"the program takes {program.context}"
        )
    if program.causal and not problem.causal:
        raise TpirError(f"the program is causal, and {problem.name} is not")
    header = Header(
        vocabulary=problem.vocabulary[1:],
        context=problem.context,
        causal=problem.causal,
        labels=problem.labels,
        accepts=problem.accepts,
        name=problem.name,
    )
    builder, new = Builder(header, share=True), dict[Node, Node]()
    for node in program.live:
        new[node] = builder.copy(node, [new[operand] for operand in node.operands])
    return builder.build({name: new[node] for name, node in program.outputs.items()})


def _gives_label(program: Program, problem: Problem) -> bool:
    """Whether the one output is what the problem asks for, more often than not."""
    if len(program.outputs) != 1:
        return False
    (output,) = program.outputs.values()
    finite = isinstance(output.op, Readout) or values_of(output.type) is not None
    if not finite or isinstance(output.type, Pooled) != problem.pooled:
        return False
    train = problem.encoded(problem.splits.train)
    return accuracy_of(answers_of(program, problem), train).overall.accuracy > _WHOLE


@dataclass
class _Features:
    """A readout while it is made: the weights of the problem's labels for each feature."""

    program_without: Program
    problem: Problem
    weights: dict[tuple[Node, bool], tuple[Row, ...]] = field(default_factory=dict)
    bias: Row = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What can be predicted."""
        return self.problem.labels[1:]

    def add(self, node: Node, rows: Sequence[Sequence[float]], *, number: bool = False) -> None:
        """A feature: a row for each of its values, or one for a number. Weights add up."""
        new = [tuple(map(float, row)) for row in rows]
        old = self.weights.get((node, number), ((0.0,) * len(self.labels),) * len(new))
        summed = (
            tuple(a + b for a, b in zip(one, other, strict=True))
            for one, other in zip(old, new, strict=True)
        )
        self.weights[node, number] = tuple(summed)

    def add_unread(self, node: Node) -> None:
        """A feature of no weight: a variable that the readout may come to read."""
        nothing = (0.0,) * len(self.labels)
        values = values_of(node.type)
        if values is None or isinstance(node.op, SelectorWidth | AggregateSum):
            self.add(node, [nothing], number=True)
        else:
            self.add(node, [nothing] * len(values))

    def program(self) -> Program:
        """The program with this readout. It reads the tokens, so that they are embedded."""
        header = self.program_without.header
        builder, new = Builder(header, share=True), dict[Node, Node]()
        for node in self.program_without.live:
            if not isinstance(node.op, Readout):
                new[node] = builder.copy(node, [new[operand] for operand in node.operands])
        tokens = builder.add(Tokens(), name="tokens")
        nothing = (0.0,) * len(self.labels)
        features = {(new[node], number): rows for (node, number), rows in self.weights.items()}
        features.setdefault((tokens, False), (nothing,) * len(header.vocabulary))
        weights = tuple(
            NumberWeights(rows[0]) if number else TableWeights(values_of(node.type) or (), rows)
            for (node, number), rows in features.items()
        )
        bias = self.bias or nothing
        op: Readout = Classify(self.labels, bias, weights)
        if self.problem.pooled:
            over = Pool.FIRST if self.problem.causal else Pool.ALL
            op = ClassifyPooled(self.labels, bias, weights, over)
        return builder.build({"label": builder.add(op, [node for node, _ in features])})


def _parts(program: Program, problem: Problem) -> _Features:
    found = _Features(program, problem)
    for output in program.outputs.values():
        for node in output.operands if isinstance(output.op, Readout) else (output,):
            found.add_unread(node)
    return found


def _whole(program: Program, problem: Problem) -> _Features:
    """The readout that the program has, over all labels; or one that gives its values."""
    found = _Features(program, problem)
    (output,) = program.outputs.values()
    if not isinstance(output.op, Readout):
        values = values_of(output.type)
        assert values is not None
        rows = [[LABEL_WEIGHT * (label == spelled(v)) for label in found.labels] for v in values]
        found.add(output, rows)
        return found
    shown = {spelled(label): k for k, label in enumerate(output.op.labels)}
    for node, weights in zip(output.operands, output.op.weights, strict=True):
        if isinstance(weights, NumberWeights):
            found.add(node, [_of_labels(weights.row, shown, found.labels)], number=True)
        else:
            rows = [_of_labels(row, shown, found.labels) for row in weights.rows]
            found.add(node, rows)
    bias = _of_labels(output.op.bias, shown, found.labels)
    found.bias = tuple(
        b - (label not in shown) for b, label in zip(bias, found.labels, strict=True)
    )
    return found


def _of_labels(row: Sequence[float], shown: dict[str, int], labels: Sequence[str]) -> list[float]:
    """Weights of all labels; those that the program never gives are nowhere above the others."""
    return [row[shown[label]] if label in shown else min(row) for label in labels]
