"""On whose inputs two artefacts are compared."""

from __future__ import annotations

from typing import Literal

from tpir.equiv.artefact import Artefact
from tpir.errors import TpirError
from tpir.semantics.space import InputSpace

Whose = Literal["a", "b", "both"]
"""Of which side a space is; ``both`` where they are equal."""


def spaces_to_check(
    left: Artefact, right: Artefact, on: str | None
) -> list[tuple[Whose, InputSpace]]:
    """The inputs to compare on: A's if it declares a form, else B's; ``on`` says where they differ.

    ``both`` asks for A's and then B's. Each space comes with whose it is. Raises TpirError where a
    choice is due and was not made.
    """
    if on not in (None, "a", "b", "both"):
        raise TpirError(f"--on {on}: choose a, b or both")
    a, b = left.space, right.space
    if on not in ("a", "b") and a == b:
        return [("both", a)]
    if on is None:
        if (left.accepts is None) == (right.accepts is None):
            raise TpirError(
                "the two accept different inputs: say --on a, --on b or --on both",
                notes=[f"A: {a.describe()}", f"B: {b.describe()}"],
            )
        on = "a" if right.accepts is None else "b"
    spaces: list[tuple[Whose, InputSpace]] = [("a", a), ("b", b)]
    return [(whose, space) for whose, space in spaces if on in (whose, "both")]
