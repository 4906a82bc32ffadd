"""What a run learns and how, from the options of ``tpir train``; and its accuracy, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from tpir.cli.eval_tables import percent
from tpir.cli.train_request import PROBLEM_FILE, Request
from tpir.errors import TpirError
from tpir.files import read_text
from tpir.training.settings_text import SettingsText

if TYPE_CHECKING:
    from tpir.training.evaluate import Accuracy
    from tpir.training.problem_settings import ProblemSettings

_Settings = TypeVar("_Settings", bound=SettingsText)

SETTINGS_FILE = "settings.json"


def chosen(request: Request, usual: _Settings) -> tuple[ProblemSettings, _Settings]:
    """The problem and the settings: of a run to resume, of a file, or the usual ones; changed."""
    path, stored = request.settings, request.out / SETTINGS_FILE
    if path is None and request.resume and stored.is_file():
        path = stored
    settings = usual if path is None else usual.from_json(read_text(path))
    own = usual.names()
    changes = {name: value for name, value in request.changes.items() if name in own}
    given = {name: value for name, value in request.changes.items() if name not in own}
    return _problem(request, given), settings.changed(changes)


def _problem(request: Request, given: Mapping[str, object]) -> ProblemSettings:
    """The problem that options ask for; of a run that is resumed without any, its own.

    Raises TpirError for a setting that no problem has, and where not one problem is named.
    """
    from tpir.training.problem_settings import ProblemSettings

    named = {"task": request.task, "teacher": request.teacher, "data": request.data}
    wanted = dict(given) | {n: str(value) for n, value in named.items() if value is not None}
    for name in wanted:
        if name not in ProblemSettings.names():
            raise TpirError(f"no setting is called {name!r}")
    stored = request.out / PROBLEM_FILE
    if request.resume and not wanted and stored.is_file():
        return ProblemSettings.from_json(read_text(stored))
    return ProblemSettings.from_json(json.dumps(wanted))


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
        f"accuracy {percent(accuracy.mean_over_lengths)} on {what}, mean over lengths "
        f"({percent(accuracy.overall.accuracy)} of all labels)"
    )
