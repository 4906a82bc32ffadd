"""What a gradient run of many seeds depends on, and nothing else: equal settings, equal weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from tpir.errors import TpirError
from tpir.models.config import PAD, Predicates, TransformerProgramConfig
from tpir.training.problem import Problem
from tpir.training.settings_text import SettingsText

Device = Literal["cpu", "cuda"]
Engine = Literal["auto", "c", "torch"]

_AT_LEAST_ONE = ("seeds", "steps", "epoch_steps", "batch_size", "n_layers", "mlp_inputs")
_NOT_NEGATIVE = ("n_heads_cat", "n_heads_num", "n_cat_mlps", "n_num_mlps")
_OPTIONS = {"predicates": Predicates, "device": Device, "engine": Engine}
_POSITIVE = ("learning_rate", "readout_rate", "tau_init", "tau_end")


@dataclass(frozen=True)
class GradientSettings(SettingsText):
    """How many seeds are trained at once, and how.

    Runs have the seeds ``seed``, ``seed`` + 1, … (``seeds`` of them): each has initial weights and
    noise of its own. Minibatches are common to all and depend on ``data_seed`` alone, so a seed
    comes to the same whichever others are trained with it: to the last bit on the CPU where
    ``batch_size`` is a multiple of 16 (rows of other sizes are not aligned alike in memory).

    In ``steps`` steps the temperature falls from ``tau_init`` to ``tau_end``, geometrically, and
    stays there for the last tenth of them. ``noise`` scales the Gumbel noise of every choice. For
    the last ``readout_share`` of the steps choices are discrete and only the readout learns, its
    rate falling to 0. Adam has rates ``learning_rate`` for choices and ``readout_rate``, and
    ``beta2``. An input of a length that n training inputs have is drawn with a weight of
    n ^ -``evenness``: 0 draws inputs evenly, 1 lengths.

    After each share of the steps in ``halvings`` the better half of the seeds goes on. Training
    stops once a seed's discretised model is right on ``target_accuracy`` of the labels at each
    length (mean over lengths), in validation and in training; None never does. ``engine`` is what
    takes the relaxed steps: ``c`` is several times as fast as ``torch`` and needs a C compiler,
    ``auto`` is ``c`` on a CPU where there is one, else ``torch``. ``freeze`` keeps the choices that
    a run starts from (``train_seeds``) as they are; readouts always learn. With ``polish`` the
    selected seed is polished in the end (``tpir.training.gradient.polish``). The rest are the sizes
    of ``TransformerProgramConfig``; ``d_var`` None is the larger of vocabulary and context.

    Raises TpirError for values out of range.
    """

    seed: int = 0
    seeds: int = 8
    data_seed: int = 0
    steps: int = 1500
    epoch_steps: int = 50
    batch_size: int = 64
    learning_rate: float = 0.05
    readout_rate: float = 0.02
    beta2: float = 0.99
    tau_init: float = 1.0
    tau_end: float = 0.1
    noise: float = 0.5
    readout_share: float = 0.08
    evenness: float = 1.0
    halvings: tuple[float, ...] = (0.5, 0.75)
    target_accuracy: float | None = 1.0
    predicates: Predicates = "one"
    d_var: int | None = None
    n_layers: int = 2
    n_heads_cat: int = 6
    n_heads_num: int = 2
    n_cat_mlps: int = 3
    n_num_mlps: int = 2
    mlp_inputs: int = 2
    initial_spread: float = 0.5
    initial_set_logit: float = -2.0
    device: Device = "cpu"
    engine: Engine = "auto"
    freeze: bool = False
    polish: bool = False

    def __post_init__(self) -> None:
        for names, least in ((_AT_LEAST_ONE, 1), (_NOT_NEGATIVE, 0)):
            for name in names:
                if getattr(self, name) < least:
                    raise TpirError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < float("inf"):
                raise TpirError(f"{name} is {getattr(self, name)}; it must be a positive number")
        for name in ("noise", "evenness", "initial_spread"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise TpirError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if not 0 < self.beta2 < 1 or not 0 <= self.readout_share < 1:
            raise TpirError("beta2 must be between 0 and 1, readout_share from 0 to below 1")
        if not 0 <= self.seed < 2**32 - self.seeds or not 0 <= self.data_seed < 2**32:
            raise TpirError("seeds must be from 0 to 2^32 - 1")
        shares = tuple(self.halvings)
        if any(not 0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
            raise TpirError(f"halvings are {shares}; they must be rising shares between 0 and 1")
        object.__setattr__(self, "halvings", shares)
        for name, options in _OPTIONS.items():
            if getattr(self, name) not in get_args(options):
                known = " or ".join(get_args(options))
                raise TpirError(f"{name} is {getattr(self, name)!r}; it must be {known}")

    @property
    def epochs(self) -> int:
        """How many epochs the steps make, the last one perhaps shorter."""
        return -(-self.steps // self.epoch_steps)

    @property
    def relaxed_steps(self) -> int:
        """How many steps there are before choices are discrete."""
        return self.steps - int(self.steps * self.readout_share)

    def model_config(self, problem: Problem) -> TransformerProgramConfig:
        """The model to train. Raises TpirError if its sizes do not fit the problem."""
        d_var = max(len(problem.vocabulary), problem.context)
        return TransformerProgramConfig(
            vocabulary=problem.vocabulary,
            labels=problem.labels,
            context=problem.context,
            causal=problem.causal,
            pooled=problem.pooled,
            d_var=d_var if self.d_var is None else self.d_var,
            n_layers=self.n_layers,
            n_heads_cat=self.n_heads_cat,
            n_heads_num=self.n_heads_num,
            n_cat_mlps=self.n_cat_mlps,
            n_num_mlps=self.n_num_mlps,
            mlp_inputs=self.mlp_inputs,
            masked_labels=(PAD,),
            predicates=self.predicates,
            mlps="table",
        )
