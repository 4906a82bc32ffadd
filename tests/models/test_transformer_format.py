"""Standard Transformers on disk: what is saved comes back, what is damaged is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from tests.models.random_transformers import random_transformer
from tpir.errors import TpirError
from tpir.ir.values import Value, value_key
from tpir.models.checkpoint import load_checkpoint
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_format import (
    dtype_named,
    holds_transformer,
    load_transformer,
    save_transformer,
)
from tpir.models.transformer_sizes import BlockSizes, sizes_of

VOCABULARIES: tuple[tuple[Value, ...], ...] = (
    ("a", "b", "c"),
    ("it's", 'say "hi"', "é\n\u2028", " ", ""),
    (0, -1, 2**53),
    (True, False),
    (0.5, 1e300, -2.0, 1.0),
    (1, True, 1.0, "1", "true", "1.0"),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A model with a token of beginning, saved; to be damaged."""
    path = tmp_path / "m.safetensors"
    save_transformer(path, random_transformer(bos=True))
    return path


def assert_same(left: TransformerCheckpoint, right: TransformerCheckpoint) -> None:
    """Everything is equal, tensors bit for bit and values with their types."""
    assert left.state.keys() == right.state.keys()
    for name, tensor in left.state.items():
        assert tensor.dtype == right.state[name].dtype
        assert torch.equal(tensor, right.state[name])
    for one, other in ((left, right), (right, left)):
        assert list(map(value_key, one.vocabulary)) == list(map(value_key, other.vocabulary))
        for output in one.outputs:
            (same,) = [o for o in other.outputs if o.name == output.name]
            assert list(map(value_key, output.values or ())) == list(
                map(value_key, same.values or ())
            )
    rest = [dataclasses.replace(model, state={}) for model in (left, right)]
    assert rest[0] == rest[1]


def metadata_of(path: Path) -> dict[str, str]:
    with safetensors.safe_open(path, framework="pt") as opened:
        return dict(opened.metadata())


def edit_metadata(path: Path, **changes: object) -> None:
    """Change keys of ``tpir.config``; ``...`` takes one out."""
    metadata = metadata_of(path)
    config = json.loads(metadata["tpir.config"]) | changes
    config = {key: value for key, value in config.items() if value is not ...}
    metadata["tpir.config"] = json.dumps(config)
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, metadata)


def edit_state(path: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    metadata, state = metadata_of(path), safetensors.torch.load_file(path)
    change(state)
    safetensors.torch.save_file(state, path, metadata)


def refused(path: Path) -> str:
    """The one line with which a file is refused; it names the file."""
    with pytest.raises(TpirError) as error:
        load_transformer(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_vocabularies_of_every_type_come_back(
    tmp_path: Path, vocabulary: tuple[Value, ...]
) -> None:
    path = tmp_path / "m.safetensors"
    model = random_transformer(vocabulary=vocabulary)
    save_transformer(path, model)
    assert_same(load_transformer(path), model)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_what_is_saved_comes_back(
    tmp_path: Path, dtype: torch.dtype, bos: bool, causal: bool
) -> None:
    path = tmp_path / "m.safetensors"
    model = random_transformer(bos=bos, causal=causal, dtype=dtype)
    model = dataclasses.replace(model, accepts='("a" | "b"){1,4}')
    save_transformer(path, model)
    again = load_transformer(path)
    assert_same(again, model)
    assert again.metadata == {"author": "me"}


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("kind", ["transformer", None])
def test_all_else_is_read_off_the_tensors(tmp_path: Path, bos: bool, kind: str | None) -> None:
    path = tmp_path / "m.safetensors"
    model = random_transformer(bos=bos, causal=True)
    save_transformer(path, model)
    config = json.loads(metadata_of(path)["tpir.config"])
    least = {key: config[key] for key in ("vocabulary", "outputs", "variables", "causal")}
    metadata = {"tpir.config": json.dumps(least)} | ({} if kind is None else {"tpir.kind": kind})
    safetensors.torch.save_file(model.state, path, metadata)
    assert holds_transformer(path)
    assert_same(load_transformer(path), dataclasses.replace(model, fingerprint=None, metadata={}))


def test_sizes() -> None:
    sizes = sizes_of(random_transformer(bos=True).state)
    assert (sizes.tokens, sizes.positions, sizes.d_model, sizes.logits) == (4, 6, 6, 8)
    assert sizes.blocks == (BlockSizes(2, 3, 4), BlockSizes(1, 5, 7))
    assert str(sizes) == f"{sizes.parameters:,} parameters, 2 blocks, 3 heads, d_model 6"


def test_a_model_without_blocks(tmp_path: Path) -> None:
    model = random_transformer()
    state = {name: x for name, x in model.state.items() if not name.startswith("blocks.")}
    model = dataclasses.replace(model, state=state, variables=())
    save_transformer(tmp_path / "m.safetensors", model)
    assert_same(load_transformer(tmp_path / "m.safetensors"), model)


def test_nothing_is_overwritten_unasked(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(TpirError, match="--force"):
        save_transformer(file, random_transformer(1))
    assert file.read_bytes() == before
    save_transformer(file, random_transformer(1), force=True)
    assert_same(load_transformer(file), random_transformer(1))


def test_damaged_file(file: Path) -> None:
    whole = file.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], bytes(100)):
        file.write_bytes(content)
        assert "cannot read" in refused(file)
        with pytest.raises(TpirError, match="cannot read"):
            holds_transformer(file)


def test_kinds(file: Path) -> None:
    metadata, state = metadata_of(file), safetensors.torch.load_file(file)
    safetensors.torch.save_file(state, file, metadata | {"tpir.kind": "sculpture"})
    assert not holds_transformer(file)
    assert "its tpir.kind is sculpture" in refused(file)
    with pytest.raises(TpirError, match=r"its tpir\.kind is sculpture"):
        load_checkpoint(file)
    safetensors.torch.save_file({"x": torch.ones(1)}, file)
    assert not holds_transformer(file)
    assert "embed.W_E is missing; not a standard Transformer" in refused(file)
    with pytest.raises(TpirError, match="float16"):
        dtype_named("float16")


def remove(name: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.__delitem__(name)


def put(name: str, tensor: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.__setitem__(name, tensor)


def spoil(name: str, value: float) -> Callable[[dict[str, Tensor]], None]:
    """Change one weight."""
    return lambda state: state[name].view(-1)[-1:].fill_(value)  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("embed.W_E"), "embed.W_E is missing"),
        (remove("pos_embed.W_pos"), "pos_embed.W_pos is missing"),
        (remove("unembed.W_U"), "unembed.W_U is missing"),
        (remove("unembed.b_U"), "unembed.b_U is missing"),
        (remove("blocks.0.attn.W_Q"), "blocks.0.attn.W_Q is missing"),
        (remove("blocks.1.mlp.W_in"), "blocks.1.mlp.W_in is missing"),
        (remove("blocks.1.attn.b_O"), "blocks.1.attn.b_O is missing"),
        (put("blocks.3.attn.W_Q", torch.ones(1, 6, 1)), "blocks.2.attn.W_Q is missing"),
        (put("blocks.0.attn.ln", torch.ones(1)), "blocks.0.attn.ln has no place"),
        (put("extra", torch.ones(1)), "extra has no place"),
        (put("embed.W_E", torch.ones(4)), "has shape (4,), not 2 dimensions"),
        (put("embed.W_E", torch.ones(4, 0)), "holds nothing"),
        (put("blocks.0.attn.W_Q", torch.ones(2, 6, 0)), "holds nothing"),
        (put("embed.W_E", torch.ones(4, 7)), "the other sizes ask for (6, 7)"),
        (put("blocks.0.attn.W_K", torch.ones(2, 6, 4)), "the other sizes ask for (2, 6, 3)"),
        (put("blocks.0.attn.b_V", torch.ones(1, 3)), "the other sizes ask for (2, 3)"),
        (put("blocks.1.mlp.W_out", torch.ones(8, 6)), "the other sizes ask for (7, 6)"),
        (put("unembed.b_U", torch.ones(7)), "the other sizes ask for (8,)"),
        (put("embed.W_E", torch.ones(4, 6, dtype=torch.long)), "type torch.int64"),
        (put("unembed.b_U", torch.ones(8, dtype=torch.half)), "type torch.float16"),
        (put("unembed.b_U", torch.ones(8).double()), "type torch.float64, embed.W_E torch.float32"),
        (spoil("blocks.1.mlp.b_in", float("nan")), "blocks.1.mlp.b_in holds NaN or infinity"),
        (spoil("embed.W_E", float("inf")), "embed.W_E holds NaN or infinity"),
        (put("embed.W_E", torch.ones(6, 6)), "has 3 tokens; the weights embed 6"),
        (put("embed.W_E", torch.ones(2, 6)), "has 3 tokens; the weights embed 2"),
        (put("embed.W_E", torch.ones(3, 6)), "bos is stated as true"),
        (put("pos_embed.W_pos", torch.ones(1, 6)), "one position, which bos takes"),
        (put("pos_embed.W_pos", torch.ones(5, 6)), "context is stated as 5; the weights have 4"),
    ],
)
def test_tensors_that_are_not_a_model(
    file: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    edit_state(file, change)
    assert message in refused(file)


def test_unembedding_against_outputs(file: Path) -> None:
    def widen(state: dict[str, Tensor]) -> None:
        state["unembed.W_U"], state["unembed.b_U"] = torch.ones(6, 9), torch.ones(9)

    edit_state(file, widen)
    assert "the outputs have 8 logits; the weights have 9" in refused(file)


OUTPUT = {"name": "o", "values": list("abcdefgh"), "pooled": False}
VARIABLE = {"name": "v", "directions": [0], "written": 0, "read": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocabulary": ...}, "vocabulary must be a list of"),
        ({"vocabulary": "abc"}, "vocabulary must be a list of"),
        ({"vocabulary": []}, "vocabulary must be a list of"),
        ({"vocabulary": ["a", "b", ["c"]]}, "['c'] is not a word, a number or a truth value"),
        ({"vocabulary": ["a", "b", None]}, "None is not a word"),
        ({"vocabulary": ["a", "b", float("nan")]}, "nan is not a finite number"),
        ({"vocabulary": ["a", "b", 2**53 + 1]}, "beyond 2^53"),
        ({"vocabulary": ["a", "b", "\ud800"]}, "cannot be written as UTF-8"),
        ({"vocabulary": ["a", "b", "a"]}, 'vocabulary: "a" stands there twice'),
        ({"vocabulary": [1, 2, 1]}, "vocabulary: 1 stands there twice"),
        ({"vocabulary": ["a", "b", "<pad>"]}, "<pad> is no token"),
        ({"vocabulary": list("abcde")}, "has 5 tokens; the weights embed 4"),
        ({"vocabulary": list("abcd")}, "bos is stated as true"),
        ({"bos": False}, "bos is stated as false; the weights embed one token more"),
        ({"bos": 1}, "must say whether it is bos"),
        ({"context": 6}, "context is stated as 6; the weights have 5"),
        ({"context": True}, "context is True, not a whole number"),
        ({"context": "5"}, "context is '5', not a whole number"),
        ({"causal": ...}, "must say whether it is causal"),
        ({"causal": "no"}, "must say whether it is causal"),
        ({"accepts": 3}, "accepts is 3, not a string"),
        ({"accepts": '"a'}, 'accepts "a'),
        ({"accepts": '"d"'}, "not in the vocabulary"),
        ({"accepts": '"a"{9}'}, "no input of 1 to 5 tokens"),
        ({"fingerprint": []}, "fingerprint is [], not a string"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"outputs": ...}, "outputs must be a list of objects"),
        ({"outputs": {}}, "outputs must be a list of objects"),
        ({"outputs": ["o"]}, "outputs must be a list of objects"),
        ({"outputs": []}, "outputs must name at least one"),
        ({"outputs": [OUTPUT | {"width": 8}]}, "outputs: an unknown key 'width'"),
        ({"outputs": [OUTPUT | {"name": 3}]}, "output 1 has no name"),
        ({"outputs": [OUTPUT | {"name": ""}]}, "output 1 has no name"),
        ({"outputs": [OUTPUT | {"pooled": None}]}, "output 1 must say whether it is pooled"),
        ({"outputs": [OUTPUT | {"values": "ab"}]}, "values of output 1 must be a list"),
        ({"outputs": [OUTPUT | {"values": []}]}, "values of output 1 must be a list"),
        ({"outputs": [OUTPUT | {"values": ["x"] * 8}]}, 'values of output 1: "x" stands there'),
        ({"outputs": [OUTPUT | {"values": ["x"]}]}, "have 1 logits; the weights have 8"),
        ({"outputs": [OUTPUT, OUTPUT]}, "outputs: a name stands there twice"),
        ({"variables": ...}, "variables must be a list of objects"),
        ({"variables": [[]]}, "variables must be a list of objects"),
        ({"variables": [VARIABLE | {"table": {}}]}, "variables: an unknown key 'table'"),
        ({"variables": [VARIABLE | {"name": None}]}, "variable 1 has no name"),
        ({"variables": [VARIABLE | {"directions": 3}]}, "v: directions must be a list"),
        ({"variables": [VARIABLE | {"directions": [6]}]}, "v: direction 6 is none of 0 to 5"),
        ({"variables": [VARIABLE | {"directions": [-1]}]}, "a direction is -1, not a whole"),
        ({"variables": [VARIABLE | {"directions": [0.0]}]}, "a direction is 0.0, not a whole"),
        ({"variables": [VARIABLE | {"directions": [1, 1]}]}, "v: a direction stands there twice"),
        ({"variables": [VARIABLE | {"written": None}]}, "v: written is None, not a whole number"),
        ({"variables": [VARIABLE | {"written": 2}]}, "written 2 and read 1 are no times"),
        ({"variables": [VARIABLE | {"written": 5, "read": 5}]}, "written 5 and read 5 are no"),
        ({"variables": [VARIABLE | {"read": 6}]}, "read 6 are no times of 2 blocks"),
    ],
)
def test_metadata_that_does_not_fit(file: Path, changes: dict[str, object], message: str) -> None:
    edit_metadata(file, **changes)
    assert message in refused(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "not a JSON object"), ("{}", "vocabulary must be a list")],
)
def test_config_that_is_none(file: Path, text: str, message: str) -> None:
    metadata = metadata_of(file) | {"tpir.config": text}
    safetensors.torch.save_file(safetensors.torch.load_file(file), file, metadata)
    assert message in refused(file)
