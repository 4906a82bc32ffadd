"""What tokens and positions put into the residual stream."""

from __future__ import annotations

import numpy as np

from tpir.ir.builder import Builder
from tpir.ir.functions import Table
from tpir.ir.ops import Indices, Map, Tokens
from tpir.ir.program import Node, Origin
from tpir.lowering.tensors import Tensors
from tpir.lowering.variables import Stream, Variable, add_table
from tpir.models.config import TransformerProgramConfig

POSITIONS = Origin(part="pos_embed")

ONE = Map(Table((), (1,)))
"""The number that counting heads add up."""


def embed(builder: Builder, config: TransformerProgramConfig, tensors: Tensors) -> Stream:
    """The residual stream before the first layer."""
    tokens = builder.add(Tokens(), name="tokens", origin=Origin(part="embed"))
    stream = Stream(
        [*_word_variables(builder, config, tensors, tokens), _positions(builder, config, tensors)]
    )
    stream.numerical = _numbers(builder, config, tensors, tokens)
    return stream


def indices_of(builder: Builder) -> Node:
    """The node of the positions."""
    return builder.add(Indices(), name="indices", origin=POSITIONS)


def _word_variables(
    builder: Builder, config: TransformerProgramConfig, tensors: Tensors, tokens: Node
) -> list[Variable]:
    """One variable for each block of W_E; the tokens themselves where token k chooses value k."""
    width, words = config.d_var, len(config.vocabulary)
    shape = (config.n_vars_cat * width, words)
    logits = tensors.read("embed.W_E", *shape).reshape(config.n_vars_cat, width, words)
    chosen = logits.argmax(axis=1)
    known = _known_tokens(config)
    identity = (
        *(None if k == config.pad_id else word for k, word in enumerate(config.vocabulary)),
        *[None] * (width - words),
    )
    variables = []
    for k, places in enumerate(chosen):
        if (places[known] == known).all():
            variables.append(Variable(tokens, identity[:width]))
            continue
        node = add_table(
            builder, [tokens], places[known], name=f"embed_{k}", origin=Origin(part=f"embed {k}")
        )
        variables.append(Variable(node, tuple(range(width))))
    return variables


def _known_tokens(config: TransformerProgramConfig) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Vocabulary indices of all tokens but padding."""
    return np.array([k for k in range(len(config.vocabulary)) if k != config.pad_id], dtype=np.intp)


def _positions(builder: Builder, config: TransformerProgramConfig, tensors: Tensors) -> Variable:
    tensors.expect("pos_embed.W", np.eye(config.context, config.d_var), "the one-hot position")
    unused = [None] * (config.d_var - config.context)
    return Variable(indices_of(builder), (*range(config.context), *unused))


def _numbers(
    builder: Builder, config: TransformerProgramConfig, tensors: Tensors, tokens: Node
) -> list[Node]:
    """Learned numbers are Real; a number that is 1 for every token is the integer 1: it counts."""
    table = tensors.read("num_embed.W_E", len(config.vocabulary), config.n_vars_num)
    nodes = []
    for k, column in enumerate(table[_known_tokens(config)].T):
        if (column == 1.0).all():
            nodes.append(builder.add(ONE, name="ones", origin=Origin(part="num_embed")))
            continue
        origin = Origin(part=f"num_embed {k}")
        nodes.append(add_table(builder, [tokens], column, name=f"num_embed_{k}", origin=origin))
    return nodes


def is_one(node: Node) -> bool:
    """Whether a node is the constant 1."""
    return node.op == ONE
