"""``tpir train``, its usual method: construct a program; where none is found, train many seeds."""

from __future__ import annotations

from dataclasses import replace

from tpir.cli.console import say
from tpir.cli.train_construct import asked_for, prepare, report, search, write_program, write_run
from tpir.cli.train_gradient import train_gradient
from tpir.cli.train_request import Request


def train_search(request: Request) -> None:
    """Search first: it takes seconds where it succeeds. Raises TpirError."""
    searching, training = _divided(request)
    source, settings = asked_for(searching)
    prepare(searching)
    problem = source.problem()
    if not problem.pooled:
        result = search(problem, settings)
        if result.solved:
            write_run(searching, source, settings)
            report(searching, problem, result, write_program(searching, result))
            return
    say("training by gradients instead")
    train_gradient(training)


def _divided(request: Request) -> tuple[Request, Request]:
    """What is asked of each: settings that only the other has are left out."""
    from tpir.training.construct.construct import ConstructSettings
    from tpir.training.gradient.settings import GradientSettings

    of_search = ConstructSettings.names() - GradientSettings.names()
    of_training = GradientSettings.names() - ConstructSettings.names() - {"seeds"}
    return (
        replace(request, changes=_without(request, of_training)),
        replace(request, changes=_without(request, of_search), settings=None),
    )


def _without(request: Request, names: frozenset[str]) -> dict[str, object]:
    return {name: value for name, value in request.changes.items() if name not in names}
