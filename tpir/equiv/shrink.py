"""Making a counterexample smaller: fewer tokens first, then tokens earlier in the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tpir.semantics.space import InputSpace

Codes = tuple[int, ...]


def shrink(
    codes: Codes, space: InputSpace, differ_each: Callable[[list[Codes]], list[bool]]
) -> Codes:
    """The input after all deletions and replacements that leave a difference."""
    smaller: Codes | None = codes
    while smaller is not None:
        codes = smaller
        smaller = _first_smaller(codes, space, differ_each)
    return codes


def _first_smaller(
    codes: Codes, space: InputSpace, differ_each: Callable[[list[Codes]], list[bool]]
) -> Codes | None:
    for candidates in (_shorter(codes, 2), _shorter(codes, 1), _earlier(codes)):
        inputs = [c for c in candidates if c and space.contains(space.decode(c))]
        for candidate, differs in zip(inputs, differ_each(inputs) if inputs else [], strict=True):
            if differs:
                return candidate
    return None


def _shorter(codes: Codes, count: int) -> Iterator[Codes]:
    for k in range(len(codes) - count + 1):
        yield codes[:k] + codes[k + count :]


def _earlier(codes: Codes) -> Iterator[Codes]:
    """One token, at all its places or at one, replaced by an earlier one of the vocabulary."""
    for code in sorted(set(codes)):
        for replacement in range(code):
            yield tuple(replacement if c == code else c for c in codes)
    for k, code in enumerate(codes):
        for replacement in range(code):
            yield (*codes[:k], replacement, *codes[k + 1 :])
