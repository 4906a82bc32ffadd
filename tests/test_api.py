"""The library in a few calls: what the command line refuses, these refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tpir
from tests.cli.conftest import TINY
from tpir.equiv.verdict import Answer

INPUT = ["<s>", "a", "b", "a"]
FORM = '"<s>" "a"'


def test_every_form_runs_and_saves_alike(tmp_path: Path) -> None:
    program = tpir.parse(TINY)
    checkpoint = tpir.compile(program)
    tpir.save(checkpoint, tmp_path / "tiny.safetensors")
    tpir.save(checkpoint, str(tmp_path / "tiny"))
    (tmp_path / "tiny.py").write_text(tpir.emit(program))
    (tmp_path / "tiny.rasp").write_text(tpir.format(program))
    paths = [tmp_path / name for name in ("tiny", "tiny.safetensors", "tiny.py", "tiny.rasp")]
    for source in (program, checkpoint, *paths, *map(tpir.load, paths)):
        assert tpir.run(source, INPUT) == {"output": ("0", "1", "1", "1")}
        with pytest.raises(tpir.TpirError, match="accepted form"):
            tpir.run(source, ["a", "a"])
    for path in paths:
        loaded = tpir.load(path, accepts='("<s>")"a"')
        assert loaded.accepts == FORM
        with pytest.raises(tpir.TpirError, match="accepted form"):
            tpir.run(loaded, INPUT)
        with pytest.raises(tpir.TpirError, match="accepts garbage"):
            tpir.load(path, accepts="garbage (")
        with pytest.raises(tpir.TpirError, match="not in the vocabulary"):
            tpir.load(path, accepts='"c"')
    with pytest.raises(tpir.TpirError, match="exists"):
        tpir.save(checkpoint, paths[1])
    tpir.save(checkpoint, paths[1], force=True)
    lowered = tpir.lower(tpir.load(paths[1], accepts=FORM))
    assert (lowered.name, lowered.accepts) == ("tiny", FORM)


def test_a_standard_transformer_is_an_artefact_like_others(tmp_path: Path) -> None:
    program = tpir.parse(TINY)
    weights = tpir.compile(program, target="transformer")
    double = tpir.compile(program, target="transformer", dtype="float64")
    path = tmp_path / "tiny.safetensors"
    tpir.save(weights, path)
    loaded = tpir.load(path, accepts='("<s>")"a"')
    assert (loaded.accepts, loaded.fingerprint) == (FORM, program.fingerprint)
    for source in (weights, double, path, tpir.load(path)):
        assert tpir.run(source, INPUT) == {"output": ("0", "1", "1", "1")}
        assert tpir.check(program, source).answer is Answer.PROVED
        with pytest.raises(tpir.TpirError, match="accepted form"):
            tpir.run(source, ["a", "a"])
    with pytest.raises(tpir.TpirError, match="accepted form"):
        tpir.run(loaded, INPUT)
    with pytest.raises(tpir.TpirError, match="exists"):
        tpir.save(weights, path)
    tpir.save(double, path, force=True)
    assert tpir.check(weights, path).float32_differences == {"B": 0}
    with pytest.raises(tpir.TpirError, match=r"ends in \.safetensors"):
        tpir.save(weights, tmp_path / "tiny")
    for source in (weights, path, tpir.load(path)):
        assert tpir.check(program, tpir.lower(source)).answer is Answer.PROVED
        assert tpir.check(program, tpir.lower(source, blind=True)).answer is Answer.PROVED
    assert tpir.lower(path).name == "tiny"
    with pytest.raises(tpir.TpirError, match="blind is for the standard one"):
        tpir.lower(tpir.compile(program), blind=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "sculpture"}, "cannot compile to sculpture"),
        ({"target": "transformer", "dtype": "float16"}, "no type float16"),
        ({"dtype": "float64"}, "holds its numbers exactly"),
    ],
)
def test_compile_refuses_what_there_is_not(options: dict[str, str], message: str) -> None:
    with pytest.raises(tpir.TpirError, match=message):
        tpir.compile(tpir.parse(TINY), **options)  # type: ignore[call-overload]


def test_a_stated_form_keeps_the_text_canonical(tmp_path: Path) -> None:
    path = tmp_path / "p.rasp"
    path.write_text("hist = selector_width(select(tokens, tokens, ==));\n")
    loaded = tpir.load(path, vocabulary=["a", "b"], context=3, accepts='("a"|"b"){1,3}')
    assert loaded.program is not None
    assert tpir.parse(tpir.format(loaded.program)) == loaded.program


def test_a_failing_input_is_an_error() -> None:
    program = tpir.parse("context 1; vocabulary {0, 1};\nhalf = 1 / tokens_asis;\noutput half;\n")
    assert tpir.run(program, [1]) == {"half": (1.0,)}
    with pytest.raises(tpir.TpirError, match="division by zero"):
        tpir.run(program, [0])


def test_the_package_is_a_command() -> None:
    command = [sys.executable, "-m", "tpir", "--help"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0
    assert "tpir" in run.stdout
