"""Pictures: everything that is live is in them, boxes stand apart, and text fits."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from hypothesis import given, settings

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tpir.ir.builder import Builder
from tpir.ir.expressions import BinaryOp
from tpir.ir.functions import NumberWeights, Relation, TableWeights
from tpir.ir.ops import (
    Aggregate,
    And,
    Choose,
    Classify,
    Comparison,
    Indices,
    Or,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Program
from tpir.ir.types import Selector
from tpir.view.boxes import Kind, boxes_of, swing
from tpir.view.graph import dot_source, picture, rows_of

SVG = "{http://www.w3.org/2000/svg}"


def small_program() -> Program:
    b = Builder(Header(("a", "b"), 3, labels=("x", "y")))
    tokens, indices = b.add(Tokens()), b.add(Indices())
    match = b.add(Select(Relation((0, 1, 2), (("a",), ("b",), ("b",)))), [tokens, indices])
    head = b.add(Aggregate(), [b.add(Choose(), [match]), tokens], name="head")
    same = b.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
    count = b.add(SelectorWidth(), [same], name="count")
    weights = (TableWeights(("a", "b"), ((1.0, 0.0), (0.0, 3.0))), NumberWeights((0.5, -0.5)))
    labels = b.add(Classify(("x", "y"), (0.0, 0.0), weights), [head, count], name="labels")
    return b.build({"output": labels})


def test_boxes_of_a_small_program() -> None:
    boxes = {box.name: box for box in boxes_of(small_program())}
    assert list(boxes) == ["tokens", "indices", "head", "count", "labels"]
    assert [line.text for line in boxes["head"].lines] == [
        "keys    tokens",
        "queries indices",
        "values  tokens",
        "closest, else first",
        "match: query → key",
        '  0 → "a"',
        '  1, 2 → "b"',
    ]
    assert [line.text for line in boxes["count"].lines] == [
        "keys    tokens",
        "queries tokens",
        "how many keys match",
        "match: key == query",
    ]
    assert [line.text.split()[:2] for line in boxes["labels"].lines[3:]] == [
        ["head", "4"],
        ["count", "3"],
    ]
    assert boxes["labels"].outputs == ("output",)


def test_swing_is_the_largest_move_of_one_label_against_another() -> None:
    program = small_program()
    labels = program.by_name["labels"]
    assert isinstance(labels.op, Classify)
    found = [swing(w, o) for w, o in zip(labels.op.weights, labels.operands, strict=True)]
    assert found == [4.0, 3.0]  # a: x - y = 1, b: x - y = -3; and 1 for each of 0..3


def test_large_selector_stands_alone() -> None:
    b = Builder(Header(("a", "b"), 3))
    tokens = b.add(Tokens())
    selects = [b.add(Select(Comparison(op)), [tokens, tokens]) for op in list(BinaryOp)[6:10]]
    both = [b.add(And(), selects[:2]), b.add(Or(), selects[2:])]
    large = b.add(And(), both, name="large")
    program = b.build({"output": b.add(SelectorWidth(), [large], name="count")})
    boxes = {box.name: box for box in boxes_of(program)}
    assert boxes["large"].kind is Kind.SELECTOR
    (line,) = boxes["large"].lines
    assert line.text == (
        "tokens[j] == tokens[i] and tokens[j] != tokens[i] and "
        "(tokens[j] < tokens[i] or tokens[j] <= tokens[i])"
    )


@settings(max_examples=PROGRAMS // 10)
@given(programs())
def test_picture_shows_everything_that_is_live(program: Program) -> None:
    boxes = boxes_of(program)
    standing = {box.name for box in boxes}
    for node in program.live:
        assert node.name in standing or isinstance(node.type, Selector)
    assert {name for box in boxes for _, name in box.reads} <= standing
    rows = rows_of(boxes)
    row = {name: k for k, names in enumerate(rows) for name in names}
    assert set(row) == standing
    assert all(row[name] < row[box.name] for box in boxes for _, name in box.reads)
    svg = picture(program).svg
    assert svg == picture(program).svg
    check_drawing(svg, standing)
    assert all(box.name in dot_source(program) for box in boxes)


def check_drawing(svg: str, names: set[str]) -> None:
    """Names are titles of boxes; boxes do not overlap; every text lies inside its box."""
    root = ET.fromstring(svg)
    body = root.findall(f"{SVG}g")[0]
    places = []
    titles = set()
    for group in body.findall(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        x, y, width, height = (float(rect.get(k, "")) for k in ("x", "y", "width", "height"))
        places.append((x, y, x + width, y + height))
        texts = group.findall(f"{SVG}text")
        titles.add(texts[0].text)
        for text in texts:
            left, baseline = float(text.get("x", "")), float(text.get("y", ""))
            length = float(text.get("textLength", ""))
            if text.get("text-anchor") == "end":
                left -= length
            assert x <= left
            assert left + length <= x + width + 0.2
            assert y <= baseline <= y + height
    assert names == titles
    for k, a in enumerate(places):
        for b in places[:k]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    shift = re.match(r"translate\(([\d.]+) ([\d.]+)\)", body.get("transform", ""))
    assert shift is not None
    assert max(a[2] for a in places) + float(shift[1]) <= float(root.get("width", "0"))
    assert max(a[3] for a in places) + float(shift[2]) <= float(root.get("height", "0"))
