"""What ``tpir train`` is asked for, whichever method does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROBLEM_FILE = "problem.json"
"""In the folder of a run of many seeds: what it learns, as ``ProblemSettings`` has it."""


@dataclass(frozen=True)
class Request:
    """The options; ``changes`` are settings by name, of the method or of the problem."""

    out: Path
    task: str | None
    teacher: Path | None
    data: Path | None
    preset: str | None
    settings: Path | None
    changes: Mapping[str, object]
    resume: bool
    force: bool
    as_json: bool
    tensorboard: bool
    init: Path | None = None
