"""What the original's prompt said to some 250 lines, recorded: we say the same.

A line is an error for both, or both show the same, to the letter: names, types, values, matrices.
What only the original's reader of lines makes an error is listed by name below.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.repl.transcripts import Said, copy_programs, said_to_lines, transcript

INDICES = 's-op: indices\n \t Example: indices("hello") = [0, 1, 2, 3, 4] (ints)'
TOOK_BOTH = "value: a =  3\n    value: b =  4"


@dataclass(frozen=True)
class Difference:
    """Lines, from ``start`` on, that the original's reader fails on; what we say to them."""

    why: str
    start: int
    ours: tuple[str, ...]


DIFFERENCES: dict[str, tuple[Difference, ...]] = {
    "p5": (
        Difference(
            "a comment inside an expression",
            69,
            ("", 's-op: out\n \t Example: out("hello") = [1, 2, 3, 4, 5] (ints)'),
        ),
        Difference("two statements on one line", 71, (TOOK_BOTH, "value: a =  3")),
        Difference(
            "a missing ; swallows what follows",
            73,
            ("", TOOK_BOTH, "value: c =  5", INDICES),
        ),
    ),
    "p7": (
        Difference(
            "Graphviz was not installed", 8, ("wrote indices.svg\n\t =  [0, 1, 2, 3, 4] (ints)",)
        ),
        Difference(
            "Graphviz was not installed", 10, ("wrote indices-2.svg\n\t =  [0, 1, 2] (ints)",)
        ),
        Difference("a missing ; swallows what follows", 14, ("", "…", "…", "…", "…")),
    ),
    "p12": (
        Difference(
            "a comment behind a brace swallows what follows",
            6,
            ("", "", "console function: g(a)", "value: out =  4", INDICES),
        ),
    ),
}
"""By file; lines count from 1."""

NEED_THE_ORIGINAL = ("p10",)
"""These load programs of the original's."""


def recorded(shared: Path, name: str) -> tuple[str, list[str], list[Said]]:
    """The text typed, its lines, and what the original said to each."""
    folder = shared / "cases" / "rasp"
    if not folder.is_dir():
        pytest.skip(f"no transcripts at {folder}: nothing was compared with the original")
    text = (folder / "in" / f"{name}.txt").read_text("utf-8")
    return (
        text,
        text.splitlines(),
        said_to_lines((folder / "tgt" / f"{name}.txt").read_text("utf-8")),
    )


def excepted(name: str) -> dict[int, str]:
    """Our answers by line, where they differ by name."""
    return {
        difference.start + offset: ours
        for difference in DIFFERENCES.get(name, ())
        for offset, ours in enumerate(difference.ours)
    }


def compare(name: str, text: str, lines: list[str], theirs: list[Said]) -> int:
    """How many lines were compared, all of them equal."""
    ours = said_to_lines(transcript(text))
    differ = excepted(name)
    compared = 0
    for number, line in enumerate(lines, start=1):
        mine = ours[number - 1]
        if number in differ:
            assert differ[number] in ("…", mine.text), f"{name}, line {number}: {line}"
            continue
        other = theirs[number - 1]
        assert mine.is_error == other.is_error, f"{name}, line {number}: {line}\n{mine.text}"
        assert mine.is_error or mine.text == other.text, f"{name}, line {number}: {line}"
        compared += 1
        if line in ("exit", "quit"):
            break
    return compared


@pytest.mark.parametrize(
    ("name", "count"), [("p1", 62), ("p3", 75), ("p5", 68), ("p7", 11), ("p12", 5), ("p16", 6)]
)
def test_every_line_is_answered_as_the_original_did(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compare(name, *recorded(shared, name)) == count


@pytest.mark.parametrize("name", NEED_THE_ORIGINAL)
def test_its_programs_give_what_they_gave(
    shared: Path, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    copy_programs(original, tmp_path)
    assert compare(name, *recorded(shared, name)) == 12


def test_a_line_after_a_forgotten_semicolon_is_run(
    shared: Path, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy_programs(original, tmp_path)
    text, _, _ = recorded(shared, "p7")
    said = said_to_lines(transcript(text))
    assert said[14].text.count("s-op: hist_bos") == 2  # loaded twice, once for each line
    assert (
        said[15].text == 's-op: hist_bos\n \t Example: hist_bos("hello") = [0, 1, 2, 2, 1] (ints)'
    )
    assert said[16].text == "=  [c, b, a] (strings)"


def test_a_planted_fault_is_found(shared: Path) -> None:
    text, lines, theirs = recorded(shared, "p1")
    theirs[5] = Said(theirs[5].text.replace("64", "512"))
    with pytest.raises(AssertionError, match="line 6"):
        compare("p1", text, lines, theirs)
    text, lines, theirs = recorded(shared, "p1")
    theirs[5] = Said("!! antlr exception")
    with pytest.raises(AssertionError, match="line 6"):
        compare("p1", text, lines, theirs)
