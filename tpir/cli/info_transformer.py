"""What ``tpir info`` says of a standard Transformer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tpir.ir.values import show_value
from tpir.view.stream import sublayer_name

if TYPE_CHECKING:
    from tpir.models.stored_transformer import Output, TransformerCheckpoint, Variable


@dataclass(frozen=True)
class Lines:
    """A fact of several parts: a line each for people, an object each for machines."""

    lines: list[str]
    rows: list[dict[str, object]]

    def __str__(self) -> str:
        return "\n".join(self.lines) or "none"


def transformer_facts(model: TransformerCheckpoint) -> dict[str, object]:
    """Sizes, outputs, and where the residual stream holds which variable."""
    from tpir.models.transformer_sizes import sizes_of  # brings torch

    sizes = sizes_of(model.state)
    return {
        "model": {
            "blocks": len(sizes.blocks),
            "d_model": sizes.d_model,
            "heads": [block.heads for block in sizes.blocks],
            "d_head": [block.d_head for block in sizes.blocks],
            "hidden": [block.hidden for block in sizes.blocks],
            "bos": model.bos,
            "dtype": str(model.state["embed.W_E"].dtype).removeprefix("torch."),
        },
        "parameters": sizes.parameters,
        "outputs": Lines(list(map(_output, model.outputs)), list(map(asdict, model.outputs))),
        "variables": Lines(
            [_variable(variable, len(sizes.blocks)) for variable in model.variables],
            list(map(asdict, model.variables)),
        ),
        "compiled from": model.fingerprint,
    }


def _output(output: Output) -> str:
    where = "one for the input" if output.pooled else "one for each position"
    if output.values is None:
        return f"{output.name}: a number, {where}"
    return f"{output.name}: {' '.join(map(show_value, output.values))}, {where}"


def _variable(variable: Variable, blocks: int) -> str:
    directions = " ".join(map(str, variable.directions))
    written, read = (sublayer_name(time, blocks) for time in (variable.written, variable.read))
    until = "read by nothing" if variable.read == variable.written else f"until {read}"
    return f"{variable.name}: directions {directions}, from {written}, {until}"
