"""The programs of Tracr's library, and inputs for them: what tracr_table.py compares."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tpir.ir.values import Value

Draw = Callable[[random.Random, Sequence[str], int], list[str]]


def words(noise: random.Random, vocabulary: Sequence[str], length: int) -> list[str]:
    return noise.choices(vocabulary, k=length)


def different(noise: random.Random, vocabulary: Sequence[str], length: int) -> list[str]:
    """Tokens that are all different: at most as many as there are."""
    return noise.sample(vocabulary, min(length, len(vocabulary)))


def brackets(*pairs: str) -> Draw:
    """Shuffled balanced brackets, or these with a token changed, or any tokens."""

    def draw(noise: random.Random, vocabulary: Sequence[str], length: int) -> list[str]:
        if noise.random() < 0.3:
            return words(noise, vocabulary, length)
        found: list[str] = []
        waiting: list[str] = []
        while len(found) + len(waiting) + 2 <= length:
            if waiting and noise.random() < 0.5:
                found.append(waiting.pop(noise.randrange(len(waiting))))
            else:
                opening, closing = noise.choice(pairs)
                found.append(opening)
                waiting.append(closing)
        found += waiting
        others = [token for token in vocabulary if token not in "".join(pairs)]
        if len(found) < length:
            found.append(noise.choice(others or vocabulary))
        if noise.random() < 0.3:
            found[noise.randrange(length)] = noise.choice(vocabulary)
        return found

    return draw


def letters(first: str) -> Callable[[int], list[str]]:
    """A vocabulary of these tokens and then letters."""

    def vocabulary(size: int) -> list[str]:
        rest = [letter for letter in string.ascii_letters if letter not in first]
        return [*first, *rest[: max(0, size - len(first))]]

    return vocabulary


a_to_z = letters("")


def whole_numbers(size: int) -> list[str]:
    return [str(number) for number in range(1, size + 1)]


def as_they_are(vocabulary: Sequence[str]) -> list[str | int]:
    return list(vocabulary)


def as_numbers(vocabulary: Sequence[str]) -> list[str | int]:
    """Whole numbers from 1, in the order of the words: Tracr's sort needs numbers."""
    return list(range(1, len(vocabulary) + 1))


def always_defined(_position: int, _value: Value) -> bool:
    return False


@dataclass(frozen=True)
class Task:
    """A program: the example, its vocabulary of a size, its inputs; and how Tracr spells it.

    ``peers_tokens``: the same vocabulary as Tracr gets it; ``gives_tokens``: where that differs,
    whether the output is in it too. ``undefined``: whether Tracr gives None at a position where
    the example gives a value.
    """

    example: str
    origin: str
    vocabulary: Callable[[int], list[str]] = a_to_z
    draw: Draw = words
    peers_tokens: Callable[[Sequence[str]], list[str | int]] = as_they_are
    gives_tokens: bool = False
    undefined: Callable[[int, Value], bool] = always_defined


TASKS = {
    task.example: task
    for task in (
        Task("length", "`make_length()`"),
        Task("reverse", "`make_reverse(tokens)`"),
        Task("pair_balance", '`make_pair_balance(tokens, "(", ")")`', letters("()")),
        Task("shuffle_dyck1", '`make_shuffle_dyck(["()"])`', letters("()"), brackets("()")),
        Task(
            "shuffle_dyck",
            '`make_shuffle_dyck(["()", "{}"])`',
            letters("(){}"),
            brackets("()", "{}"),
        ),
        Task(
            "shuffle_dyck3",
            '`make_shuffle_dyck(["()", "{}", "[]"])`',
            letters("(){}[]"),
            brackets("()", "{}", "[]"),
        ),
        Task("hist", "`make_hist()`"),
        Task("sort_unique", "`make_sort_unique(tokens, tokens)`", draw=different),
        Task(
            "sort",
            "`make_sort(tokens, tokens, max_seq_len=length, min_key=1)`",
            peers_tokens=as_numbers,
            gives_tokens=True,
        ),
        Task("frequent_first", "`make_sort_freq(length)`"),
        Task("frac_prevs", '`make_frac_prevs(tokens == "l")`', letters("helo")),
        Task("shift", "`shift_by(2, tokens)`", undefined=lambda i, _: i < 2),
        Task(
            "detect_pattern",
            '`detect_pattern(tokens, "abc")`',
            undefined=lambda i, _: i < 2,
        ),
        Task("count_less_freq", "`make_count_less_freq(2)`"),
        Task("count", '`make_count(tokens, "a")`'),
        Task(
            "combine",
            "`make_nary_sequencemap(lambda x, y, z: x + y - z, tokens, tokens, indices)`",
            whole_numbers,
            peers_tokens=as_numbers,
        ),
        Task(
            "nary_map",
            "`make_nary_sequencemap(lambda x, y, z: x * y / z, indices, indices, tokens)`",
            whole_numbers,
            peers_tokens=as_numbers,
        ),
    )
}
