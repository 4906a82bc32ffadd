"""The residual stream: who reads and writes is in the weights, and agrees with what files name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings

from tests.conftest import PROGRAMS
from tests.models.random_transformers import D_MODEL, random_transformer
from tests.strategies import programs
from tpir.backends.transformer import compile_transformer
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.text import parse
from tpir.view.boxes import Role
from tpir.view.stream import Part, Stream, Touch, residual_stream, runs, sublayer_name
from tpir.view.stream_text import stream_text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def compiled(name: str, vocabulary: str = "abc", context: int = 5) -> TransformerCheckpoint:
    text = (EXAMPLES / f"{name}.rasp").read_text(encoding="utf-8")
    return compile_transformer(parse(text, vocabulary=vocabulary, context=context))


def touches(stream: Stream) -> Iterator[tuple[Part, Touch]]:
    for part in stream.parts:
        for touch in (*(touch for _, touch in part.reads), *part.writes):
            yield part, touch


def faults(checkpoint: TransformerCheckpoint) -> list[str]:
    """Where the weights and what the checkpoint names say different things."""
    stream = residual_stream(checkpoint)
    found = [f"{part.name} at {part.time}: {x}" for part, x in touches(stream) if not x.variable]
    for v in stream.variables:
        for direction in v.directions:
            if not any(part.writes_to(direction) for part in stream.at(v.written)):
                found.append(f"{v.name}: nothing writes {direction}")
            if v.name == "bos" or v.read == v.written:
                continue
            if not any(part.reads_of(direction) for part in stream.at(v.read)):
                found.append(f"{v.name}: nothing reads {direction} at {v.read}")
    return found


def spoilt(
    checkpoint: TransformerCheckpoint, name: str, place: object, weight: float
) -> TransformerCheckpoint:
    """The checkpoint with one weight set."""
    tensor = checkpoint.state[name].clone()
    tensor[place] = weight
    return replace(checkpoint, state=checkpoint.state | {name: tensor})


@pytest.mark.parametrize(
    ("name", "vocabulary", "context"),
    [
        ("hist", "abc", 5),
        ("reverse", "abc", 5),
        ("sort", "abc", 5),
        ("double_hist", "abc", 5),
        ("dyck1", "()", 5),
        ("dyck_k", "()[]{}", 8),
        ("shuffle_dyck3", "()[]{}", 4),
        ("long_addition", "0123456789+=", 6),
        ("sort_by_frequency", "abcd", 10),
        ("parity", "01", 6),
    ],
)
def test_weights_read_and_write_what_the_file_names(
    name: str, vocabulary: str, context: int
) -> None:
    assert faults(compiled(name, vocabulary, context)) == []


@settings(max_examples=PROGRAMS // 20)
@given(programs())
def test_weights_of_any_program_read_and_write_what_the_file_names(program: Program) -> None:
    try:
        checkpoint = compile_transformer(program)
    except TpirError:
        assume(False)
    assert faults(checkpoint) == []


def test_text_of_reverse(golden) -> None:  # type: ignore[no-untyped-def]
    golden("reverse_stream.txt", stream_text(residual_stream(compiled("reverse"))))


def test_every_weight_that_is_set_shows_its_direction() -> None:
    """A head that comes to read or write one more direction is seen to."""
    checkpoint = compiled("hist")
    places = {"W_Q": Role.QUERIES, "W_K": Role.KEYS, "W_V": Role.VALUES}
    for name, role in places.items():
        for direction in range(4):
            other = spoilt(checkpoint, f"blocks.0.attn.{name}", (0, direction, 0), 0.5)
            (head,) = residual_stream(other).at(1)
            assert role in head.reads_of(direction)
    for direction in range(4):
        other = spoilt(checkpoint, "blocks.0.attn.W_O", (0, 0, direction), 0.5)
        (head,) = residual_stream(other).at(1)
        assert head.writes_to(direction)
        assert (faults(other) == []) == (direction == 3)
        other = spoilt(checkpoint, "unembed.W_U", (direction, 2), 0.5)
        (output,) = residual_stream(other).at(3)
        assert output.reads_of(direction) == [Role.FEATURE]
    (head,) = residual_stream(spoilt(checkpoint, "blocks.0.attn.W_Q", (0, 3, 0), 0.5)).at(1)
    assert (Role.QUERIES, Touch(None, (3,))) in head.reads  # histogram.raw is not there yet


def test_a_writer_that_is_gone_is_missed() -> None:
    checkpoint = compiled("hist")
    other = spoilt(checkpoint, "blocks.0.attn.W_O", slice(None), 0.0)
    assert faults(other) == ["histogram.raw: nothing writes 3"]
    row = next(x for x in stream_text(residual_stream(other)).splitlines() if "histogram.raw" in x)
    assert "▸" not in row
    other = spoilt(checkpoint, "blocks.0.attn.W_K", (slice(None), 2), 0.0)
    other = spoilt(other, "blocks.0.attn.W_Q", (slice(None), 2), 0.0)
    assert faults(other) == ["tokens: nothing reads 2 at 1"]
    (head,) = residual_stream(other).at(1)
    assert "tokens (1)" in {str(touch) for _, touch in head.reads}


def test_taking_out_is_told_from_reading_and_writing() -> None:
    checkpoint = compiled("dyck1", "()")
    *tables, clearing = residual_stream(checkpoint).at(2)
    assert [part.name for part in tables] == ["units 0–4", "units 5–9"]
    assert clearing == Part("unit 10", 2, clears=(1,))
    assert str(tables[0].writes[0]) == "opened"
    assert [str(touch) for _, touch in tables[0].reads] == ["opened.raw"]  # and not the old tokens
    weaker = spoilt(checkpoint, "blocks.0.mlp.W_out", (10, 1), -0.5)
    parts = residual_stream(weaker).at(2)
    assert all(part.clears == () for part in parts)
    assert Touch(None, (1,)) in [touch for part in parts for _, touch in part.reads]


def test_the_token_of_beginning_writes_its_own_direction() -> None:
    token, beginning = residual_stream(compiled("hist")).at(0)
    assert (token.name, [str(touch) for touch in token.writes]) == ("token", ["tokens"])
    assert (beginning.name, beginning.writes) == ("beginning", (Touch("bos", (0,), True),))


def test_weights_that_nobody_compiled() -> None:
    """All weights are random: everything reads and writes everything, under its name if any."""
    stream = residual_stream(random_transformer(bos=True))
    everything = tuple(range(D_MODEL))
    for part in stream.parts:
        for role in {role for role, _ in part.reads}:
            read = [d for found, t in part.reads if found is role for d in t.directions]
            assert tuple(sorted(read)) == everything
    assert [part.name for part in stream.at(0)] == ["token", "position"]
    assert [part.name for part in stream.at(1)] == ["head 0", "head 1", "bias"]
    assert [part.name for part in stream.at(2)] == ["units 0–3"]
    assert [part.name for part in stream.at(5)] == ["output word", "output number", "output kind"]
    (units,) = stream.at(2)
    assert units.writes == (Touch(None, (0, 2, 3, 4, 5)), Touch("count", (1,), True))
    without = replace(random_transformer(), variables=())
    assert {touch.variable for _, touch in touches(residual_stream(without))} == {None}


def test_an_output_that_reads_nothing_is_still_there() -> None:
    constant = parse('x = "a";\noutput x;', vocabulary="ab", context=2)
    (part,) = residual_stream(compile_transformer(constant)).parts
    assert (part.name, part.reads) == ("output x", ())


def test_words() -> None:
    assert runs([5, 1, 2, 3, 9]) == "1–3 5 9"
    assert [sublayer_name(time, 1) for time in range(4)] == [
        "embedding",
        "block 0 attention",
        "block 0 MLP",
        "unembedding",
    ]
    assert str(Touch(None, (3, 4))) == "directions 3–4"
