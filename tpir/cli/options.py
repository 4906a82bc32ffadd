"""The options that several commands share, each with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.console import say
from tpir.equiv.artefact import ReadOptions
from tpir.equiv.effort import METHODS, Method
from tpir.equiv.smt.solvers import Solver
from tpir.errors import TpirError
from tpir.files import json_value, read_text
from tpir.ir.values import Value
from tpir.text.header import listed_vocabulary

ArtefactPath = Annotated[
    Path,
    typer.Argument(
        metavar="ARTEFACT",
        help="A .rasp program, an emitted .py, a .safetensors file or a checkpoint's folder.",
        show_default=False,
    ),
]
Vocab = Annotated[
    str | None,
    typer.Option(
        "--vocab",
        metavar="FILE.json|a,b,c",
        help="The vocabulary, where the artefact does not say: a JSON file or a list.",
    ),
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        "--max-length", metavar="N", min=1, help="The longest input in tokens, specials included."
    ),
]
Accepts = Annotated[
    str | None,
    typer.Option(
        "--accepts",
        metavar="FORM",
        help='The form of inputs, a regular expression over tokens: \'"<s>" ("a"|"b"){1,6}\'.',
    ),
]
OutputName = Annotated[
    str | None, typer.Option("--output", metavar="NAME", help="Which variable is the output.")
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="An error where a reader of Python would misread a .rasp file."),
]
OutFile = Annotated[
    Path | None,
    typer.Option("-o", metavar="FILE", help="Where to write; - is standard output."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Limit = Annotated[
    int,
    typer.Option(
        "--limit", metavar="N", min=0, help="Go through all inputs where there are at most N."
    ),
]
Samples = Annotated[
    int,
    typer.Option("--samples", metavar="N", min=1, help="How many inputs to draw where not."),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="The seed they are drawn by.")
]
Require = Annotated[
    str | None,
    typer.Option(
        "--require", metavar="proved", help="Exit with 3 where the answer is no more than tested."
    ),
]

MethodName = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="auto|exhaustive|smt|sample",
        help="Run every input, ask a solver, draw inputs, or what fits.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option("--jobs", metavar="N", help="Processes that run inputs; -1 for all cores."),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="STATE",
        help="Keep in this file how far all inputs have been run, and go on from there.",
    ),
]
SmtTimeout = Annotated[
    float,
    typer.Option(
        "--smt-timeout", metavar="SECONDS", min=0, help="How long a solver may take in all."
    ),
]
SolverName = Annotated[
    str | None,
    typer.Option(
        "--solver",
        metavar="z3|bitwuzla|both",
        help="Which solver is asked; both have to agree. Default: the fastest there is.",
    ),
]

LIMIT, SAMPLES = 1_000_000, 20_000


def read_options(
    vocab: str | None = None,
    max_length: int | None = None,
    accepts: str | None = None,
    output: str | None = None,
    *,
    strict: bool = False,
) -> ReadOptions:
    """What the options say of a file that does not say it itself. Raises TpirError.

    With ``strict`` a text that a reader of Python would misread is an error, else a warning.
    """
    vocabulary, file = _vocabulary(vocab)
    return ReadOptions(vocabulary, file, max_length, accepts, output, strict, say)


def method_of(name: str) -> Method:
    """What ``--method`` names. Raises TpirError."""
    for method in METHODS:
        if name == method:
            return method
    raise TpirError(f"--method {name}: choose {', '.join(METHODS[:-1])} or {METHODS[-1]}")


def solver_of(name: str | None) -> Solver | None:
    """What ``--solver`` names. Raises TpirError."""
    if name is None or name in {solver.value for solver in Solver}:
        return None if name is None else Solver(name)
    raise TpirError(f"--solver {name}: choose z3, bitwuzla or both")


def check_require(require: str | None) -> None:
    """Raise TpirError unless ``--require`` asks for what there is."""
    if require not in (None, "proved"):
        raise TpirError(f"--require {require}: the only thing to require is proved")


def _vocabulary(vocab: str | None) -> tuple[tuple[Value, ...] | None, Path | None]:
    if vocab is None:
        return None, None
    if not vocab.endswith(".json"):
        return listed_vocabulary(vocab), None
    path = Path(vocab)
    return _vocabulary_of_file(path), path


def _vocabulary_of_file(path: Path) -> tuple[Value, ...]:
    """The tokens of a JSON file: a list of them, or an object that has them as ``tokens``."""
    content = json_value(read_text(path), str(path))
    tokens = content.get("tokens") if isinstance(content, dict) else content
    if not isinstance(tokens, list) or not all(isinstance(t, str | int | float) for t in tokens):
        raise TpirError(f'{path}: expected a list of tokens, or {{"tokens": [...]}}')
    return tuple(token for token in tokens if token != "<pad>")
