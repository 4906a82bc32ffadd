from __future__ import annotations

import pytest

from tpir.models.task_forms import accepted_form
from tpir.semantics.form_parser import parse_form
from tpir.semantics.space import InputSpace

SORT = ("<pad>", "0", "1", "2", "3", "4", "</s>", "<s>")
HIST = ("<pad>", "0", "1", "2", "3", "4", "5", "<s>")
INDUCTION = ("<pad>", "0", "1", "2", "3", "<s>", "a", "b", "c", "d")


def form(task: str, vocabulary: tuple[str, ...], context: int, minimum: int = 1) -> str | None:
    return accepted_form(task, vocabulary, context, minimum=minimum, maximum=context)


def space(task: str, vocabulary: tuple[str, ...], context: int, minimum: int = 1) -> InputSpace:
    text = form(task, vocabulary, context, minimum)
    assert text is not None
    return InputSpace(tuple(w for w in vocabulary if w != "<pad>"), context, parse_form(text))


def test_text() -> None:
    assert form("sort", SORT, 8) == '"<s>" ("0"|"1"|"2"|"3"|"4"){1,6} "</s>"'
    assert form("hist", HIST, 8) == '"<s>" ("0"|"1"|"2"|"3"|"4"|"5"){1,7}'


@pytest.mark.parametrize(
    ("task", "vocabulary", "context", "count"),
    [
        ("reverse", SORT, 8, 19_530),
        ("sort", SORT, 8, 19_530),
        ("hist", HIST, 8, 335_922),
        ("double_hist", HIST, 8, 335_922),
        ("most_freq", HIST, 8, 335_922),
        ("dyck1", ("<pad>", "(", ")", "<s>"), 16, 2**16 - 2),
    ],
)
def test_how_many_inputs(task: str, vocabulary: tuple[str, ...], context: int, count: int) -> None:
    assert space(task, vocabulary, context).count() == count


def test_induction_alternates() -> None:
    inputs = space("induction", INDUCTION, 10)
    for text in ("<s> a 0", "<s> 1 a 0", "<s> a 0 b", "<s> 1 a 0 b 1 a 0 c 2"):
        assert inputs.why_not(text.split()) is None, text
    for text in ("<s>", "<s> 0 1", "<s> a b", "<s> 1 a 0 b", "a 0"):
        assert inputs.why_not(text.split()) is not None, text
    assert inputs.count() == sum(16**pairs * (1 + 4 + 4) for pairs in (1, 2, 3, 4))


def test_words_need_quotes() -> None:
    text = accepted_form("hist", ("<s>", 'say "x"', "\\"), 3, minimum=1, maximum=3)
    assert text == r'"<s>" ("say \"x\""|"\\"){1,2}'


@pytest.mark.parametrize(
    ("task", "vocabulary", "context", "minimum"),
    [
        ("synthetic", HIST, 8, 1),
        ("sort", HIST, 8, 1),
        ("hist", ("0", "1"), 8, 1),
        ("hist", HIST, 1, 1),
        ("sort", SORT, 8, 7),
        ("induction", HIST, 8, 1),
    ],
)
def test_unknown_or_impossible(
    task: str, vocabulary: tuple[str, ...], context: int, minimum: int
) -> None:
    assert form(task, vocabulary, context, minimum) is None
