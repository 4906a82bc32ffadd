"""Artefacts: whatever tpir reads and writes, loaded by what it is.

A ``.rasp`` file, an emitted ``.py`` file, a folder with a checkpoint, or a ``.safetensors`` file
whose metadata says what it holds.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from tpir.equiv.python_process import PythonProcess
from tpir.equiv.runners import ProcessRunner, ProgramRunner, Runner
from tpir.errors import TpirError
from tpir.files import read_text
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.semantics.program_space import canonical_form, input_space
from tpir.semantics.space import InputSpace
from tpir.text import parse

if TYPE_CHECKING:
    from tpir.models.checkpoint import Checkpoint
    from tpir.models.stored_transformer import TransformerCheckpoint


class Kind(Enum):
    """What an artefact is."""

    PROGRAM = "program"
    CHECKPOINT = "transformer-program"
    TRANSFORMER = "transformer"
    PYTHON = "python"


@dataclass(frozen=True)
class Artefact:
    """A loaded artefact. One of ``program``, ``checkpoint`` and ``transformer`` is set, or none.

    None of them for emitted Python. ``vocabulary`` holds no padding; ``labels`` is empty for
    programs without a readout, and for a Transformer holds what its only output can be. The
    ``fingerprint`` of Python and of a Transformer is that of the program it was made from, as it
    says.
    """

    path: Path
    kind: Kind
    vocabulary: tuple[Value, ...]
    labels: tuple[Value, ...]
    context: int
    causal: bool
    accepts: str | None
    fingerprint: str | None = None
    program: Program | None = None
    checkpoint: Checkpoint | None = None
    transformer: TransformerCheckpoint | None = None

    @property
    def space(self) -> InputSpace:
        """What it accepts."""
        return input_space(self.vocabulary, self.context, self.accepts)

    def runner(self) -> Runner:
        """Something that runs it; close it after use."""
        if self.program is not None:
            return ProgramRunner(self.program)
        if self.checkpoint is not None:
            # Here and not at the top: what needs no model must start without torch.
            from tpir.models.runner import ModelRunner

            return ModelRunner(self.checkpoint)
        if self.transformer is not None:
            from tpir.models.transformer_runner import TransformerRunner

            return TransformerRunner(self.transformer)
        return ProcessRunner(PythonProcess(self.path, self.vocabulary))


@dataclass(frozen=True)
class ReadOptions:
    """What the user says of a file that does not say it itself.

    ``warn`` is told where a reader of Python would misread a program; with ``strict`` the first
    such place is an error.
    """

    vocabulary: tuple[Value, ...] | None = None
    vocabulary_file: Path | None = None
    context: int | None = None
    accepts: str | None = None
    output: str | None = None
    strict: bool = False
    warn: Callable[[str], None] | None = None


def load_artefact(path: Path, options: ReadOptions = ReadOptions()) -> Artefact:
    """Load an artefact. Raises TpirError with one clear line if it is not one.

    A form that the options state takes the place of the artefact's own, whatever its kind.
    """
    artefact = _load(path, options)
    return artefact if options.accepts is None else _accepting(artefact, options.accepts)


def _load(path: Path, options: ReadOptions) -> Artefact:
    if not path.exists():
        raise TpirError(f"{path} does not exist")
    if path.is_dir() or path.suffix == ".safetensors":
        return _weights(path, options)
    if path.suffix == ".py":
        return _module(path)
    if path.suffix in (".pt", ".json"):
        raise TpirError(f"{path}: give the folder of the checkpoint, not a file in it")
    return _program(path, options)


def _accepting(artefact: Artefact, accepts: str) -> Artefact:
    """The artefact with another accepted form, which must be one and leave an input."""
    try:
        form = canonical_form(accepts)
        input_space(artefact.vocabulary, artefact.context, form)
    except TpirError as error:
        raise TpirError(f"accepts {accepts}: {error.message}", notes=error.notes) from None
    program, checkpoint, fingerprint = artefact.program, artefact.checkpoint, artefact.fingerprint
    if program is not None:
        program = replace(program, header=replace(program.header, accepts=form))
        fingerprint = program.fingerprint
    if checkpoint is not None:
        checkpoint = replace(checkpoint, accepts=form)
    transformer = artefact.transformer
    if transformer is not None:
        transformer = replace(transformer, accepts=form)
    return replace(
        artefact,
        accepts=form,
        fingerprint=fingerprint,
        program=program,
        checkpoint=checkpoint,
        transformer=transformer,
    )


def program_artefact(program: Program, path: Path) -> Artefact:
    """A program as an artefact."""
    return Artefact(
        path,
        Kind.PROGRAM,
        program.vocabulary,
        program.labels,
        program.context,
        program.causal,
        program.accepts,
        program.fingerprint,
        program=program,
    )


def checkpoint_artefact(checkpoint: Checkpoint, path: Path) -> Artefact:
    """A Transformer Program's checkpoint as an artefact."""
    config = checkpoint.config
    return Artefact(
        path,
        Kind.CHECKPOINT,
        tuple(t for t in config.vocabulary if t != "<pad>"),
        config.labels,
        config.context,
        config.causal,
        checkpoint.accepts,
        checkpoint=checkpoint,
    )


def transformer_artefact(transformer: TransformerCheckpoint, path: Path) -> Artefact:
    """A standard Transformer as an artefact."""
    outputs = transformer.outputs
    return Artefact(
        path,
        Kind.TRANSFORMER,
        transformer.vocabulary,
        (outputs[0].values or ()) if len(outputs) == 1 else (),
        transformer.context,
        transformer.causal,
        transformer.accepts,
        transformer.fingerprint,
        transformer=transformer,
    )


def name_of(path: Path) -> str:
    """A name for what a path holds: ``runs/sort`` and ``sort.min.rasp`` are both ``sort``."""
    stem = path.resolve().name.split(".")[0]
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in stem)
    return name if name and not name[0].isdigit() else f"_{name}"


def _program(path: Path, options: ReadOptions) -> Artefact:
    program = parse(
        read_text(path),
        name=str(path),
        vocabulary=options.vocabulary,
        context=options.context,
        output=options.output,
        strict=options.strict,
        warn=options.warn,
    )
    return program_artefact(program, path)


def _weights(path: Path, options: ReadOptions) -> Artefact:
    # All three bring torch.
    from tpir.models.checkpoint import CHECKPOINT_FILE, load_checkpoint
    from tpir.models.transformer_format import holds_transformer, load_transformer

    own = path / CHECKPOINT_FILE if path.is_dir() else path  # the folder of a training run
    if own.is_file() and holds_transformer(own):
        if options.vocabulary_file is not None:
            raise TpirError(f"{path} holds its own vocabulary; leave out {options.vocabulary_file}")
        return transformer_artefact(load_transformer(own), path)
    checkpoint = load_checkpoint(path, vocabulary_file=options.vocabulary_file)
    return checkpoint_artefact(checkpoint, path)


def _module(path: Path) -> Artefact:
    """The constants of an emitted module, read without running it."""
    constants = _constants(path)
    try:
        vocabulary, context = constants["VOCABULARY"], constants["CONTEXT"]
        labels, accepts = constants["LABELS"], constants["ACCEPTS"]
        causal, fingerprint = constants["CAUSAL"], constants["FINGERPRINT"]
    except KeyError as missing:
        raise TpirError(f"{path} was not emitted by tpir: it has no constant {missing}") from None
    if not isinstance(vocabulary, Sequence) or not isinstance(context, int):
        raise TpirError(f"{path} was not emitted by tpir: VOCABULARY or CONTEXT is not what it was")
    return Artefact(
        path,
        Kind.PYTHON,
        tuple(vocabulary),
        tuple(labels) if isinstance(labels, Sequence) else (),
        context,
        bool(causal),
        accepts if isinstance(accepts, str) else None,
        str(fingerprint),
    )


def _constants(path: Path) -> dict[str, object]:
    try:
        tree = ast.parse(read_text(path), str(path))
    except SyntaxError as error:
        raise TpirError(f"{path}:{error.lineno}: not Python: {error.msg}") from None
    constants: dict[str, object] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name.isupper():
                try:
                    constants[name] = ast.literal_eval(statement.value)
                except ValueError:
                    continue
    return constants
