"""Where a problem comes from, in words that fit on a command line and in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tpir.errors import TpirError
from tpir.text.header import listed_vocabulary
from tpir.training.problem import Problem
from tpir.training.settings_text import SettingsText
from tpir.training.sources import DATASET_SIZE, problem_of_file, problem_of_task
from tpir.training.teachers import problem_of_teacher


@dataclass(frozen=True)
class ProblemSettings(SettingsText):
    """One of a ``task`` by name, the examples of a file (``data``), or a program as ``teacher``.

    ``vocab`` lists a teacher's tokens, ``a,b,c``; ``vocab_size``, ``min_length`` and ``max_length``
    are a task's sizes (see ``Task``), ``max_length`` also a teacher's. None is what is usual for
    it. Raises TpirError where not exactly one of the three is given.
    """

    called: ClassVar[str] = "the problem's settings"

    task: str | None = None
    data: str | None = None
    teacher: str | None = None
    vocab: str | None = None
    vocab_size: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    dataset_size: int = DATASET_SIZE
    dataset_seed: int = 0

    def __post_init__(self) -> None:
        given = [s for s in (self.task, self.data, self.teacher) if s is not None]
        if len(given) != 1:
            raise TpirError("say what to train on: a task, --data or --teacher, and one of them")

    def problem(self) -> Problem:
        """The problem, its data drawn. Raises TpirError as its source does."""
        if self.data is not None:
            return problem_of_file(Path(self.data), seed=self.dataset_seed)
        if self.teacher is not None:
            return problem_of_teacher(
                Path(self.teacher),
                vocabulary=None if self.vocab is None else listed_vocabulary(self.vocab),
                max_length=self.max_length,
                dataset_size=self.dataset_size,
                seed=self.dataset_seed,
            )
        assert self.task is not None
        return problem_of_task(
            self.task,
            vocab_size=self.vocab_size,
            min_length=self.min_length,
            max_length=self.max_length,
            dataset_size=self.dataset_size,
            seed=self.dataset_seed,
        )
