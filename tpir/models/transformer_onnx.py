"""Standard Transformers as ONNX graphs, written node by node: opset 17, no torch exporter.

Inputs ``tokens`` (int64) and ``mask`` (bool), both [batch, length]; ``mask`` is false at padding,
which nothing attends to. Output ``logits`` [batch, length, outputs], in the type of the weights.
Batch and length are free, the length up to the context. A token of beginning is put before the
tokens, and its logits are taken off, inside the graph. Values inside have TransformerLens's names,
such as ``blocks.0.hook_resid_post``, and are off by one position where there is such a token. Small
models take as long as they have nodes: an MLP that writes nothing and a bias of zeros have none,
and where a block has one head, its values have no axis of heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_format import metadata_of

Array = NDArray[np.generic]

OPSET, IR_VERSION = 17, 8
_END = 2**31
"""Beyond the last position of any input."""
_MOST_BYTES = 2**31 - 2**20
"""Protocol buffers end at 2 GiB; a little is left for the nodes."""


def save_onnx(path: Path, checkpoint: TransformerCheckpoint, *, force: bool = False) -> None:
    """Write a ``.onnx`` file, whole or not at all.

    Raises TpirError if it exists and ``force`` is not set, or cannot be written, or as
    ``onnx_bytes`` does.
    """
    write_atomic(path, onnx_bytes(checkpoint), force=force)


def onnx_bytes(checkpoint: TransformerCheckpoint) -> bytes:
    """The content of a ``.onnx`` file: the graph, the weights, and metadata as in our own files.

    Raises TpirError where the package ``onnx`` is missing, or the weights are too large for a file.
    """
    size = sum(tensor.nbytes for tensor in checkpoint.state.values())
    if size > _MOST_BYTES:
        raise TpirError(f"the weights take {size:,} bytes; an ONNX file holds {_MOST_BYTES:,}")
    return _serialised(_graph(checkpoint), checkpoint)


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, int | list[int]]


@dataclass
class _Graph:
    """Nodes in order, and the constants they read, by name."""

    nodes: list[_Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def add(
        self, operator: str, *inputs: str, name: str = "", **attributes: int | list[int]
    ) -> str:
        """A node with one output, whose name is returned."""
        output = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(_Node(operator, inputs, output, attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        self.constants[name] = value
        return name

    def whole(self, *values: int) -> str:
        """A list of whole numbers, such as axes."""
        return self.constant(f"list_{'_'.join(map(str, values))}", np.array(values, np.int64))

    def affine(self, x: str, weight: str, bias: str, name: str = "") -> str:
        """``x @ weight + bias``; a bias of zeros is left out."""
        if self.constants[bias].any():
            return self.add("Add", self.add("MatMul", x, weight), bias, name=name)
        return self.add("MatMul", x, weight, name=name)


def _graph(checkpoint: TransformerCheckpoint) -> _Graph:
    graph = _Graph()
    for name, tensor in checkpoint.state.items():
        graph.constant(name, _as_read(name, tensor.numpy()))
    tokens, mask = "tokens", "mask"
    if checkpoint.bos:
        tokens, mask = _with_first(graph, len(checkpoint.vocabulary))
    x, hiding = _embedded(graph, tokens, mask, causal=checkpoint.causal)
    for number in range(checkpoint.blocks):
        x = _attention(graph, checkpoint, f"blocks.{number}.", x, hiding)
        x = _mlp(graph, checkpoint, f"blocks.{number}.", x)
    if checkpoint.bos:
        x = graph.add("Slice", x, graph.whole(1), graph.whole(_END), graph.whole(1))
    graph.affine(x, "unembed.W_U", "unembed.b_U", "logits")
    read = {name for node in graph.nodes for name in node.inputs}
    graph.constants = {name: array for name, array in graph.constants.items() if name in read}
    return graph


def _as_read(name: str, array: Array) -> Array:
    """A tensor of the state as the nodes read it: the heads of a block side by side."""
    if ".attn." not in name or name.endswith("b_O"):
        return array
    if name.endswith("W_O"):
        return array.reshape(-1, array.shape[-1])
    if array.ndim == 2:
        return array.reshape(-1)
    return array.transpose(1, 0, 2).reshape(array.shape[1], -1)


def _with_first(graph: _Graph, token: int) -> tuple[str, str]:
    """Tokens and mask with the token of beginning before them."""
    before = graph.whole(0, 1, 0, 0)
    first = graph.constant("first_token", np.array(token, np.int64))
    present = graph.constant("present", np.array(True))
    return graph.add("Pad", "tokens", before, first), graph.add("Pad", "mask", before, present)


def _embedded(graph: _Graph, tokens: str, mask: str, *, causal: bool) -> tuple[str, str]:
    """The stream at the start, and what hides keys from queries, which is added to scores.

    That is 0 where a query sees a key, otherwise as low as can be: [batch, query or 1, key]. Not
    minus infinity, because a query that sees no key, which is padding, has to have a pattern still.
    """
    zero, one = (graph.constant(f"number_{n}", np.array(n, np.int64)) for n in (0, 1))
    positions = graph.add("Range", zero, graph.add("Gather", graph.add("Shape", tokens), one), one)
    # A row, because onnxruntime 1.32 makes of Gather(W, Range) a Slice that it then refuses.
    positions = graph.add("Unsqueeze", positions, graph.whole(0))
    seen = graph.add("Unsqueeze", mask, graph.whole(1))
    if causal:
        queries = graph.add("Transpose", positions, perm=[1, 0])
        seen = graph.add("And", seen, graph.add("LessOrEqual", positions, queries))
    real = graph.constants["embed.W_E"].dtype
    least = np.finfo(np.float64 if real == np.float64 else np.float32).min
    nothing = graph.constant("nothing", np.array(0, real))
    lowest = graph.constant("lowest", np.array(least, real))
    embedded = graph.add("Gather", "embed.W_E", tokens, name="hook_embed")
    placed = graph.add("Gather", "pos_embed.W_pos", positions, name="hook_pos_embed")
    x = graph.add("Add", embedded, placed, name="blocks.0.hook_resid_pre")
    return x, graph.add("Where", seen, nothing, lowest)


def _attention(
    graph: _Graph, checkpoint: TransformerCheckpoint, block: str, x: str, hiding: str
) -> str:
    """As in ``tpir.models.transformer``; a head that is alone has no axis of heads."""
    p = f"{block}attn."
    heads, _, d_head = checkpoint.state[f"{p}W_Q"].shape
    q, k, v = (_projected(graph, p, n, x, heads) for n in "QKV")
    root = np.array(math.sqrt(d_head), graph.constants[f"{p}W_Q"].dtype)
    scaled = graph.add("Div", graph.add("MatMul", q, k), graph.constant(f"{p}scale", root))
    hiding = graph.add("Unsqueeze", hiding, graph.whole(1)) if heads > 1 else hiding
    scores = graph.add("Add", scaled, hiding, name=f"{p}hook_attn_scores")
    pattern = graph.add("Softmax", scores, axis=-1, name=f"{p}hook_pattern")
    if heads == 1:
        z = graph.add("MatMul", pattern, v, name=f"{p}hook_z")
    else:
        each = graph.add("MatMul", pattern, v)
        each = graph.add("Transpose", each, perm=[0, 2, 1, 3], name=f"{p}hook_z")
        z = graph.add("Reshape", each, graph.whole(0, 0, -1))
    written = graph.affine(z, f"{p}W_O", f"{p}b_O", f"{block}hook_attn_out")
    return graph.add("Add", x, written, name=f"{block}hook_resid_mid")


def _projected(graph: _Graph, p: str, which: str, x: str, heads: int) -> str:
    """Queries, keys or values [batch, head, position, d_head]; of keys the last two change places.

    All heads in one product: a runtime takes as long for each of many small ones.
    """
    keys, name = which == "K", f"{p}hook_{which.lower()}"
    weight, bias = f"{p}W_{which}", f"{p}b_{which}"
    if heads == 1:
        alone = graph.affine(x, weight, bias, name)
        return graph.add("Transpose", alone, perm=[0, 2, 1]) if keys else alone
    shape = graph.whole(0, 0, heads, len(graph.constants[bias]) // heads)
    each = graph.add("Reshape", graph.affine(x, weight, bias), shape, name=name)
    return graph.add("Transpose", each, perm=[0, 2, 3, 1] if keys else [0, 2, 1, 3])


def _mlp(graph: _Graph, checkpoint: TransformerCheckpoint, block: str, x: str) -> str:
    """Left out where it writes nothing."""
    p = f"{block}mlp."
    if not any(checkpoint.state[f"{p}{name}"].any() for name in ("W_out", "b_out")):
        return graph.add("Identity", x, name=f"{block}hook_resid_post")
    hidden = graph.affine(x, f"{p}W_in", f"{p}b_in", f"{p}hook_pre")
    hidden = graph.add("Relu", hidden, name=f"{p}hook_post")
    written = graph.affine(hidden, f"{p}W_out", f"{p}b_out", f"{block}hook_mlp_out")
    return graph.add("Add", x, written, name=f"{block}hook_resid_post")


def _serialised(graph: _Graph, checkpoint: TransformerCheckpoint) -> bytes:
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise TpirError("exporting to ONNX needs onnx: pip install 'tpir[onnx]'") from None

    real = helper.np_dtype_to_tensor_dtype(graph.constants["embed.W_E"].dtype)
    sizes: Sequence[str | int] = ("batch", "length")
    outputs = checkpoint.state["unembed.b_U"].shape[0]
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node(node.operator, node.inputs, [node.output], **node.attributes)
                for node in graph.nodes
            ],
            "tpir",
            [
                helper.make_tensor_value_info("tokens", TensorProto.INT64, sizes),
                helper.make_tensor_value_info("mask", TensorProto.BOOL, sizes),
            ],
            [helper.make_tensor_value_info("logits", real, [*sizes, outputs])],
            [
                numpy_helper.from_array(np.ascontiguousarray(array), name)
                for name, array in graph.constants.items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tpir",
    )
    helper.set_model_props(model, metadata_of(checkpoint))
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString()
    return serialised
