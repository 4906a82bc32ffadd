"""The commands on standard Transformers: compile checks before it writes, the others read them."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.cli.conftest import TINY, Cli, World
from tests.cli.test_errors import check_error
from tpir.backends import transformer as backend
from tpir.backends.transformer import compile_transformer
from tpir.ir.program import Program
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_format import load_transformer, save_transformer
from tpir.models.transformer_predict import predict
from tpir.semantics.interpreter import run_many
from tpir.text import parse
from tpir.view.stream import residual_stream
from tpir.view.stream_text import stream_text

HIST = 'context 4; vocabulary {"a", "b"};\nhist = selector_width(select(tokens, tokens, ==));\n'
MEAN = (
    'context 4; vocabulary {"a", "b"};\n'
    'share = aggregate(select(indices, indices, <=), 1 if tokens == "a" else 0);\noutput share;\n'
)
SIZES = re.compile(r"[\d,]+ parameters, \d+ blocks?, \d+ heads?, d_model \d+")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs and the Transformers they compile to; to be read and not to be changed."""
    folder = tmp_path_factory.mktemp("transformers")
    for name, text in (("tiny", TINY), ("hist", HIST), ("mean", MEAN)):
        (folder / f"{name}.rasp").write_text(text)
        save_transformer(folder / f"{name}.safetensors", compile_transformer(parse(text)))
    return folder


def test_compile_says_what_it_wrote(cli: Cli, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "hist.safetensors"
    answer = cli("compile", folder / "hist.rasp", "--target", "transformer", "-o", out)
    assert (answer.status, answer.out) == (0, "")
    verdict, wrote, sizes = answer.err.splitlines()
    assert verdict == "proved (by exhaustion, 30 inputs)"
    assert wrote == f"wrote {out}"
    assert SIZES.fullmatch(sizes)
    model = load_transformer(out)
    assert model.state["embed.W_E"].dtype == torch.float32
    assert model.fingerprint == parse(HIST).fingerprint
    again = cli("compile", folder / "hist.rasp", "--target", "transformer", "-o", out)
    check_error(again, "--force")
    wide = ("--target", "transformer", "--dtype", "float64", "-o", out, "--force")
    answer = cli("compile", folder / "hist.rasp", *wide)
    assert "float32 run of B differs on 0" in answer.err
    assert load_transformer(out).state["embed.W_E"].dtype == torch.float64


def test_compile_specialises_an_open_program(cli: Cli, tmp_path: Path) -> None:
    path, out = tmp_path / "open.rasp", tmp_path / "open.safetensors"
    path.write_text("hist = selector_width(select(tokens, tokens, ==));\n")
    command = ("compile", path, "--target", "transformer", "-o", out)
    answer = cli(*command, "--vocab", "a,b,c", "--max-length", "12")
    assert answer.status == 0, answer.err
    assert answer.err.startswith("tested (of 797,160 possible, 3,000 inputs, seed 0)")
    assert cli("run", out, "--text", "abacabacabac").out == "6 3 6 3 6 3 6 3 6 3 6 3\n"
    check_error(cli(*command, "--force"), "vocabulary")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "sculpture"), "cannot compile to sculpture: there is transformer-program, t"),
        (("--target", "transformer", "--format", "reference"), "holds Transformer Programs"),
        (("--target", "transformer", "--dtype", "float16"), "there is no type float16"),
        (("--dtype", "float64"), "--dtype is for --target transformer"),
        (("--target", "transformer", "--mlps", "table"), "--mlps is for --target transformer-prog"),
        (("--target", "transformer", "--predicates", "one"), "--predicates is for --target"),
        (("--mlps", "tree"), "--mlps is tree; it must be relu or table"),
        (("--predicates", "many"), "--predicates is many; it must be one or set"),
    ],
)
def test_compile_refuses_what_does_not_go_together(
    cli: Cli, folder: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    out = tmp_path / "x.safetensors"
    check_error(cli("compile", folder / "hist.rasp", "-o", out, *options), words)
    assert not out.exists()
    for option, kind, only in (("--mlps", "table", "relu"), ("--predicates", "set", "one")):
        refused = cli("compile", folder / "hist.rasp", "--format", "reference", option, kind,
                      "-o", tmp_path / "x")  # fmt: skip
        check_error(refused, f"holds models with {option} {only} only")
    named = cli("compile", folder / "hist.rasp", "-o", tmp_path / "x", "--target", "transformer")
    check_error(named, "end its name in .safetensors")


def spoilt(model: TransformerCheckpoint, name: str, place: int, by: float) -> TransformerCheckpoint:
    """The model with one weight changed."""
    tensor = model.state[name].clone()
    tensor.view(-1)[place] += by
    return replace(model, state=model.state | {name: tensor})


def test_compile_writes_nothing_that_is_not_the_program(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(program: Program, *, dtype: torch.dtype) -> TransformerCheckpoint:
        return spoilt(compile_transformer(program, dtype=dtype), "unembed.b_U", 2, 1e3)

    monkeypatch.setattr(backend, "compile_transformer", wrong)
    out = tmp_path / "hist.safetensors"
    answer = cli("compile", folder / "hist.rasp", "--target", "transformer", "-o", out)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == (
        "refuted (shortest inputs first, 2 inputs)\ncounterexample: a\n  A: 1\n  B: 2\n"
        f"the weights (B) are not the program (A): {out} was not written\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_run_and_check_take_them(cli: Cli, folder: Path) -> None:
    assert cli("run", folder / "hist.safetensors", "--text", "abaa").out == "3 1 3 3\n"
    assert cli("run", folder / "tiny.safetensors", "--tokens", "<s> a b a").out == "0 1 1 1\n"
    check_error(cli("run", folder / "tiny.safetensors", "--tokens", "a a"), "accepted form")
    check_error(cli("run", folder / "hist.safetensors", "--text", "abc"), '"c"', "vocabulary")
    shares = json.loads(cli("run", folder / "mean.safetensors", "--text", "aba", "--json").out)
    assert shares == pytest.approx([1, 1 / 2, 2 / 3])
    proved = cli("check", folder / "hist.rasp", folder / "hist.safetensors")
    assert (proved.status, proved.out) == (0, "proved (by exhaustion, 30 inputs)\n")
    required = ("--require", "proved")
    assert cli("check", folder / "tiny.safetensors", folder / "tiny.rasp", *required).status == 0


def test_both_kinds_of_weights_are_compared(cli: Cli, folder: Path, world: World) -> None:
    for form in world.forms:
        answer = cli("check", form, folder / "tiny.safetensors", "--require", "proved")
        assert answer.status == 0, answer


def test_the_verdict_says_that_numbers_are_approximate(cli: Cli, folder: Path) -> None:
    program, weights = folder / "mean.rasp", folder / "mean.safetensors"
    said = "; numbers of share compared to within 0.0001, relative above 1\n"
    assert cli("check", program, weights).out == f"proved (by exhaustion, 30 inputs){said}"
    found = json.loads(cli("check", program, weights, "--json").out)
    assert (found["answer"], found["approximate"]) == ("proved", ["share"])
    exact = json.loads(
        cli("check", folder / "hist.rasp", folder / "hist.safetensors", "--json").out
    )
    assert exact["approximate"] == []


@pytest.mark.parametrize("source", ["hist", "mean"])
def test_check_finds_a_changed_weight(cli: Cli, folder: Path, tmp_path: Path, source: str) -> None:
    """Every weight is nudged in turn. Where that changes an answer, the input is a smallest one."""
    program = parse((folder / f"{source}.rasp").read_text())
    model = load_transformer(folder / f"{source}.safetensors")
    inputs = [row for n in range(1, 5) for row in itertools.product(program.vocabulary, repeat=n)]
    expected = run_many(program, inputs)
    places = [(name, k) for name, x in model.state.items() for k in range(x.numel())]
    refuted = 0
    for number, (name, place) in enumerate(places):
        other = spoilt(model, name, place, 0.7)
        pairs = zip(expected, predict(other, inputs), strict=True)
        wrong = [k for k, (a, b) in enumerate(pairs) if a.values is None or not _same(a.values, b)]
        if number % 10 and not (wrong and refuted == 0):
            continue  # the command itself on every tenth
        path = tmp_path / f"{number}.safetensors"
        save_transformer(path, other)
        found = json.loads(cli("check", folder / f"{source}.rasp", path, "--json").out)
        assert (found["answer"] == "refuted") == bool(wrong), (name, place)
        if wrong:
            refuted += 1
            assert tuple(found["counterexample"]["tokens"]) == inputs[wrong[0]]
    assert refuted > 1


def _same(left: object, right: object) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return all(
            abs(a - b) <= 1e-4 if isinstance(b, float) else a == b
            for name in left
            for a, b in zip(left[name], right[name], strict=True)
        )
    return False


def test_info_says_what_is_inside(cli: Cli, folder: Path) -> None:
    path = folder / "mean.safetensors"
    facts = json.loads(cli("info", path, "--json").out)
    model = load_transformer(path)
    assert facts["kind"] == "transformer"
    assert facts["inputs"] == 30
    assert facts["parameters"] == sum(tensor.numel() for tensor in model.state.values())
    assert facts["model"]["d_model"] == model.state["embed.W_E"].shape[1]
    assert facts["model"]["heads"] == [
        model.state[f"blocks.{n}.attn.W_Q"].shape[0] for n in range(model.blocks)
    ]
    assert facts["model"]["dtype"] == "float32"
    assert facts["outputs"] == [{"name": "share", "values": None, "pooled": False, "floats": False}]
    assert [row["name"] for row in facts["variables"]] == [v.name for v in model.variables]
    assert facts["compiled from"] == parse(MEAN).fingerprint
    text = cli("info", path).out
    assert "share: a number, one for each position" in text
    assert re.search(r"tokens: directions [\d ]+, from embedding, until ", text)
    labels = json.loads(cli("info", folder / "hist.safetensors", "--json").out)["labels"]
    assert labels == [0, 1, 2, 3, 4]


def test_show_draws_the_residual_stream(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = folder / "hist.safetensors"
    stream = residual_stream(load_transformer(path))
    answer = cli("show", path)
    assert (answer.status, answer.err) == (0, "wrote hist.svg\n")
    assert answer.out.rstrip("\n") == stream_text(stream).rstrip("\n")
    picture = Path("hist.svg").read_text("utf-8")
    assert "hist: residual stream, 3 directions, 1 block" in picture
    assert cli("show", path, "-o", "-").out == picture
    answer = cli("show", path, "-o", "hist.html", "--tokens", "a b a")
    assert answer.out.startswith(stream_text(stream))
    assert re.search(r"^│hist +│[^│]*│ 2 +│ 1 +│ 2 +│$", answer.out, re.MULTILINE)
    page = Path("hist.html").read_text("utf-8")
    assert picture.strip() in page
    assert "<pre>3 directions, 1 block;" in page
    assert "<table" in page
    check_error(cli("show", path, "-o", "hist.dot"), "tpir lower gives the program")
    check_error(cli("show", path), "--force")
    check_error(cli("show", path, "-o", "x.svg", "--tokens", "a z"), '"z"')


def test_eval_counts_labels(cli: Cli, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"tokens": ["a", "b", "a"], "labels": ["2", "1", "3"]}\n')
    found = json.loads(cli("eval", folder / "hist.safetensors", "--data", data, "--json").out)
    assert (found["overall"]["correct"], found["overall"]["labels"]) == (2, 3)
    numbers = cli("eval", folder / "mean.safetensors", "--data", data)
    check_error(numbers, "share up to rounding", "tpir check")
    path = tmp_path / "two.safetensors"
    two = 'context 3; vocabulary {"a"};\noutput x = indices;\noutput y = tokens;\n'
    save_transformer(path, compile_transformer(parse(two)))
    check_error(cli("eval", path, "--data", data), "several outputs (x, y)", "compile")


def test_commands_that_need_a_program_lower_the_weights(
    cli: Cli, folder: Path, tmp_path: Path
) -> None:
    path, program = folder / "hist.safetensors", folder / "hist.rasp"
    for blind in ((), ("--blind",)):
        answer = cli("lower", path, *blind)
        assert (answer.status, answer.err) == (0, "")
        assert parse(answer.out) == parse(HIST)
    assert cli("diff", path, program).status == 0
    out = tmp_path / "again.safetensors"
    assert cli("compile", path, "--target", "transformer", "-o", out).status == 0
    first, again = load_transformer(path), load_transformer(out)
    assert all(torch.equal(first.state[k], again.state[k]) for k in first.state)
    for command in (("opt",), ("emit", "python")):
        assert cli(*command, path).status == 0
    check_error(cli("lower", program, "--blind"), "no standard Transformer, which --blind is for")
    broken = tmp_path / "broken.safetensors"
    weights = {**first.state, "blocks.0.attn.W_Q": first.state["blocks.0.attn.W_Q"] / 50}
    save_transformer(broken, replace(first, state=weights))
    check_error(cli("lower", broken), "block 0, head 0 computes no program")


def test_options_that_a_file_overrules(cli: Cli, folder: Path, tmp_path: Path) -> None:
    path, words = folder / "hist.safetensors", tmp_path / "words.json"
    words.write_text('["a", "b"]')
    run = ("run", path, "--text", "ab")
    check_error(cli(*run, "--vocab", words), "holds its own vocabulary")
    check_error(cli(*run, "--vocab", "a,c"), "has a vocabulary of its own")
    check_error(cli(*run, "--max-length", 9), "has context 4")
    check_error(cli(*run, "--output", "x"), "has its own output")
    assert cli(*run, "--vocab", "b,a").out == "1 1\n"
    check_error(cli(*run, "--accepts", '"a"{1,3}'), "accepted form")


def test_a_damaged_file_is_refused_by_every_command(cli: Cli, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    state = safetensors.torch.load_file(folder / "hist.safetensors")
    with safetensors.safe_open(folder / "hist.safetensors", framework="pt") as opened:
        metadata = opened.metadata()
    state["unembed.b_U"][0] = float("nan")
    safetensors.torch.save_file(state, path, metadata)
    for command in (("info", path), ("run", path, "--text", "a"), ("check", path, path)):
        check_error(cli(*command), "unembed.b_U holds NaN or infinity")
    safetensors.torch.save_file(state, path, metadata | {"tpir.kind": "sculpture"})
    check_error(cli("info", path), "its tpir.kind is sculpture")
    path.write_bytes(path.read_bytes()[:100])
    check_error(cli("info", path), "cannot read")
