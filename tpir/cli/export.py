"""``tpir export``: a standard Transformer in a form that other software runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import tpir
from tpir.cli.console import say
from tpir.cli.options import Force


def export(
    weights: Annotated[
        Path,
        typer.Argument(
            metavar="WEIGHTS",
            help="A .safetensors file that compile --target transformer wrote.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", metavar="FILE.onnx", help="Where to write.", show_default=False)
    ],
    force: Force = False,
) -> None:
    """Export a standard Transformer to ONNX.

    The graph takes tokens (int64, places in the vocabulary) and a mask (bool, false at padding),
    both [batch, length], and gives logits [batch, length, outputs]. What they mean is in the
    file's metadata, under tpir.config. Needs the package onnx: pip install 'tpir[onnx]'.

    Examples:

    \b
      tpir export sort.safetensors -o sort.onnx
    """
    tpir.export(weights, out, force=force)
    say(f"wrote {out}")
