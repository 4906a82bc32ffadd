"""A small program in every form, and a way to call the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tpir.cli.main import main

TINY = """\
program tiny;
context 4;
vocabulary {"<s>", "a", "b"};
labels {"0", "1", "2", "3"};
accepts "<s>" ("a" | "b"){1,3};

# how often the token appears
table same { "a" -> "a"; "b" -> "b"; _ -> {} }
count = selector_width(select(tokens, tokens, same));

table parity { 0 | 2 | 4 -> 0; _ -> 1 }
odd = parity(count);

labels = classify {
    labels {"0", "1", "2", "3"};
    bias [0.5, 0, -2, -6];
    count: [0, 1, 2, 3];
    odd: { 0 -> [1, 0, 0, 0]; 1 -> [0, 0, 0.25, 0] };
};
output output = labels;
"""
"""Eight inputs, and a readout that a Transformer Program can hold."""


@dataclass(frozen=True)
class Answer:
    """What a command gave: exit status and what it printed."""

    status: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call ``tpir`` in this process; paths may be given as they are."""
    monkeypatch.delenv("TPIR_TRACEBACK", raising=False)

    def call(*arguments: object) -> Answer:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Answer(status, captured.out, captured.err)

    return call


@dataclass(frozen=True)
class World:
    """The forms of one program, to be read and not to be changed."""

    rasp: Path
    weights: Path
    reference: Path
    python: Path

    @property
    def forms(self) -> tuple[Path, ...]:
        return (self.rasp, self.weights, self.reference, self.python)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    rasp = folder / "tiny.rasp"
    rasp.write_text(TINY, encoding="utf-8")
    made = World(rasp, folder / "tiny.safetensors", folder / "tiny_reference", folder / "tiny.py")
    assert main(["compile", str(rasp), "-o", str(made.weights)]) == 0
    assert main(["compile", str(rasp), "--format", "reference", "-o", str(made.reference)]) == 0
    assert main(["emit", "python", str(rasp), "-o", str(made.python)]) == 0
    return made
