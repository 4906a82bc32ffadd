"""And-inverter graphs: Boolean functions with shared structure, small enough for Python to build.

A *literal* is an int: twice the number of a gate, plus 1 where it is negated. 0 is false, 1 true.
Gates are hashed: the same function built twice in the same way is the same literal, which settles
most questions of equality before a solver is asked. (Kuehlmann et al., "Robust Boolean reasoning
for equivalence checking and functional property verification", 2002.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

FALSE, TRUE = 0, 1

Literal = int


class Circuit:
    """Gates in topological order. ``left[g]`` and ``right[g]`` are the literals that gate g takes.

    Gate 0 is the constant; an input has -1 on both sides.
    """

    def __init__(self) -> None:
        self.left: list[Literal] = [-1]
        self.right: list[Literal] = [-1]
        self._gates: dict[tuple[Literal, Literal], Literal] = {}

    def input(self) -> Literal:
        """A new free variable."""
        self.left.append(-1)
        self.right.append(-1)
        return 2 * (len(self.left) - 1)

    def both(self, a: Literal, b: Literal) -> Literal:
        """And."""
        if a > b:
            a, b = b, a
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in (TRUE, b):
            return b
        found = self._gates.get((a, b))
        if found is None:
            found = self._simplified(a, b)
            if found is None:
                self.left.append(a)
                self.right.append(b)
                found = 2 * (len(self.left) - 1)
            self._gates[a, b] = found
        return found

    def _simplified(self, a: Literal, b: Literal) -> Literal | None:
        """What the conjunction comes to where one side says something about the other's parts."""
        left, right = self.left[b >> 1], self.right[b >> 1]
        if left < 0:
            return None
        if b & 1:  # a and not (left and right)
            if a ^ 1 in (left, right):
                return a
            if a == left:
                return self.both(a, right ^ 1)
            if a == right:
                return self.both(a, left ^ 1)
            return None
        if a in (left, right):
            return b
        return FALSE if a ^ 1 in (left, right) else None

    def either(self, a: Literal, b: Literal) -> Literal:
        """Or."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: Literal, b: Literal) -> Literal:
        """Exclusive or."""
        if a == b:
            return FALSE
        if a == b ^ 1:
            return TRUE
        return self.both(self.both(a, b) ^ 1, self.both(a ^ 1, b ^ 1) ^ 1)

    def choice(self, condition: Literal, then: Literal, otherwise: Literal) -> Literal:
        """``then`` where the condition holds, else ``otherwise``."""
        if then == otherwise:
            return then
        return self.either(self.both(condition, then), self.both(condition ^ 1, otherwise))

    def all(self, literals: Iterable[Literal]) -> Literal:
        """The conjunction, the same for every order of its parts."""
        level: Sequence[Literal] = sorted({x for x in literals if x != TRUE})
        if FALSE in level:
            return FALSE
        while len(level) > 1:
            level = [
                self.both(level[k], level[k + 1]) if k + 1 < len(level) else level[k]
                for k in range(0, len(level), 2)
            ]
        return level[0] if level else TRUE

    def any(self, literals: Iterable[Literal]) -> Literal:
        """The disjunction, the same for every order of its parts."""
        return self.all(x ^ 1 for x in literals) ^ 1

    def cone(self, literals: Iterable[Literal]) -> list[int]:
        """The gates that the literals depend on, inputs included, the constant not, ascending."""
        seen: set[int] = set()
        stack = [x >> 1 for x in literals]
        while stack:
            gate = stack.pop()
            if gate == 0 or gate in seen:
                continue
            seen.add(gate)
            if self.left[gate] >= 0:
                stack += (self.left[gate] >> 1, self.right[gate] >> 1)
        return sorted(seen)

    def is_input(self, gate: int) -> bool:
        """Whether a gate is a free variable."""
        return gate > 0 and self.left[gate] < 0
