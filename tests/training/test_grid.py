"""Grids: which runs a TOML file stands for, what they are called, and what is wrong with it."""

from __future__ import annotations

import pytest

from tpir.errors import TpirError
from tpir.training.grid import GridRun, read_grid

METHODS = ["plain", "other", "standard"]


def runs(text: str) -> list[GridRun]:
    return read_grid(text, "grid.toml", METHODS)


def names(text: str) -> list[str]:
    return [run.name for run in runs(text)]


def test_lists_are_multiplied_and_the_rest_is_common() -> None:
    found = runs('task = "hist"\nseed = [0, 1]\nrate = [0.1, 1e-3]\nsteps = 5\n')
    assert [run.name for run in found] == [
        "hist_plain_seed=0_rate=0.1",
        "hist_plain_seed=0_rate=0.001",
        "hist_plain_seed=1_rate=0.1",
        "hist_plain_seed=1_rate=0.001",
    ]
    expected = {"task": "hist", "method": "plain", "seed": 1, "rate": 0.1, "steps": 5}
    assert found[2].settings == expected


def test_problems_are_alternatives() -> None:
    text = 'task = ["hist", "sort"]\nteacher = "programs/count.rasp"\nvocab = "a,b"\nseed = [3]\n'
    assert names(text) == [
        "hist_plain_seed=3",
        "sort_plain_seed=3",
        "programs-count.rasp_plain_seed=3",
    ]
    assert runs(text)[2].settings == {
        "teacher": "programs/count.rasp",
        "method": "plain",
        "vocab": "a,b",
        "seed": 3,
    }


def test_a_table_is_for_one_method() -> None:
    text = (
        'task = "hist"\nmethod = ["plain", "standard"]\nwidth = 4\n'
        "[plain]\nheads = [1, 2]\nwidth = 8\n[other]\nheads = [7, 8, 9]\n"
    )
    found = runs(text)
    assert [run.name for run in found] == [
        "hist_plain_heads=1",
        "hist_plain_heads=2",
        "hist_standard",
    ]
    assert [run.settings.get("width") for run in found] == [8, 8, 4]
    assert "heads" not in found[2].settings


def test_a_setting_that_is_a_list_is_given_as_a_list_of_lists() -> None:
    found = runs('task = "hist"\nhalvings = [[], [0.5, 0.75]]\nflag = [true, false]\n')
    assert [run.settings["halvings"] for run in found] == [[], [], [0.5, 0.75], [0.5, 0.75]]
    assert found[3].name == "hist_plain_halvings=0.5+0.75_flag=false"


def test_names_stay_when_a_list_gets_longer() -> None:
    assert set(names('task = ["hist"]\nseed = [0]')) < set(names('task = ["hist"]\nseed = [0, 1]'))


def test_names_that_no_folder_can_have_apart_get_a_digest() -> None:
    found = names('teacher = ["a/b.rasp", "a:b.rasp", "A-b.rasp", "c.rasp"]')
    assert len(set(map(str.lower, found))) == 4
    assert all(name.lower().startswith("a-b.rasp_plain_") for name in found[:3])
    assert found[3] == "c.rasp_plain"
    assert not any(set(name) & set('/:\\*?"<>| ') for name in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task = ", "not TOML: Invalid value"),
        ("seed = 1", "say what to train on: give a task, a teacher or data"),
        ("task = []", "say what to train on"),
        ('task = "hist"\nseed = []', "seed is an empty list"),
        ('task = "hist"\nseed = [1, 1]', "the run hist_plain_seed=1_[0-9a-f]+ stands there twice"),
        ('task = "hist"\nseed = 2020-01-01', "seed: 2020-01-01 is no word, number or truth value"),
        ('task = "hist"\nseed = [{a = 1}]', "seed: .* is no word, number or truth value"),
        ('task = "hist"\nmethod = "magic"', "no method magic; there is: plain, other, standard"),
        ('task = "hist"\n[magic]\na = 1', r"\[magic\] is no method; there is: plain, other"),
    ],
)
def test_what_is_no_grid_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(TpirError, match=f"^grid.toml: .*{message}") as caught:
        runs(text)
    assert "\n" not in str(caught.value)
