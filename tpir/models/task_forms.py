"""The inputs that each of the reference's eight tasks can produce, as an accepted form."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tpir.models.config import PAD, UNKNOWN

BEGIN = "<s>"
END = "</s>"

_CLOSED = ("reverse", "sort")
_OPEN = ("hist", "double_hist", "most_freq")
_BRACKETS = ("dyck1", "dyck2")


def accepted_form(
    task: str, vocabulary: Sequence[str], context: int, *, minimum: int, maximum: int
) -> str | None:
    """The regular expression over tokens of ``task``'s inputs; None if the task is not known.

    ``minimum`` and ``maximum`` are the lengths that the task's generator was given: at least
    ``minimum`` words, at most ``maximum`` visible tokens, specials included. Bracket sequences and
    alternations are accepted from one word on. None too where the vocabulary lacks what the task
    needs, or no length fits.
    """
    words = [word for word in vocabulary if word not in (PAD, UNKNOWN, BEGIN, END)]
    longest = min(maximum, context)
    if BEGIN not in vocabulary or not words:
        return None
    if task in _CLOSED and END in vocabulary:
        body = _repeated(_one_of(words), max(minimum, 1), longest - 2)
        return body and f"{_quoted(BEGIN)} {body} {_quoted(END)}"
    if task in _OPEN:
        body = _repeated(_one_of(words), max(minimum, 1), longest - 1)
        return body and f"{_quoted(BEGIN)} {body}"
    if task in _BRACKETS:
        body = _repeated(_one_of(words), 1, context - 1)
        return body and f"{_quoted(BEGIN)} {body}"
    if task == "induction":
        return _induction(words, context, minimum)
    return None


def _induction(words: Sequence[str], context: int, minimum: int) -> str | None:
    """Letters and numbers in turn, with a number before the first pair or a letter after the last.

    The generator draws from ``minimum // 2`` pairs on, and one pair more than ``maximum`` suggests:
    the context, taken from its data, is what bounds them.
    """
    numbers = [word for word in words if word.isdecimal()]
    letters = [word for word in words if not word.isdecimal()]
    if not numbers or not letters:
        return None
    letter, number = _one_of(letters), _one_of(numbers)
    pairs = _repeated(f"({letter} {number})", max(minimum // 2, 1), (context - 2) // 2)
    return pairs and f"{_quoted(BEGIN)} ({number}? {pairs} | {pairs} {letter})"


def _quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)


def _one_of(words: Sequence[str]) -> str:
    return "(" + "|".join(_quoted(word) for word in words) + ")"


def _repeated(item: str, least: int, most: int) -> str | None:
    return f"{item}{{{least},{most}}}" if least <= most else None
