"""What a training run depends on, and nothing else: equal settings give equal weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from tpir.errors import TpirError
from tpir.models.config import Attention, PositionBias, TransformerProgramConfig
from tpir.models.sampling import SoftMode
from tpir.training.settings_text import SettingsText
from tpir.training.tasks import PAD, Sizes, Task, get_task

Schedule = Literal["geometric", "linear"]
LossPer = Literal["token", "sequence"]


@dataclass(frozen=True)
class OptimiserSettings(SettingsText):
    """How weights are updated: Adam on a Gumbel-softmax relaxation (arXiv 2306.01128, section 3.3).

    The temperature falls from ``tau_init`` to ``tau_end`` over the epochs, step by step within each
    epoch; ``sampling`` is the relaxation (``tpir.models.sampling.Sampler``), and
    ``gumbel_samples`` forward passes, each with its own noise, are averaged in a step.
    ``max_grad_norm`` clips the gradient's norm over all weights; None does not. The loss is the
    cross entropy averaged over the labels of each input (``loss_per`` token) or summed over them
    (sequence), then averaged over inputs. Training stops early once the discretised model is right
    on a share of ``target_accuracy`` of the validation labels and of the training labels; None
    never does. Raises TpirError for values out of range.
    """

    seed: int = 0
    epochs: int = 100
    batch_size: int = 256
    learning_rate: float = 0.03
    tau_init: float = 3.0
    tau_end: float = 0.1
    tau_schedule: Schedule = "geometric"
    sampling: SoftMode = "soft"
    gumbel_samples: int = 1
    max_grad_norm: float | None = 1.0
    loss_per: LossPer = "token"
    target_accuracy: float | None = 1.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gumbel_samples"):
            if getattr(self, name) < 1:
                raise TpirError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "tau_init", "tau_end"):
            if not 0 < getattr(self, name) < float("inf"):
                raise TpirError(f"{name} is {getattr(self, name)}; it must be a positive number")
        if self.max_grad_norm is not None and not self.max_grad_norm > 0:
            raise TpirError(f"max_grad_norm is {self.max_grad_norm}; it must be positive, or none")
        if not 0 <= self.seed < 2**32:
            raise TpirError(f"seed is {self.seed}; it must be from 0 to 2^32 - 1")
        choices = (("tau_schedule", Schedule), ("loss_per", LossPer), ("sampling", SoftMode))
        for name, options in choices:
            if getattr(self, name) not in get_args(options):
                known = " or ".join(get_args(options))
                raise TpirError(f"{name} is {getattr(self, name)!r}; it must be {known}")


@dataclass(frozen=True)
class TrainingSettings(OptimiserSettings):
    """A task, a model and an optimiser.

    Sizes of the data left as None are the task's own (``Task.defaults``); ``d_var`` None is the
    larger of vocabulary and context. The other sizes of the model are those of
    ``TransformerProgramConfig``. ``mask_labels`` keeps the model from predicting ``<pad>``. The
    defaults train ``sort`` in minutes.
    """

    task: str = "sort"
    vocab_size: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    dataset_size: int = 10_000
    d_var: int | None = None
    n_vars_cat: int = 1
    n_vars_num: int = 1
    n_layers: int = 2
    n_heads_cat: int = 4
    n_heads_num: int = 4
    n_cat_mlps: int = 2
    n_num_mlps: int = 2
    mlp_inputs: int = 2
    d_mlp: int = 64
    attention: Attention = "cat"
    position_bias: PositionBias = "fixed"
    one_hot_embed: bool = True
    count_only: bool = True
    selector_width: bool = False
    mask_labels: bool = True

    def resolved_task(self) -> tuple[Task, Sizes]:
        """The task and the sizes of its data. Raises TpirError if there are no such inputs."""
        task = get_task(self.task)
        chosen = (self.vocab_size, self.min_length, self.max_length)
        usual = dataclasses.astuple(task.defaults)
        sizes = Sizes(*(b if a is None else a for a, b in zip(chosen, usual, strict=True)))
        task.check(sizes)
        return task, sizes

    def model_config(self) -> TransformerProgramConfig:
        """The model to train. Raises TpirError if its sizes do not fit the task or each other."""
        task, sizes = self.resolved_task()
        vocabulary, context = task.vocabulary(sizes.vocab_size), task.context(sizes.max_length)
        return TransformerProgramConfig(
            vocabulary=vocabulary,
            labels=task.labels(sizes),
            context=context,
            causal=task.causal,
            d_var=max(len(vocabulary), context) if self.d_var is None else self.d_var,
            n_vars_cat=self.n_vars_cat,
            n_vars_num=self.n_vars_num,
            n_layers=self.n_layers,
            n_heads_cat=self.n_heads_cat,
            n_heads_num=self.n_heads_num,
            n_cat_mlps=self.n_cat_mlps,
            n_num_mlps=self.n_num_mlps,
            mlp_inputs=self.mlp_inputs,
            d_mlp=self.d_mlp,
            attention=self.attention,
            position_bias=self.position_bias,
            one_hot_embed=self.one_hot_embed,
            count_only=self.count_only,
            selector_width=self.selector_width,
            masked_labels=(PAD,) if self.mask_labels else None,
        )


def demo_settings() -> TrainingSettings:
    """A small sorter of up to four numbers, 340 inputs in all, that trains within a minute."""
    return TrainingSettings(
        task="sort",
        vocab_size=7,
        max_length=6,
        dataset_size=2_000,
        n_layers=2,
        n_heads_cat=2,
        n_heads_num=4,
        n_cat_mlps=1,
        n_num_mlps=2,
        epochs=200,
        batch_size=64,
        learning_rate=0.05,
    )


def paper_settings() -> TrainingSettings:
    """One point of the paper's grid (arXiv 2306.01128, section 4 and appendix), for ``sort``.

    250 epochs over 20,000 inputs in batches of 512, Adam at 0.05 without clipping, temperature 3.0
    to 0.01; three layers of four categorical and four numerical heads, two MLPs of each kind. The
    paper tries 2 and 3 layers, 4 and 8 heads, 2 and 4 MLPs, half of them of each kind, five seeds
    each, and keeps the best in validation.
    """
    return TrainingSettings(
        task="sort",
        dataset_size=20_000,
        n_layers=3,
        n_heads_cat=4,
        n_heads_num=4,
        n_cat_mlps=2,
        n_num_mlps=2,
        epochs=250,
        batch_size=512,
        learning_rate=0.05,
        tau_init=3.0,
        tau_end=0.01,
        max_grad_norm=None,
        target_accuracy=None,
    )
