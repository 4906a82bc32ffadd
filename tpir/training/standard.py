"""The baseline: a standard Transformer, trained on the problems that programs are trained on."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.models.checkpoint import CHECKPOINT_FILE
from tpir.models.stored_transformer import Output, TransformerCheckpoint
from tpir.models.transformer_format import save_transformer
from tpir.models.transformer_runner import TransformerRunner
from tpir.training.evaluate import Accuracy
from tpir.training.gradient.data import Data, fingerprint
from tpir.training.judge import accuracy_of, answers_of
from tpir.training.problem import IGNORED, PAD, Labelled, Problem
from tpir.training.run_folder import METRICS_FILE, STATE_FILE, expect_same, prepare_folder
from tpir.training.standard_settings import StandardSettings
from tpir.training.state_file import read_state, write_state
from tpir.training.steps import derived_seed, training_environment

_FORMAT = 1
_EMBEDDING_SPREAD = 0.5

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class StandardRecord:
    """One epoch (from 1): mean loss, and accuracy in validation (0 to 1), the mean over lengths."""

    epoch: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class StandardState:
    """All that the rest of a run depends on: no random numbers among it.

    ``data`` is the fingerprint of the data; ``best`` are the weights of the best epoch in
    validation, the latest of equals.
    """

    settings: str
    data: str
    history: tuple[StandardRecord, ...]
    weights: Weights
    optimiser: dict[str, object]
    best: Weights
    reached_target: bool

    @property
    def best_record(self) -> StandardRecord:
        """The epoch that ``best`` is of."""
        return max(self.history, key=lambda record: (record.accuracy, record.epoch))


@dataclass(frozen=True)
class StandardResult:
    """A finished run; ``test`` is of the selected model, and nothing else looks at these inputs."""

    checkpoint: TransformerCheckpoint
    history: tuple[StandardRecord, ...]
    best_epoch: int
    validation: Accuracy
    test: Accuracy


OnRecord = Callable[[StandardRecord, float], None]
"""Told of each epoch as it is done, and of the seconds since the start or resumption."""


def train_standard(
    problem: Problem,
    settings: StandardSettings,
    folder: Path | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    on_record: OnRecord | None = None,
) -> StandardResult:
    """Train a standard Transformer on ``problem``; write it to ``folder``, if given.

    After each epoch the model is judged on the validation inputs, the metrics written and the state
    saved; the best model, mean over lengths, is kept. With ``resume`` a run that was stopped goes
    on to the same weights, bit for bit. Raises TpirError for a folder that holds a run (unless
    ``force``), for a run resumed under other settings, and where the loss is not a number.
    """
    started = time.monotonic()
    if folder is not None:
        prepare_folder(folder, settings.to_json(), resume=resume, force=force)
    with training_environment():
        run = _Run(problem, settings)
        state = run.restored(folder) if resume and folder is not None else None
        while state is None or not (state.reached_target or len(state.history) >= settings.epochs):
            state = run.next_epoch(state)
            if folder is not None:
                write_atomic(folder / METRICS_FILE, _metrics_csv(state.history), force=True)
                _save(folder / STATE_FILE, state)
            if on_record is not None:
                on_record(state.history[-1], time.monotonic() - started)
        best = as_checkpoint(problem, state.best)
        validation, test = run.accuracy(best, run.validation), run.accuracy(best, run.test())
    if folder is not None:
        save_transformer(folder / CHECKPOINT_FILE, best, force=True)
    return StandardResult(best, state.history, state.best_record.epoch, validation, test)


def as_checkpoint(problem: Problem, weights: Weights) -> TransformerCheckpoint:
    """The weights with what has to be said about them; no variable is named, as none is known."""
    labels = tuple(label for label in problem.labels if label != PAD)
    return TransformerCheckpoint(
        weights,
        vocabulary=problem.vocabulary[1:],
        context=problem.context,
        causal=_causal(problem),
        bos=False,
        outputs=(Output("output", labels, pooled=problem.pooled),),
        variables=(),
        accepts=problem.accepts,
        metadata={"task": problem.name},
    )


def _causal(problem: Problem) -> bool:
    """A pooled output is read at the first position, which has to see the others."""
    return problem.causal and not problem.pooled


def initial_weights(problem: Problem, settings: StandardSettings) -> Weights:
    """Random weights that keep the size of what they read; biases are 0.

    What blocks write is smaller, so that the stream keeps its size over all layers: there is no
    layer norm to do that.
    """
    generator = torch.Generator().manual_seed(derived_seed(settings.seed, 0))
    width, hidden, heads = settings.d_model, settings.d_mlp, settings.n_heads
    written = 1 / math.sqrt(2 * settings.n_layers)
    labels = sum(label != PAD for label in problem.labels)

    def drawn(*shape: int, spread: float) -> Tensor:
        return spread * torch.randn(shape, generator=generator)

    found = {
        "embed.W_E": drawn(len(problem.vocabulary) - 1, width, spread=_EMBEDDING_SPREAD),
        "pos_embed.W_pos": drawn(problem.context, width, spread=_EMBEDDING_SPREAD),
        "unembed.W_U": drawn(width, labels, spread=width**-0.5),
        "unembed.b_U": torch.zeros(labels),
    }
    for layer in range(settings.n_layers):
        attention, mlp = f"blocks.{layer}.attn.", f"blocks.{layer}.mlp."
        for name in "QKV":
            found[f"{attention}W_{name}"] = drawn(heads, width, width // heads, spread=width**-0.5)
            found[f"{attention}b_{name}"] = torch.zeros(heads, width // heads)
        found |= {
            f"{attention}W_O": drawn(heads, width // heads, width, spread=written * width**-0.5),
            f"{attention}b_O": torch.zeros(width),
            f"{mlp}W_in": drawn(width, hidden, spread=math.sqrt(2 / width)),
            f"{mlp}b_in": torch.zeros(hidden),
            f"{mlp}W_out": drawn(hidden, width, spread=written * hidden**-0.5),
            f"{mlp}b_out": torch.zeros(width),
        }
    return found


class _Run:
    """A model in training, and the data it learns from and is judged by."""

    def __init__(self, problem: Problem, settings: StandardSettings) -> None:
        self.problem, self.settings = problem, settings
        self.fingerprint = fingerprint(problem)
        self.data = Data.of(problem, problem.splits.train, torch.device("cpu")).learnable()
        self.shares = self.data.weights(settings.evenness)
        self.train = tuple(problem.encoded(problem.splits.train))
        self.validation = tuple(problem.encoded(problem.splits.validation))
        self.model = as_checkpoint(problem, initial_weights(problem, settings)).model()
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=settings.learning_rate, fused=True
        )

    def test(self) -> Iterable[Labelled]:
        """The test inputs: looked at when training is over."""
        return self.problem.encoded(self.problem.splits.test)

    def accuracy(self, checkpoint: TransformerCheckpoint, data: Iterable[Labelled]) -> Accuracy:
        """Of the model as its file is run."""
        return accuracy_of(answers_of(TransformerRunner(checkpoint), self.problem), data)

    def next_epoch(self, state: StandardState | None) -> StandardState:
        """Train for an epoch, and judge."""
        epoch = len(state.history) if state is not None else 0
        loss = self._steps(epoch)
        weights = {name: part.detach().clone() for name, part in self.model.state_dict().items()}
        checkpoint = as_checkpoint(self.problem, weights)
        accuracy = self.accuracy(checkpoint, self.validation).mean_over_lengths
        target, reached = self.settings.target_accuracy, False
        if target is not None and accuracy >= target:
            reached = self.accuracy(checkpoint, self.train).mean_over_lengths >= target
        improved = state is None or accuracy >= state.best_record.accuracy
        return StandardState(
            settings=self.settings.to_json(),
            data=self.fingerprint,
            history=(
                *(() if state is None else state.history),
                StandardRecord(epoch + 1, loss, accuracy),
            ),
            weights=weights,
            optimiser=self.optimiser.state_dict(),
            best=weights if improved or state is None else state.best,
            reached_target=reached,
        )

    def _steps(self, epoch: int) -> float:
        """Take the steps of ``epoch`` (from 0); their mean loss."""
        settings = self.settings
        first = epoch * settings.epoch_steps
        steps = range(first, min(first + settings.epoch_steps, settings.steps))
        batches = torch.Generator().manual_seed(derived_seed(settings.seed, 1, epoch))
        total = 0.0
        for step in steps:
            chosen = torch.multinomial(
                self.shares, settings.batch_size, replacement=True, generator=batches
            )
            self.optimiser.param_groups[0]["lr"] = settings.learning_rate * (
                1 - step / settings.steps
            )
            total += self._step(chosen)
        if not math.isfinite(total):
            raise TpirError(
                f"the loss became {total} in epoch {epoch + 1}",
                notes=["a lower learning_rate may help"],
            )
        return total / len(steps)

    def _step(self, chosen: Tensor) -> float:
        tokens, targets = self.data.tokens[chosen], self.data.targets[chosen]
        present = tokens > 0  # the model has no <pad>, which the problem has first
        logits = self.model((tokens - 1).clamp_min(0), present)[:, : targets.shape[1]]
        wanted = torch.where(targets == IGNORED, IGNORED, targets - 1)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
        ) / (wanted != IGNORED).sum().clamp_min(1)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.item()

    def restored(self, folder: Path) -> StandardState | None:
        """Go on from the state in ``folder``; None where no epoch was finished."""
        path = folder / STATE_FILE
        if not path.exists():
            return None
        state = _load(path)
        expect_same(folder, self.settings.differences(state.settings))
        if state.data != self.fingerprint:
            raise TpirError(f"{folder} was trained on other data; start anew with --force")
        try:
            self.model.load_state_dict(state.weights)
            self.optimiser.load_state_dict(dict(state.optimiser))
        except (RuntimeError, ValueError, KeyError) as error:
            raise TpirError(f"the training state {path} does not fit its settings") from error
        return state


def _save(path: Path, state: StandardState) -> None:
    content = {
        "format": _FORMAT,
        "settings": state.settings,
        "data": state.data,
        "history": [(r.epoch, r.loss, r.accuracy) for r in state.history],
        "weights": state.weights,
        "optimiser": state.optimiser,
        "best": state.best,
        "reached_target": state.reached_target,
    }
    write_state(path, content)


def _load(path: Path) -> StandardState:
    """Read what ``_save`` wrote. Runs no code from it; raises TpirError if it is damaged."""

    def build(stored: dict[str, object]) -> StandardState:
        content: dict[str, Any] = stored
        return StandardState(
            settings=content["settings"],
            data=content["data"],
            history=tuple(StandardRecord(*row) for row in content["history"]),
            weights=content["weights"],
            optimiser=content["optimiser"],
            best=content["best"],
            reached_target=content["reached_target"],
        )

    return read_state(path, _FORMAT, build, "training state")


def _metrics_csv(history: tuple[StandardRecord, ...]) -> str:
    """A row for each epoch."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["epoch", "loss", "validation_accuracy"])
    writer.writerows((r.epoch, r.loss, r.accuracy) for r in history)
    return table.getvalue()
