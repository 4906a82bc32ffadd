"""How well something solves a problem: on each split by length, and on all inputs there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tpir.equiv.runners import ProgramRunner, Runner
from tpir.errors import TpirError, counted
from tpir.ir.program import Program
from tpir.ir.types import Pooled
from tpir.models.predict import predict_ids
from tpir.models.stored import Checkpoint
from tpir.models.transformer_program import TransformerProgram
from tpir.training.evaluate import Accuracy, Tally
from tpir.training.problem import BOS, IGNORED, Ids, Labelled, Problem
from tpir.training.teachers import coded, spelled

Subject = Program | Checkpoint | TransformerProgram | Runner

Answers = Callable[[Ids], Ids]
"""Label ids [input, position] (or [input, 1]) for inputs of one length [input, position].

Ids are those of a problem.
"""

NO_ANSWER = -2
"""The label id of an answer that is no label of the problem; it is never right."""

_BATCH = 2**13


@dataclass(frozen=True)
class Report:
    """Accuracy on each split, and on all inputs where they were gone through.

    ``share_seen`` is the share of the space that is in the training split, ``space_size`` how many
    inputs there are; None where that is not known (see ``Problem``).
    """

    train: Accuracy
    validation: Accuracy
    test: Accuracy
    everything: Accuracy | None
    share_seen: float | None
    space_size: int | None


def judge(subject: Subject, problem: Problem, *, everything: bool = True) -> Report:
    """Compare what ``subject`` gives with the labels of ``problem``; models are discretised.

    A program whose vocabulary has no ``<s>`` does not see that of the problem. ``everything`` goes
    through all inputs too, where there are at most 1,000,000 and a teacher labels them. Raises
    TpirError if the subject does not take the problem's inputs, or has one label an input where the
    problem has one a position.
    """
    answers = answers_of(subject, problem)
    splits = problem.splits
    listed = problem.all_inputs(_BATCH) if everything and problem.listable else None
    return Report(
        train=accuracy_of(answers, problem.encoded(splits.train)),
        validation=accuracy_of(answers, problem.encoded(splits.validation)),
        test=accuracy_of(answers, problem.encoded(splits.test)),
        everything=None if listed is None else accuracy_of(answers, listed),
        share_seen=problem.share_seen,
        space_size=problem.space_size,
    )


def accuracy_of(answers: Answers, batches: Iterable[Labelled]) -> Accuracy:
    """How often answers are right on labelled inputs. Raises TpirError if their numbers differ."""
    lengths: dict[int, Tally] = {}
    for batch in batches:
        for tokens, labels in _parts(batch):
            found = answers(tokens)
            if found.shape != labels.shape:
                answered = counted(found.shape[1], "answer")
                raise TpirError(f"{answered} an input, for {counted(labels.shape[1], 'label')}")
            length = tokens.shape[1]
            lengths[length] = lengths.get(length, Tally()) + _tally(labels, found)
    return Accuracy(sum(lengths.values(), Tally()), dict(sorted(lengths.items())))


def _parts(batch: Labelled) -> Iterator[Labelled]:
    for start in range(0, len(batch.tokens), _BATCH):
        part = slice(start, start + _BATCH)
        yield Labelled(batch.tokens[part], batch.labels[part])


def _tally(labels: Ids, found: Ids) -> Tally:
    labelled = labels != IGNORED
    right = labels == found
    return Tally(
        int(labelled.sum()),
        int((right & labelled).sum()),
        len(labels),
        int((right | ~labelled).all(axis=1).sum()),
    )


def answers_of(subject: Subject, problem: Problem) -> Answers:
    """What ``subject`` answers to inputs of ``problem``, as ids of its labels.

    Raises TpirError if it lacks a token of the problem, or takes no inputs of that length.
    """
    if isinstance(subject, Checkpoint):
        return _of_model(subject.model(torch.float64), problem)
    if isinstance(subject, TransformerProgram):
        return _of_model(subject, problem)
    if isinstance(subject, Program):
        begins = BOS in problem.vocabulary and BOS not in map(spelled, subject.vocabulary)
        _check_context(subject.context + begins, problem)
        return _of_runner(ProgramRunner(subject), problem)
    return _of_runner(subject, problem)


def _of_model(model: TransformerProgram, problem: Problem) -> Answers:
    config = model.config
    _check_context(config.context, problem)
    tokens = torch.from_numpy(_token_codes(config.vocabulary, problem, 0))
    labels = torch.from_numpy(_label_codes(config.labels, problem))

    def answers(inputs: Ids) -> Ids:
        chosen = labels[predict_ids(model, tokens[torch.from_numpy(inputs)]).cpu()]
        found: Ids = chosen.view(len(inputs), -1).numpy()
        return found

    return answers


def _of_runner(runner: Runner, problem: Problem) -> Answers:
    words = tuple(map(spelled, runner.vocabulary))
    hidden = int(BOS in problem.vocabulary and BOS not in words)
    tokens = _token_codes(words, problem, hidden)

    def answers(inputs: Ids) -> Ids:
        result = runner.run_batch(np.ascontiguousarray(tokens[inputs[:, hidden:]].T))
        if len(result.outputs) != 1:
            raise TpirError(f"there are several outputs ({', '.join(result.outputs)}): choose one")
        (column,) = result.outputs.values()
        codes, values = coded(column.broadcast(len(inputs)))
        found = _label_codes(tuple(map(spelled, values)), problem)[codes.T]
        found[result.failures != 0] = NO_ANSWER
        if hidden and not isinstance(column.type, Pooled):
            found = np.concatenate([np.full((len(inputs), 1), NO_ANSWER), found], axis=1)
        return found

    return answers


def _token_codes(words: tuple[str, ...], problem: Problem, hidden: int) -> Ids:
    """For each token of the problem its place among ``words``; 0 for what never stands there."""
    places = {word: i for i, word in enumerate(words)}
    unknown = [t for t in problem.vocabulary[1:] if t not in places and not (hidden and t == BOS)]
    if unknown:
        raise TpirError(f"{unknown[0]} is a token of {problem.name}, and not of what is judged")
    return np.array([places.get(token, 0) for token in problem.vocabulary], dtype=np.int64)


def _label_codes(labels: tuple[str, ...], problem: Problem) -> Ids:
    places = {label: i for i, label in enumerate(problem.labels)}
    return np.array([places.get(label, NO_ANSWER) for label in labels], dtype=np.int64)


def _check_context(context: int, problem: Problem) -> None:
    if context < problem.context:
        raise TpirError(
            f"inputs of {problem.name} have up to {problem.context} tokens; "
            f"what is judged takes {context}"
        )
