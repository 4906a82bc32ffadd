"""``tpir eval`` against a task or a teacher: inputs drawn as for training, or all there are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tpir.cli.artefacts import is_text, load
from tpir.cli.console import say, show, show_json
from tpir.cli.eval_tables import as_json as accuracy_as_json
from tpir.cli.eval_tables import side_by_side
from tpir.equiv.artefact import Artefact, ReadOptions
from tpir.files import read_text
from tpir.ir.values import Value
from tpir.text import needs_specialising
from tpir.training.problem import BOS, COUNTED, Problem

if TYPE_CHECKING:
    from tpir.training.beyond import Beyond
    from tpir.training.judge import Report, Subject

_WRITTEN_OUT = 10**15
"""Larger numbers of inputs are not told to the last one."""


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; one of ``task`` and ``teacher`` is given."""

    task: str | None
    teacher: Path | None
    everything: bool
    beyond: int
    dataset_size: int | None
    seed: int
    as_reference: bool


def eval_problem(path: Path, options: ReadOptions, asked: Asked, *, as_json: bool) -> None:
    """Print how well an artefact solves a task, or does what a teacher does. Raises TpirError."""
    from tpir.training.beyond import judge_beyond
    from tpir.training.judge import judge

    if is_text(path) and needs_specialising(read_text(path), name=str(path)):
        problem = _problem(asked, options.vocabulary, options.context, begin=None)
        artefact = load(path, _fitted(options, problem))
    else:
        artefact = load(path, options)
        problem = _problem(asked, *_sizes_of(artefact))
    subject = subject_of(artefact)
    report = judge(subject, problem, everything=asked.everything)
    beyond = judge_beyond(subject, problem, asked.beyond) if asked.beyond else None
    if as_json:
        show_json(_as_json(problem, report, beyond))
    else:
        _print(problem, report, beyond, everything=asked.everything)


def _problem(
    asked: Asked,
    vocabulary: tuple[Value, ...] | None,
    max_length: int | None,
    begin: bool | None,
) -> Problem:
    from tpir.training.sources import DATASET_SIZE, problem_of_task
    from tpir.training.tasks import get_task
    from tpir.training.teachers import problem_of_teacher

    size = asked.dataset_size or DATASET_SIZE
    if asked.teacher is not None:
        words = None if vocabulary is None else tuple(v for v in vocabulary if v != BOS)
        return problem_of_teacher(
            asked.teacher,
            vocabulary=words,
            max_length=max_length,
            begin=begin,
            dataset_size=size,
            seed=asked.seed,
        )
    assert asked.task is not None
    task = get_task(asked.task)
    longest = None if max_length is None else max_length - task.unpaired_tokens
    usual = task.defaults.min_length
    specials = 0 if vocabulary is None else 1 + (BOS not in vocabulary)  # <pad>, perhaps <s>
    return problem_of_task(
        task.name,
        vocab_size=None if vocabulary is None else len(vocabulary) + specials,
        min_length=usual if longest is None else min(usual, longest),
        max_length=longest,
        dataset_size=size,
        seed=asked.seed,
        as_reference=asked.as_reference,
    )


def _sizes_of(artefact: Artefact) -> tuple[tuple[Value, ...], int, bool | None]:
    """Vocabulary and longest input of what an artefact solves, and whether ``<s>`` is put first.

    A program need not see ``<s>``; all else takes the inputs as they are.
    """
    begun = BOS in artefact.vocabulary
    if artefact.program is None:
        return artefact.vocabulary, artefact.context, begun
    return artefact.vocabulary, artefact.context + (not begun), None


def _fitted(options: ReadOptions, problem: Problem) -> ReadOptions:
    """Options that fit a program without a header to the problem; it does not see ``<s>``."""
    words = tuple(word for word in problem.vocabulary[1:] if word != BOS)
    hidden = len(problem.vocabulary) - 1 - len(words)
    return replace(options, vocabulary=words, context=problem.context - hidden)


def subject_of(artefact: Artefact) -> Subject:
    """What ``judge`` takes of an artefact."""
    if artefact.program is not None:
        return artefact.program
    return artefact.checkpoint if artefact.checkpoint is not None else artefact.runner()


def _print(problem: Problem, report: Report, beyond: Beyond | None, *, everything: bool) -> None:
    columns = {"train": report.train, "validation": report.validation, "test": report.test}
    if report.everything is not None:
        columns["all inputs"] = report.everything
    if beyond is not None and beyond.accuracy is not None:
        columns["beyond"] = beyond.accuracy
    show(side_by_side(columns))
    if report.share_seen is not None and report.space_size is not None:
        seen = f"{100 * report.share_seen:.3g} %"
        size = report.space_size
        many = f"{size:,}" if size < _WRITTEN_OUT else f"about 10^{math.log10(size):.0f}"
        show(f"training saw {seen} of the {many} inputs of {problem.name}")
    if everything and report.everything is None:
        say(f"--all: there are more than {COUNTED:,} inputs")
    if beyond is not None and beyond.why_not is not None:
        say(f"--beyond: {beyond.why_not}")


def _as_json(problem: Problem, report: Report, beyond: Beyond | None) -> dict[str, object]:
    size = report.space_size
    found: dict[str, object] = {
        "problem": problem.name,
        "train": accuracy_as_json(report.train),
        "validation": accuracy_as_json(report.validation),
        "test": accuracy_as_json(report.test),
        "all": None if report.everything is None else accuracy_as_json(report.everything),
        "share_seen": report.share_seen,
        "space_size": size if size is not None and size < _WRITTEN_OUT else None,
    }
    if beyond is not None:
        accuracy = beyond.accuracy
        found["beyond"] = None if accuracy is None else accuracy_as_json(accuracy)
        found["why_not_beyond"] = beyond.why_not
    return found
