"""Files: what is written is read again, and what is damaged is one clear error."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.models.random_models import configurations, random_model, random_tokens
from tpir.errors import TpirError
from tpir.models.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    save_reference,
)
from tpir.models.config import TransformerProgramConfig

CONFIG = TransformerProgramConfig(
    vocabulary=("<pad>", "<s>", "a", "b"),
    labels=("<pad>", "x", "y"),
    context=4,
    d_var=5,
    n_layers=2,
    d_mlp=6,
    position_bias="clipped",
)


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint.of_model(
        random_model(CONFIG, 0), accepts='"<s>" ("a"|"b"){1,3}', metadata={"task": "mine"}
    )


@pytest.fixture
def folder(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_reference(tmp_path / "public", checkpoint)
    return tmp_path / "public"


@pytest.fixture
def file(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "own.safetensors", checkpoint)
    return tmp_path / "own.safetensors"


def refused(path: Path, *, vocabulary_file: Path | None = None) -> str:
    """The one line that loading ``path`` ends with."""
    with pytest.raises(TpirError) as caught:
        load_checkpoint(path, vocabulary_file=vocabulary_file)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


def edit_json(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def edit_state(path: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configurations(), st.integers(0, 2**32 - 1))
def test_random_models_round_trip(
    tmp_path: Path, config: TransformerProgramConfig, seed: int
) -> None:
    original = Checkpoint.of_model(random_model(config, seed))
    save_checkpoint(tmp_path / "own.safetensors", original, force=True)
    paths = [tmp_path / "own.safetensors"]
    if (config.predicates, config.mlps) == ("one", "relu"):
        save_reference(tmp_path / "public", original, force=True)
        paths.append(tmp_path / "public")
    tokens = random_tokens(config, seed, batch=4)
    for path in paths:
        again = load_checkpoint(path)
        assert again.config == original.config
        assert torch.equal(again.model()(tokens), original.model()(tokens))


def test_run_folder(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run" / "checkpoint.safetensors", checkpoint)
    assert load_checkpoint(tmp_path / "run").config == CONFIG


def test_float64_readout_keeps_its_digits(checkpoint: Checkpoint, tmp_path: Path) -> None:
    exact = checkpoint.state["unembed.W_U"].double() + 1e-12
    checkpoint.state["unembed.W_U"] = exact
    save_checkpoint(tmp_path / "own.safetensors", checkpoint)
    save_reference(tmp_path / "public", checkpoint)
    for path in (tmp_path / "own.safetensors", tmp_path / "public"):
        again = load_checkpoint(path)
        assert torch.equal(again.model(torch.float64).unembed.W_U, exact)
        assert again.model().unembed.W_U.dtype == torch.float32


def test_whole_numbers_take_a_byte(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Those from -128 to 127, and read by all who read state dicts; other numbers are kept."""
    path = tmp_path / "own.safetensors"
    whole = torch.zeros_like(checkpoint.state["unembed.W_U"])
    whole[0, 0], whole[-1, -1] = -128, 127
    for numbers, stored in (
        (whole, torch.int8),
        (whole.double(), torch.int8),
        (whole + 1, torch.float32),
        (whole - 0.5, torch.float32),
        (whole.double() * 2.0**40, torch.float64),
    ):
        checkpoint.state["unembed.W_U"] = numbers
        save_checkpoint(path, checkpoint, force=True)
        state = safetensors.torch.load_file(path)
        assert state["unembed.W_U"].dtype == stored
        assert state["pos_embed.W"].dtype == torch.int8
        again = load_checkpoint(path)
        assert not [name for name, x in again.state.items() if x.dtype == torch.int8]
        assert torch.equal(again.model(torch.float64).unembed.W_U, numbers.double())
        model = again.model(torch.float64)
        model.load_state_dict(state)
        assert torch.equal(model.unembed.W_U, numbers.double())


def test_later_training_does_not_reach_a_checkpoint() -> None:
    model = random_model(CONFIG, 0)
    kept = Checkpoint.of_model(model)
    before = kept.state["unembed.W_U"].clone()
    with torch.no_grad():
        model.unembed.W_U += 1
    assert torch.equal(kept.state["unembed.W_U"], before)


def test_stripped_metadata(checkpoint: Checkpoint, file: Path) -> None:
    state = safetensors.torch.load_file(file)
    least = {
        "vocabulary": CONFIG.vocabulary, "labels": CONFIG.labels, "causal": False, "pooled": False,
    }  # fmt: skip
    safetensors.torch.save_file(
        state, file, {"tpir.kind": "transformer-program", "tpir.config": json.dumps(least)}
    )
    again = load_checkpoint(file)
    assert again.config == CONFIG
    assert (again.accepts, again.metadata) == (None, {})


def test_vocabulary_file(folder: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"tokens": ["<pad>", "<s>", "p", "q"], "labels": ["x", "y", "z"]}))
    (folder / "vocab.json").unlink()
    assert "give one with --vocab" in refused(folder)
    again = load_checkpoint(folder, vocabulary_file=words)
    assert again.config.vocabulary[2:] == ("p", "q")
    assert again.config.masked_labels == ("x",)


def test_tensors_outvote_the_stated_options(folder: Path) -> None:
    edit_json(folder / "args.json", rel_pos_bias="none", unembed_mask=0, attention_type="both")
    edit_json(folder / "args.json", one_hot_embed=False, selector_width=1)
    config = load_checkpoint(folder).config
    assert (config.position_bias, config.attention) == ("clipped", "cat")
    assert config.masked_labels == ("<pad>",)
    assert not config.one_hot_embed and not config.selector_width


def test_null_d_var(folder: Path) -> None:
    edit_json(folder / "args.json", d_var=None)
    assert load_checkpoint(folder).config.d_var == 5


def test_untrained_clipped_bias_is_still_learned(tmp_path: Path) -> None:
    flat = Checkpoint.of_model(random_model(CONFIG, 0))
    for name, tensor in flat.state.items():
        if name.endswith("rel_pos_bias.bias"):
            tensor.zero_()
    save_reference(tmp_path / "public", flat)
    assert load_checkpoint(tmp_path / "public").config.position_bias == "clipped"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("d_var", 6),
        ("n_vars_cat", 2),
        ("n_vars_num", 2),
        ("n_layers", 3),
        ("n_heads_cat", 4),
        ("n_heads_num", 0),
        ("n_cat_mlps", 2),
        ("n_num_mlps", 0),
        ("mlp_vars_in", 1),
        ("d_mlp", 64),
    ],
)
def test_args_that_do_not_fit_the_weights(folder: Path, name: str, value: int) -> None:
    edit_json(folder / "args.json", **{name: value})
    assert f"stated as {value}" in refused(folder)


@pytest.mark.parametrize(
    ("file_name", "changes", "message"),
    [
        ("args.json", {"n_layers": "two"}, "'two', not a whole number"),
        ("args.json", {"standard": True}, "standard Transformer"),
        ("args.json", {"autoregressive": True}, "disagree on whether it is causal"),
        ("args.json", {"autoregressive": 7}, "true or false"),
        ("args.json", {"pool_outputs": "yes"}, "true or false"),
        ("vocab.json", {"tokens": ["<pad>", "<s>", "a"]}, "has 3 tokens; the weights embed 4"),
        ("vocab.json", {"tokens": ["a", "a", "b", "c"]}, "'a' stands there twice"),
        ("vocab.json", {"tokens": "abcd"}, "tokens must be a list of strings"),
        ("vocab.json", {"tokens": ...}, "tokens must be a list of strings"),
        ("vocab.json", {"labels": ["x"]}, "there are 1 labels; the weights have 3"),
        ("vocab.json", {"n_ctx": 9}, "context is stated as 9; the weights have 4"),
    ],
)
def test_json_that_does_not_fit(
    folder: Path, file_name: str, changes: dict[str, object], message: str
) -> None:
    edit_json(folder / file_name, **changes)
    assert message in refused(folder)


@pytest.mark.parametrize("name", ["args.json", "vocab.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_damaged_json(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert name in refused(folder)


@pytest.mark.parametrize("name", ["args.json", "model.pt", "vocab.json"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refused(folder)


def test_neither_said_to_be_causal(folder: Path) -> None:
    edit_json(folder / "args.json", autoregressive=...)
    assert not load_checkpoint(folder).config.causal
    edit_json(folder / "vocab.json", causal=...)
    assert "do not say whether it is causal" in refused(folder)


def test_damaged_model(folder: Path) -> None:
    whole = (folder / "model.pt").read_bytes()
    chance = random.Random(0)
    for content in (b"", b"hello\n" * 9, whole[: len(whole) // 2], whole[100:], bytes(500)):
        (folder / "model.pt").write_bytes(content)
        assert "model.pt is damaged" in refused(folder)
    for _ in range(10):
        content = bytearray(whole)
        for _ in range(300):
            content[chance.randrange(len(content))] ^= 255
        (folder / "model.pt").write_bytes(bytes(content))
        refused(folder)


class Command:
    """Runs a shell command when unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("protocol", [2, 4, None])
def test_pickled_code_never_runs(folder: Path, protocol: int | None) -> None:
    command = Command(folder / "ran")
    if protocol is None:
        torch.save({"embed.W_E": command}, folder / "model.pt")
    else:
        (folder / "model.pt").write_bytes(pickle.dumps(command, protocol=protocol))
    assert "was not loaded" in refused(folder)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("value", [[1], {}, {"a": 1}, {1: torch.ones(1)}, torch.ones(2)])
def test_model_that_is_no_state_dict(folder: Path, value: object) -> None:
    torch.save(value, folder / "model.pt")
    assert "not a state dict" in refused(folder)


def remove(name: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.__delitem__(name)


def put(name: str, tensor: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.__setitem__(name, tensor)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("embed.W_E"), "embed.W_E is missing"),
        (remove("pos_embed.W"), "pos_embed.W is missing"),
        (remove("unembed.W_U"), "unembed.W_U is missing"),
        (remove("blocks.1.cat_attn.W_V.W"), "blocks.1.cat_attn.W_V.W is missing"),
        (put("blocks.0.extra", torch.ones(1)), "blocks.0.extra has no place"),
        (put("embed.W_E", torch.ones(4)), "has shape (4,)"),
        (put("embed.W_E", torch.ones(7, 4)), "not a multiple of d_var 5"),
        (put("pos_embed.W", torch.eye(4, 5).flip(0)), "pos_embed.W is a constant"),
        (put("blocks.0.cat_attn.W_K.E", torch.zeros(2, 5, 5)), "W_K.E is a constant"),
        (put("blocks.0.cat_mlp.mlps.0.W_out", torch.ones(5, 9)), "the other sizes ask for (5, 6)"),
        (put("blocks.0.cat_mlp.mlps.0.b_out", torch.full((5,), torch.nan)), "NaN"),
        (put("unembed.W_U", torch.full((77, 3), torch.inf)), "(77, 3)"),
        (put("unembed.mask", torch.ones(1, 1, 2, dtype=torch.bool)), "unembed.mask"),
        (put("unembed.mask", torch.ones(1, 1, 3, dtype=torch.bool)), "every label is masked"),
        (put("embed.W_E", torch.ones(5, 4, dtype=torch.long)), "type torch.int64"),
        (put("blocks.0.cat_attn.rel_pos_bias.bias", torch.ones(2, 3)), "position bias"),
    ],
)
def test_tensors_that_are_not_a_model(
    folder: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    edit_state(folder / "model.pt", change)
    assert message in refused(folder)


def test_no_such_checkpoint(folder: Path, file: Path, tmp_path: Path) -> None:
    assert "there is no checkpoint" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "holds neither" in refused(tmp_path / "empty")
    assert "give the folder" in refused(folder / "model.pt")
    assert "its own vocabulary" in refused(file, vocabulary_file=folder / "vocab.json")


def test_damaged_safetensors(file: Path) -> None:
    whole = file.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], bytes(100)):
        file.write_bytes(content)
        assert "cannot read" in refused(file)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "not stated"),
        ({"tpir.kind": "program"}, "its tpir.kind is program"),
        ({"tpir.config": "{"}, "not JSON"),
        ({"tpir.config": "[]"}, "not a JSON object"),
        ({"tpir.config": "{}"}, "vocabulary must be a list"),
        ({"causal": None}, "whether the model is causal"),
        ({"vocabulary": ["a"]}, "has 1 tokens"),
        ({"labels": None}, "labels must be a list"),
        ({"pooled": None}, "whether the model is pooled"),
        ({"n_layers": 1}, "n_layers is stated as 1"),
        ({"masked_labels": None}, "masked labels"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_metadata_that_does_not_fit(file: Path, metadata: dict[str, object], message: str) -> None:
    state = safetensors.torch.load_file(file)
    stated = json.loads(CONFIG.to_json())
    texts = {k: str(v) for k, v in metadata.items() if k.startswith("tpir.")}
    stated |= {k: v for k, v in metadata.items() if k not in texts}
    kind = {"tpir.kind": "transformer-program", "tpir.config": json.dumps(stated)}
    safetensors.torch.save_file(state, file, (kind | texts) if metadata else {})
    assert message in refused(file)


def test_nothing_is_overwritten_unasked(checkpoint: Checkpoint, file: Path, folder: Path) -> None:
    (folder / "model.pt").unlink()
    before = (folder / "args.json").read_bytes(), file.read_bytes()
    for save, path in ((save_checkpoint, file), (save_reference, folder)):
        with pytest.raises(TpirError, match="--force"):
            save(path, checkpoint)
    assert ((folder / "args.json").read_bytes(), file.read_bytes()) == before
    assert not (folder / "model.pt").exists()
    save_reference(folder, checkpoint, force=True)
    assert load_checkpoint(folder).config == CONFIG
