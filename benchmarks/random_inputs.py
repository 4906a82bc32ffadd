"""Random inputs of any length for the programs that people write in RASP."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Draw = Callable[[random.Random, int], list[str]]


def words(noise: random.Random, length: int) -> list[str]:
    return noise.choices("abcdefghij", k=length)


def brackets(pairs: Sequence[str]) -> Draw:
    """Balanced strings, with a bracket changed half of the time."""

    def draw(noise: random.Random, length: int) -> list[str]:
        found: list[str] = []
        waiting: list[str] = []
        while len(found) + len(waiting) < length:
            if waiting and noise.random() < 0.45:
                found.append(waiting.pop())
            else:
                opener, closer = noise.choice(pairs)
                found.append(opener)
                waiting.append(closer)
        found = (found + waiting[::-1])[:length]
        if noise.random() < 0.5:
            found[noise.randrange(length)] = noise.choice(pairs)[1]
        return found

    return draw


def addition(noise: random.Random, length: int) -> list[str]:
    """Two numbers, the first one no shorter."""
    second = (length - 1) // 2
    first = length - 1 - second
    return [*noise.choices("0123456789", k=first), "+", *noise.choices("0123456789", k=second)]
