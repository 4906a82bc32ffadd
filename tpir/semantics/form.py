"""Accepted forms: regular expressions over tokens, as immutable trees with one canonical text.

``str(form)`` is that text; ``tpir.semantics.form_parser`` reads it back to an equal tree. Build
trees with ``concatenate``, ``alternate`` and ``repeat``: a concatenation holds no concatenation and
an alternation no alternation, so parentheses that change nothing leave no trace.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.ir.values import Structural, Value, check_value, escaped, show_value

DEEPEST = 100
"""How deep a form may be nested: far more than people write, far less than exhausts the stack."""


class Form(Structural):
    """A regular expression over tokens. Immutable; ``str`` gives its canonical text."""

    depth: int = 0

    @abstractmethod
    def __str__(self) -> str:
        """The canonical text, with no more parentheses than it needs."""

    def as_part(self) -> str:
        """The text of this form where it stands in a concatenation."""
        return str(self)

    def as_operand(self) -> str:
        """The text of this form where a quantifier follows."""
        return str(self)


@dataclass(frozen=True, eq=False)
class Literal(Form):
    """Exactly the token ``value``."""

    value: Value

    def __post_init__(self) -> None:
        check_value(self.value, "a token")

    def __str__(self) -> str:
        return escaped(self.value) if isinstance(self.value, str) else show_value(self.value)


@dataclass(frozen=True, eq=False)
class AnyToken(Form):
    """Any one token of the vocabulary."""

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, eq=False)
class Concatenation(Form):
    """Two or more forms after one another, none of them a concatenation. See ``concatenate``."""

    parts: tuple[Form, ...]

    def __post_init__(self) -> None:
        _check_parts(self, self.parts)

    def __str__(self) -> str:
        return " ".join(part.as_part() for part in self.parts)

    def as_operand(self) -> str:  # noqa: D102
        return f"({self})"


@dataclass(frozen=True, eq=False)
class Alternation(Form):
    """Any of two or more forms, none of them an alternation. See ``alternate``."""

    choices: tuple[Form, ...]

    def __post_init__(self) -> None:
        _check_parts(self, self.choices)

    def __str__(self) -> str:
        return " | ".join(str(choice) for choice in self.choices)

    def as_part(self) -> str:  # noqa: D102
        return f"({self})"

    def as_operand(self) -> str:  # noqa: D102
        return f"({self})"


@dataclass(frozen=True, eq=False)
class Repetition(Form):
    """``body`` at least ``least`` times, and at most ``most`` times unless that is None."""

    body: Form
    least: int
    most: int | None

    def __post_init__(self) -> None:
        if self.least < 0 or (self.most is not None and self.most < self.least):
            raise TpirError(
                f"a repetition cannot be at least {self.least} and at most {self.most} times"
            )
        _set_depth(self, (self.body,))

    def __str__(self) -> str:
        return self.body.as_operand() + self.quantifier

    def as_operand(self) -> str:  # noqa: D102
        return f"({self})"

    @property
    def quantifier(self) -> str:
        """The shortest quantifier that says how often."""
        short = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((self.least, self.most))
        if short is not None:
            return short
        if self.most is None:
            return f"{{{self.least},}}"
        if self.most == self.least:
            return f"{{{self.least}}}"
        return f"{{{self.least},{self.most}}}"


def concatenate(*forms: Form) -> Form:
    """The forms after one another, in canonical shape. At least one is needed."""
    parts: list[Form] = []
    for form in forms:
        parts.extend(form.parts if isinstance(form, Concatenation) else (form,))
    return parts[0] if len(parts) == 1 else Concatenation(tuple(parts))


def alternate(*forms: Form) -> Form:
    """Any of the forms, in canonical shape. At least one is needed."""
    choices: list[Form] = []
    for form in forms:
        choices.extend(form.choices if isinstance(form, Alternation) else (form,))
    return choices[0] if len(choices) == 1 else Alternation(tuple(choices))


def repeat(form: Form, least: int = 0, most: int | None = None) -> Form:
    """``form`` at least ``least`` times, and at most ``most`` times unless that is None.

    Raises TpirError if no number is at least ``least`` and at most ``most``.
    """
    return Repetition(form, least, most)


def _check_parts(form: Concatenation | Alternation, parts: tuple[Form, ...]) -> None:
    if len(parts) < 2 or any(type(part) is type(form) for part in parts):
        kind = type(form).__name__
        raise ValueError(f"{kind} needs two or more parts, none of them a {kind}")
    _set_depth(form, parts)


def _set_depth(form: Form, parts: tuple[Form, ...]) -> None:
    depth = 1 + max(part.depth for part in parts)
    if depth > DEEPEST:
        raise TpirError(f"the accepted form is nested more than {DEEPEST} deep")
    object.__setattr__(form, "depth", depth)
