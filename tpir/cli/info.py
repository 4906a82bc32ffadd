"""``tpir info``: what an artefact is."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from tpir.cli.artefacts import load, program_of
from tpir.cli.console import show, show_json
from tpir.cli.info_transformer import Lines, transformer_facts
from tpir.cli.options import (
    Accepts,
    ArtefactPath,
    Json,
    MaxLength,
    OutputName,
    Strict,
    Vocab,
    read_options,
)
from tpir.equiv.artefact import Artefact, Kind
from tpir.files import read_text
from tpir.ir.values import show_value
from tpir.passes.base import size_of_program
from tpir.text import print_program
from tpir.view.heads import HeadCount, count_heads

_SIZES = (
    "n_layers",
    "n_heads_cat",
    "n_heads_num",
    "n_cat_mlps",
    "n_num_mlps",
    "mlp_inputs",
    "n_vars_cat",
    "n_vars_num",
    "d_var",
    "attention",
    "position_bias",
    "predicates",
    "conjuncts",
    "mlps",
    "pooled",
)


def info(
    artefact: ArtefactPath,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Say what an artefact is: kind, sizes, input space and how many inputs, fingerprint.

    Layers and heads are counted as in Weiss et al. (2021): heads of each layer as they are written,
    and with equal selectors of a layer shared. selector_width takes two heads, as it does there.

    A checkpoint's fingerprint is that of the program it lowers to. Equal programs have equal
    fingerprints. An emitted module says which program it was emitted from, a standard Transformer
    which it was compiled from; whether it still does what that does is for `tpir check` to say.

    Of a standard Transformer: heads, their width and hidden units of each block; for each variable
    the directions of the residual stream that hold it, after which part and until which.

    Examples:

    \b
      tpir info runs/sort
      tpir info sort.min.rasp --json
      tpir info sort.safetensors
    """
    loaded = load(artefact, read_options(vocab, max_length, accepts, output, strict=strict))
    facts = _facts(loaded)
    if as_json:
        show_json({name: _plain(value) for name, value in facts.items()})
    else:
        show(_table(facts))


def _facts(artefact: Artefact) -> dict[str, object]:
    space = artefact.space
    facts: dict[str, object] = {
        "path": str(artefact.path),
        "kind": artefact.kind.value,
        "bytes": _bytes(artefact.path),
        "vocabulary": list(artefact.vocabulary),
        "labels": list(artefact.labels),
        "context": artefact.context,
        "causal": artefact.causal,
        "accepts": artefact.accepts,
        "inputs": space.count(),
        "inputs by length": {str(k): n for k, n in space.count_by_length().items()},
    }
    facts |= _model_facts(artefact)
    if artefact.transformer is not None:
        facts |= transformer_facts(artefact.transformer)
    elif artefact.kind is Kind.PYTHON:
        facts["lines"] = read_text(artefact.path).count("\n")
        facts["emitted from"] = artefact.fingerprint
    else:
        facts |= _program_facts(artefact)
    return facts


def _bytes(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _model_facts(artefact: Artefact) -> dict[str, object]:
    if artefact.checkpoint is None:
        return {}
    config = artefact.checkpoint.config
    state = artefact.checkpoint.state
    model = {name: getattr(config, name) for name in _SIZES}
    return {"model": model, "parameters": sum(tensor.numel() for tensor in state.values())}


def _program_facts(artefact: Artefact) -> dict[str, object]:
    program = program_of(artefact)
    size = size_of_program(program)
    return {
        "outputs": {name: str(node.type) for name, node in program.outputs.items()},
        "nodes": size.nodes,
        "rows": size.rows,
        "lines": print_program(program).count("\n"),
        "attention": count_heads(program),
        "fingerprint": program.fingerprint,
    }


def _plain(value: object) -> object:
    """What JSON has for a fact."""
    if isinstance(value, HeadCount):
        return {"layers": value.layers, "heads": value.heads, "shared heads": value.shared}
    if isinstance(value, Lines):
        return value.rows
    return value


def _table(facts: dict[str, object]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(_words(name, value)))
    return table


def _words(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)}: {' '.join(map(show_value, value))}" if value else "none"
    if isinstance(value, Lines):
        return str(value)
    if isinstance(value, dict):
        numbers = name == "inputs by length"
        return ", ".join(f"{k}: {v:,}" if numbers else f"{k}: {v}" for k, v in value.items())
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
