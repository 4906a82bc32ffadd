"""Classes of tokens that an accepted form does not tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tpir.errors import TpirError
from tpir.ir.values import Key, show_value, value_key
from tpir.semantics.form import Alternation, Concatenation, Form, Literal, Repetition


class TokenClasses:
    """A partition of the vocabulary, numbered from 0.

    Two tokens are in one class if every literal, and every choice between literals, has both or
    neither. Class 0 holds the tokens that the form does not name, and may be empty: only ``.``
    reads them. ``class_of[token]`` is a class, ``count`` how many there are.

    Raises TpirError if the form names a token that is not in the vocabulary.
    """

    def __init__(self, form: Form, keys: Mapping[Key, int]) -> None:
        self._keys = keys
        sets = list(dict.fromkeys(frozenset(self._indices(part)) for part in _choices(form)))
        signatures: dict[int, list[int]] = {}
        for number, members in enumerate(sets):
            for index in sorted(members):
                signatures.setdefault(index, []).append(number)
        classes: dict[tuple[int, ...], int] = {}
        self.class_of = np.zeros(len(keys), dtype=np.int32)
        for index, signature in signatures.items():
            self.class_of[index] = classes.setdefault(tuple(signature), len(classes) + 1)
        self.count = len(classes) + 1

    def of(self, choice: Form) -> frozenset[int]:
        """The classes whose tokens ``choice``, a literal or a choice of literals, reads."""
        return frozenset(self.class_of[list(self._indices(choice))].tolist())

    def _indices(self, choice: Form) -> Iterator[int]:
        for leaf in children(choice) or (choice,):
            assert isinstance(leaf, Literal)
            index = self._keys.get(value_key(leaf.value))
            if index is None:
                name = show_value(leaf.value)
                raise TpirError(f"the accepted form names {name}, which is not in the vocabulary")
            yield index


def children(form: Form) -> Sequence[Form]:
    """The forms that ``form`` is made of."""
    match form:
        case Concatenation(parts):
            return parts
        case Alternation(choices):
            return choices
        case Repetition(body):
            return (body,)
    return ()


def is_choice(form: Form) -> bool:
    """Whether the form is one literal or a choice of literals: it reads one token out of a set."""
    if isinstance(form, Alternation):
        return all(isinstance(choice, Literal) for choice in form.choices)
    return isinstance(form, Literal)


def _choices(form: Form) -> Iterator[Form]:
    """The outermost parts that are one literal or a choice of literals."""
    if is_choice(form):
        yield form
    else:
        for child in children(form):
            yield from _choices(child)
