"""From a program to the weights of a Transformer Program that computes it."""

from __future__ import annotations

import math

from tpir.backends.transformer_program_legal import (
    legalise,
    matches_sets,
    most_conjuncts,
    scored,
)
from tpir.backends.transformer_program_placement import Placement, place
from tpir.backends.transformer_program_refusal import refusal
from tpir.backends.transformer_program_weights import Weights, hidden_layer
from tpir.errors import TpirError
from tpir.ir.exact_sums import sums_are_exact
from tpir.ir.functions import FeatureWeights, TableWeights
from tpir.ir.ops import (
    Choose,
    Classify,
    ClassifyPooled,
    Map,
    Preference,
    Readout,
    canonical_order,
)
from tpir.ir.program import Program
from tpir.ir.types import Real
from tpir.models.checkpoint import Checkpoint
from tpir.models.config import Mlps, PositionBias, Predicates, TransformerProgramConfig

SAMPLING_ERROR = 0.05
"""The chance that one Gumbel sample at temperature 1 changes any choice of a compiled model."""

MAX_NUMBERS = 2**28
"""A model of more weights than this is refused."""

LARGEST_WEIGHT = 1e27
"""Readout weights stay below this, far from the -1e30 of a masked label."""


def compile_transformer_program(
    program: Program,
    *,
    name: str | None = None,
    predicates: Predicates | None = None,
    mlps: Mlps = "relu",
    narrow: bool = False,
) -> Checkpoint:
    """The weights of a Transformer Program (Friedman et al. 2023) that computes a program.

    ``mlps`` says what tables become: hidden ``relu`` layers or a ``table`` of logits each.
    ``predicates`` is how many key values a query value may match (``TransformerProgramConfig``); by
    default a ``set`` where some query value of the program matches several or some selector is an
    ``and``, which takes several conjuncts, else ``one``. If it has to be ``one``, keys are split
    into classes where that helps, and refused where not.

    ``narrow`` asks for a smaller model: heads read what tables of one variable read, so that those
    need no MLP, and values that nothing tells apart stand for one where variables would be wider
    than positions and tokens are. So the sum of two counts is as wide as what it is compared with.
    Lowering gives a program that means the same, but not the same program.

    The architecture is made to fit: variables as wide as the values need, MLPs with as many inputs
    and hidden units as tables need, and heads and MLPs that nothing reads where a layer has fewer
    than another. A choice that the program makes has the logit ``choice_logit``; the others are
    flat. Tensors are float32 where that holds their numbers exactly, else float64.

    Raises TpirError, naming the node, for what the architecture cannot express.
    """
    legal = legalise(program, predicates, mlps, narrow=narrow)
    _expect_sure_readout(legal)
    kind: Predicates = predicates or ("set" if matches_sets(legal) else "one")
    placement = place(legal, kind, mlps, narrow=narrow)
    if mlps == "table":
        _expect_whole_numbers(placement)
    config = _config(legal, placement, kind, mlps)
    _check_size(config)
    state = Weights(legal, placement, config, choice_logit(config)).state()
    return Checkpoint(config, state, program.accepts, {"name": name or program.name})


def choice_logit(config: TransformerProgramConfig) -> int:
    """How far the logit of a compiled choice is above the others of its row: an even number.

    A Gumbel sample takes another of K options with the chance (K - 1) / (K - 1 + e^g) if the gap is
    g, which is below (K - 1) e^-g. With C choices in the model, the chance that any of them falls
    otherwise is below C (K - 1) e^-g, so g = ln(C (K - 1) / eps) keeps it below eps,
    ``SAMPLING_ERROR``. K is the most options that a choice has. C counts, for weights, the
    variables that are read and the rows of predicates, tables and word embeddings, sampled once;
    for MLPs that are no tables, and for attention by score, one sample at each position. Draws
    among several keys that match are not counted: the position bias of the architecture decides
    those, and its size is given.

    Where a query value matches a set, each of its D key values is a choice between g or -g and 0:
    it falls otherwise with the chance 1 / (1 + e^g). So for a predicate of D query values, D²
    (K = 2) take the place of the D rows. A head of M conjuncts has M predicates, and reads 2 M + 1
    variables.
    """
    heads, mlps = config.n_heads_cat + config.n_heads_num, config.n_cat_mlps + config.n_num_mlps
    tables = config.mlps == "table"
    sampled = 0 if tables else mlps
    sampled += config.n_heads_cat if config.attention == "score" else 0
    predicates = heads * config.conjuncts
    once = 2 * predicates + heads + config.mlp_inputs * mlps
    once += mlps * config.d_var**config.mlp_inputs if tables else 0
    truths = predicates * config.d_var**2 if config.predicates == "set" else 0
    once += 0 if truths else predicates * config.d_var
    choices = config.n_layers * (once + sampled * config.context)
    if not config.one_hot_embed:
        choices += config.n_vars_cat * len(config.vocabulary)
    variables = config.cat_variables(config.n_layers), config.num_variables(config.n_layers)
    options = max(config.d_var, config.context, *variables)
    expected = (options - 1) * choices + config.n_layers * truths
    gap = math.log(max(1, expected) / SAMPLING_ERROR)
    return 2 * math.ceil(gap / 2)


def _config(
    program: Program, placement: Placement, predicates: Predicates, mlps: Mlps
) -> TransformerProgramConfig:
    readout = placement.readout.op
    assert isinstance(readout, Classify | ClassifyPooled)
    labels, masked = _labels(program, readout)
    heads_cat, heads_num, mlps_cat, mlps_num = placement.counts
    maps = [unit.node for unit in placement.units if isinstance(unit.node.op, Map)]
    by_score = scored(program)
    d_mlp = TransformerProgramConfig.d_mlp
    if mlps == "relu":
        d_mlp = max([1, *(len(hidden_layer(placement, node, 1).b_in) for node in maps)])
    return TransformerProgramConfig(
        vocabulary=placement.vocabulary,
        labels=labels,
        context=program.context,
        causal=program.causal,
        pooled=isinstance(readout, ClassifyPooled),
        d_var=placement.d_var,
        n_vars_cat=max(1, len(placement.words)),
        n_vars_num=len(placement.numbers),
        n_layers=len(placement.layers),
        n_heads_cat=heads_cat,
        n_heads_num=heads_num,
        n_cat_mlps=mlps_cat,
        n_num_mlps=mlps_num,
        mlp_inputs=max([1, *(len(node.operands) for node in maps)]),
        d_mlp=d_mlp,
        attention="score" if by_score else "cat",
        position_bias="none" if by_score else _position_bias(program),
        one_hot_embed=placement.one_hot,
        count_only=placement.numbers == [None],
        masked_labels=masked,
        predicates=predicates,
        mlps=mlps,
        conjuncts=most_conjuncts(program),
    )


def _labels(program: Program, readout: Readout) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """All labels in index order and those that are masked.

    The program's own list, if it is one that the readout's labels are taken from.
    """
    shown = [label for label in readout.labels if isinstance(label, str)]
    listed = [label for label in program.labels if isinstance(label, str)]
    if [label for label in listed if label in shown] != shown:
        return tuple(shown), None
    return tuple(listed), tuple(label for label in listed if label not in shown) or None


def _expect_whole_numbers(placement: Placement) -> None:
    """Refuse numbers of tokens in a model whose numerical MLPs are tables."""
    numbers = [unit for unit in placement.numbers if unit is not None]
    if numbers and placement.counts[3]:
        raise refusal(
            numbers[0].node, "tables of numbers read counts alone; with relu MLPs it compiles"
        )


def _expect_sure_readout(program: Program) -> None:
    """Refuse logits that the weights would add up to something else.

    A model adds features in an order of its own, and masks labels with a large negative logit.
    Numbers of a Real feature are not known beforehand: there ``check`` has to tell.
    """
    (node,) = program.outputs.values()
    op = node.op
    if not isinstance(op, Classify | ClassifyPooled):
        return
    rows = [op.bias, *(row for w in op.weights for row in _rows(w))]
    if max(abs(x) for row in rows for x in row) >= LARGEST_WEIGHT:
        raise refusal(node, f"a weight of {LARGEST_WEIGHT:g} or more would meet the label mask")
    types = [operand.type for operand in node.operands]
    ordered = len(types) > 1 or isinstance(op, ClassifyPooled)  # two terms add alike either way
    known = not any(isinstance(found, Real) for found in types)
    if ordered and known and not sums_are_exact(op, types, program.context):
        raise refusal(
            node,
            "its sums round, and a model adds its features in another order; "
            "write its weights as float32",
        )


def _rows(weights: FeatureWeights) -> tuple[tuple[float, ...], ...]:
    return weights.rows if isinstance(weights, TableWeights) else (weights.row,)


def _check_size(config: TransformerProgramConfig) -> None:
    """Raise TpirError for a model that no machine holds."""
    heads = (config.n_heads_cat + config.n_heads_num) * config.conjuncts * config.d_var**2
    n_mlps = config.n_cat_mlps + config.n_num_mlps
    if config.mlps == "table":
        rows = config.d_var**config.mlp_inputs
        mlps, size = n_mlps * rows * config.d_var, f"tables of {rows} rows"
    else:
        inputs = config.n_cat_mlps * config.d_var * config.mlp_inputs + config.n_num_mlps
        mlps = config.d_mlp * (inputs + n_mlps * config.d_var)
        size = f"MLPs of {config.d_mlp} hidden units"
    numbers = config.n_layers * (heads + mlps)
    if numbers > MAX_NUMBERS:
        raise TpirError(
            f"the weights would be {numbers} numbers, more than {MAX_NUMBERS}: variables of "
            f"{config.d_var} values, {size}"
        )


def _position_bias(program: Program) -> PositionBias:
    """The simplest kind of bias that gives every head its order."""
    orders = {
        canonical_order(node.op.order, program.context, program.causal)
        for node in program.live
        if isinstance(node.op, Choose)
    }
    if orders <= {Preference.CLOSEST}:
        return "fixed"
    return "none" if orders == {Preference.FIRST} else "clipped"
