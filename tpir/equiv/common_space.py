"""On whose inputs two artefacts are compared."""

from __future__ import annotations

from tpir.equiv.artefact import Artefact
from tpir.errors import TpirError
from tpir.semantics.space import InputSpace


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
