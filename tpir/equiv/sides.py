"""Comparing two artefacts: on whose inputs, and whether both sides take them."""

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


def spaces_to_check(left: Artefact, right: Artefact, on: str | None) -> list[InputSpace]:
    """The inputs to compare on: A's if it declares a form, else B's; ``on`` says where they differ.

    ``both`` is A's and then B's. Raises TpirError where a choice is due and was not made.
    """
    if on not in (None, "a", "b", "both"):
        raise TpirError(f"--on {on}: choose a, b or both")
    if on in ("a", "b"):
        return [left.space if on == "a" else right.space]
    if left.space == right.space:
        return [left.space]
    if on == "both":
        return [left.space, right.space]
    if left.accepts is not None and right.accepts is None:
        return [left.space]
    if right.accepts is not None and left.accepts is None:
        return [right.space]
    raise TpirError(
        "the two accept different inputs: say --on a, --on b or --on both",
        notes=[f"A: {left.space.describe()}", f"B: {right.space.describe()}"],
    )
