"""What editors get: a grammar that highlights as the lexer does, and a manifest that finds it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String

from tests.view.test_lexer import SAMPLES, corpus
from tpir.view.lexer import (
    CONSTANTS,
    FUNCTIONS,
    OPERATOR_WORDS,
    SEQUENCES,
    STATEMENT_WORDS,
    RaspLexer,
)

EDITORS = Path(__file__).resolve().parents[1] / "editors"

SCOPES = {
    "comment": Comment.Single,
    "string": String,
    "constant.character.escape": String,
    "constant.numeric": Number,
    "constant.language": Keyword.Constant,
    "keyword.declaration": Keyword.Declaration,
    "keyword.control": Keyword,
    "keyword.operator.logical": Operator.Word,
    "keyword.operator": Operator,
    "storage.type": Keyword.Type,
    "variable.language": Name.Builtin.Pseudo,
    "variable.parameter": Name.Variable,
    "variable.other": Name,
    "support.function": Name.Builtin,
    "entity.name.function": Name.Function,
    "punctuation": Punctuation,
    "invalid": Error,
}
"""What each scope of the grammar is to Pygments; the first that fits counts."""

Rule = dict[str, Any]


def grammar() -> Rule:
    found: Rule = json.loads((EDITORS / "rasp.tmLanguage.json").read_text(encoding="utf-8"))
    return found


def rules(rule: Rule) -> Iterator[Rule]:
    yield rule
    for below in (*rule.get("patterns", ()), *rule.get("repository", {}).values()):
        yield from rules(below)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclass
class TextMate:
    """As much of a TextMate engine as the grammar needs: line by line, the leftmost match wins."""

    grammar: Rule

    def scopes(self, text: str) -> list[str | None]:
        """The innermost scope of each character; None where there is none."""
        found: list[str | None] = []
        stack = [self.grammar]
        for line in text.split("\n"):
            found += [*self._line(line, stack), None]
        return found[:-1]

    def _line(self, line: str, stack: list[Rule]) -> list[str | None]:
        found: list[str | None] = [stack[-1].get("name")] * len(line)
        place = 0
        while True:
            best = self._leftmost(line, place, stack[-1])
            if best is None:
                return found
            match, rule, key = best
            self._paint(found, match, rule, key)
            place = match.end()
            if key == "begin":
                stack.append(rule)
                found[place:] = [rule.get("name")] * (len(line) - place)
            elif key == "end":
                stack.pop()
                found[place:] = [stack[-1].get("name")] * (len(line) - place)

    def _leftmost(self, line: str, place: int, top: Rule) -> tuple[re.Match[str], Rule, str] | None:
        options = [(top, "end")] if "end" in top else []
        options += [(r, "match" if "match" in r else "begin") for r in self._patterns(top)]
        best = None
        for rule, key in options:
            match = compiled(rule[key]).search(line, place)
            if match and (best is None or match.start() < best[0].start()):
                best = (match, rule, key)
        return best

    def _patterns(self, rule: Rule) -> Iterator[Rule]:
        for below in rule["patterns"]:
            if "include" in below:
                below = self.grammar["repository"][below["include"].removeprefix("#")]
            if "match" in below or "begin" in below:
                yield below
            else:
                yield from self._patterns(below)

    @staticmethod
    def _paint(found: list[str | None], match: re.Match[str], rule: Rule, key: str) -> None:
        captures = rule.get({"match": "captures"}.get(key, f"{key}Captures"), {})
        for group, name in [
            ("0", rule.get("name")),
            *((g, c["name"]) for g, c in captures.items()),
        ]:
            start, end = match.span(int(group))
            if name is not None and start >= 0:
                found[start:end] = [name] * (end - start)


def kinds(text: str) -> list[object]:
    """What the lexer says of each character, as far as scopes tell it apart."""
    found: list[object] = []
    for kind, value in RaspLexer(stripnl=False, ensurenl=False).get_tokens(text):
        kind = String if kind in String else Keyword if kind is Keyword.Namespace else kind
        found += [kind] * len(value)
    return found


def kind_of(scope: str | None) -> object:
    return next((kind for name, kind in SCOPES.items() if (scope or "").startswith(name)), None)


def test_every_expression_compiles() -> None:
    keys = ("match", "begin", "end")
    expressions = [rule[key] for rule in rules(grammar()) for key in keys if key in rule]
    assert len(expressions) > 20
    for expression in expressions:
        re.compile(expression)
        # What Oniguruma and Python read alike: no named groups, no possessive quantifiers.
        assert not re.search(r"\(\?P|\(\?>|[*+?}]\+|\\[AZzhHKGX]", expression), expression


def test_every_scope_is_of_rasp_and_known() -> None:
    names = [r["name"] for r in rules(grammar()) if "name" in r and r != grammar()]
    for rule in rules(grammar()):
        for key in ("captures", "beginCaptures", "endCaptures"):
            names += [capture["name"] for capture in rule.get(key, {}).values()]
    for name in names:
        assert name.endswith(".rasp")
        assert kind_of(name) is not None, name


def test_includes_are_there() -> None:
    found = grammar()
    included = {r["include"] for r in rules(found) if "include" in r}
    assert included == {f"#{name}" for name in found["repository"]}


WORDS = (*STATEMENT_WORDS, *OPERATOR_WORDS, *CONSTANTS, *SEQUENCES, *FUNCTIONS)
AGREE = [
    ("words", " ".join(WORDS)),
    *((text, text) for text, _, kind in SAMPLES if kind is not Error),
    *corpus(),
]


@pytest.mark.parametrize(("name", "text"), AGREE, ids=lambda value: str(value)[:40])
def test_grammar_and_lexer_agree(name: str, text: str) -> None:
    scopes = TextMate(grammar()).scopes(text)
    for place, (character, scope, kind) in enumerate(zip(text, scopes, kinds(text), strict=True)):
        if not character.isspace():
            around = text[max(0, place - 20) : place + 20]
            assert kind_of(scope) == kind, (around, character, scope, kind)


def test_extension_points_to_its_files() -> None:
    manifest = json.loads((EDITORS / "package.json").read_text(encoding="utf-8"))
    (language,) = manifest["contributes"]["languages"]
    (entry,) = manifest["contributes"]["grammars"]
    assert language["extensions"] == [".rasp"]
    assert entry["language"] == language["id"]
    assert entry["scopeName"] == grammar()["scopeName"]
    assert (EDITORS / entry["path"]).is_file()
    settings = json.loads((EDITORS / language["configuration"]).read_text(encoding="utf-8"))
    assert settings["comments"] == {"lineComment": "#"}
    for pattern in settings["indentationRules"].values():
        re.compile(pattern)
