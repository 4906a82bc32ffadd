"""Problems whose teacher is a program: what it computes is what is to be learnt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal as Word

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.files import read_text
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled
from tpir.ir.values import Value, show_value
from tpir.semantics.columns import Column
from tpir.semantics.failures import FAILURES
from tpir.semantics.form import (
    Alternation,
    AnyToken,
    Concatenation,
    Form,
    Literal,
    Repetition,
    alternate,
    concatenate,
    repeat,
)
from tpir.semantics.form_parser import parse_form
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.program_space import input_space
from tpir.semantics.space import InputSpace
from tpir.text import needs_specialising, parse
from tpir.training.examples import Examples, Label, split_by_length
from tpir.training.problem import (
    BOS,
    COUNTED,
    IGNORED,
    PAD,
    UNLISTED,
    BatchLabels,
    Ids,
    Problem,
    at_most,
)
from tpir.training.sources import DATASET_SIZE

MOST_LABELS = 1_000
_ROUND = 4_096
_DRAWS = 10


def problem_of_teacher(
    teacher: Program | Path,
    *,
    vocabulary: Sequence[Value] | None = None,
    max_length: int | None = None,
    output: str | None = None,
    causal: bool | None = None,
    begin: bool | None = None,
    dataset_size: int = DATASET_SIZE,
    seed: int = 0,
) -> Problem:
    """The function of a program: its output values, as they are spelled, are the labels.

    ``teacher`` is a program, or a ``.rasp`` file, which may need a ``vocabulary`` (without
    specials) and a ``max_length`` (tokens, specials included). ``output`` names one of several.
    ``causal`` asks for a causal model, by default where the program is. ``begin`` puts ``<s>``
    before each input, by default unless the program's vocabulary has it: attention that finds
    nothing needs a position to look at. The program does not see it, and it has no label; of a
    ``max_length`` of 8 the program gets 7 tokens.

    A position where the program gives the word ``<pad>`` has no label. Inputs are drawn from the
    accepted form, lengths evenly, repeats and inputs that the program fails on dropped; at most
    60 % of the space. The labels are those that occur on any input, where there are at most
    1,000,000; else on one that was drawn. Raises TpirError if it fails on all that are drawn.
    """
    program, begins = _program(teacher, vocabulary, max_length, output, begin)
    rows = _Rows(program, begins)
    longer = None
    if isinstance(teacher, Path) and needs_specialising(read_text(teacher), name=str(teacher)):
        longer = FileDrawer(teacher, program.vocabulary, output, begins)
    size = at_most(dataset_size, rows.space.count())
    drawn, found, all_defined = _draw(rows, size, np.random.default_rng(seed))
    if rows.space.count() <= COUNTED:
        found, all_defined = _occurring(rows)
    labels = _in_order(found)
    if len(labels) > MOST_LABELS:
        raise TpirError(
            f"{program.header.name} gives {len(labels):,} different values; a model has at most "
            f"{MOST_LABELS:,} labels"
        )
    ids = {label: i for i, label in enumerate(labels)}
    return Problem(
        name=program.header.name,
        vocabulary=rows.vocabulary,
        labels=labels,
        context=program.context + begins,
        causal=program.causal if causal is None else causal,
        accepts=rows.accepts,
        splits=split_by_length(drawn, seed=seed),
        teacher=rows.label,
        batch_teacher=ProgramTeacher(rows, ids),
        pooled=rows.pooled,
        total=all_defined,
        longer=longer,
    )


@dataclass(frozen=True)
class FileDrawer:
    """Draws inputs of any length, labelled by a file that states no context: see ``Longer``."""

    path: Path
    vocabulary: tuple[Value, ...]
    output: str | None
    begins: bool

    def __call__(self, length: int, count: int, seed: int) -> Examples:
        """At most ``count`` distinct inputs of ``length`` tokens, ``<s>`` included."""
        program, _ = _program(self.path, self.vocabulary, length, self.output, self.begins)
        rows = _Rows(program, self.begins)
        if length not in rows.space.lengths():
            return Examples((), ())
        return _draw(rows, count, np.random.default_rng(seed), length=length)[0]


@dataclass(frozen=True)
class _Rows:
    """A program on inputs as a model sees them: words, perhaps with ``<s>`` before them."""

    program: Program
    begins: bool

    @cached_property
    def words(self) -> tuple[str, ...]:
        words = tuple(map(spelled, self.program.vocabulary))
        for word in words:
            if words.count(word) > 1:
                raise TpirError(f"two tokens of {self.program.header.name} are spelled {word}")
        return words

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        return (PAD, BOS, *self.words) if self.begins else (PAD, *self.words)

    @cached_property
    def accepts(self) -> str | None:
        stated = self.program.accepts
        if stated is None and not self.begins:
            return None
        anything = alternate(*map(Literal, self.words))
        form = (
            repeat(anything, 1, self.program.context)
            if stated is None
            else _worded(parse_form(stated), anything)
        )
        return str(concatenate(Literal(BOS), form) if self.begins else form)

    @cached_property
    def space(self) -> InputSpace:
        context = self.program.context + self.begins
        return input_space(self.vocabulary[1:], context, self.accepts)

    @cached_property
    def interpreter(self) -> Interpreter:
        return Interpreter(self.program)

    @property
    def pooled(self) -> bool:
        return isinstance(self._output.type, Pooled)

    def texts(self, tokens: Ids) -> tuple[Ids, list[Label], NDArray[np.uint8]]:
        """What the program gives for inputs [input, position], ids of ``vocabulary``.

        Codes [input, position] (or [input, 1]), the label that each code stands for, and for each
        input the kind of its failure, 0 for none.
        """
        first = 1 + self.begins
        result = self.interpreter.run_batch(
            np.ascontiguousarray(tokens[:, self.begins :].T) - first
        )
        (column,) = result.outputs.values()
        codes, values = coded(column.broadcast(len(tokens)))
        labels: list[Label] = [None if value == PAD else spelled(value) for value in values]
        codes = codes.T
        if self.begins and not self.pooled:
            codes = np.concatenate([np.full((len(tokens), 1), len(labels)), codes], axis=1)
            labels.append(None)
        return codes, labels, result.failures

    def label(self, tokens: Sequence[str]) -> list[Label]:
        """The labels of one input. Raises TpirError."""
        codes = self.space.encode(tokens)[None, :] + 1
        found, labels, failures = self.texts(codes)
        if failures[0]:
            raise TpirError(f"{self.program.header.name} fails: {FAILURES[failures[0] - 1]}")
        return [labels[code] for code in found[0].tolist()]

    @property
    def _output(self) -> Node:
        (node,) = self.program.outputs.values()
        return node


@dataclass(frozen=True)
class ProgramTeacher:
    """A program as a teacher on arrays: see ``BatchTeacher``."""

    rows: _Rows
    label_ids: dict[str, int]

    def __call__(self, tokens: Ids) -> BatchLabels:
        """Labels [input, position] or [input, 1] of inputs [input, position]."""
        codes, labels, failures = self.rows.texts(tokens)
        ids = [IGNORED if x is None else self.label_ids.get(x, UNLISTED) for x in labels]
        return BatchLabels(np.array(ids, dtype=np.int64)[codes], failures == 0)


def spelled(value: Value) -> str:
    """A value as a label: words as they are, other values as they are shown."""
    return value if isinstance(value, str) else show_value(value)


def coded(column: Column) -> tuple[Ids, list[Value]]:
    """The values that a column holds, and at each position which of them stands there."""
    data = column.data
    if column.tags is None:
        kinds, codes = np.unique(data, return_inverse=True)
        values = Column(column.type, kinds[:, None]).decode(1)[0]
    else:
        pairs = np.stack([data.ravel().astype(np.float64), column.tags.ravel()])
        kinds, codes = np.unique(pairs, axis=1, return_inverse=True)
        tags = kinds[1].astype(np.uint8)[:, None]
        values = Column(column.type, kinds[0][:, None], tags).decode(1)[0]
    return codes.reshape(data.shape).astype(np.int64), values


def _program(
    teacher: Program | Path,
    vocabulary: Sequence[Value] | None,
    max_length: int | None,
    output: str | None,
    begin: bool | None,
) -> tuple[Program, bool]:
    """The program, and whether its inputs get ``<s>`` before them."""
    if isinstance(teacher, Path):
        text, words, context = read_text(teacher), None, None
        if needs_specialising(text, name=str(teacher)):
            begins = BOS not in (vocabulary or ()) if begin is None else begin
            words, context = vocabulary, None if max_length is None else max_length - begins
        program = parse(text, name=str(teacher), vocabulary=words, context=context, output=output)
        if program.header.name == "program":
            named = replace(program.header, name=teacher.name.split(".")[0])
            program = replace(program, header=named)
    else:
        program = teacher
    begins = BOS not in program.vocabulary if begin is None else begin
    if begins and BOS in program.vocabulary:
        raise TpirError(f"{program.header.name} knows {BOS} as a token of its own")
    if max_length not in (None, program.context + begins):
        raise TpirError(
            f"{program.header.name} states context {program.context}: "
            f"inputs have up to {program.context + begins} tokens, not {max_length}"
        )
    if len(program.outputs) > 1:
        names = ", ".join(program.outputs)
        raise TpirError(f"{program.header.name} has several outputs ({names}): choose one")
    return program, begins


def _worded(form: Form, anything: Form) -> Form:
    """A form over words: other tokens as they are spelled, and any token as one of the words."""
    match form:
        case Literal(value):
            return Literal(spelled(value))
        case AnyToken():
            return anything
        case Concatenation(parts):
            return concatenate(*(_worded(part, anything) for part in parts))
        case Alternation(choices):
            return alternate(*(_worded(choice, anything) for choice in choices))
        case Repetition(body, least, most):
            return repeat(_worded(body, anything), least, most)
    return form


def _draw(
    rows: _Rows, size: int, random: np.random.Generator, *, length: int | None = None
) -> tuple[Examples, set[str], bool]:
    """Distinct examples, the labels in them, and whether the program failed on no input.

    Of all lengths alike, or of the one that is given.
    """
    by: Word["uniform", "length"] = "length" if length is None else "uniform"
    found: dict[tuple[str, ...], tuple[Label, ...]] = {}
    failed: str | None = None
    for _ in range(1 + _DRAWS * size // _ROUND):
        for tokens in _by_length(rows.space.sample(_ROUND, random, by=by)):
            if length not in (None, tokens.shape[1]):
                continue
            codes, labels, failures = rows.texts(tokens)
            for row, answers, failure in zip(
                tokens.tolist(), codes.tolist(), failures.tolist(), strict=True
            ):
                if failure:
                    failed = FAILURES[failure - 1]
                elif len(found) < size:
                    words = tuple(rows.vocabulary[i] for i in row)
                    found.setdefault(words, tuple(labels[code] for code in answers))
        if len(found) == size:
            break
    if not found:
        raise TpirError(f"{rows.program.header.name} fails on every input that was drawn: {failed}")
    examples = Examples(tuple(found), tuple(found.values()))
    return examples, set(examples.label_set()), failed is None


def _by_length(inputs: Sequence[Ids]) -> Iterator[Ids]:
    """Inputs [position] of each length as vocabulary ids [input, position]; ``<pad>`` is 0."""
    groups: dict[int, list[Ids]] = {}
    for tokens in inputs:
        groups.setdefault(len(tokens), []).append(tokens)
    for length in sorted(groups):
        yield np.stack(groups[length]) + 1


def _occurring(rows: _Rows) -> tuple[set[str], bool]:
    """The labels of all inputs, and whether the program fails on none."""
    found: set[str] = set()
    all_defined = True
    for _, batch in rows.space.batches(2**14):
        codes, labels, failures = rows.texts(np.ascontiguousarray(batch.T) + 1)
        used = np.unique(codes[failures == 0]).tolist()
        found.update(label for label in (labels[code] for code in used) if label is not None)
        all_defined = all_defined and not failures.any()
    return found, all_defined


def _in_order(labels: set[str]) -> tuple[str, ...]:
    """Labels in the order of a model's: ``<pad>``, numbers ascending, then words."""

    def place(label: str) -> tuple[bool, float, str]:
        try:
            number = float(label)
        except ValueError:
            number = math.inf
        return (False, number, label) if math.isfinite(number) else (True, 0.0, label)

    return (PAD, *sorted(labels, key=place))
