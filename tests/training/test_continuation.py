"""Training on: from a trained model, and from choices as decided as a compiled program's."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tpir.errors import TpirError
from tpir.models.checkpoint import Checkpoint
from tpir.models.config import TransformerProgramConfig
from tpir.models.transformer_program import TransformerProgram
from tpir.training.continuation import CONTINUE, continue_training
from tpir.training.data import encode
from tpir.training.examples import Examples
from tpir.training.steps import discrete_accuracy
from tpir.training.tasks import get_task

GAP = 11.0
EXAMPLES = get_task("hist").generate(5, 60, 1, 5, seed=0)


def counting_program(config: TransformerProgramConfig) -> Checkpoint:
    """hist by hand: one head counts equal tokens, the readout is largest at the count.

    -(n - c)² = 2nc - c² - n², and n² is the same for every label: linear in n.
    """
    torch.manual_seed(0)
    model = TransformerProgram(config)
    head = model.blocks[0].num_attn
    with torch.no_grad():
        for read in (head.W_K.W, head.W_Q.W):
            read.copy_(torch.tensor([[GAP, 0.0]]))
        head.W_pred.W.copy_(GAP * torch.eye(config.d_var))
        counts = torch.tensor([0.0 if y == "<pad>" else float(y) for y in config.labels])
        model.unembed.W_U.zero_()
        # Numbers come last in the stream: the constant 1, then the head's count.
        model.unembed.W_U[-2] = -2 * counts**2
        model.unembed.W_U[-1] = 4 * counts
    return Checkpoint.of_model(model, accepts='"<s>" ("0"|"1"|"2"){1,4}', metadata={"note": "x"})


def config(vocabulary: tuple[str, ...]) -> TransformerProgramConfig:
    return TransformerProgramConfig(
        vocabulary=vocabulary,
        labels=("<pad>", "1", "2", "3", "4"),
        context=5,
        d_var=5,
        n_heads_cat=0,
        n_heads_num=1,
        n_cat_mlps=0,
        n_num_mlps=0,
    )


@pytest.mark.parametrize("vocabulary", [("<pad>", "0", "1", "2", "<s>"), ("0", "1", "2", "<s>")])
@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_it_starts_as_the_program_and_stays_right(vocabulary: tuple[str, ...], tau: float) -> None:
    program = counting_program(config(vocabulary))
    before = {name: x.clone() for name, x in program.state.items()}
    settings = dataclasses.replace(CONTINUE, epochs=3, batch_size=16, tau_init=tau, tau_end=tau)
    told: list[float] = []
    trained = continue_training(
        program, EXAMPLES, settings, on_epoch=lambda _, loss, __: told.append(loss)
    )
    assert trained.accuracies == (1.0,) * 4
    # At the very first step the relaxed model already does what the program does.
    assert trained.losses[0] < 0.3
    assert told[0] > told[1] > told[2]
    assert all(torch.equal(program.state[name], before[name]) for name in before)
    assert any(not torch.equal(trained.checkpoint.state[name], before[name]) for name in before)
    assert trained.checkpoint.accepts == program.accepts
    assert trained.checkpoint.metadata == program.metadata


def test_it_mends_a_spoilt_row() -> None:
    program = counting_program(config(("<pad>", "0", "1", "2", "<s>")))
    spoilt = {name: x.clone() for name, x in program.state.items()}
    # A query of token "0" now looks for token "2".
    spoilt["blocks.0.num_attn.W_pred.W"][0, 1, 1] = 0.0
    spoilt["blocks.0.num_attn.W_pred.W"][0, 1, 3] = 2.0
    edited = dataclasses.replace(program, state=spoilt)
    start = discrete_accuracy(edited.model(), encode(EXAMPLES, edited.config))
    settings = dataclasses.replace(
        CONTINUE, epochs=30, batch_size=16, learning_rate=0.05, tau_init=1.0
    )
    told: list[tuple[int, float, float]] = []
    trained = continue_training(edited, EXAMPLES, settings, on_epoch=lambda *x: told.append(x))
    assert trained.accuracies[0] == start < 0.9
    assert trained.accuracies[-1] == 1.0
    assert [accuracy for _, _, accuracy in told] == list(trained.accuracies[1:])
    again = continue_training(edited, EXAMPLES, settings)
    assert again.losses == trained.losses
    stopping = dataclasses.replace(settings, target_accuracy=start)
    assert continue_training(edited, EXAMPLES, stopping).losses == ()


def test_accuracy_is_measured_on_the_examples_given() -> None:
    program = counting_program(config(("<pad>", "0", "1", "2", "<s>")))
    wrong = Examples(EXAMPLES.tokens, tuple((None, *["4"] * (len(r) - 1)) for r in EXAMPLES.labels))
    trained = continue_training(program, EXAMPLES, judged_on=wrong)
    assert trained.accuracies[0] < 0.1


def test_examples_that_do_not_fit_are_refused() -> None:
    program = counting_program(config(("<pad>", "0", "1", "2", "<s>")))
    with pytest.raises(TpirError, match="'9' is no token"):
        continue_training(program, Examples((("9",),), (("1",),)))
