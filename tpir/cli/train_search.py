"""``tpir train``, its usual method: construct a program; where none is found, train many seeds."""

from __future__ import annotations

from tpir.cli.console import say
from tpir.cli.train_construct import chosen, prepare, report, search, write_program, write_run
from tpir.cli.train_gradient import train_gradient
from tpir.cli.train_request import Request


def train_search(request: Request) -> None:
    """Search first: it takes seconds where it succeeds. Raises TpirError."""
    source, settings = chosen(request)
    prepare(request)
    problem = source.problem()
    result = None
    if not problem.pooled:
        result = search(problem, settings)
        if result.solved:
            write_run(request, source, settings)
            report(request, problem, result, write_program(request, result))
            return
    say("training by gradients instead")
    train_gradient(request)
