"""The library in a few typed calls; what the command line does, these do.

Everything here starts without torch. Functions that need a model import it when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import numpy as np

from tpir.backends.python import emit_python
from tpir.equiv.artefact import (
    Artefact,
    ReadOptions,
    checkpoint_artefact,
    load_artefact,
    name_of,
    program_artefact,
    transformer_artefact,
)
from tpir.equiv.common_space import spaces_to_check
from tpir.equiv.effort import EXHAUSTED, Effort, Method
from tpir.equiv.guard import verify_each as guard
from tpir.equiv.sides import compare
from tpir.equiv.verdict import Verdict
from tpir.errors import TpirError
from tpir.files import check_writable
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.passes.pipeline import level as passes_of_level
from tpir.passes.pipeline import parse_pipeline, run_pipeline
from tpir.semantics.interpreter import failure_error
from tpir.text import parse, print_program

if TYPE_CHECKING:
    from tpir.models.checkpoint import Checkpoint
    from tpir.models.config import Mlps, Predicates
    from tpir.models.stored_transformer import TransformerCheckpoint

__all__ = [
    "check",
    "compile",
    "emit",
    "export",
    "format",
    "load",
    "lower",
    "optimise",
    "parse",
    "run",
    "save",
]

Source = str | Path
Runnable: TypeAlias = "Program | Checkpoint | TransformerCheckpoint | Artefact | Source"
"""Whatever can be run and compared; a path is loaded."""


def load(
    path: Source,
    *,
    vocabulary: Sequence[Value] | None = None,
    context: int | None = None,
    accepts: str | None = None,
    output: str | None = None,
) -> Artefact:
    """Load a ``.rasp``, ``.py`` or ``.safetensors`` file or a checkpoint's folder.

    ``vocabulary`` and ``context`` specialise a hand-written program; ``accepts`` is the form of
    inputs, in place of the artefact's own. Raises TpirError.
    """
    words = None if vocabulary is None else tuple(vocabulary)
    options = ReadOptions(words, None, context, accepts, output)
    return load_artefact(Path(path), options)


def lower(
    source: Source | Checkpoint | TransformerCheckpoint | Artefact,
    *,
    accepts: str | None = None,
    blind: bool = False,
) -> Program:
    """The program that weights compute: a checkpoint, loaded or by path. Raises TpirError.

    A Transformer Program is discretised. A standard Transformer is read through the variables that
    its file names; ``blind`` finds them in the numbers.
    """
    from tpir.lowering.transformer import lower_transformer
    from tpir.lowering.transformer_program import lower_transformer_program
    from tpir.models.stored_transformer import TransformerCheckpoint

    name = None
    if isinstance(source, str | Path):
        source = load_artefact(Path(source))
    if isinstance(source, Artefact):
        name = name_of(source.path)
        found = source.transformer or source.checkpoint
        if found is None:
            raise TpirError(f"{source.path} is not a checkpoint")
        source = found
    if isinstance(source, TransformerCheckpoint):
        return lower_transformer(source, accepts=accepts, name=name, blind=blind)
    if blind:
        raise TpirError("a Transformer Program names no variables: blind is for the standard one")
    return lower_transformer_program(source, accepts=accepts, name=name)


def format(program: Program) -> str:
    """A program as ``.rasp`` text: ``parse(format(p)) == p``."""
    return print_program(program)


def optimise(
    program: Program,
    *,
    level: int = 2,
    passes: str | None = None,
    verify_each: bool = False,
) -> Program:
    """The program simplified: by ``-O<level>``, or by passes such as ``"dce,cse"``.

    With ``verify_each`` the programs before and after every pass are compared; the first pass that
    changes the meaning raises ``tpir.equiv.verdict.GuiltyPass`` with a smallest input.
    """
    stages = passes_of_level(level) if passes is None else parse_pipeline(passes)
    after_each = guard() if verify_each else None
    return run_pipeline(program, stages, after_each=after_each).program


def emit(program: Program) -> str:
    """The program as one stand-alone Python module."""
    return emit_python(program)


@overload
def compile(
    program: Program,
    *,
    target: Literal["transformer-program"] = ...,
    predicates: Predicates | None = ...,
    mlps: Mlps = ...,
) -> Checkpoint: ...


@overload
def compile(
    program: Program,
    *,
    target: Literal["transformer"],
    dtype: Literal["float32", "float64"] = ...,
) -> TransformerCheckpoint: ...


def compile(
    program: Program,
    *,
    target: Literal["transformer-program", "transformer"] = "transformer-program",
    dtype: Literal["float32", "float64"] = "float32",
    predicates: Predicates | None = None,
    mlps: Mlps = "relu",
) -> Checkpoint | TransformerCheckpoint:
    """The program as the weights of a Transformer Program, or of a standard Transformer.

    ``dtype`` is the type that a standard Transformer computes in. ``predicates`` and ``mlps`` are
    for a Transformer Program: how many key values a query value can match, ``"one"`` or a
    ``"set"``, by default what the program needs; and whether MLPs are ``"relu"`` layers or each a
    ``"table"`` of logits. Raises TpirError, with the node's
    name, for what the architecture has no place for or what would not be exact.
    """
    if target == "transformer":
        if predicates is not None or mlps != "relu":
            raise TpirError("predicates and mlps are of a Transformer Program, not a standard one")
        from tpir.backends.transformer import compile_transformer
        from tpir.models.transformer_format import dtype_named

        return compile_transformer(program, dtype=dtype_named(dtype))
    if target != "transformer-program":
        raise TpirError(f"cannot compile to {target}: there is transformer-program, transformer")
    if dtype != "float32":
        raise TpirError("a Transformer Program takes the type that holds its numbers exactly")
    from tpir.backends.transformer_program import compile_transformer_program

    return compile_transformer_program(program, predicates=predicates, mlps=mlps)


def save(
    checkpoint: Checkpoint | TransformerCheckpoint, path: Source, *, force: bool = False
) -> None:
    """Write a checkpoint: a ``.safetensors`` file, or a folder in the public reference's format.

    A standard Transformer has the first form only. Raises TpirError if it is there and ``force`` is
    not set, or cannot be written.
    """
    from tpir.models.checkpoint import save_checkpoint, save_reference
    from tpir.models.stored_transformer import TransformerCheckpoint
    from tpir.models.transformer_format import save_transformer

    path = Path(path)
    if isinstance(checkpoint, TransformerCheckpoint):
        if path.suffix != ".safetensors":
            raise TpirError(f"{path}: the name of a safetensors file ends in .safetensors")
        save_transformer(path, checkpoint, force=force)
        return
    write = save_checkpoint if path.suffix == ".safetensors" else save_reference
    write(path, checkpoint, force=force)


def export(source: TransformerCheckpoint | Source, path: Source, *, force: bool = False) -> None:
    """Write a standard Transformer, given or by path, as an ONNX graph (``.onnx``).

    Raises TpirError if the file is there and ``force`` is not set, if it cannot be written, or
    where the package ``onnx`` is missing.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise TpirError(f"{path}: the name of an ONNX file ends in .onnx")
    check_writable(path, force=force)
    if isinstance(source, str | Path):
        loaded = load_artefact(Path(source)).transformer
        if loaded is None:
            raise TpirError(f"{source} is not a standard Transformer: compile to one first")
        source = loaded
    from tpir.models.transformer_onnx import save_onnx

    save_onnx(path, source, force=force)


def run(source: Runnable, tokens: Sequence[Value]) -> Mapping[str, tuple[Value, ...]]:
    """The outputs on one input, by name: a value for each position, or one if pooled.

    Raises TpirError for an input that the artefact does not accept, or on which it fails.
    """
    artefact = _artefact(source, "the program")
    codes = artefact.space.encode(tuple(tokens))
    runner = artefact.runner()
    try:
        (outcome,) = runner.run_batch(codes[:, np.newaxis]).outcomes()
    finally:
        runner.close()
    if outcome.values is None:
        raise failure_error(outcome, artefact.program, tokens)
    return outcome.values


def check(
    left: Runnable,
    right: Runnable,
    *,
    on: str | None = None,
    method: Method = "auto",
    limit: int = EXHAUSTED,
    samples: int = 20_000,
    seed: int = 0,
    jobs: int = 1,
    smt_timeout: float = 60.0,
) -> Verdict:
    """Whether two artefacts of any kind are the same function: proved, refuted or tested.

    ``on``: whose inputs, ``"a"`` or ``"b"``, where they differ. ``method``, ``limit``, ``samples``,
    ``seed`` and ``jobs``: see ``tpir.equiv.sides.Effort``; ``smt_timeout`` in seconds. Raises
    TpirError.
    """
    sides = (_artefact(left, "A"), _artefact(right, "B"))
    if on == "both":
        raise TpirError("check one space at a time: on='a', then on='b'")
    ((_, space),) = spaces_to_check(*sides, on)
    effort = Effort(method, limit, samples, seed, jobs, seconds=smt_timeout)
    return compare(*sides, space, effort)


def _artefact(side: Runnable, name: str) -> Artefact:
    if isinstance(side, Artefact):
        return side
    if isinstance(side, Program):
        return program_artefact(side, Path(name))
    if isinstance(side, str | Path):
        return load_artefact(Path(side))
    from tpir.models.stored_transformer import TransformerCheckpoint

    if isinstance(side, TransformerCheckpoint):
        return transformer_artefact(side, Path(name))
    return checkpoint_artefact(side, Path(name))
