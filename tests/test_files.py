"""Reading what users give."""

from __future__ import annotations

import pytest

from tpir.errors import TpirError, counted
from tpir.files import json_value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "in.json: not JSON at column 1"),
        ('["a", ]', "in.json: not JSON at column 7"),
        ('["a",\n b]', "in.json: not JSON at line 2, column 2"),
        ("[" * 100_000, "in.json: this JSON is nested too deeply"),
        ("1" * 10_000, "in.json: this JSON holds a number that is too long"),
    ],
)
def test_json_that_is_none_is_placed(text: str, message: str) -> None:
    with pytest.raises(TpirError) as caught:
        json_value(text, "in.json")
    assert str(caught.value) == message


def test_json_is_read() -> None:
    assert json_value('{"a": [1, 2.5, null]}', "in.json") == {"a": [1, 2.5, None]}


def test_one_is_singular() -> None:
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
