"""Inputs for oracles: every short word over an alphabet, and longer ones at random."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

AT_LEAST = 1_000


def words(alphabet: Sequence[str], *, longest: int = 30, at_random: int = 200) -> list[list[str]]:
    """Every word up to the length at which there are ``AT_LEAST``, then longer ones at random."""
    found: list[list[str]] = []
    length = 0
    while len(found) < AT_LEAST:
        length += 1
        found += map(list, itertools.product(alphabet, repeat=length))
    noise = random.Random(0)
    for _ in range(at_random):
        found.append(noise.choices(alphabet, k=noise.randint(length + 1, longest)))
    return found


def behind(first: str, alphabet: Sequence[str]) -> list[list[str]]:
    """The same with a first token of its own, and that token alone."""
    return [[first], *([first, *word] for word in words(alphabet))]


def bracket_rows(pairs: Sequence[str]) -> list[list[str]]:
    """Rows of brackets: every short one, and long ones that stay balanced or fail late."""
    found = words("".join(pairs))
    noise = random.Random(1)
    for _ in range(300):
        row, open_ = list[str](), list[str]()
        for _ in range(noise.randint(4, 29)):
            if open_ and noise.random() < 0.5:
                row.append(open_.pop())
            else:
                opening, closing = noise.choice(pairs)
                row.append(opening)
                open_.append(closing)
        if noise.random() < 0.5:
            row[noise.randrange(len(row))] = noise.choice("".join(pairs))
        found.append(row)
    return found


def additions() -> list[list[str]]:
    """Two numbers and a plus: all up to 39, some with zeros in front, and long ones at random."""
    pairs = [(str(a), str(b)) for a in range(40) for b in range(40)]
    noise = random.Random(2)
    for _ in range(400):
        # Nines make the carries run far.
        a, b = ("".join(noise.choices("0123456789999", k=noise.randint(1, 14))) for _ in "ab")
        pairs.append((a, b))
    return [[*a, "+", *b] for a, b in pairs]


def copies() -> list[list[str]]:
    """Words of different letters, the colon, and a part of the copy."""
    return [
        [*word, ":", *word[:done]]
        for length in range(1, 6)
        for word in itertools.permutations("abcde", length)
        for done in range(length + 1)
    ]


def countings() -> list[list[str]]:
    """A first and a last number, and a part of the numbers between; several one after another."""
    each = [
        [">", str(low), str(high), *map(str, range(low, done))]
        for low in range(10)
        for high in range(low, 10)
        for done in range(low, high + 2)
    ]
    noise = random.Random(3)
    several = [
        [token for part in noise.choices(each, k=noise.randint(2, 3)) for token in part]
        for _ in range(900)
    ]
    return [[">"], *each, *several]
