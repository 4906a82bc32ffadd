"""Going through several columns at once: which variable holds what, and the ``for`` clause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tpir.backends.python.forms import POSITIONS
from tpir.backends.python.layout import Call, Clause, Code

_LETTERS = ("x", "y", "z", "w")


def loop(
    columns: Iterable[str], named: Mapping[str, str] | None = None
) -> tuple[dict[str, str], Clause]:
    """A variable for the element of each column, and the clause that goes through them.

    ``named`` columns get these variables; of the others positions are called ``i``.
    """
    names = dict(named or {})
    distinct = list(dict.fromkeys([*columns, *names]))
    counted = POSITIONS in distinct and POSITIONS not in names
    through = [column for column in distinct if column != POSITIONS or not counted]
    free = [column for column in through if column not in names]
    letters = _LETTERS if len(free) <= len(_LETTERS) else [f"x{k + 1}" for k in range(len(free))]
    names |= dict(zip(free, letters, strict=False))
    targets = ", ".join(names[column] for column in through)
    iterable: Code = through[0] if len(through) == 1 else Call("zip", tuple(through))
    if not counted:
        return names, Clause(targets, iterable) if through else Clause("_", POSITIONS)
    names[POSITIONS] = "i"
    if not through:
        return names, Clause("i", POSITIONS)
    targets = f"({targets})" if len(through) > 1 else targets
    return names, Clause(f"i, {targets}", Call("enumerate", (iterable,)))
