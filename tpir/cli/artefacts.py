"""Loading what a command is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tpir.equiv.artefact import (
    Artefact,
    Kind,
    ReadOptions,
    load_artefact,
    name_of,
)
from tpir.errors import TpirError
from tpir.files import read_text
from tpir.ir.program import Program
from tpir.ir.values import Value, distinct, value_key
from tpir.text import needs_specialising

_OTHERS = (".py", ".safetensors", ".pt", ".json")
"""Files of these kinds are no programs."""


def load(path: Path, options: ReadOptions) -> Artefact:
    """Load an artefact under the options of the command line. Raises TpirError."""
    artefact = load_artefact(path, options)
    if artefact.kind is not Kind.PROGRAM:
        _refuse_idle_options(artefact, options)
    return artefact


def _refuse_idle_options(artefact: Artefact, options: ReadOptions) -> None:
    """An option that a file overrules is a misunderstanding, and not to be passed over."""
    path = artefact.path
    if options.context not in (None, artefact.context):
        raise TpirError(f"{path} has context {artefact.context}; --max-length cannot change it")
    if options.output is not None:
        raise TpirError(f"{path} has its own output; --output is for .rasp files")
    stated = options.vocabulary if options.vocabulary_file is None else None
    if stated is not None and set(map(value_key, stated)) != set(
        map(value_key, artefact.vocabulary)
    ):
        raise TpirError(f"{path} has a vocabulary of its own; --vocab cannot change it")


def is_text(path: Path) -> bool:
    """Whether a path is a file of .rasp text, as far as its name says."""
    return path.is_file() and path.suffix not in _OTHERS


def specialised(path: Path, options: ReadOptions, inputs: Sequence[Sequence[Value]]) -> ReadOptions:
    """Options that specialise a .rasp file without a header to the inputs it is to be run on.

    Raises TpirError where these are empty.
    """
    if not is_text(path):
        return options
    if not needs_specialising(read_text(path), name=str(path)):
        return options
    tokens = distinct(token for row in inputs for token in row)
    longest = max(map(len, inputs))
    if not longest:
        raise TpirError("the input is empty" if len(inputs) == 1 else "all inputs are empty")
    return replace(
        options,
        vocabulary=options.vocabulary or tokens,
        context=options.context or longest,
    )


def load_program(path: Path, options: ReadOptions, *, blind: bool = False) -> Program:
    """A program, read from text or lowered from a checkpoint. Raises TpirError."""
    return program_of(load(path, options), blind=blind)


def program_of(artefact: Artefact, *, blind: bool = False) -> Program:
    """An artefact's program; a checkpoint is lowered. Raises TpirError for an emitted module.

    ``blind`` ignores which variables a standard Transformer's file names.
    """
    if blind and artefact.transformer is None:
        raise TpirError(f"{artefact.path} is no standard Transformer, which --blind is for")
    if artefact.program is not None:
        return artefact.program
    name, accepts = name_of(artefact.path), artefact.accepts
    if artefact.transformer is not None:
        from tpir.lowering.transformer import lower_transformer  # brings torch

        return lower_transformer(artefact.transformer, accepts=accepts, name=name, blind=blind)
    if artefact.checkpoint is None:
        raise TpirError(f"{artefact.path} is emitted Python; give the program it was emitted from")
    from tpir.lowering.transformer_program import lower_transformer_program  # brings torch

    return lower_transformer_program(artefact.checkpoint, accepts=accepts, name=name)
