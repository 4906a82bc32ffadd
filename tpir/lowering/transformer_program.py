"""From the weights of a Transformer Program to the program that it computes."""

from __future__ import annotations

from tpir.ir.builder import Builder
from tpir.ir.program import Header, Program
from tpir.ir.verify import verify
from tpir.lowering.embeddings import embed
from tpir.lowering.heads import categorical_heads, numerical_heads
from tpir.lowering.mlps import categorical_mlps, numerical_mlps
from tpir.lowering.readout import read_out
from tpir.lowering.tables import number_tables, value_tables
from tpir.lowering.tensors import Tensors
from tpir.models.checkpoint import Checkpoint
from tpir.semantics.program_space import canonical_form

OUTPUT = "output"
"""The name of a lowered program's output."""


def lower_transformer_program(
    checkpoint: Checkpoint, *, accepts: str | None = None, name: str | None = None
) -> Program:
    """The program of a discretised Transformer Program (Friedman et al. 2023, section 3).

    Every choice is read from the tensors as its greatest logit, of equal ones the first. Equal
    computations become one node. ``accepts`` states the form of inputs in place of the
    checkpoint's.

    Raises TpirError, naming the tensor, for weights that do not fit the model's sizes.
    """
    config, tensors = checkpoint.config, Tensors(checkpoint.state)
    stated = accepts if accepts is not None else checkpoint.accepts
    header = Header(
        vocabulary=tuple(t for k, t in enumerate(config.vocabulary) if k != config.pad_id),
        context=config.context,
        causal=config.causal,
        labels=config.labels,
        accepts=None if stated is None else canonical_form(stated),
        name=name or "program",
    )
    builder = Builder(header, share=True)
    stream = embed(builder, config, tensors)
    for layer in range(config.n_layers):
        heads = categorical_heads(builder, config, tensors, layer, stream)
        sums = numerical_heads(builder, config, tensors, layer, stream)
        stream.categorical += heads
        stream.numerical += sums
        if config.mlps == "table":
            made = value_tables(builder, config, tensors, layer, stream)
            made += number_tables(builder, config, tensors, layer, stream)
        else:
            made = categorical_mlps(builder, config, tensors, layer, stream)
            made += numerical_mlps(builder, config, tensors, layer, stream)
        stream.categorical += made
    labels = read_out(builder, config, tensors, stream)
    program = builder.build({OUTPUT: labels})
    verify(program)
    return program
