"""Polishing: exact search over the discrete choices of a trained model, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tpir.models.stored import Checkpoint
from tpir.training.gradient.data import Data
from tpir.training.gradient.environment import gradient_environment
from tpir.training.gradient.integer_model import Change, IntegerModel, Ints, Places, Unit
from tpir.training.judge import accuracy_of, answers_of
from tpir.training.problem import Problem

_GAIN = 1e-7
"""What a change has to take off the loss."""

_PENALTY = 1e-8
"""Of the readout's squared weights, so that the best one is not at infinity."""

_SEEN = 2
"""A row of a table is tried where it is read at so many places at least."""


@dataclass(frozen=True)
class PolishSettings:
    """``budget``: how many changes are tried at most; ``inputs``: on how many training inputs.

    An input of a length that n of them have weighs n ^ -``evenness``. ``refit_steps`` are those of
    L-BFGS, each time that the readout is fitted anew. ``seed`` draws inputs and orders.
    """

    budget: int = 40_000
    inputs: int = 2_000
    evenness: float = 1.0
    refit_steps: int = 100
    seed: int = 0


@dataclass(frozen=True)
class PolishProgress:
    """After a sweep (the 0th refits the readout alone): the loss, what was tried, what it did.

    ``accuracy`` is that of validation, mean over lengths, ``training`` that of the labels of the
    inputs searched on, both 0 to 1.
    """

    sweep: int
    loss: float
    tried: int
    changed: int
    training: float
    accuracy: float


@dataclass(frozen=True)
class Polished:
    """The best model in validation, of equals the last, that of before included.

    ``before`` and ``after`` are accuracies in validation, mean over lengths.
    """

    checkpoint: Checkpoint
    before: float
    after: float
    history: tuple[PolishProgress, ...]


def polish(
    checkpoint: Checkpoint,
    problem: Problem,
    settings: PolishSettings | None = None,
    *,
    on_progress: Callable[[PolishProgress], None] | None = None,
) -> Polished:
    """Sweep over every read, predicate and table entry, and keep what lowers the training loss.

    Each change is tried with the readout fixed, and only what it reaches is computed again; after
    each sweep the readout is fitted anew, a convex problem. It ends where a sweep changes nothing,
    where all labels are right in training and validation, or at the budget. Test inputs are not
    looked at. Equal settings give equal weights. Raises TpirError for models that gradient runs do
    not train.
    """
    settings = settings or PolishSettings()
    with gradient_environment():
        return _Polisher(checkpoint, problem, settings).run(on_progress)


class _Polisher:
    def __init__(self, checkpoint: Checkpoint, problem: Problem, settings: PolishSettings) -> None:
        self.best, self.problem, self.settings = checkpoint, problem, settings
        self.random = np.random.default_rng(settings.seed)
        data = Data.of(problem, problem.splits.train, torch.device("cpu"))
        chosen = np.arange(len(data))
        if len(chosen) > settings.inputs:
            shares = data.weights(settings.evenness).numpy()
            drawn = self.random.choice(
                len(data), settings.inputs, replace=False, p=shares / shares.sum()
            )
            chosen = np.sort(drawn)
        places = torch.from_numpy(chosen)
        data = Data(data.tokens[places], data.targets[places], data.lengths[places])
        self.model = IntegerModel(checkpoint, data, data.weights(settings.evenness).numpy())
        self.state = {name: tensor.clone() for name, tensor in checkpoint.state.items()}
        self.tried = 0

    def run(self, on_progress: Callable[[PolishProgress], None] | None) -> Polished:
        before = best = self._validated(self.best)
        history: list[PolishProgress] = []
        changed = 0
        while True:
            if history:
                changed = self._sweep()
            self._refit()
            model = replace(self.best, state={n: t.clone() for n, t in self.state.items()})
            accuracy, training = self._validated(model), self.model.accuracy()
            history.append(
                PolishProgress(
                    len(history), self.model.loss, self.tried, changed, training, accuracy
                )
            )
            if accuracy >= best:
                self.best, best = model, accuracy
            if on_progress is not None:
                on_progress(history[-1])
            solved = accuracy == training == 1.0
            idle = len(history) > 1 and not changed
            if solved or idle or self.tried >= self.settings.budget:
                return Polished(self.best, before, best, tuple(history))

    def _validated(self, checkpoint: Checkpoint) -> float:
        held_out = self.problem.encoded(self.problem.splits.validation)
        return accuracy_of(answers_of(checkpoint, self.problem), held_out).mean_over_lengths

    def _sweep(self) -> int:
        """Try every choice once, in an order at random; how many changed."""
        choices = [choice for unit in self.model.units for choice in self._choices(unit)]
        changed = 0
        for place in self.random.permutation(len(choices)):
            if self.tried >= self.settings.budget:
                break
            changed += self._improve(*choices[place])
        return changed

    def _choices(self, unit: Unit) -> Iterator[tuple[Unit, str, int]]:
        """A unit's choices: each read, and each row of its relation or table that is in use."""
        for k, options in enumerate(unit.options):
            if options > 1:
                yield unit, "read", k
        rows = self._rows(unit)[self.model.present]
        used = np.bincount(rows)
        for row in np.flatnonzero(used >= (1 if unit.is_head else _SEEN)):
            yield unit, "row", int(row)

    def _rows(self, unit: Unit) -> Places:
        """Which row of its relation or table a unit looks at, at each position of each input."""
        values = [self.model.variables[variable] for variable in unit.inputs]
        return values[1].astype(np.intp) if unit.is_head else self.model.rows(values)

    def _improve(self, unit: Unit, part: str, place: int) -> bool:
        """Make the best change of one choice, if any lowers the loss."""
        model, inputs = self.model, np.arange(self.model.size)
        if part == "row":
            inputs = np.flatnonzero(((self._rows(unit) == place) & model.present).any(0))
        chosen = unit.reads if part == "read" else unit.body
        old, best = chosen[place].copy(), model.loss - _GAIN
        found: tuple[int | Ints, Change, Places] | None = None
        for option in self._options(unit, part, place):
            if np.array_equal(option, old):
                continue
            chosen[place] = option
            self.tried += 1
            change, reached, loss = model.effect(unit, inputs)
            if loss < best:
                best, found = loss, (option, change, reached)
        chosen[place] = old if found is None else found[0]
        if found is None:
            return False
        model.take(found[1], found[2])
        self._store(unit, part, place)
        return True

    def _options(self, unit: Unit, part: str, place: int) -> Iterator[int | Ints]:
        """What can stand in the place of a choice."""
        d_var = self.model.config.d_var
        if part == "read":
            yield from range(unit.options[place])
        elif not unit.is_head:
            yield from range(d_var)
        else:
            single = np.eye(d_var, dtype=np.int16)
            yield from single
            if self.model.config.predicates == "set":
                yield np.zeros(d_var, dtype=np.int16)
                yield from unit.body[place].copy() ^ single

    def _store(self, unit: Unit, part: str, place: int) -> None:
        """Have the logits of the model say what a choice is now."""
        mlp = f"blocks.{unit.layer}.{unit.kind}.mlps.{unit.place}"
        attention = f"blocks.{unit.layer}.{unit.kind}"
        if part == "read":
            name = f"{attention}.{('W_K', 'W_Q', 'W_V')[place]}.W" if unit.is_head else ""
            row = self.state[name][unit.place] if name else self.state[f"{mlp}.W_read.W"][place]
            _prefer(row, int(unit.reads[place]))
        elif not unit.is_head:
            _prefer(self.state[f"{mlp}.W_table"][place], int(unit.body[place]))
        else:
            row, wanted = self.state[f"{attention}.W_pred.W"][unit.place, place], unit.body[place]
            if self.model.config.predicates == "one":
                _prefer(row, int(wanted.argmax()))
            else:
                size = row.abs().clamp_min(1.0)
                row.copy_(torch.where(torch.from_numpy(wanted > 0), size, -size))

    def _refit(self) -> None:
        """Fit the readout to the variables there are, unless that comes out worse."""
        model = self.model
        before, loss = self.state["unembed.W_U"].clone(), model.loss
        weights = before.clone().float()
        shown = weights[:, model.shown]
        weights[:, model.shown] = _fitted(model, shown, self.settings.refit_steps)
        model.read_out(weights.float().numpy())
        if model.loss < loss:
            self.state["unembed.W_U"] = weights.to(before.dtype)
        else:
            model.read_out(before.float().numpy())


def _prefer(logits: Tensor, option: int) -> None:
    """Make ``option`` the greatest of ``logits``, in place."""
    logits[option] = logits.max() + 1


def _fitted(model: IntegerModel, start: Tensor, steps: int) -> Tensor:
    """The readout [feature, label] of least cross entropy, found from ``start``.

    Places with the same variables are one row, so the matrix is small; numbers are scaled to 1.
    """
    labelled = model.targets >= 0
    columns = [values[labelled] for values in _ordered(model)]
    rows, where = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)
    wanted = torch.zeros(len(rows), len(model.shown), dtype=torch.float)
    places = (torch.from_numpy(where.reshape(-1)), torch.from_numpy(model.targets[labelled]))
    wanted.index_put_(places, torch.from_numpy(model.weights[labelled]), accumulate=True)
    n_cat = model.config.cat_variables(model.config.n_layers)
    values, numbers = (
        torch.from_numpy(rows[:, :n_cat]).long(),
        torch.from_numpy(rows[:, n_cat:]).float(),
    )
    scale = numbers.abs().amax(0).clamp_min(1.0) if len(rows) else numbers.new_ones(0)
    one_hot = functional.one_hot(values, model.config.d_var).float().flatten(1)
    features = torch.cat([one_hot, numbers / scale], 1)
    units = torch.cat([scale.new_ones(one_hot.shape[1]), scale]).unsqueeze(1)
    weights = (start * units).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [weights],
        max_iter=steps,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-9,
        tolerance_change=0.0,
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -(functional.log_softmax(features @ weights, 1) * wanted).sum()
        loss = loss + _PENALTY * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach() / units


def _ordered(model: IntegerModel) -> list[Ints]:
    """The variables in the order of the readout's rows: categorical ones, then numbers."""
    return [model.variables[key] for key in sorted(model.variables)]
