"""A sum over keys as a weighted sum of counts."""

from __future__ import annotations

from tpir.ir.functions import Domain
from tpir.ir.values import Value


def summands(domain: Domain) -> list[tuple[Value, tuple[Value, ...]]]:
    """Weights, and values of which keys are counted: a sum is that of the weighted counts.

    Value by value, or for whole numbers bit by bit where that takes fewer counts.
    """
    by_value: dict[float, list[Value]] = {}
    for value in domain:
        if value:
            by_value.setdefault(float(value), []).append(value)
    single = [(keys[0], tuple(keys)) for keys in by_value.values()]
    if not all(isinstance(v, int) for v in domain):
        return single
    base = min(0, *map(int, domain))
    found: list[tuple[Value, tuple[Value, ...]]] = [(base, domain)] if base else []
    for bit in range(max(int(v) - base for v in domain).bit_length()):
        keys = tuple(v for v in domain if (int(v) - base) >> bit & 1)
        if keys:
            found.append((1 << bit, keys))
    return single if len(single) <= len(found) else found
