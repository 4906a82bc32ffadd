"""The page of transformer_checkpoints.py: what it counted, in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SMALL_MARGIN = 1e-4
"""Where a label is ahead by less than this, float32 may say the other one."""


@dataclass(frozen=True)
class Result:
    """One checkpoint in one number type, on its recorded inputs or on every input.

    ``key`` says which program and weights these are. ``close``: positions whose label is ahead of
    the next by less than ``SMALL_MARGIN``, in the program itself.
    """

    key: str
    name: str
    dtype: str
    every: bool
    blocks: int
    d_model: int
    parameters: int
    seconds: float
    inputs: int
    positions: int
    close: int
    wrong: int
    wrong_and_close: int


HEAD = f"""# Checkpoints as standard Transformers

Made by `python benchmarks/transformer_checkpoints.py PATH --write docs`, PATH a folder of
checkpoints. Each checkpoint is lowered to a program, simplified at -O2, and compiled to a standard
Transformer. The weights run in the number type they are stored in; *wrong* counts the positions at
which their best logit is another label than the program's. A *close* position is one where the
program's own label is ahead of the next by less than {SMALL_MARGIN:g}: there float32 may differ,
and `--dtype float64` does not.

"""

EVERY = """## Every input

All inputs of the task's form, one by one.

"""

RECORDED = """
## Recorded inputs

Those that come with the checkpoints.

"""

COLUMNS = (
    "checkpoint",
    "blocks",
    "d_model",
    "parameters",
    "inputs",
    "positions",
    "close",
    "float32 wrong",
    "of these close",
    "float64 wrong",
)


def page(results: Sequence[Result]) -> str:
    """The page."""
    parts = [HEAD, EVERY, *table([r for r in results if r.every])]
    parts += [RECORDED, *table([r for r in results if not r.every])]
    return "".join(parts)


def table(results: Sequence[Result]) -> list[str]:
    """One line for each checkpoint: its sizes are those in float32."""
    lines = [f"| {' | '.join(COLUMNS)} |\n", "|---|" + "---:|" * (len(COLUMNS) - 1) + "\n"]
    for name in dict.fromkeys(result.name for result in results):
        found = {result.dtype: result for result in results if result.name == name}
        single, double = found["float32"], found["float64"]
        cells = [
            *(single.blocks, single.d_model, single.parameters, single.inputs, single.positions),
            *(single.close, single.wrong, single.wrong_and_close, double.wrong),
        ]
        lines.append(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} |\n")
    return lines
