"""Comparing two artefacts on a space that both sides take."""

from __future__ import annotations

from collections.abc import Callable

from tpir.equiv.artefact import Artefact
from tpir.equiv.check import check
from tpir.equiv.verdict import Verdict
from tpir.errors import TpirError
from tpir.ir.values import show_value, value_key
from tpir.semantics.space import InputSpace


def compare(
    left: Artefact,
    right: Artefact,
    space: InputSpace,
    *,
    limit: int = 1_000_000,
    samples: int = 20_000,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Check two artefacts on a space; see ``check``.

    Raises TpirError if one side does not know a token or take a length of the space.
    """
    for side in (left, right):
        _expect_to_take(side, space)
    first = left.runner()
    try:
        second = right.runner()
        try:
            return check(
                first,
                second,
                space,
                limit=limit,
                samples=samples,
                seed=seed,
                on_progress=on_progress,
            )
        finally:
            second.close()
    finally:
        first.close()


def _expect_to_take(side: Artefact, space: InputSpace) -> None:
    known = {value_key(token) for token in side.vocabulary}
    missing = [token for token in space.vocabulary if value_key(token) not in known]
    if missing:
        raise TpirError(f"{side.path} does not know the token {show_value(missing[0])}")
    longest = space.lengths()[-1]
    if longest > side.context:
        raise TpirError(
            f"{side.path} takes {side.context} tokens at most, and there are inputs of {longest}"
        )
