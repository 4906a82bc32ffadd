"""Rows of learned weights as text: short where they are float32, and proofs that sums are exact."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from tpir.backends.python.layout import WIDTH, Call, Code, Display, flat
from tpir.backends.python.writer import Writer

_SPLIT = 536870913.0
_ROOM = WIDTH - 40


def weight_rows(writer: Writer, rows: Sequence[Sequence[float]]) -> list[Code]:
    """The rows as tuples where those are short, else as strings that ``weights`` reads."""
    plain = [Display("()", tuple(repr(float(w)) for w in row)) for row in rows]
    if all(len(flat(row)) <= _ROOM for row in plain):
        return list(plain)
    if not all(_reads_back(w) for row in rows for w in row):
        return list(plain)
    writer.use("weights")
    return [_text_row(row) for row in rows]


def _text_row(row: Sequence[float]) -> Code:
    lines, line = [], ""
    for word in map(_decimal, row):
        if line and len(line) + len(word) > WIDTH - 30:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return Call("weights", tuple(f'"{text}"' for text in [*lines, line]))


def _decimal(weight: float) -> str:
    """The shortest decimals that become this float32."""
    for digits in range(1, 10):
        text = f"{weight:.{digits}g}"
        if _single(float(text)) == weight:
            return text.replace("e+", "e").replace("e-0", "e-")
    return repr(weight)


def _single(number: float) -> float:
    scaled = number * _SPLIT
    return scaled - (scaled - number)


def _reads_back(weight: float) -> bool:
    """Whether the emitted ``weights`` gives this number again: true of every normal float32."""
    try:
        stored = struct.unpack("f", struct.pack("f", weight))[0]
    except OverflowError:
        return False
    return bool(stored == weight and _single(float(_decimal(weight))) == weight)


def sums_are_exact(rows: Iterable[tuple[Sequence[float], float]], times: int = 1) -> bool:
    """Whether float64 adds these weights without rounding, in any order and any subset.

    Each row comes with the greatest absolute value of the ints that its weights are multiplied by;
    one entry of each row is added, and all that ``times`` over. All weights are multiples of one
    power of two, 2^-k; if the sum of their sizes is at most 2^(53-k), every partial sum is a
    multiple of 2^-k that a float64 holds.
    """
    bits, size = 0, 0.0
    for row, factor in rows:
        for weight in row:
            bits = max(bits, weight.as_integer_ratio()[1].bit_length() - 1)
        size += max(map(abs, row), default=0.0) * factor
    return size * times * (1 + 2**-20) <= 2.0 ** (53 - bits)
