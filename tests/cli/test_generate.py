"""``tpir generate``: artefacts on their own output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, World

NEXT = "tokens[-1] + tokens[-2];"
"""The next word is the last two, joined."""


def program(folder: Path, text: str) -> Path:
    path = folder / "next.rasp"
    path.write_text(text)
    return path


def test_a_program_continues_its_input(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, "tokens[-3];")
    assert cli("generate", path, "--text", "abc", "--steps", 5).out == "abcabcab\n"


def test_words_and_lengths_grow(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, NEXT)
    answer = cli("generate", path, "--tokens", "a b", "--steps", 4)
    assert (answer.status, answer.out) == (
        0,
        "a b ba bab babba babbabab\n",
    )


def test_numbers_are_words_among_words(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, "length;")
    answer = cli("generate", path, "--text", "ab", "--steps", 3, "--json")
    assert json.loads(answer.out) == {
        "tokens": ["a", "b", "2", "3", "4"],
        "generated": ["2", "3", "4"],
    }


def test_a_stop_token_ends_it(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, "length;")
    assert cli("generate", path, "--text", "ab", "--steps", 9, "--stop", "3").out == "ab23\n"


def test_a_stated_context_bounds_it(cli: Cli, tmp_path: Path) -> None:
    header = 'context 4;\nvocabulary {"a", "b"};\n'
    path = program(tmp_path, f"{header}tokens[-2];")
    answer = cli("generate", path, "--text", "ab", "--steps", 5)
    assert answer.status == 2
    assert answer.out == "ababa\n"
    assert answer.err.startswith("error: stopped after 3 of 5 steps: ")
    assert "4" in answer.err
    open_one = program(tmp_path, "tokens[-2];")
    bounded = cli("generate", open_one, "--text", "ab", "--steps", 5, "--max-length", 3)
    assert (bounded.status, bounded.out) == (2, "abab\n")


def test_tokens_of_a_stated_vocabulary_are_its_own(cli: Cli, tmp_path: Path) -> None:
    words = program(tmp_path, 'context 9;\nvocabulary {"a", "2", "3"};\nlength;')
    answer = cli("generate", words, "--text", "aa", "--steps", 2, "--json")
    assert json.loads(answer.out)["generated"] == ["2", "3"]
    numbers = program(tmp_path, "context 9;\nvocabulary {1, 2, 3};\nlength;")
    answer = cli("generate", numbers, "--tokens", "1 1", "--steps", 3, "--json")
    assert json.loads(answer.out)["generated"] == [2, 3]
    assert "stopped after 2 of 3 steps: the output 4 is no token of the vocabulary" in answer.err


def test_every_form_of_a_program_continues_alike(cli: Cli, world: World) -> None:
    outs = {
        cli("generate", form, "--tokens", "<s> a", "--steps", 1, "--json").err
        for form in world.forms
    }
    (error,) = outs
    assert "the output" in error
    assert "is no token of the vocabulary" in error


def test_of_several_outputs_one_is_chosen(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, "output x = tokens[-1];\noutput y = tokens[0];")
    assert "choose one by --output" in cli("generate", path, "--text", "ab", "--steps", 1).err
    assert cli("generate", path, "--text", "ab", "--steps", 1, "--output", "y").out == "aba\n"


def test_an_emitted_module_is_run_too(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, 'context 5;\nvocabulary {"a", "b"};\ntokens[-2];')
    module = tmp_path / "next.py"
    assert cli("emit", "python", path, "-o", module).status == 0
    assert cli("generate", module, "--text", "ab", "--steps", 3).out == "ababa\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", 1), "give the beginning"),
        (("--steps", 1, "--text", ""), "give the beginning"),
        (("--text", "a"), "steps"),
        (("--text", "a", "--steps", 0), "steps"),
        (("--text", "a", "--steps", 1, "--output", "nope"), "nope"),
    ],
)
def test_errors_are_clear(
    cli: Cli, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    answer = cli("generate", program(tmp_path, "tokens;"), *arguments)
    assert answer.status == 2
    assert answer.out == ""
    assert message in answer.err


def test_a_failure_is_told_with_its_step(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, "1 / (length - 4);")
    answer = cli("generate", path, "--tokens", "a b", "--steps", 5)
    assert (answer.status, answer.out) == (2, "a b -0.5 -1.0\n")
    assert "stopped after 2 of 5 steps: " in answer.err
    assert "division by zero" in answer.err


def test_what_misleads_is_said_once(cli: Cli, tmp_path: Path) -> None:
    path = program(tmp_path, "not length == 5;")
    answer = cli("generate", path, "--text", "ab", "--steps", 6)
    assert answer.status == 0
    assert answer.err.count("warning: ") == 1
    strict = cli("generate", path, "--text", "ab", "--steps", 6, "--strict")
    assert (strict.status, strict.out) == (2, "")
    assert strict.err.startswith(f"error: {path}:1:1: not binds tighter than ==")
