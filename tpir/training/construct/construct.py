"""From a problem to a program that solves it, found by construction."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.training.construct.batch import LONGEST
from tpir.training.construct.data import Data
from tpir.training.construct.search import Search, SearchStatus
from tpir.training.problem import Problem
from tpir.training.settings_text import SettingsText


@dataclass(frozen=True)
class ConstructSettings(SettingsText):
    """``budget``: the search ends soon after so many features; ``sample``: on how many inputs.

    ``seed`` draws the sample. Raises TpirError for values out of range.
    """

    seed: int = 0
    budget: int = 200_000
    sample: int = 500

    def __post_init__(self) -> None:
        for name in sorted(self.names()):
            if not isinstance(getattr(self, name), int):
                raise TpirError(f"{name} is {getattr(self, name)!r}; it must be a whole number")
        for name in ("budget", "sample"):
            if getattr(self, name) < 1:
                raise TpirError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.seed < 2**32:
            raise TpirError(f"seed is {self.seed}; it must be from 0 to 2^32 - 1")


@dataclass(frozen=True)
class Constructed:
    """What a search came to.

    ``solved``: the program gives every label of the training and validation inputs. If not, it is
    the best table that was found. ``tried`` counts features, ``seconds`` what it took.
    """

    program: Program
    solved: bool
    tried: int
    seconds: float


def construct(
    problem: Problem,
    settings: ConstructSettings | None = None,
    *,
    on_status: Callable[[SearchStatus], None] | None = None,
) -> Constructed:
    """Search for a program that gives the labels of a problem.

    Features are made and compared on a sample of the training inputs, their tables filled from all
    of those, and a solution has to be right on all training and validation inputs. Test inputs are
    not looked at. Equal settings give equal programs. Raises TpirError for inputs longer than
    ``LONGEST`` and for labels of whole inputs.
    """
    settings = settings or ConstructSettings()
    if problem.context > LONGEST:
        raise TpirError(
            f"construction handles inputs of up to {LONGEST} tokens, not {problem.context}"
        )
    if problem.pooled:
        raise TpirError("construction handles a label for each position, not one for the input")
    started = time.monotonic()
    data = Data(problem, size=settings.sample, seed=settings.seed)
    search = Search(
        batch=data.sample,
        goals=data.goals(),
        budget=settings.budget,
        verify=data.verify,
        on_status=on_status,
    )
    solution = search.run()
    features = solution or search.best_features()
    program = data.program(features)
    return Constructed(program, solution is not None, search.tried, time.monotonic() - started)
