"""Readout terms that cannot change which label wins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from tpir.ir.exact_sums import Floats, extremes, rows_of_feature, sums_are_exact
from tpir.ir.functions import FeatureWeights, NumberWeights, TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Readout
from tpir.ir.program import Node, Program
from tpir.ir.types import Type
from tpir.passes.base import Pass, PassResult, Rewriting, rewrite, then, until_stable
from tpir.passes.constants import constant_op
from tpir.passes.failing import can_fail
from tpir.passes.readout_trial import unneeded_features
from tpir.semantics.program_space import space_of


@dataclass(frozen=True)
class ReadoutTerms(Pass):
    """Simplify readouts: features, constants and labels that decide nothing.

    Laws, for the argmax over labels of bias + sum of features:
    adding zero changes nothing; adding one number to every label changes no argmax; a term that is
    always the same belongs to the bias; two features of one sequence are one, their weights added;
    a label that some other label always beats (or an earlier one never falls below) never wins.

        classify(a: {0: (1, 3); 1: (1, 3)}, b: {x: (2, 2); y: (5, 5)}; bias (0, 0))
            →   classify(bias (1, 3))

    Sound: all but the first law reorder sums, and are applied only where the sums are exact
    (``exact_sums``). A feature that can fail stays. With ``exhaustive`` N, features are also left
    out one by one where no input of a space of at most N inputs needs them (``readout_trial``).
    """

    name: ClassVar[str] = "readout"
    exhaustive: int = field(
        default=0, metadata={"least": 0, "help": "run all inputs where they are at most this many"}
    )

    def measure(self, program: Program) -> tuple[int, ...]:
        """Features and labels of readouts."""
        readouts = [n for n in program.nodes if isinstance(n.op, Classify | ClassifyPooled)]
        labels = sum(
            len(n.op.labels) for n in readouts if isinstance(n.op, Classify | ClassifyPooled)
        )
        return (sum(len(node.operands) for node in readouts), labels)

    def run(self, program: Program) -> PassResult:
        """Simplify every readout."""
        return until_stable(program, self._once)

    def _once(self, program: Program) -> PassResult:
        result = rewrite(program, _simplify)
        return then(result, self._drop_unneeded) if self.exhaustive else result

    def _drop_unneeded(self, program: Program) -> PassResult:
        """Leave out the features that no input needs."""
        space = space_of(program)
        if space.count() > self.exhaustive:
            return PassResult(program, False, ("the inputs are too many to run all of them",))

        def rule(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
            op = node.op
            if not isinstance(op, Classify) or node not in program.live:
                return None
            if not sums_are_exact(op, [o.type for o in node.operands], program.context):
                return None
            gone = unneeded_features(program, node, space)
            if not gone:
                return None
            terms = _Terms(op, list(operands), [])
            terms.keep([k for k in range(len(operands)) if k not in gone])
            names = ", ".join(operands[k].name for k in gone)
            why = f"no input needs {names}"
            return rewriting.replace(node, terms.op, tuple(terms.operands), why)

        return then(rewrite(program, rule), lambda p: rewrite(p, _simplify))


@dataclass
class _Terms:
    """A readout while it is being simplified."""

    op: Readout
    operands: list[Node]
    done: list[str]

    def types(self) -> list[Type]:
        return [operand.type for operand in self.operands]

    def keep(self, places: list[int]) -> None:
        weights = tuple(self.op.weights[k] for k in places)
        self.op = replace(self.op, weights=weights)
        self.operands = [self.operands[k] for k in places]


def _simplify(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
    if not isinstance(node.op, Classify | ClassifyPooled):
        return None
    op = rewriting.fitted(node, operands)
    assert isinstance(op, Classify | ClassifyPooled)
    terms = _Terms(op, list(operands), [])
    _drop_zeros(terms)
    if sums_are_exact(terms.op, terms.types(), rewriting.program.context):
        _merge_features(terms)
        done = -1
        while done < len(terms.done):
            done = len(terms.done)
            _drop_indifferent(terms)
            _fold_constants(rewriting, terms)
            _drop_labels(terms)
    elif len(terms.op.weights) > 1:
        rewriting.refuse(node, "its sums may round, so that terms cannot be moved or merged")
    if not terms.done:
        return None
    return rewriting.replace(node, terms.op, tuple(terms.operands), "; ".join(terms.done))


def _drop_zeros(terms: _Terms) -> None:
    _drop(terms, "adds nothing", lambda rows: not rows.any())


def _drop_indifferent(terms: _Terms) -> None:
    _drop_zeros(terms)
    _drop(terms, "adds the same to every label", lambda rows: bool((rows == rows[:, :1]).all()))


def _drop(terms: _Terms, why: str, useless: object) -> None:
    assert callable(useless)
    kept = []
    for k, (weights, operand) in enumerate(zip(terms.op.weights, terms.operands, strict=True)):
        if useless(rows_of_feature(weights)) and not can_fail(operand):
            terms.done.append(f"{operand.name} {why}")
        else:
            kept.append(k)
    terms.keep(kept)


def _merge_features(terms: _Terms) -> None:
    merged: dict[tuple[Node, type[FeatureWeights]], FeatureWeights] = {}
    for operand, weights in zip(terms.operands, terms.op.weights, strict=True):
        key = (operand, type(weights))
        if key in merged:
            terms.done.append(f"{operand.name} is read once instead of twice")
            merged[key] = _added(merged[key], weights)
        else:
            merged[key] = weights
    terms.op = replace(terms.op, weights=tuple(merged.values()))
    terms.operands = [operand for operand, _ in merged]


def _added(left: FeatureWeights, right: FeatureWeights) -> FeatureWeights:
    total = rows_of_feature(left) + rows_of_feature(right)
    return _like(left, total)


def _like(weights: FeatureWeights, rows: Floats) -> FeatureWeights:
    if isinstance(weights, TableWeights):
        return TableWeights(weights.domain, tuple(map(tuple, rows.tolist())))
    return NumberWeights(tuple(rows[0].tolist()))


def _fold_constants(rewriting: Rewriting, terms: _Terms) -> None:
    """Move features that always add the same to the bias.

    Weights are float32, in models and in print, and a sum of two seldom is. Where the bias would
    leave float32 by it, what it lacks stays, as one feature of the constant 0, in the place of a
    constant table. A constant number has no place in weights and always goes.
    """
    bias = np.array(terms.op.bias, dtype=np.float64)
    kept, names, constants, numbers = [], [], [], 0
    constant = np.zeros(len(bias))
    for k, (weights, operand) in enumerate(zip(terms.op.weights, terms.operands, strict=True)):
        cases = extremes(weights, operand.type)
        if (cases != cases[0]).any() or can_fail(operand):
            kept.append(k)
        elif isinstance(weights, NumberWeights):
            terms.done.append(f"{operand.name} always adds the same: part of the bias")
            bias = bias + cases[0]
            numbers += 1
        else:
            names.append(operand.name)
            constants.append(operand.op)
            constant = constant + cases[0]
    total = bias + constant
    with np.errstate(over="ignore"):
        coarse = total.astype(np.float32).astype(np.float64)
    fine = total - coarse
    stays = bool(names) and bool(fine.any()) and bool(np.isfinite(fine).all()) and _is_float32(fine)
    if stays and numbers == 0 and constants == [constant_op(0)] and (bias == coarse).all():
        return
    terms.keep(kept)
    terms.op = replace(terms.op, bias=tuple((coarse if stays else total).tolist()))
    if stays:
        zero = rewriting.builder.add(constant_op(0), name="constant")
        feature = TableWeights((0,), (tuple(fine.tolist()),))
        terms.op = replace(terms.op, weights=(*terms.op.weights, feature))
        terms.operands.append(zero)
    if names:
        what = "a feature of 0" if stays else "part of the bias"
        terms.done.append(f"{', '.join(names)} always add the same: {what}")


def _is_float32(numbers: Floats) -> bool:
    return bool((numbers.astype(np.float32) == numbers).all())


def _drop_labels(terms: _Terms) -> None:
    """Leave out labels that never win, whatever the features are."""
    lead = _least_leads(terms)
    count = len(lead)
    earlier = np.arange(count)[:, None] < np.arange(count)[None]
    beaten = ((lead > 0) | ((lead == 0) & earlier)).any(axis=0)
    if not beaten.any():
        return
    kept = np.flatnonzero(~beaten).tolist()
    labels = terms.op.labels
    gone = ", ".join(str(labels[k]) for k in np.flatnonzero(beaten).tolist())
    terms.done.append(f"never predicts {gone}")
    weights = tuple(_like(w, rows_of_feature(w)[:, kept]) for w in terms.op.weights)
    terms.op = replace(
        terms.op,
        labels=tuple(labels[k] for k in kept),
        bias=tuple(terms.op.bias[k] for k in kept),
        weights=weights,
    )


def _least_leads(terms: _Terms) -> Floats:
    """``[a, b]``: a bound from below on the logit of label a less the logit of label b."""
    bias = np.array(terms.op.bias, dtype=np.float64)
    lead = bias[:, None] - bias[None]
    for weights, operand in zip(terms.op.weights, terms.operands, strict=True):
        cases = extremes(weights, operand.type)
        lead = lead + (cases[:, :, None] - cases[:, None, :]).min(axis=0)
    return lead
