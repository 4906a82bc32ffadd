"""Pictures of a residual stream: every bar and mark is there, bars stand apart, and text fits."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import assume, given, settings

from tests.conftest import PROGRAMS
from tests.models.random_transformers import random_transformer
from tests.strategies import programs
from tests.view.test_stream import compiled
from tpir.backends.transformer import compile_transformer
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.models.stored_transformer import TransformerCheckpoint, Variable
from tpir.view.boxes import Role
from tpir.view.stream import residual_stream
from tpir.view.stream_bands import bands_of, readers
from tpir.view.stream_svg import stream_picture

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]


def groups(root: ET.Element, kind: str) -> list[ET.Element]:
    return [group for group in root.iter(f"{SVG}g") if group.get("class") == kind]


def place(group: ET.Element) -> Box:
    """Left, top, right and bottom of the group's first rectangle."""
    rect = group.find(f"{SVG}rect")
    assert rect is not None
    x, y, width, height = (float(rect.get(k, "")) for k in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def texts(group: ET.Element) -> list[tuple[str, Box]]:
    found = []
    for text in group.iter(f"{SVG}text"):
        x, y, length = (float(text.get(k, "")) for k in ("x", "y", "textLength"))
        found.append((text.text or "", (x, y - 9, x + length, y)))
    return found


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def check(checkpoint: TransformerCheckpoint) -> ET.Element:
    svg = stream_picture(checkpoint, "it").svg
    assert svg == stream_picture(checkpoint, "it").svg
    root = ET.fromstring(svg)
    stream = residual_stream(checkpoint)
    bands = bands_of(stream)
    assert sorted(d for band in bands for d in band.directions) == list(range(stream.d_model))
    bars, parts = groups(root, "bar"), groups(root, "part")
    assert len(bars) == sum(len(band.variables) for band in bands)
    assert len(parts) == len(stream.parts)
    marks = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "read"]
    wanted = [word for band in bands for found in band.reads.values() for _, word in readers(found)]
    assert sorted(filter(None, marks)) == sorted(wanted)
    for one, other in combinations([place(group) for group in (*bars, *parts)], 2):
        assert not overlap(one, other)
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for group in (*bars, *parts):
        left, top, right, bottom = place(group)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        for word, box in texts(group):
            inside = left <= box[0] and box[2] <= right + 0.2 and top <= box[1] <= box[3] <= bottom
            assert inside or word == "…", word
    return root


@pytest.mark.parametrize("name", ["hist", "reverse", "sort", "double_hist", "sort_by_frequency"])
def test_pictures_of_examples(name: str) -> None:
    root = check(compiled(name))
    for group in groups(root, "bar"):
        tip = group.findtext(f"{SVG}title") or ""
        assert texts(group)[0][0] == tip.partition(":")[0]  # names are whole


@settings(max_examples=PROGRAMS // 20)
@given(programs())
def test_picture_of_any_program(program: Program) -> None:
    try:
        checkpoint = compile_transformer(program)
    except TpirError:
        assume(False)
    check(checkpoint)


def test_reused_directions_show_what_was_taken_out() -> None:
    checkpoint = compiled("dyck1", "()")
    bands = bands_of(residual_stream(checkpoint))
    (band,) = [band for band in bands if band.directions == (1,)]
    assert [variable.name for variable in band.variables] == ["tokens", "opened"]
    assert (band.written, band.cleared) == ({0, 2}, {2})
    root = check(checkpoint)
    crosses = [path for path in root.iter(f"{SVG}path") if path.get("class") == "cleared"]
    assert len(crosses) == 1


def test_marks_of_many_heads_are_short() -> None:
    found = [(Role.KEYS, head) for head in (0, 1, 2, 4)] + [(Role.QUERIES, 1), (Role.ARGUMENT, 0)]
    assert [word for _, word in readers(found)] == ["q1", "k0–2,4", "in"]


def test_picture_of_weights_that_nobody_compiled() -> None:
    """Directions that nobody names are read alike, and are one row without bars."""
    model = random_transformer()
    assert [band.directions for band in bands_of(residual_stream(model))] == [
        (0, 2),
        (1,),
        (3, 4, 5),
    ]
    check(model)
    check(replace(model, variables=()))


def test_names_are_cut_and_escaped() -> None:
    names = ("a<b>&" * 20, "x" * 200)
    variables = (Variable(names[0], (0,), 0, 1), Variable(names[1], (0,), 2, 2))
    root = check(replace(random_transformer(), variables=variables))
    tips = [group.findtext(f"{SVG}title") or "" for group in groups(root, "bar")]
    assert [tip.partition(":")[0] for tip in tips] == list(names)
