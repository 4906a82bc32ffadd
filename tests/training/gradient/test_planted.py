"""Planted models: what they compute among random heads, and what becomes of them in training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.training.gradient.test_loop import TINY, bits, kill_after
from tpir.errors import TpirError
from tpir.models.predict import predict
from tpir.models.stored import Checkpoint
from tpir.text import parse
from tpir.training.gradient.data import Data
from tpir.training.gradient.export import export
from tpir.training.gradient.layout import Layout
from tpir.training.gradient.loop import START_FILE, train_seeds
from tpir.training.gradient.planted import check_planted, plant, widened
from tpir.training.gradient.relaxed import Batch, RelaxedForward, relax
from tpir.training.gradient.settings import GradientSettings
from tpir.training.gradient.start import starting_model
from tpir.training.gradient.trainer import Trainer
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_examples, problem_of_task
from tpir.training.teachers import problem_of_teacher

CPU = torch.device("cpu")
PROGRAMS = {
    "count": "n = selector_width(select(tokens, tokens, ==));",
    "two steps": """
        end = aggregate(choose(select(tokens, "c", ==), order=closest), indices);
        opposite = choose(select(indices, (end - indices) % 5, ==), order=closest);
        found = aggregate(opposite, tokens);
    """,
    "sets": """
        less = selector_width(select(tokens, tokens, <));
        word = "many" if less > 2 else "few";
    """,
    "three inputs": """
        near = aggregate(choose(select(tokens, tokens, ==), order=closest), indices);
        s = (indicator(tokens == "a") + near + 2 * indices) % 3;
    """,
    "causal": 'causal; n = selector_width(select(tokens, "a", ==)); s = n % 2 == 1;',
    "readout alone": "s = tokens;",
}
WIDE = {
    "as it is": GradientSettings(
        seeds=2, n_layers=1, n_heads_cat=0, n_heads_num=0, n_cat_mlps=0, n_num_mlps=0
    ),
    "wide": GradientSettings(
        seeds=2, n_layers=3, n_heads_cat=3, n_heads_num=2, n_cat_mlps=2, n_num_mlps=2, d_var=7
    ),
    "sets": GradientSettings(seeds=2, predicates="set", d_var=6),
}


def problem_of(name: str) -> Problem:
    program = parse(PROGRAMS[name], vocabulary=("a", "b", "c"), context=5)
    return problem_of_teacher(program, begin=False, dataset_size=150)


def started(name: str, problem: Problem) -> Checkpoint:
    return starting_model(
        parse(PROGRAMS[name], vocabulary=problem.vocabulary[1:], context=problem.context), problem
    )


def trainer_of(start: Checkpoint, problem: Problem, settings: GradientSettings) -> Trainer:
    config = widened(settings.model_config(problem), start.config)
    planted = plant(start, Layout(config), settings.tau_init)
    data = Data.of(problem, problem.splits.train, CPU)
    check_planted(planted, start, Layout(config), data.tokens)
    return Trainer(config, settings, data, range(settings.seeds), planted)


@pytest.mark.parametrize("width", WIDE)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_planted_program_answers_as_before_among_random_heads(name: str, width: str) -> None:
    problem = problem_of(name)
    start = started(name, problem)
    trainer = trainer_of(start, problem, WIDE[width])
    inputs = problem.splits.train.tokens
    expected = predict(start, inputs)
    assert expected == [list(row) for row in problem.splits.train.labels]
    for logits, readout in zip(trainer.logits, trainer.readout, strict=True):
        model = export(trainer.layout, logits, readout, name="planted", accepts=None)
        assert predict(model, inputs) == expected
    if width == "wide":
        assert not torch.equal(trainer.logits[0], trainer.logits[1])


@pytest.mark.parametrize("tau", [1.0, 3.0])
@pytest.mark.parametrize("name", PROGRAMS)
def test_planted_choices_hold_at_the_starting_temperature(name: str, tau: float) -> None:
    problem = problem_of(name)
    settings = dataclasses.replace(WIDE["wide"], tau_init=tau)
    trainer = trainer_of(started(name, problem), problem, settings)
    uniform = torch.rand(trainer.logits.shape, generator=torch.Generator().manual_seed(1))
    soft = relax(trainer.layout, trainer.logits, uniform, temperature=tau, noise=1.0)
    config, tokens = trainer.layout.config, trainer.data.tokens
    logits = RelaxedForward(trainer.layout, CPU)(soft, trainer.readout, Batch(config, tokens))
    wanted = trainer.data.targets.T.flatten()
    assert bool((logits.argmax(1) == wanted)[:, wanted >= 0].all())


def test_frozen_choices_stay_and_all_else_learns() -> None:
    problem = problem_of("two steps")
    settings = dataclasses.replace(TINY, seeds=2, n_layers=2, freeze=True, steps=12, epoch_steps=6)
    trainer = trainer_of(started("two steps", problem), problem, settings)
    held = plant(started("two steps", problem), trainer.layout, 1.0).held
    before, readout = trainer.logits.detach().clone(), trainer.weights.detach().clone()
    trainer.run_epoch(0)
    changed = trainer.logits.detach() != before
    used = torch.arange(trainer.layout.size) < trainer.layout.used
    assert not changed[:, held].any()
    assert changed[:, ~held & used].float().mean() > 0.5
    assert (trainer.weights.detach() != readout).any()
    free = dataclasses.replace(settings, freeze=False)
    trainer = trainer_of(started("two steps", problem), problem, free)
    trainer.run_epoch(0)
    assert (trainer.logits.detach() != before)[:, held].float().mean() > 0.5


def test_a_whole_program_is_right_from_the_first_epoch() -> None:
    problem = problem_of_task("hist", vocab_size=5, max_length=5, dataset_size=100)
    program = parse(PROGRAMS["count"], vocabulary=problem.vocabulary[1:], context=problem.context)
    result = train_seeds(problem, TINY, start=starting_model(program, problem))
    assert all(record.accuracy == 1.0 for record in result.history if record.epoch == 1)
    assert result.test.mean_over_lengths == 1.0


def test_a_part_of_a_program_reaches_what_random_starts_do_not() -> None:
    problem = problem_of_task("reverse", vocab_size=6, max_length=6, dataset_size=100)
    part = """
        end = aggregate(first(select(tokens, "</s>", ==)), indices);
        wanted = (end - indices) % 6;
    """
    program = parse(part, vocabulary=problem.vocabulary[1:], context=problem.context)
    start = starting_model(program, problem)
    assert not start.state["unembed.W_U"].any()
    settings = GradientSettings(
        seeds=3,
        steps=300,
        n_heads_cat=2,
        n_heads_num=1,
        n_cat_mlps=1,
        n_num_mlps=1,
        halvings=(),
        freeze=True,
    )
    given = train_seeds(problem, settings, start=start)
    alone = train_seeds(problem, dataclasses.replace(settings, freeze=False))
    assert given.best.accuracy == given.test.mean_over_lengths == 1.0
    assert alone.best.accuracy < 1.0


def test_a_killed_run_resumes_from_what_it_started_from(tmp_path: Path) -> None:
    problem = problem_of("two steps")
    start = started("two steps", problem)
    settings = dataclasses.replace(TINY, freeze=True, learning_rate=0.5)
    whole = train_seeds(problem, settings, start=start)
    with pytest.raises(Exception, match=r"^$"):
        train_seeds(problem, settings, tmp_path, start=start, on_progress=kill_after(2))
    assert (tmp_path / START_FILE).exists()
    assert bits(train_seeds(problem, settings, tmp_path, resume=True)) == bits(whole)
    other = started("readout alone", dataclasses.replace(problem, splits=problem.splits))
    with pytest.raises(TpirError, match="was trained on other data"):
        train_seeds(problem, settings, tmp_path, start=other, resume=True)
    train_seeds(problem, TINY, tmp_path, force=True)
    assert not (tmp_path / START_FILE).exists()


def test_what_no_batched_model_holds_is_refused() -> None:
    problem = problem_of("readout alone")
    tied = "n = selector_width(select(tokens, tokens, <) and select(indices, indices, <));"
    last = "t = aggregate(last(select(tokens, tokens, ==)), indices);"
    for text, message in (
        (tied, "the program has a head of several predicates"),
        (last, "a head of the program takes the first or last of several keys"),
    ):
        program = parse(text, vocabulary=problem.vocabulary[1:], context=problem.context)
        with pytest.raises(TpirError, match=f"^{message}"):
            train_seeds(problem, TINY, start=starting_model(program, problem))
    other = problem_of_examples(problem.splits.train, name="other", begin=True)
    with pytest.raises(TpirError, match="was not made for this problem: its vocabulary differs"):
        train_seeds(other, TINY, start=started("readout alone", problem))
    with pytest.raises(TpirError, match="it goes with --init"):
        train_seeds(problem, dataclasses.replace(TINY, freeze=True))
