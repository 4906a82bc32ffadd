"""From the weights of a standard Transformer to the program that they compute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.ops import Indices, Tokens
from tpir.ir.program import Header, Origin, Program
from tpir.ir.verify import verify
from tpir.lowering.tensors import Tensors
from tpir.lowering.transformer.heads import add_attention
from tpir.lowering.transformer.mlps import add_mlp
from tpir.lowering.transformer.readout import outputs_of, pooled_directions
from tpir.lowering.transformer.scores import Misread
from tpir.lowering.transformer.stream import UNIT, Stream, Variable
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.semantics.program_space import canonical_form


def lower_transformer(
    checkpoint: TransformerCheckpoint,
    *,
    accepts: str | None = None,
    name: str | None = None,
    blind: bool = False,
) -> Program:
    """The program that the weights of a standard Transformer compute, exactly.

    Read are the tensors, and of what is said of them the vocabulary, what logits mean, whether the
    model is causal, whether it has a token of beginning, the accepted form, and which directions
    belong together as one variable. ``blind`` does without the last.

    Raises TpirError, naming the block and the head or the variable, where the numbers are no
    program: keys that are neither selected nor left out, or tables that are too large.
    """
    lone = frozenset[tuple[int, int]]()
    while True:
        stream = _embedded(checkpoint, accepts, name)
        stream.lone = lone
        if not blind:
            stream.names = {
                (v.written, d): v.name for v in checkpoint.variables for d in v.directions
            }
        try:
            return _lowered(stream, checkpoint)
        except Misread as problem:
            copies = {stream.means[v.node] for v in problem.variables if v.node in stream.means}
            if copies <= lone:
                raise
            lone |= copies


def _lowered(stream: Stream, checkpoint: TransformerCheckpoint) -> Program:
    tensors = Tensors(checkpoint.state)
    stream.pooled = pooled_directions(checkpoint)
    for block in range(checkpoint.blocks):
        heads, _, size = _shape(checkpoint, f"blocks.{block}.attn.W_Q", 3)
        _, hidden = _shape(checkpoint, f"blocks.{block}.mlp.W_in", 2)
        stream.slot = 2 * block + 1
        add_attention(stream, tensors, block, (heads, size))
        stream.slot = 2 * block + 2
        add_mlp(stream, tensors, block, hidden)
    program = stream.builder.build(outputs_of(stream, tensors, checkpoint.outputs))
    program = replace(program, nodes=program.live)
    verify(program)
    return program


def _embedded(checkpoint: TransformerCheckpoint, accepts: str | None, name: str | None) -> Stream:
    """The stream that embeddings make."""
    tensors = Tensors(checkpoint.state)
    words, offset = len(checkpoint.vocabulary), int(checkpoint.bos)
    rows, width = _shape(checkpoint, "embed.W_E", 2)
    longest, _ = _shape(checkpoint, "pos_embed.W_pos", 2)
    if rows != words + offset:
        raise TpirError(f"tensor embed.W_E has {rows} rows, for {words + offset} tokens")
    tokens = tensors.read("embed.W_E", rows, width)
    positions = tensors.read("pos_embed.W_pos", longest, width)
    stated = accepts if accepts is not None else checkpoint.accepts
    header = Header(
        vocabulary=checkpoint.vocabulary,
        context=longest - offset,
        causal=checkpoint.causal,
        accepts=None if stated is None else canonical_form(stated),
        name=name or "program",
    )
    builder = Builder(header, share=True)
    token = builder.add(Tokens(), name="tokens", origin=Origin(part="embed"))
    place = builder.add(Indices(), name="indices", origin=Origin(part="pos_embed"))
    by_token = Variable(token, header.vocabulary, tokens[:words])
    by_place = Variable(place, tuple(range(header.context)), positions[offset:])
    bos = tokens[words] + positions[0] if checkpoint.bos else None
    dtype = str(checkpoint.state["embed.W_E"].dtype).removeprefix("torch.")
    stream = Stream(
        builder, np.zeros(width), [], bos, UNIT.get(dtype, UNIT["float32"]), by_token, by_place
    )
    stream.add(by_token)
    stream.add(by_place)
    return stream


def _shape(checkpoint: TransformerCheckpoint, name: str, rank: int) -> tuple[int, ...]:
    tensor = checkpoint.state.get(name)
    if tensor is None:
        raise TpirError(f"the checkpoint has no tensor {name}")
    if tensor.ndim != rank:
        raise TpirError(f"tensor {name} has {tensor.ndim} axes, not {rank}")
    return tuple(tensor.shape)
