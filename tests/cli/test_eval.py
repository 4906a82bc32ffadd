"""``tpir eval`` against tasks, teachers and tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, World
from tests.cli.test_errors import check_error
from tpir.cli.eval_tables import percent

HIST = "n = selector_width(select(tokens, tokens, ==));\n"
CAPPED = f"{HIST}m = 3 if n > 3 else n;\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "hist.rasp").write_text(HIST)
    (tmp_path / "capped.rasp").write_text(CAPPED)
    return tmp_path


def test_a_program_is_judged_by_a_teacher(cli: Cli, files: Path) -> None:
    sizes = ["--vocab", "a,b", "--max-length", 6]
    asked = [files / "capped.rasp", "--teacher", files / "hist.rasp", *sizes]
    found = json.loads(cli("eval", *asked, "--all", "--beyond", 2, "--json").out)
    assert found["problem"] == "hist"
    assert found["space_size"] == found["all"]["overall"]["inputs"] == 62
    assert [*found["all"]["by_length"]] == ["2", "3", "4", "5", "6"]
    assert found["all"]["by_length"]["4"]["accuracy"] == 1
    assert found["all"]["by_length"]["5"]["inputs_correct"] == 16 - 2
    assert found["all"]["mean_over_lengths"] > found["all"]["overall"]["accuracy"]
    assert found["share_seen"] == found["train"]["overall"]["inputs"] / 62
    assert [*found["beyond"]["by_length"]] == ["7", "8"]
    assert found["why_not_beyond"] is None
    other = json.loads(cli("eval", *asked, "--seed", 1, "--json").out)
    assert other["all"] is None and "beyond" not in other
    assert other["test"] != found["test"]

    table = cli("eval", *asked, "--all", "--beyond", 1).out
    for word in ("mean over lengths", "whole inputs", "all inputs", "beyond", "of the 62 inputs"):
        assert word in table


def test_a_model_is_judged_by_a_task_of_its_sizes(cli: Cli, tmp_path: Path) -> None:
    rasp, weights = tmp_path / "h.rasp", tmp_path / "h.safetensors"
    rasp.write_text(
        'context 4; vocabulary {"0", "1", "<s>"}; labels {"1", "2", "3"};\n'
        'table same { "0" -> "0"; "1" -> "1"; _ -> {} }\n'
        "n = selector_width(select(tokens, tokens, same));\n"
        'table word { 2 -> "2"; 3 -> "3"; _ -> "1" }\nlabel = word(n);\n'
    )
    assert cli("compile", rasp, "-o", weights).status == 0
    for path in (rasp, weights):
        found = json.loads(cli("eval", path, "--task", "hist", "--all", "--json").out)
        assert found["space_size"] == 2 + 4 + 8
        assert found["all"]["overall"]["accuracy"] == found["test"]["mean_over_lengths"] == 1
    said = cli("eval", weights, "--task", "hist", "--beyond", 1)
    assert said.status == 0 and "--beyond: not run on longer inputs" in said.err
    referred = json.loads(cli("eval", rasp, "--task", "hist", "--as-reference", "--json").out)
    assert referred["train"]["overall"]["inputs"] == 14 - 2 - 2


def test_an_open_program_is_fitted_to_the_task(cli: Cli, files: Path) -> None:
    answer = cli("eval", files / "hist.rasp", "--task", "hist", "--dataset-size", 200, "--json")
    assert json.loads(answer.out)["train"]["overall"]["accuracy"] == 1


def test_emitted_python_is_judged_too(cli: Cli, world: World, tmp_path: Path) -> None:
    teacher = tmp_path / "t.rasp"
    teacher.write_text("n = selector_width(select(tokens, tokens, ==));")
    reports = [
        json.loads(cli("eval", form, "--teacher", teacher, "--all", "--json").out)
        for form in (world.rasp, world.python, world.weights)
    ]
    assert reports[0] == reports[1] == reports[2]
    assert 0 < reports[0]["all"]["overall"]["accuracy"] < 1


def test_a_table_of_labels(cli: Cli, files: Path, world: World) -> None:
    data = files / "data.csv"
    data.write_text("tokens,labels\na b a,2 1 2\nb,-\n")
    program = files / "hist.rasp"
    found = cli("eval", program, "--data", data, "--vocab", "a,b", "--max-length", 3, "--json")
    report = json.loads(found.out)
    assert (report["overall"]["labels"], report["mean_over_lengths"]) == (3, 1.0)
    assert cli("eval", world.rasp, "--data", data).status == 0  # it wants <s>, and gets it


def test_what_cannot_be_asked(cli: Cli, files: Path) -> None:
    program = files / "hist.rasp"
    check_error(cli("eval", program), "give one of --data, --task and --teacher")
    check_error(cli("eval", program, "--task", "sort", "--teacher", program), "give one of")
    check_error(cli("eval", program, "--data", program, "--all"), "not in --data")
    check_error(cli("eval", program, "--task", "sorting"), "there is no task")
    check_error(cli("eval", program, "--teacher", program), "states no vocabulary")


def test_nearly_all_is_not_shown_as_all() -> None:
    assert percent(0.999999) == "99.99 %"
    assert percent(1) == "100.00 %"
    assert percent(0.5) == "50.00 %"
    assert percent(float("nan")) == "-"
