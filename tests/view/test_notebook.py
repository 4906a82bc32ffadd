"""What a notebook shows, by the functions themselves and by IPython's own formatter."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tests.view.test_graph import small_program
from tpir.backends.transformer import compile_transformer
from tpir.equiv.check import check_programs
from tpir.equiv.verdict import Answer, Verdict
from tpir.ir.program import Program
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.semantics.program_space import space_of
from tpir.text import parse
from tpir.view import notebook
from tpir.view.graph import picture
from tpir.view.stream_svg import stream_picture


def small_program_of_tokens() -> Program:
    text = "n = selector_width(select(tokens, tokens, ==));"
    return parse(text, vocabulary="ab", context=3)


class FakeFormatter:
    def __init__(self) -> None:
        self.shows: dict[type, Callable[[object], str]] = {}

    def for_type(self, typ: type, func: Callable[[object], str]) -> None:
        self.shows[typ] = func

    def for_type_by_name(self, module: str, name: str, func: Callable[[object], str]) -> None:
        self.shows[getattr(importlib.import_module(module), name)] = func


def test_program_shows_its_graph_and_its_text() -> None:
    html = notebook.program_html(small_program())
    assert picture(small_program()).svg in html
    assert "14 inputs of length 1 to 3" in html
    assert "selector_width(select(tokens, tokens, ==))" in html


def test_standard_transformer_shows_its_stream() -> None:
    model = compile_transformer(small_program_of_tokens())
    html = notebook.transformer_html(model)
    assert stream_picture(model).svg in html
    assert "3 directions, 1 block, outputs n; vocabulary 2, context 3</p>" in html
    assert "<pre>3 directions, 1 block; ▸ written" in html
    heads = {name: x.repeat(200, 1, 1) for name, x in model.state.items() if x.ndim == 3}
    biases = {f"blocks.0.attn.b_{name}": torch.zeros(200, 1) for name in "QKV"}
    large = replace(model, state=model.state | heads | biases)
    assert "<svg" not in notebook.transformer_html(large)
    assert "<details open>" in notebook.transformer_html(large)


def test_verdicts_show_their_answer_and_counterexample() -> None:
    program = small_program()
    proved = check_programs(program, program, space_of(program), limit=1000)
    assert "proved</b> (by exhaustion, 14 inputs)" in notebook.verdict_html(proved)
    assert "tested</b>" in notebook.verdict_html(Verdict(Answer.TESTED, 10, "of 20", 0))


def test_input_space_shows_its_counts() -> None:
    html = notebook.space_html(space_of(small_program()))
    assert "<tr><td>3</td><td>8</td></tr>" in html


def test_register_tells_the_running_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    formatter = FakeFormatter()
    shell = types.SimpleNamespace(
        display_formatter=types.SimpleNamespace(formatters={"text/html": formatter})
    )
    fake = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", fake)  # type: ignore[arg-type]
    assert notebook.register()
    assert formatter.shows[Program](small_program()).startswith("<p><b>program</b>")
    model = compile_transformer(small_program_of_tokens())
    shown = formatter.shows[TransformerCheckpoint](model)
    assert shown.startswith("<p><b>standard Transformer</b>")


def test_register_without_ipython_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not notebook.register()


def test_ipython_itself_shows_a_program() -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    display = formatters.DisplayFormatter()
    notebook.register_with(display.formatters["text/html"])
    data, _ = display.format(small_program(), include={"text/html", "text/plain"})
    assert "<svg" in data["text/html"]
    assert data["text/plain"].startswith("<Program program: ")
    assert "image/svg+xml" in display.format(picture(small_program()))[0]
    model = compile_transformer(small_program_of_tokens())
    assert "<svg" in display.format(model, include={"text/html"})[0]["text/html"]
