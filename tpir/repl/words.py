"""Values in the words of the prompt, to the letter those of the original RASP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from tpir.ir.values import Value
from tpir.text.open import OpenNode
from tpir.text.scope import Applied, Thing, describe_thing, is_atom

SEQUENCE = "s-op"
"""What the original calls sequences."""


def quoted(thing: Thing) -> str:
    """A thing as values are shown: words in quotes, the rest as Python has it."""
    if isinstance(thing, str):
        return f'"{thing}"'
    if isinstance(thing, list | dict):
        return plain(thing)
    return str(thing) if is_atom(thing) else describe_thing(thing)


def plain(things: list[Thing] | dict[Value, Thing]) -> str:
    """A list or a dictionary on one line."""
    items = things.values() if isinstance(things, dict) else things
    return str(things) if all(map(_is_plain, items)) else describe_thing(things)


def _is_plain(thing: Thing) -> bool:
    return is_atom(thing) or (
        isinstance(thing, list | dict)
        and all(map(_is_plain, thing.values() if isinstance(thing, dict) else thing))
    )


def holds_more_than_atoms(things: list[Thing] | dict[Value, Thing]) -> bool:
    """Whether a list or a dictionary is shown with a line for each item."""
    items = things.values() if isinstance(things, dict) else things
    return any(isinstance(item, list | dict | OpenNode) for item in items)


# ---- sequences on an input


def sequence_words(values: Sequence[object]) -> str:
    """A sequence's values and their type: ``[0, 1] (ints)``, ``[x]*5 (strings)``."""
    if len(values) > 1 and len(set(values)) == 1:
        shown = f"[{small_word(values[0])}]*{len(values)}"
    else:
        shown = f"[{', '.join(map(small_word, values))}]"
    return f"{shown} ({type_word(values)}s)"


def small_word(value: object) -> str:
    """A value inside a sequence: floats to three places, truth values as T and F."""
    if isinstance(value, float):
        return str(round(value, 3))
    if isinstance(value, bool):
        return "T" if value else "F"
    return str(value)


def type_word(values: Sequence[object]) -> str:
    """The type of values that a sequence holds."""
    for type_, word in ((str, "string"), (bool, "bool"), (int, "int")):
        if all(isinstance(value, type_) for value in values):
            return word
    return "float"


def aligned_lines(
    tokens: Sequence[object], values: Sequence[object], pref: str, first: str, alone: str = ""
) -> Iterator[str]:
    """A sequence under its input; on the line that begins with ``first`` where all is equal."""
    if len(set(values)) == 1:
        shown = sequence_words(values)
        yield f"{first} {alone} {shown} [skipped full display: identical values]"
        return
    yield first
    above, below = _marks(tokens), _marks(values)
    width = max(map(len, above + below))
    rows = (("input:  ", above, "string"), ("output: ", below, type_word(values)))
    for what, row, type_ in rows:
        line = " ".join(mark.rjust(width) for mark in row)
        yield f"{pref} \t\t{what} {line} \t ({type_}s)"


def _marks(values: Sequence[object]) -> list[str]:
    """Values to stand under each other; of truth values the rarer, or both if as many."""
    if not isinstance(values[0], bool):
        return list(map(str, values))
    true, false = values.count(True), values.count(False)
    marks = ("F" if false <= true else "", "T" if true <= false else "")
    return [marks[bool(value)] for value in values]


def matrix_lines(
    tokens: Sequence[object], rows: Sequence[Sequence[bool]], pref: str
) -> Iterator[str]:
    """A selector: a row for each query, a column for each key."""
    yield f"{pref} \t\t\t     {' '.join(map(str, tokens))}"
    for token, row in zip(tokens, rows, strict=True):
        marks = " ".join("1" if selected else " " for selected in row)
        yield f"{pref} \t\t\t {token} | {marks}"


def applied_lines(applied: Applied, *, verbose: bool) -> Iterator[str]:
    """What a sequence or a selector is on an input that it was applied to."""
    if applied.is_selector:
        yield "\t = "
        yield from matrix_lines(applied.tokens, matrix_of(applied), "")
    elif verbose:
        yield from aligned_lines(applied.tokens, applied.values, "", "\t = ")
    else:
        yield f"\t =  {sequence_words(applied.values)}"


def matrix_of(applied: Applied) -> Sequence[Sequence[bool]]:
    """The rows of a selector, by query."""
    assert applied.is_selector
    return cast(Sequence[Sequence[bool]], applied.values)
