"""What a run learns and how, from the options of ``tpir train``; and its accuracy, in words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tpir.cli.train_request import PROBLEM_FILE, Request
from tpir.errors import TpirError
from tpir.files import read_text

if TYPE_CHECKING:
    from tpir.training.evaluate import Accuracy
    from tpir.training.problem_settings import ProblemSettings


def divided(request: Request, own: frozenset[str]) -> tuple[dict[str, object], dict[str, object]]:
    """The changed settings: those named ``own``, of a method, and the others, of the problem."""
    changes = request.changes.items()
    return {n: v for n, v in changes if n in own}, {n: v for n, v in changes if n not in own}


def problem_settings(request: Request, given: Mapping[str, object]) -> ProblemSettings:
    """The problem that options ask for; of a run that is resumed without any, its own.

    Raises TpirError for a setting that no problem has, and where not one problem is named.
    """
    from tpir.training.problem_settings import ProblemSettings, problem_settings_from_json

    named = {"task": request.task, "teacher": request.teacher, "data": request.data}
    wanted = dict(given) | {n: str(value) for n, value in named.items() if value is not None}
    known = {field.name for field in dataclasses.fields(ProblemSettings)}
    for name in wanted:
        if name not in known:
            raise TpirError(f"no setting is called {name!r}")
    stored = request.out / PROBLEM_FILE
    if request.resume and not wanted and stored.is_file():
        return problem_settings_from_json(read_text(stored))
    return problem_settings_from_json(json.dumps(wanted))


def accuracy_as_json(accuracy: Accuracy) -> Mapping[str, object]:
    """Accuracies from 0 to 1: mean over lengths, of all labels, and by length."""
    return {
        "mean_over_lengths": accuracy.mean_over_lengths,
        "overall": accuracy.overall.accuracy,
        "by_length": {str(n): tally.accuracy for n, tally in accuracy.by_length.items()},
    }


def accuracy_in_words(accuracy: Accuracy, what: str) -> str:
    """One line: the mean over lengths, and of all labels."""
    return (
        f"accuracy {_percent(accuracy.mean_over_lengths)} on {what}, mean over lengths "
        f"({_percent(accuracy.overall.accuracy)} of all labels)"
    )


def _percent(share: float) -> str:
    """Two digits, or as many as it takes not to call 100 what is less."""
    digits = next((n for n in range(2, 9) if share == 1 or round(share, n + 2) < 1), 9)
    return f"{100 * share:.{digits}f} %"
