"""Transformers in TransformerLens: the same outputs, and variables where hooks should see them."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from tests.models.exported_programs import (
    CASES,
    MODELS,
    TOLERANCE,
    Case,
    check_answers,
    check_equal,
    stream_at,
)
from tests.models.random_transformers import random_transformer
from tpir.errors import TpirError
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_lens import hooked_variables, lens_bridge
from tpir.models.transformer_predict import model_inputs

needs_lens = pytest.mark.skipif(
    find_spec("transformer_lens") is None,
    reason="transformer_lens is not installed (pip install 'tpir[lens]'): nothing was run in it",
)
HIST = Case("hist", ("a", "b", "c"), 8)
Cache = dict[str, Tensor]


@torch.no_grad()
def both(checkpoint: TransformerCheckpoint, ids: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Our logits and TransformerLens's, on inputs as the module takes them."""
    ours = checkpoint.model(checkpoint.state["embed.W_E"].dtype)(ids, present)
    return ours, lens_bridge(checkpoint)(ids, attention_mask=present)


@torch.no_grad()
def cached(case: Case) -> tuple[Tensor, Cache]:
    """What was present, and all that hooks saw."""
    ids, present = model_inputs(case.checkpoint(), case.sequences())
    _, cache = lens_bridge(case.checkpoint()).run_with_cache(ids, attention_mask=present)
    return present, cache


@needs_lens
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_compiled_program_gives_the_same(case: Case) -> None:
    checkpoint = case.checkpoint()
    ids, present = model_inputs(checkpoint, case.sequences())
    ours, theirs = both(checkpoint, ids, present)
    check_equal(checkpoint, ours[present], theirs[present])
    check_answers(case, theirs[:, int(checkpoint.bos) :])


@needs_lens
@pytest.mark.parametrize("name", MODELS)
def test_any_weights_give_the_same(name: str) -> None:
    checkpoint = MODELS[name]
    sequences = ["a", "abc", "bcacb", "cb"]
    ids, present = model_inputs(checkpoint, sequences)
    ours, theirs = both(checkpoint, ids, present)
    check_equal(checkpoint, ours[present], theirs[present])
    whole, alone = both(checkpoint, ids[2:3], present[2:3])
    check_equal(checkpoint, whole[0], alone[0])


@needs_lens
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_stream_is_ours_at_each_point(case: Case) -> None:
    """Also where what is read of it rounds to the same: scores that differ by a bit show here."""
    checkpoint = case.checkpoint()
    ids, mask = model_inputs(checkpoint, case.sequences())
    present, cache = cached(case)
    for time in range(1, 2 * checkpoint.blocks + 1):
        hook = f"blocks.{(time - 1) // 2}.hook_resid_{'mid' if time % 2 else 'post'}"
        ours, theirs = stream_at(checkpoint, time, ids, mask)[present], cache[hook][present]
        largest = ours.abs().max().clamp(min=1)
        assert (ours - theirs).abs().max() <= TOLERANCE[ours.dtype] * largest


@needs_lens
def test_a_hook_sees_the_count() -> None:
    """The head of hist writes 1 / (1 + n) for n equal tokens, at the token of beginning 1."""
    (count,) = [h for h in hooked_variables(HIST.checkpoint()) if h.variable.written == 1]
    assert count.hooks == ("blocks.0.hook_resid_mid", "blocks.0.hook_resid_post")
    _, cache = cached(HIST)
    (direction,) = count.variable.directions
    for hook in count.hooks:
        for row, tokens in zip(cache[hook][..., direction], HIST.sequences(), strict=True):
            wanted = [1.0, *(1 / (1 + tokens.count(token)) for token in tokens)]
            assert row[: len(wanted)].tolist() == pytest.approx(wanted, rel=1e-6)


@needs_lens
@pytest.mark.parametrize("case", CASES, ids=str)
def test_variables_stay_as_they_were_written(case: Case) -> None:
    present, cache = cached(case)
    hooked = hooked_variables(case.checkpoint())
    assert hooked
    for one in hooked:
        first, *others = (cache[h][..., list(one.variable.directions)] for h in one.hooks)
        for other in others:
            assert torch.equal(other[present], first[present]), one


@needs_lens
def test_patterns_are_those_of_our_heads_and_of_no_others() -> None:
    case = Case("sort", ("a", "b", "c"), 8)  # two heads, then one, then one
    present, cache = cached(case)
    pattern = cache["blocks.1.attn.hook_pattern"]
    assert pattern.shape[1] == 2
    assert not pattern.masked_select(~present[:, None, None, :]).any()
    assert not cache["blocks.1.attn.hook_z"][..., 1, :].any()


@needs_lens
@torch.no_grad()
def test_an_edit_at_a_hook_changes_the_output() -> None:
    checkpoint = HIST.checkpoint()
    ids, present = model_inputs(checkpoint, [("a", "b", "a")])
    (count,) = [h for h in hooked_variables(checkpoint) if h.variable.written == 1]

    def as_if_one(stream: Tensor, hook: object) -> Tensor:
        stream[:, 1:, list(count.variable.directions)] = 1 / 2
        return stream

    edited = lens_bridge(checkpoint).run_with_hooks(
        ids, attention_mask=present, fwd_hooks=[(count.hooks[-1], as_if_one)]
    )
    (output,) = checkpoint.outputs
    assert output.values is not None
    assert [output.values[k] for k in edited[0, 1:].argmax(-1).tolist()] == [1, 1, 1]


def test_hooks_run_from_writing_to_the_last_reading() -> None:
    tokens, count = hooked_variables(random_transformer())
    first = "blocks.0.hook_resid_pre"
    middle = ("blocks.0.hook_resid_mid", "blocks.0.hook_resid_post")
    assert tokens.hooks == (first, *middle)  # written 0, read 3: by the attention of block 1
    last = ("blocks.1.hook_resid_mid", "blocks.1.hook_resid_post")
    assert count.hooks == (middle[1], *last)  # written 2, read 5: by the unembedding


def test_without_transformer_lens_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformer_lens", None)
    monkeypatch.setitem(sys.modules, "transformer_lens.config", None)
    with pytest.raises(TpirError, match=r"pip install 'tpir\[lens\]'"):
        lens_bridge(random_transformer())
