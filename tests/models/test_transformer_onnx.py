"""Transformers as ONNX graphs: the same outputs in onnxruntime, whatever the batch and length."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import safetensors
import torch
from torch import Tensor

from tests.models.exported_programs import CASES, MODELS, Case, check_answers, check_equal
from tests.models.random_transformers import random_transformer
from tpir.errors import TpirError
from tpir.models import transformer_onnx
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_format import save_transformer
from tpir.models.transformer_onnx import onnx_bytes, save_onnx
from tpir.models.transformer_predict import Predictor

MISSING = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
needs_onnx = pytest.mark.skipif(
    bool(MISSING),
    reason=f"{', '.join(MISSING)} not installed (pip install 'tpir[onnx]'): nothing was exported",
)


def exported(content: bytes, ids: Tensor, mask: Tensor) -> Tensor:
    """The logits that onnxruntime gives."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"tokens": ids.numpy(), "mask": mask.numpy()})
    return torch.from_numpy(logits)


def padded(checkpoint: TransformerCheckpoint, case: Case) -> tuple[Tensor, Tensor]:
    """A case's sequences as places in the vocabulary, and a mask, without any part of tpir."""
    rows = [torch.tensor(list(map(checkpoint.vocabulary.index, s))) for s in case.sequences()]
    present = [torch.ones(len(row), dtype=torch.bool) for row in rows]
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(rows, batch_first=True), pad(present, batch_first=True)


@needs_onnx
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_compiled_program_gives_the_same(case: Case) -> None:
    checkpoint = case.checkpoint()
    ids, mask = padded(checkpoint, case)
    ours = Predictor(checkpoint).logits(ids, mask)
    theirs = exported(onnx_bytes(checkpoint), ids, mask)
    check_equal(checkpoint, ours[mask], theirs[mask])
    check_answers(case, theirs)


@needs_onnx
@pytest.mark.parametrize("name", MODELS)
def test_any_weights_any_batch_any_length(name: str) -> None:
    checkpoint = MODELS[name]
    content = onnx_bytes(checkpoint)
    for batch, length in ((1, 1), (1, 2), (4, 5), (3, 4), (2, 1)):
        generator = torch.Generator().manual_seed(batch + length)
        ids = torch.randint(3, (batch, length), generator=generator)
        mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1), generator=generator)
        for present in (mask, torch.ones_like(mask)):
            ours = Predictor(checkpoint).logits(ids, present)
            theirs = exported(content, ids, present)
            check_equal(checkpoint, ours[present], theirs[present])


@needs_onnx
@pytest.mark.parametrize("name", MODELS)
def test_padding_is_not_read_wherever_it_is(name: str) -> None:
    mask = torch.tensor([[False, True, False, True], [True] * 4, [False] * 4])
    content = onnx_bytes(MODELS[name])
    logits = [exported(content, torch.where(mask, 0, padding), mask) for padding in (1, 2)]
    assert torch.isfinite(logits[0]).all()
    assert torch.equal(logits[0][mask], logits[1][mask])


@needs_onnx
def test_inputs_longer_than_the_context_are_refused() -> None:
    ids = torch.zeros(1, 6, dtype=torch.long)
    with pytest.raises(Exception, match="out of data bounds"):
        exported(onnx_bytes(random_transformer(context=5)), ids, torch.ones_like(ids).bool())


@needs_onnx
def test_a_file_says_what_ours_says(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    checkpoint = random_transformer(bos=True)
    path, ours = tmp_path / "m.onnx", tmp_path / "m.safetensors"
    save_onnx(path, checkpoint)
    save_transformer(ours, checkpoint)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    with safetensors.safe_open(ours, framework="pt") as opened:
        assert {p.key: p.value for p in model.metadata_props} == opened.metadata()
    names = {name for node in model.graph.node for name in node.output}
    assert {"hook_embed", "blocks.1.hook_resid_mid", "blocks.1.attn.hook_pattern"} <= names
    with pytest.raises(TpirError, match="--force"):
        save_onnx(path, checkpoint)
    save_onnx(path, checkpoint, force=True)
    assert [file.name for file in tmp_path.glob("*.onnx*")] == ["m.onnx"]


@needs_onnx
def test_the_same_model_gives_the_same_bytes() -> None:
    checkpoint = random_transformer()
    assert onnx_bytes(checkpoint) == onnx_bytes(checkpoint)


def test_weights_beyond_two_gigabytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformer_onnx, "_MOST_BYTES", 100)
    with pytest.raises(TpirError, match="an ONNX file holds 100"):
        onnx_bytes(random_transformer())


def test_without_onnx_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(TpirError, match=r"pip install 'tpir\[onnx\]'"):
        save_onnx(tmp_path / "m.onnx", random_transformer())
    assert list(tmp_path.iterdir()) == []
