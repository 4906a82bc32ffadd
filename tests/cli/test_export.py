"""``tpir export`` and ``tpir.export``: a graph that runs, or one clear line."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import tpir
from tests.cli.conftest import Cli, World
from tests.cli.test_errors import check_error

HIST = 'context 4; vocabulary {"a", "b"};\nhist = selector_width(select(tokens, tokens, ==));\n'
MISSING = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
needs_onnx = pytest.mark.skipif(
    bool(MISSING),
    reason=f"{', '.join(MISSING)} not installed (pip install 'tpir[onnx]'): nothing was exported",
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "hist.safetensors"
    tpir.save(tpir.compile(tpir.parse(HIST), target="transformer"), path)
    return path


@needs_onnx
def test_export_writes_a_graph_that_runs(cli: Cli, weights: Path, tmp_path: Path) -> None:
    """Tokens and answers go through the file's own metadata."""
    out = tmp_path / "hist.onnx"
    answer = cli("export", weights, "-o", out)
    assert (answer.status, answer.out, answer.err) == (0, "", f"wrote {out}\n")
    check_error(cli("export", weights, "-o", out), "--force")
    assert cli("export", weights, "-o", out, "--force").status == 0
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(out, providers=["CPUExecutionProvider"])
    said = json.loads(session.get_modelmeta().custom_metadata_map["tpir.config"])
    tokens = [list(map(said["vocabulary"].index, "abaa"))]
    (logits,) = session.run(["logits"], {"tokens": tokens, "mask": [[True] * 4]})
    (output,) = said["outputs"]
    assert [output["values"][k] for k in logits[0].argmax(-1)] == [3, 1, 3, 3]


@needs_onnx
def test_the_api_takes_models_and_paths(weights: Path, tmp_path: Path) -> None:
    model = tpir.load(weights).transformer
    assert model is not None
    tpir.export(model, tmp_path / "a.onnx")
    tpir.export(weights, tmp_path / "b.onnx")
    tpir.export(str(weights), str(tmp_path / "c.onnx"))
    assert len({(tmp_path / f"{name}.onnx").read_bytes() for name in "abc"}) == 1


def test_what_cannot_be_exported(cli: Cli, weights: Path, tmp_path: Path, world: World) -> None:
    out = tmp_path / "x.onnx"
    check_error(cli("export", weights, "-o", tmp_path / "x.pt"), "ends in .onnx")
    check_error(cli("export", world.weights, "-o", out), "is not a standard Transformer")
    check_error(cli("export", world.python, "-o", out), "is not a standard Transformer")
    check_error(cli("export", tmp_path / "none.safetensors", "-o", out), "none.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    check_error(cli("export", weights, "-o", out), "cannot read")
    assert not out.exists()


def test_without_onnx_it_says_what_to_install(
    cli: Cli, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    out = tmp_path / "x.onnx"
    check_error(cli("export", weights, "-o", out), "pip install 'tpir[onnx]'")
    assert not out.exists()
