"""``%rasp`` and ``%%rasp``: by a shell that stands for IPython's, and by IPython where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tpir.repl import magic


class FakeShell:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.magics: dict[str, Callable[..., None]] = {}

    def register_magic_function(
        self, func: Callable[..., None], magic_kind: str, magic_name: str
    ) -> None:
        assert magic_kind == "line_cell"
        self.magics[magic_name] = func


class Page:
    """A notebook's page: the magic, and what it displays."""

    def __init__(self) -> None:
        self.shown: list[magic.Shown] = []
        shell = FakeShell()
        magic.load(shell, self.show)
        self.rasp = shell.magics["rasp"]

    def show(self, thing: object) -> None:
        assert isinstance(thing, magic.Shown)
        self.shown.append(thing)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Page()


def test_a_sequence_is_a_table_of_its_values(page: Page) -> None:
    page.rasp("", "hist = selector_width(select(tokens, tokens, ==));\n")
    (shown,) = page.shown
    assert repr(shown).endswith('hist("hello") = [1, 1, 2, 2, 1] (ints)')
    cells = shown._repr_html_().replace("</", "<").split(">")
    assert [c.split("<")[0] for c in cells if c.split("<")[0]] == [
        *["hist", *"hello"],
        *"11221",
    ]


def test_a_selector_is_a_table_of_marks(page: Page) -> None:
    page.rasp('select(indices, indices, ==)("<&")')
    (shown,) = page.shown
    assert shown.html.count("●") == 2
    assert "&lt;" in shown.html
    assert "&amp;" in shown.html


def test_a_cell_and_a_line_share_a_session(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    page.rasp("", "a = 3\nexit")
    page.rasp("a + 1")
    assert capsys.readouterr().out == "    value: a =  3\n    value: out =  4\n"


def test_errors_are_text_with_their_places(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    page.rasp("", "a = 1;\nb = nope;\nc = 3;")
    captured = capsys.readouterr()
    assert captured.out == "    value: a =  1\n    value: c =  3\n"
    assert captured.err.startswith(
        "<input 2>:1:5: unknown name nope\n    b = nope;\n        ^^^^\n"
    )


def test_a_picture_is_shown(page: Page) -> None:
    page.rasp("", 'draw(indices + 1, "ab");')
    picture, value = page.shown
    assert "<svg" in picture.html
    assert value.text == "\t =  [1, 2] (ints)\n"


def test_examples_that_are_off_or_fail_are_not_shown(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    page.rasp("", 'examples off\nindices;\nexamples on\nset selector example ""\nfull_s;')
    assert page.shown == []
    captured = capsys.readouterr()
    assert captured.out == "     s-op: indices\n     selector: full_s\n \t Example:\n"
    assert "the example has no tokens" in captured.err


def test_long_inputs_are_text(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    page.rasp('full_s("a" * 300);')
    page.rasp('indices("a" * 300);')
    assert page.shown == []
    assert "(ints)" in capsys.readouterr().out


def test_in_ipython() -> None:
    reason = "IPython is not installed: no notebook to test"
    testing = pytest.importorskip("IPython.testing.globalipapp", reason=reason)
    capture = pytest.importorskip("IPython.utils.capture")
    shell = testing.start_ipython() or testing.get_ipython()
    shell.display_formatter.active_types = ["text/plain", "text/html"]  # as a notebook has it
    shell.run_line_magic("load_ext", "tpir")
    with capture.capture_output() as captured:
        shell.run_cell_magic("rasp", "", "a = indices;\na;")
        shell.run_line_magic("rasp", "1 + 1;")
    assert len(captured.outputs) == 2
    assert "<table" in captured.outputs[0].data["text/html"]
    assert "Example" in captured.outputs[0].data["text/plain"]
    assert "value: out =  2" in captured.stdout
