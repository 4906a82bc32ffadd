"""What is named at the prompt, as a program for one vocabulary and context."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tpir.errors import TpirError
from tpir.ir.program import Header, Program
from tpir.ir.types import Type
from tpir.ir.values import Value, distinct
from tpir.ir.verify import verify
from tpir.text.elaborate import UNNAMED, fit
from tpir.text.open import OpenNode
from tpir.text.specialise import Specialiser


def program_of(
    node: OpenNode, vocabulary: Sequence[Value], context: int, label: str | None = None
) -> Program:
    """The program that has a sequence as its output. Raises TpirError."""
    name = label or node.name or (node.title if node.title.isidentifier() else UNNAMED)
    if node.is_selector:
        raise TpirError(f"{node.title} is a selector; only sequences can be outputs")
    header = Header(distinct(vocabulary), context, causal=False, labels=())
    program = fit(replace(header, name=name), [], {name: node})
    verify(program)
    return program


def specialised_type(node: OpenNode, vocabulary: Sequence[Value], context: int) -> Type:
    """The type of a sequence or selector for inputs over a vocabulary. Raises TpirError."""
    specialiser = Specialiser(Header(distinct(vocabulary), context, causal=False, labels=()))
    return specialiser.node(node).type


def free_path(stem: str, suffix: str) -> Path:
    """A file that is not there yet, called by a name: ``sort.svg``, ``sort-2.svg``."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_") or "picture"
    path, count = Path(f"{stem}{suffix}"), 1
    while path.exists():
        count += 1
        path = Path(f"{stem}-{count}{suffix}")
    return path
