"""Each command does what it says, on every kind of artefact it takes."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.conftest import TINY, Answer, Cli, World
from tpir.passes.base import PassResult
from tpir.passes.cse import Cse
from tpir.text import parse

COMMANDS = (  # noqa: SIM905
    "train lower opt emit compile export run generate repl check roundtrip eval show diff info lint"
).split()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(cli: Cli, command: str) -> None:
    answer = cli(command, "--help")
    assert answer.status == 0
    assert f"tpir {command} " in answer.out.split("Examples:")[1]


def test_every_form_runs_alike(cli: Cli, world: World, tmp_path: Path) -> None:
    inputs = tmp_path / "in.jsonl"
    inputs.write_text('["<s>", "a", "b", "a"]\n["<s>", "b"]\n')
    for form in world.forms:
        assert cli("run", form, "--tokens", "<s> a b a").out == "0 1 1 1\n"
        out = tmp_path / f"{form.name}.jsonl"
        answer = cli("run", form, "--input", inputs, "-o", out)
        assert (answer.status, answer.out) == (0, "")
        assert out.read_text() == '["0", "1", "1", "1"]\n["0", "1"]\n'


def test_run_reads_standard_input(cli: Cli, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('["<s>", "a"]\n\n'))
    assert cli("run", world.rasp, "--input", "-", "-o", "-").out == '["0", "1"]\n'


def test_run_specialises_an_open_program(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "open.rasp"
    path.write_text("count = selector_width(select(tokens, tokens, ==));\n")
    assert cli("run", path, "--text", "hello").out == "1 1 2 2 1\n"
    assert json.loads(cli("run", path, "--text", "aa", "--json").out) == [2, 2]


def test_run_writes_failures_and_named_outputs(cli: Cli, tmp_path: Path) -> None:
    path, inputs = tmp_path / "p.rasp", tmp_path / "in.jsonl"
    path.write_text(
        "context 2; vocabulary {0, 1};\n"
        "half = 1 / tokens_int;\ntwice = tokens_int + tokens_int;\n"
        "output half = half;\noutput twice = twice;\n"
    )
    inputs.write_text("[1, 1]\n[0, 1]\n")
    answer = cli("run", path, "--input", inputs)
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert rows == [{"half": [1.0, 1.0], "twice": [2, 2]}, {"error": "division by zero"}]
    assert cli("run", path, "--tokens", "1").out == "half: 1.0\ntwice: 2\n"
    failed = cli("run", path, "--tokens", "0 1")
    assert (failed.status, failed.out) == (2, "")
    assert failed.err == (
        f"error: {path}:2:8: the program fails on this input: division by zero\n"
        "    half = 1 / tokens_int;\n"
        "           ^^^^^^^^^^^^^^\n"
        "  note: in half at position 0: tokens_int is 0\n"
    )


TRACED = """\
same:
        a b a
    a | 1   1
    b |   1
    a | 1   1
half: 1.0 0.5 1.0
alone: False True False
"""


def test_run_traces_an_input(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "p.rasp"
    path.write_text(
        "same = select(tokens, tokens, ==);\nn = selector_width(same);\n"
        "output half = n / 2;\noutput alone = n == 1;\n"
    )
    answer = cli("run", path, "--text", "aba", "--trace")
    assert (answer.status, answer.err) == (0, "")
    table, matrices = answer.out.split("┘\n")
    assert matrices == TRACED
    rows = [[c.strip() for c in r.strip("│").split("│")] for r in table.split("\n") if "│" in r]
    assert [(row[0], row[2:]) for row in rows] == [
        ("tokens", ['"a"', '"b"', '"a"']),
        ("n", ["2", "1", "2"]),
        ("half", ["1.0", "0.5", "1.0"]),
        ("alone", ["False", "True", "False"]),
    ]
    assert json.loads(cli("run", path, "--text", "aba", "--trace", "--json").out) == {
        "tokens": ["a", "b", "a"],
        "sequences": {
            "tokens": ["a", "b", "a"],
            "n": [2, 1, 2],
            "half": [1.0, 0.5, 1.0],
            "alone": [False, True, False],
        },
        "selectors": {"same": [[0, 2], [1], [0, 2]]},
        "outputs": {"half": [1.0, 0.5, 1.0], "alone": [False, True, False]},
    }


def test_a_trace_shows_how_far_a_program_came(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "p.rasp"
    path.write_text("n = indices + 1;\nx = n / indices;\ny = x + 1;\n")
    answer = cli("run", path, "--text", "ab", "--trace")
    assert answer.status == 2
    assert "division by zero" in answer.err
    assert "│n " in answer.out
    assert "│x " not in answer.out
    answer = cli("run", path, "--text", "ab", "--trace", "--json")
    assert (answer.status, json.loads(answer.out)["outputs"]) == (2, {"error": "division by zero"})


def test_a_trace_is_of_a_program_on_one_input(cli: Cli, world: World, tmp_path: Path) -> None:
    inputs = tmp_path / "in.jsonl"
    inputs.write_text('["<s>", "a"]\n')
    one = ("--tokens", "<s> a", "--trace")
    assert "--trace shows one input" in cli("run", world.rasp, "--input", inputs, "--trace").err
    assert "leave out -o" in cli("run", world.rasp, *one, "-o", tmp_path / "out").err
    assert not (tmp_path / "out").exists()
    assert "is emitted Python" in cli("run", world.python, *one).err
    assert "│labels " in cli("run", world.weights, *one).out
    assert "is not in the vocabulary" in cli("run", world.rasp, "--text", "x", "--trace").err


def test_lower_opt_emit_compile_keep_the_meaning(cli: Cli, world: World, tmp_path: Path) -> None:
    lowered, small = tmp_path / "l.rasp", tmp_path / "s.rasp"
    assert cli("lower", world.weights, "-o", lowered).status == 0
    assert cli("lower", world.reference, "-o", tmp_path / "r.rasp").status == 0
    opt = cli("opt", lowered, "-O2", "-o", small, "--stats", "--verify-each", "--explain")
    assert opt.status == 0
    assert "seconds" in opt.err
    emitted = tmp_path / "s.py"
    assert cli("emit", "python", small, "-o", emitted).status == 0
    for form in (lowered, small, emitted, tmp_path / "r.rasp"):
        answer = cli("check", world.rasp, form, "--require", "proved")
        assert answer.status == 0
        assert "proved (by exhaustion, 14 inputs)" in answer.out


def test_opt_takes_passes_by_name_and_writes_to_standard_output(cli: Cli, world: World) -> None:
    answer = cli("opt", world.rasp, "-p", "dce,cse")
    assert parse(answer.out) == parse(TINY)
    assert "# how often the token appears\n" in answer.out
    assert cli("opt", world.rasp, "-p", "dce", "-O1").status == 2
    assert "no pass 'dec'; did you mean 'dce'" in cli("opt", world.rasp, "-p", "dec").err


def test_verify_each_names_the_guilty_pass(
    cli: Cli, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = parse(TINY.replace("0 | 2 | 4 -> 0", "0 | 4 -> 0"))
    monkeypatch.setattr(Cse, "run", lambda self, program: PassResult(wrong, True))
    out = tmp_path / "out.rasp"
    answer = cli("opt", world.rasp, "-p", "dce,cse", "--verify-each", "-o", out)
    assert answer.status == 1
    assert answer.err.startswith("pass cse changes the program: refuted")
    assert "counterexample: <s> a a\n" in answer.err
    assert not out.exists()
    assert cli("opt", world.rasp, "-p", "dce,cse", "-o", out).status == 0


def test_check_refutes_with_a_smallest_input(cli: Cli, world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.rasp"
    other.write_text(TINY.replace("0 | 2 | 4 -> 0", "0 | 4 -> 0"))
    for form in world.forms:
        answer = cli("check", form, other)
        assert answer.status == 1
        assert answer.out.startswith("refuted (")
    found = json.loads(cli("check", world.rasp, other, "--json").out)
    assert found["answer"] == "refuted"
    assert found["counterexample"]["tokens"] == ["<s>", "a", "a"]
    assert found["counterexample"]["a"] != found["counterexample"]["b"]


def test_check_says_tested_where_it_did_not_see_all(cli: Cli, world: World) -> None:
    few = ("--method", "sample", "--samples", "20", "--seed", "7")
    answer = cli("check", world.rasp, world.rasp, *few)
    assert answer.status == 0
    assert answer.out.startswith("tested (of 14 possible, 20 inputs, seed 7)")
    assert cli("check", world.rasp, world.rasp, *few, "--require", "proved").status == 3


def test_check_asks_whose_inputs(cli: Cli, world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.rasp"
    other.write_text(TINY.replace("{1,3}", "{1,2}"))
    asked = cli("check", world.rasp, other)
    assert asked.status == 2
    assert "say --on a, --on b or --on both" in asked.err
    found = "s inputs: proved (by exhaustion, "
    assert cli("check", world.rasp, other, "--on", "a").out == f"A'{found}14 inputs)\n"
    assert cli("check", world.rasp, other, "--on", "b").out == f"B'{found}6 inputs)\n"
    both = cli("check", world.rasp, other, "--on", "both")
    assert both.out == f"A'{found}14 inputs)\nB'{found}6 inputs)\n"
    both = cli("check", world.rasp, other, "--on", "both", "--json")
    spaces = [verdict["space"] for verdict in json.loads(both.out)]
    assert [space["of"] for space in spaces] == ["a", "b"]
    assert "6 inputs of length 2 to 3" in spaces[1]["inputs"]
    other.write_text(TINY.replace('accepts "<s>" ("a" | "b"){1,3};\n', ""))
    assert "14 inputs" in cli("check", other, world.rasp).out  # B's: the only one declared


def test_roundtrip_writes_everything_and_proves_it(cli: Cli, world: World, tmp_path: Path) -> None:
    answer = cli("roundtrip", world.reference, "-o", tmp_path / "out", "--require", "proved")
    assert answer.status == 0, answer
    for arrow in ("lower", "opt -O2", "emit python", "compile", "reference form", "lower again"):
        assert arrow in answer.out
    assert answer.out.count("proved") == 6
    assert answer.out.count("equal") == 3
    written = {path.name for path in (tmp_path / "out").iterdir()}
    suffixes = (".rasp", ".min.rasp", ".py", ".safetensors", ".again.rasp", "_reference")
    assert written == {f"tiny_reference{suffix}" for suffix in suffixes}
    again = cli("roundtrip", world.reference, "-o", tmp_path / "out")
    assert again.status == 2
    assert "--force" in again.err
    found = cli("roundtrip", world.weights, "-o", tmp_path / "out2", "--json")
    answers = [arrow["verdict"]["answer"] for arrow in json.loads(found.out)]
    assert set(answers) == {"proved", "equal"}


def test_roundtrip_of_sets_and_tables(cli: Cli, tmp_path: Path) -> None:
    """What the reference's form cannot hold is left out, the rest is proved."""
    rasp = tmp_path / "rank.rasp"
    rasp.write_text(
        'context 3; vocabulary {"a", "b", "c"};\n'
        "smaller = selector_width(select(tokens, tokens, <));\n"
        'rank = "low" if smaller < 1 else "high";\n'
    )
    weights = tmp_path / "rank.safetensors"
    refused = cli("compile", rasp, "--format", "reference", "-o", tmp_path / "r")
    assert refused.status == 2
    assert "matches one key value" in refused.err
    assert cli("compile", rasp, "--mlps", "table", "-o", weights).status == 0
    model = json.loads(cli("info", weights, "--json").out)["model"]
    assert (model["predicates"], model["mlps"]) == ("set", "table")
    answer = cli("roundtrip", weights, "-o", tmp_path / "out", "--require", "proved")
    assert answer.status == 0, answer
    assert "reference" not in answer.out
    assert answer.out.count("proved") == 5
    again = tmp_path / "out" / "rank.safetensors"
    assert json.loads(cli("info", again, "--json").out)["model"] == model


def test_eval_counts_labels_that_are_there(cli: Cli, world: World, tmp_path: Path) -> None:
    rows = [
        {"tokens": ["<s>", "a", "b", "a"], "labels": [None, "2", "1", "1"]},
        {"tokens": ["<s>", "b"], "labels": [None, "1"]},
    ]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    zipped = tmp_path / "data.jsonl.gz"
    text = data.read_text().replace("labels", "gold")
    zipped.write_bytes(gzip.compress(text.encode()))
    for form in world.forms:
        for source in (data, zipped):
            found = json.loads(cli("eval", form, "--data", source, "--json").out)
            assert found["overall"]["labels"] == 4
            assert found["overall"]["correct"] == 3
            assert found["by_length"]["2"]["accuracy"] == 1.0
    assert "75.00 %" in cli("eval", world.rasp, "--data", data).out


def test_eval_takes_words_for_numbers(cli: Cli, tmp_path: Path) -> None:
    path, data = tmp_path / "p.rasp", tmp_path / "data.jsonl"
    path.write_text(
        "context 2; vocabulary {1, 2};\ntwice = tokens_asis + tokens_asis;\noutput twice;\n"
    )
    data.write_text('{"tokens": ["1", "2"], "labels": ["2", "5"]}\n')
    found = json.loads(cli("eval", path, "--data", data, "--json").out)
    assert (found["overall"]["correct"], found["overall"]["labels"]) == (1, 2)


def test_show_writes_a_picture_and_prints_a_trace(
    cli: Cli, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli("show", world.rasp, "--tokens", "<s> a b a")
    assert answer.status == 0
    assert "wrote tiny.svg" in answer.err
    assert ET.parse(tmp_path / "tiny.svg").getroot().tag.endswith("svg")
    row = next(line for line in answer.out.splitlines() if line.startswith("│count "))
    assert [cell.strip() for cell in row.strip("│").split("│")][2:] == ["0", "2", "1", "2"]
    assert cli("show", world.weights, "-o", "w.html", "--tokens", "<s> a").status == 0
    assert "<svg" in Path("w.html").read_text()
    assert cli("show", world.rasp, "-o", "t.dot").status == 0
    assert Path("t.dot").read_text().startswith("digraph")
    assert cli("show", world.rasp, "-o", "-").out.startswith("<svg")
    assert cli("show", world.rasp).status == 2  # tiny.svg is there
    assert "emitted Python" in cli("show", world.python, "-o", "p.svg").err


def test_diff_says_equal_or_what_differs(cli: Cli, world: World, tmp_path: Path) -> None:
    assert cli("diff", world.rasp, world.weights).status == 0
    other = tmp_path / "other.rasp"
    other.write_text(TINY.replace('"a" -> "a"', '"a" -> "b"'))
    answer = cli("diff", world.rasp, other)
    assert answer.status == 1
    assert 'query "a": "a" → "b"' in answer.out
    found = json.loads(cli("diff", world.rasp, other, "--json").out)
    assert found["equal"] is False
    assert len(found["changed"]) == 1


def test_info_knows_every_kind(cli: Cli, world: World) -> None:
    kinds = {}
    prints = set()
    for form in world.forms:
        facts = json.loads(cli("info", form, "--json").out)
        assert facts["inputs"] == 14
        assert facts["context"] == 4
        kinds[form] = facts["kind"]
        prints.add(facts["emitted from" if form == world.python else "fingerprint"])
        assert "vocabulary" in cli("info", form).out
    assert list(kinds.values()) == ["program", *["transformer-program"] * 2, "python"]
    assert len(prints) == 1


def test_info_counts_layers_and_heads(cli: Cli, world: World, tmp_path: Path) -> None:
    path = tmp_path / "p.rasp"
    path.write_text(
        'context 3; vocabulary {"a", "b"};\n'
        "one = aggregate(select(tokens, tokens, ==), indices);\n"
        "two = aggregate(select(tokens, tokens, ==), 2 * indices);\n"
        "three = aggregate(select(one, two, ==), tokens);\n"
    )
    assert "layers 2, heads 2+1 (shared 1+1)" in cli("info", path).out
    facts = json.loads(cli("info", path, "--json").out)
    assert facts["attention"] == {"layers": 2, "heads": [2, 1], "shared heads": [1, 1]}
    assert "attention" not in json.loads(cli("info", world.python, "--json").out)


def test_lint_warns_and_strict_fails(cli: Cli, world: World, tmp_path: Path) -> None:
    path = tmp_path / "p.rasp"
    path.write_text("# a comment\nx = 2^3^2;\ny = (\n    not x == 2);\n")
    answer = cli("lint", path)
    assert (answer.status, answer.err) == (0, "2 warnings\n")
    assert answer.out.startswith(f"warning: {path}:2:5: ^ groups from the left, unlike in Python\n")
    assert "\n  note: this means (not x) == 2\n" in answer.out
    strict = cli("lint", world.rasp, path, "--strict")
    assert (strict.status, strict.out) == (2, answer.out)
    assert cli("lint", world.rasp, "--strict") == Answer(0, "", "0 warnings\n")
    assert json.loads(cli("lint", path, "--json").out)[1] == {
        "file": str(path),
        "line": 4,
        "column": 5,
        "width": 10,
        "message": "not binds tighter than ==, unlike in Python",
        "suggestion": "(not x) == 2",
    }
    assert json.loads(cli("lint", world.rasp, "--json").out) == []
    path.write_text("x = ;")
    assert cli("lint", path).err.startswith(f"error: {path}:1:5: expected an expression")
    assert cli("lint", tmp_path / "none.rasp").err.startswith("error: cannot read ")


def test_train_writes_a_run_that_the_other_commands_take(cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "hist"
    sizes = ("--vocab-size", 4, "--max-length", 4, "--epochs", 1, "--seed", 3)
    small = ("n_layers=1", "n_heads_cat=1", "n_heads_num=1", "n_cat_mlps=0", "n_num_mlps=1")
    data = ("dataset_size=60", "batch_size=32")
    assign = [part for setting in (*small, *data) for part in ("--set", setting)]
    answer = cli("train", "hist", "-o", run, *sizes, *assign)
    assert answer.status == 0, answer
    assert answer.out.startswith("accuracy ")
    assert "epoch 1/1" in answer.err
    assert cli("info", run).status == 0
    assert cli("lower", run, "-o", "-").out.startswith("program hist;\n")
    again = cli("train", "hist", "-o", run, *sizes, *assign)
    assert again.status == 2
    assert "--resume" in again.err
    assert cli("train", "-o", run, "--resume").status == 0
    wrong = cli("train", "hist", "-o", tmp_path / "x", "--set", "n_layer=1")
    assert wrong.err == "error: the settings are wrong: no setting is called 'n_layer'\n"


def test_train_goes_on_from_a_compiled_program(cli: Cli, world: World, tmp_path: Path) -> None:
    data, out = tmp_path / "data.jsonl", tmp_path / "on"
    inputs = [["<s>", *body] for n in (1, 2, 3) for body in itertools.product("ab", repeat=n)]
    rows = [
        {"tokens": row, "labels": [None, *(str(row.count(token)) for token in row[1:])]}
        for row in inputs
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    train = ("train", "--from", world.weights, "-o", out)
    answer = cli(*train, "--data", data, "--epochs", 2)
    assert answer.status == 0, answer
    assert "10 examples, 2 held out" in answer.err
    assert "epoch 2/2: loss " in answer.err
    assert answer.out.startswith("accuracy ")
    assert [line.split(",")[0] for line in (out / "metrics.csv").read_text().split()] == [
        *("epoch", "0", "1", "2")
    ]
    assert cli("run", out, "--tokens", "<s> a").status == 0
    assert "--force" in cli(*train, "--data", data).err
    found = cli(*train, "hist", "--vocab-size", 4, "--set", "dataset_size=9", "--force", "--json")
    assert found.status == 2  # hist has digits, this model has letters
    assert "is no token or label of the model" in found.err
    assert cli(*train, "--data", data, "--force", "--json").status == 0
    assert "give a task, or --data" in cli(*train, "--force").err
    assert "n_layers is no setting" in cli(*train, "--force", "--set", "n_layers=3").err
    assert "compile it" in cli("train", "--from", world.rasp, "-o", tmp_path / "x").err


def test_train_goes_on_with_a_run_and_its_task(cli: Cli, tmp_path: Path) -> None:
    run, more = tmp_path / "run", tmp_path / "more"
    sizes = ("--vocab-size", 6, "--max-length", 6, "--epochs", 1)
    small = ("n_layers=1", "n_heads_cat=1", "n_heads_num=0", "n_cat_mlps=1", "n_num_mlps=0")
    assign = [part for s in (*small, "dataset_size=60") for part in ("--set", s)]
    assert cli("train", "sort", "-o", run, *sizes, *assign).status == 0
    found = json.loads(cli("train", "--from", run, "-o", more, "--json").out)
    assert found.keys() == {"checkpoint", "accuracy_before", "accuracy_after"}
    assert cli("lower", more, "-o", "-").status == 0
    assert "holds a training run" in cli("train", "--from", run, "-o", run, "--force").err


def test_run_and_opt_start_without_torch(world: World, tmp_path: Path) -> None:
    code = (
        "import sys; from tpir.cli.main import main; "
        f"status = main(['opt', {str(world.rasp)!r}, '-o', {str(tmp_path / 'o.rasp')!r}]); "
        f"status += main(['run', {str(world.rasp)!r}, '--tokens', '<s> a']); "
        "print(status, 'torch' in sys.modules, 'hypothesis' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 False False"


def test_output_into_a_closed_pipe_is_no_error(world: World) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "tpir.cli.main", "emit", "python", str(world.rasp)]
    run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (run.returncode, run.stderr) == (0, "")
