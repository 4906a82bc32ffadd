"""Whatever is wrong with the input: one clear error, status 2, no traceback, no output file."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import TINY, Answer, Cli, World
from tpir.cli import info

ROOT = Path(__file__).resolve().parents[2]


def check_error(answer: Answer, *words: str) -> None:
    """One error on standard error that has the words, and nothing else anywhere."""
    assert answer.status == 2
    assert answer.out == ""
    first, *rest = answer.err.splitlines()
    assert first.startswith("error: ")
    assert all(line.startswith((" ", "\t")) for line in rest), answer.err
    assert "Traceback" not in answer.err
    assert "unexpected" not in answer.err
    for word in words:
        assert word in answer.err, answer.err


@pytest.fixture
def model(world: World, tmp_path: Path) -> Path:
    """A folder in the reference format, to be damaged."""
    return Path(shutil.copytree(world.reference, tmp_path / "model"))


class Malicious:
    """A pickle that would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "executed"))


def read_commands(path: Path, out: Path) -> list[tuple[object, ...]]:
    """Every command that reads an artefact, writing to ``out`` where it writes."""
    return [
        ("lower", path, "-o", out),
        ("opt", path, "-o", out),
        ("emit", "python", path, "-o", out),
        ("compile", path, "-o", out.with_suffix(".safetensors")),
        ("run", path, "--tokens", "<s> a", "-o", out),
        ("show", path, "-o", out.with_suffix(".svg")),
        ("roundtrip", path, "-o", out),
        ("info", path),
        ("diff", path, path),
        ("check", path, path),
    ]


def check_everywhere(cli: Cli, path: Path, *words: str) -> None:
    """The error comes from every command, and none leaves a file."""
    folder = path.parent / "outputs"
    folder.mkdir()
    for command in read_commands(path, folder / "out"):
        check_error(cli(*command), *words)
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 cut off"])
def test_damaged_model(cli: Cli, model: Path, content: bytes) -> None:
    (model / "model.pt").write_bytes(content)
    check_everywhere(cli, model, "model.pt")


def test_model_cut_short(cli: Cli, model: Path) -> None:
    data = (model / "model.pt").read_bytes()
    (model / "model.pt").write_bytes(data[: len(data) // 2])
    check_everywhere(cli, model, "model.pt")


def test_damaged_safetensors(cli: Cli, world: World, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(world.weights.read_bytes()[:200])
    check_everywhere(cli, path, "w.safetensors")


def test_arguments_that_do_not_fit_the_weights(cli: Cli, model: Path) -> None:
    arguments = json.loads((model / "args.json").read_text())
    arguments["n_layers"] += 1
    (model / "args.json").write_text(json.dumps(arguments))
    check_everywhere(cli, model, "n_layers")


def test_arguments_that_are_no_json(cli: Cli, model: Path) -> None:
    (model / "args.json").write_text("{")
    check_everywhere(cli, model, "args.json")


def test_vocabulary_of_the_wrong_size(cli: Cli, model: Path) -> None:
    words = json.loads((model / "vocab.json").read_text())
    words["tokens"].append("extra")
    (model / "vocab.json").write_text(json.dumps(words))
    check_everywhere(cli, model, "the vocabulary has 5 tokens; the weights embed 4")


def test_vocabulary_file_of_the_wrong_size(cli: Cli, model: Path, tmp_path: Path) -> None:
    words = json.loads((model / "vocab.json").read_text())
    words["tokens"].pop()
    other = tmp_path / "other.json"
    other.write_text(json.dumps(words))
    check_error(cli("lower", model, "--vocab", other, "-o", tmp_path / "x.rasp"))
    assert not (tmp_path / "x.rasp").exists()


def test_pickle_with_code_in_it(cli: Cli, model: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    payload = pickle.dumps(Malicious(trap))
    (model / "model.pt").write_bytes(payload)
    check_everywhere(cli, model, "model.pt")
    assert not trap.exists()
    buffer = io.BytesIO()
    torch.save({"x": torch.zeros(1)}, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(model / "model.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, payload if name.endswith("data.pkl") else old.read(name))
    check_error(cli("info", model), "model.pt")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TINY.replace("selector_width(", "selector_width(("), ("bad.rasp:9:", "^")),
        (TINY.replace("parity(count)", "count + tokens"), ("odd", "bad.rasp:12:", "type", "^")),
        (TINY.replace("odd = parity(count);", "odd = parity(odd);"), ("odd", "bad.rasp:12:", "^")),
        (TINY.replace("parity(count)", "parity(cuont)"), ("cuont", "bad.rasp:12:", "^")),
        ("", ("bad.rasp",)),
        (TINY.replace("{1,3}", "{1,3"), ("bad.rasp:5:",)),
    ],
    ids=["syntax", "type", "cycle", "unknown name", "nothing", "form"],
)
def test_bad_text(cli: Cli, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "bad.rasp"
    path.write_text(text)
    check_everywhere(cli, path, *words)


def test_text_that_is_no_text(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bad.rasp"
    path.write_bytes(b"\xff\xfe\x00")
    check_everywhere(cli, path, "UTF-8")


@pytest.mark.parametrize(
    ("tokens", "word"),
    [
        ("<s> a c", '"c" at position 2 is not in the vocabulary'),
        ("<s> a a a a", "5 tokens"),
        ("", "empty"),
        ("a a", "accepted form"),
        ("<s>", "accepted form"),
    ],
)
def test_input_that_is_not_accepted(
    cli: Cli, world: World, tmp_path: Path, tokens: str, word: str
) -> None:
    out = tmp_path / "out.jsonl"
    inputs = tmp_path / "in.jsonl"
    inputs.write_text(f'["<s>", "a"]\n{json.dumps(tokens.split())}\n')
    for form in world.forms:
        check_error(cli("run", form, "--tokens", tokens, "-o", out), word)
        check_error(cli("run", form, "--input", inputs, "-o", out), word, "input 2")
    check_error(cli("show", world.rasp, "--tokens", tokens, "-o", tmp_path / "x.svg"), word)
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl"}


def test_an_empty_input_is_called_so(cli: Cli, tmp_path: Path) -> None:
    path, inputs = tmp_path / "p.rasp", tmp_path / "in.jsonl"
    path.write_text("x = indices;\n")
    inputs.write_text("[]\n")
    for command in ("run", "show"):
        check_error(cli(command, path, "--text", ""), "error: the input is empty\n")
    check_error(cli("run", path, "--input", inputs), "error: the input is empty\n")
    check_error(cli("run", path, "--text", "", "--vocab", "a"), "error: the input is empty\n")
    inputs.write_text("[]\n[]\n")
    check_error(cli("run", path, "--input", inputs), "error: all inputs are empty\n")
    inputs.write_text('["a"]\n[]\n')
    check_error(cli("run", path, "--input", inputs), "in.jsonl, input 2: the input is empty\n")


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        ("", "--vocab lists no tokens"),
        ("a,,b", "--vocab a,,b: a word between commas is empty"),
        ("a,", "--vocab a,: a word between commas is empty"),
        ("a,b,a", '--vocab a,b,a lists "a" twice'),
    ],
)
def test_a_list_of_tokens_has_each_once_and_none_empty(
    cli: Cli, tmp_path: Path, vocab: str, message: str
) -> None:
    path = tmp_path / "p.rasp"
    path.write_text("x = indices;\n")
    check_error(cli("run", path, "--text", "a", "--vocab", vocab), message)


def test_standard_input_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "p.rasp").write_text("x = indices;\n")
    done = run_on(b"\xff\xfe", tmp_path)
    assert done.stderr == b"error: standard input is not a text (UTF-8)\n"
    assert run_on(b'\xef\xbb\xbf["a"]\n', tmp_path).stdout == b"[0]\n"
    assert run_on(b"[]\n[\n", tmp_path).stderr.startswith(b"error: standard input, line 2: ")


def run_on(standard_input: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """``tpir run p.rasp`` on what standard input holds."""
    command = [sys.executable, "-m", "tpir.cli.main", "run", "p.rasp", "--input", "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command,
        input=standard_input,
        capture_output=True,
        cwd=folder,
        env=environment,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("line", ["{", '{"tokens": 1}', '["a", null]', "3"])
def test_lines_that_are_no_inputs(cli: Cli, world: World, tmp_path: Path, line: str) -> None:
    inputs = tmp_path / "in.jsonl"
    inputs.write_text(f'["<s>", "a"]\n{line}\n')
    check_error(cli("run", world.rasp, "--input", inputs), "line 2")
    assert "Expecting" not in cli("run", world.rasp, "--input", inputs).err
    check_error(cli("eval", world.rasp, "--data", inputs), "line 1")


def test_files_that_are_not_there(cli: Cli, tmp_path: Path) -> None:
    check_everywhere(cli, tmp_path / "nothing.rasp", "does not exist")


def test_existing_files_stay_without_force(cli: Cli, world: World, tmp_path: Path) -> None:
    out = tmp_path / "out.py"
    out.write_text("mine")
    check_error(cli("emit", "python", world.rasp, "-o", out), "--force")
    assert out.read_text() == "mine"
    assert cli("emit", "python", world.rasp, "-o", out, "--force").status == 0
    assert out.read_text() == world.python.read_text()


def test_options_that_a_file_overrules_are_refused(cli: Cli, world: World) -> None:
    check_error(cli("info", world.weights, "--max-length", "9"), "--max-length")
    check_error(cli("info", world.python, "--output", "x"), "--output")
    check_error(cli("info", world.reference, "--vocab", "a,b"), "--vocab")
    check_error(cli("info", world.rasp, "--accepts", "("), "accepted form")


def test_what_cannot_be_compiled_is_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "p.rasp"
    path.write_text('context 2; vocabulary {"a"};\nmany = indices + 1;\noutput many;\n')
    out = tmp_path / "w.safetensors"
    check_error(cli("compile", path, "-o", out))
    check_error(cli("compile", path, "-o", tmp_path / "w"), ".safetensors")
    check_error(cli("compile", path, "-o", out, "--target", "gpu"), "transformer-program")
    assert not out.exists()


def test_wrong_use_is_status_two(cli: Cli, world: World) -> None:
    assert cli("run").status == 2
    assert cli("run", world.rasp, "--nonsense").status == 2
    assert cli("nonsense").status == 2
    check_error(cli("run", world.rasp), "--tokens")
    check_error(cli("train", "-o", "x"), "task")
    check_error(cli("emit", "rust", world.rasp), "python")
    check_error(cli("check", world.rasp, world.rasp, "--require", "tested"), "--require")


def test_an_unexpected_error_is_one_line_too(
    cli: Cli, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(info, "_facts", broken)
    answer = cli("info", world.rasp)
    line = "error: unexpected ZeroDivisionError: oh (TPIR_TRACEBACK=1 shows where)\n"
    assert (answer.status, answer.out, answer.err) == (2, "", line)
    monkeypatch.setenv("TPIR_TRACEBACK", "1")
    assert "Traceback" in cli("info", world.rasp).err
