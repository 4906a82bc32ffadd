"""The original's own transcripts, to the byte, where ``TPIR_RASP`` names a checkout of it.

Three things are made alike before: the first line of the banner, messages of the original's parser
generator (an error stands there for both), and what its prompt says of its library's functions but
their names: where they come from, and what their parameters are called.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repl.transcripts import copy_programs, said_to_lines, transcript
from tpir.repl.session import Session

TRANSCRIPTS = (
    "exit",
    "exit_fun",
    "forloop",
    "indexing",
    "load_eval",
    "load_multi_assigns1",
    "load_multi_assigns2",
    "load_multi_assigns3",
    "load_nesteds",
    "load_rover",
    "paper_examples",
    "quit",
    "quit_fun",
    "set_reserved",
    "simple_assignments",
    "simple_sequences_no_errors",
    "skip_bad_assign",
    "smol",
    "some_errors",
    "stay_constant",
    "whitespace_okay",
)
BROKEN_LIBRARIES = ("other_errors", "unknown_var")

_MISREAD = re.compile(r"^((?:(?:>>|\.\.) (?:  )*)*)\t!! .* \t-- ignoring input$", re.MULTILINE)

ONLY_THEIRS = {"some_errors": "selector_width(tokens,tokens,==);"}
"""What their grammar refuses, and ours reads and then refuses: we say why in other words."""


def alike(printed: str) -> str:
    """A transcript without what may differ."""
    _, _, rest = printed.partition("\n")
    rest = rest.replace("RASP_support/rasplib function:", "library function:")
    return _MISREAD.sub(r"\1\t!!", rest)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript_is_the_originals(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = (original / "tests" / "in" / f"{name}.txt").read_text("utf-8")
    # Its recordings end with a line end more than was printed.
    theirs = (original / "tests" / "tgt" / f"{name}.txt").read_text("utf-8")[:-1]
    monkeypatch.chdir(tmp_path)
    copy_programs(original, tmp_path)
    ours = transcript(text)
    if name in ONLY_THEIRS:
        number = text.split("\n").index(ONLY_THEIRS[name])
        pair = said_to_lines(ours)[number], said_to_lines(theirs)[number]
        assert all(said.is_error for said in pair)
        ours = ours.replace(f"\t{pair[0].text}", pair[1].text)
    assert alike(ours) == alike(theirs)


@pytest.mark.parametrize("name", BROKEN_LIBRARIES)
def test_errors_of_a_broken_library_are_the_originals(original: Path, name: str) -> None:
    """A library is loaded as a file is, with all its names free, and they are taken then."""
    folder = original / "tests" / "broken_libs"
    theirs = (folder / "tgt" / f"{name}.txt").read_text("utf-8")
    session = Session()
    session.protected = frozenset()
    replies = list(session.load(folder / "lib" / f"{name}.rasp"))
    session.protected = frozenset(session.scope.names)
    replies += session.run("tokens = tokens_str;")
    ours = "".join(reply.text for reply in replies if reply.error is not None)
    assert alike(f"banner\nrunning example is: hello\n{ours}>> \n") == alike(theirs)


def test_none_of_its_transcripts_is_left_out(original: Path) -> None:
    assert {path.stem for path in (original / "tests" / "in").glob("*.txt")} == set(TRANSCRIPTS)
    libraries = (original / "tests" / "broken_libs" / "lib").glob("*.rasp")
    assert {path.stem for path in libraries} == set(BROKEN_LIBRARIES)
