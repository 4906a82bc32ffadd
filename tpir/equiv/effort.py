"""How a check is made: by running inputs, by a solver, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tpir.equiv.smt.solvers import Solver

Method = Literal["auto", "exhaustive", "smt", "sample"]

METHODS: tuple[Method, ...] = ("auto", "exhaustive", "smt", "sample")

EXHAUSTED = 10_000_000
"""Spaces of at most so many inputs are gone through one and all, unless something else is asked."""


@dataclass(frozen=True)
class Effort:
    """How to look, and how hard.

    ``auto`` runs every input where there are at most ``limit``, else asks a solver for ``seconds``
    where both sides are programs, else draws ``samples`` inputs by ``seed``. ``exhaustive`` runs
    every input however many, ``smt`` asks the solver even where there are few, ``sample`` draws.
    ``jobs`` processes run inputs; ``state`` is a file that says how far they have come. ``solver``
    None: the fastest one that is installed.
    """

    method: Method = "auto"
    limit: int = EXHAUSTED
    samples: int = 20_000
    seed: int = 0
    jobs: int = 1
    state: Path | None = None
    seconds: float = 60.0
    solver: Solver | None = None
