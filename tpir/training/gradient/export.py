"""One seed of many as a model of its own."""

from __future__ import annotations

from torch import Tensor

from tpir.models.checkpoint import Checkpoint
from tpir.models.transformer_program import TransformerProgram
from tpir.training.gradient.layout import Layout


def export(
    layout: Layout, logits: Tensor, readout: Tensor, *, name: str, accepts: str | None
) -> Checkpoint:
    """The model of one run, from its ``logits`` [size] and ``readout`` [label, feature]."""
    config = layout.config
    model = TransformerProgram(config)
    parts = {key: part[0].cpu() for key, part in layout.split(logits.detach()[None]).items()}
    state = model.state_dict()
    for layer in range(config.n_layers):
        state |= _heads(layout, parts, layer) | _mlps(layout, parts, layer)
    state["unembed.W_U"] = readout.detach().cpu().T
    kept = {key: tensor.contiguous().clone() for key, tensor in state.items()}
    model.load_state_dict(kept)
    return Checkpoint.of_model(model, accepts=accepts, metadata={"task": name})


def _heads(layout: Layout, parts: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    config, heads = layout.config, layout.heads
    if not heads:
        return {}
    n_cat = config.n_heads_cat
    reads = parts[f"reads.{layer}"]
    keys, queries, values = reads[:heads], reads[heads : 2 * heads], reads[2 * heads :]
    relations = parts["predicates"][layer * heads : (layer + 1) * heads].transpose(1, 2)
    found = {}
    for kind, own in (("cat", slice(n_cat)), ("num", slice(n_cat, heads))):
        if len(keys[own]):
            prefix = f"blocks.{layer}.{kind}_attn"
            found[f"{prefix}.W_K.W"] = keys[own]
            found[f"{prefix}.W_Q.W"] = queries[own]
            found[f"{prefix}.W_pred.W"] = relations[own]
            found[f"{prefix}.W_V.W"] = values if kind == "cat" else parts[f"sums.{layer}"]
    return found


def _mlps(layout: Layout, parts: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    config, found = layout.config, {}
    first = layer * layout.mlps
    for kind, count in (("cat", config.n_cat_mlps), ("num", config.n_num_mlps)):
        for i in range(count):
            prefix = f"blocks.{layer}.{kind}_mlp.mlps.{i}"
            reads = parts[f"{kind}_inputs.{layer}"]
            rows = slice(i * config.mlp_inputs, (i + 1) * config.mlp_inputs)
            found[f"{prefix}.W_read.W"] = reads[rows]
            found[f"{prefix}.W_table"] = parts["tables"][first + i].T
        first += count
    return found
