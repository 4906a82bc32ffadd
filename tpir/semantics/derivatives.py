"""A deterministic automaton of an accepted form, by partial derivatives (Antimirov 1996).

A *term* is a sequence of nodes still to be read; a state is a set of terms. Reading a token takes
the first node of each term apart. Repetitions count down instead of being written out, so
``x{1,500}`` costs what it says and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.semantics.form import Alternation, AnyToken, Concatenation, Form, Repetition
from tpir.semantics.token_classes import TokenClasses, is_choice

MOST_STATES = 20_000
MOST_STEPS = 400_000
"""Limits on the work: a form may need exponentially many states (``.* "a" .{40}`` has 2**41)."""

Node = int
Term = tuple[Node, ...]
State = frozenset[Term]
Head = tuple[frozenset[int], Term]
"""The classes that can be read now, and what is left after that."""


@dataclass(frozen=True)
class States:
    """States 0, 1, 2… (0 is the start): for each, the next state by class; and which accept."""

    moves: tuple[dict[int, int], ...]
    accepting: frozenset[int]


@dataclass(frozen=True)
class _Repeat:
    body: Node
    least: int
    most: int | None


_Kind = frozenset[int] | tuple[str, Term] | _Repeat
"""Classes to read one token of; ("all", parts) or ("any", choices); or a repetition."""


def explore(form: Form, classes: TokenClasses, context: int) -> States:
    """The states that sequences of up to ``context`` tokens reach.

    Raises TpirError if they are too many.
    """
    terms = _Terms(classes, context)
    start: State = frozenset({(terms.node(form),)})
    numbers = {start: 0}
    moves: list[dict[int, int]] = []
    layer = [start]
    for depth in range(context + 1):
        reached: list[State] = []
        for state in layer:
            targets = terms.read(state) if depth < context else {}
            for target in targets.values():
                if target not in numbers:
                    numbers[target] = len(numbers)
                    reached.append(target)
            moves.append({number: numbers[target] for number, target in targets.items()})
            if len(numbers) > MOST_STATES:
                raise _too_large(context)
        layer = reached
    accepting = frozenset(n for state, n in numbers.items() if any(map(terms.accepts, state)))
    return States(tuple(moves), accepting)


def _too_large(context: int) -> TpirError:
    return TpirError(
        f"the accepted form needs too large an automaton at context {context}: "
        "use fewer or smaller repetitions"
    )


class _Terms:
    """Interned nodes, and what terms over them can read."""

    def __init__(self, classes: TokenClasses, context: int) -> None:
        self._classes = classes
        self._context = context
        self._numbers: dict[_Kind, Node] = {}
        self._kinds: list[_Kind] = []
        self._known: dict[Term, tuple[bool, frozenset[Head]]] = {}
        self._steps = 0

    def node(self, form: Form) -> Node:
        """The node of a form."""
        if is_choice(form):
            return self._intern(self._classes.of(form))
        match form:
            case AnyToken():
                return self._intern(frozenset(range(self._classes.count)))
            case Concatenation(parts):
                return self._intern(("all", tuple(map(self.node, parts))))
            case Alternation(choices):
                return self._intern(("any", tuple(map(self.node, choices))))
            case Repetition(body, least, most):
                return self._repeat(self.node(body), least, most)
        raise TypeError(f"not a form: {form!r}")

    def accepts(self, term: Term) -> bool:
        """Whether nothing need follow."""
        return self._heads(term)[0]

    def read(self, state: State) -> dict[int, State]:
        """For each class that can be read, the state after it."""
        targets: dict[int, set[Term]] = {}
        for term in state:
            for classes, rest in self._heads(term)[1]:
                self._work(len(classes))
                for number in classes:
                    targets.setdefault(number, set()).add(rest)
        return {number: frozenset(targets[number]) for number in sorted(targets)}

    def _heads(self, term: Term) -> tuple[bool, frozenset[Head]]:
        """Whether the term may be left unread, and what it can read first."""
        if term in self._known:
            return self._known[term]
        accepts, heads, seen, stack = False, set[Head](), {term}, [term]
        while stack:
            self._work(1)
            current = stack.pop()
            if not current:
                accepts = True
                continue
            kind, rest = self._kinds[current[0]], current[1:]
            if isinstance(kind, frozenset):
                heads.add((kind, rest))
                continue
            new = [front + rest for front in self._fronts(kind)]
            stack += [t for t in new if t not in seen]
            seen.update(new)
        self._known[term] = accepts, frozenset(heads)
        return self._known[term]

    def _fronts(self, kind: tuple[str, Term] | _Repeat) -> list[Term]:
        """What a node that reads no token itself can be replaced by."""
        if isinstance(kind, tuple):
            how, nodes = kind
            return [nodes] if how == "all" else [(node,) for node in nodes]
        fronts: list[Term] = [()] if kind.least == 0 else []
        most = None if kind.most is None else kind.most - 1
        again = () if most == 0 else (self._repeat(kind.body, max(kind.least - 1, 0), most),)
        return [*fronts, (kind.body, *again)]

    def _repeat(self, body: Node, least: int, most: int | None) -> Node:
        """A repetition that needs few states and is right about sequences up to the context.

        Rounds that read nothing can be left out: so a body that may read nothing needs no least
        number of rounds, no more rounds than tokens are ever read, and ``(x{0,k}){m,n}`` is
        ``x{0,k·n}``.
        """
        inner = self._kinds[body]
        if 0 in (most, inner.most if isinstance(inner, _Repeat) else None):
            return self._intern(("all", ()))
        if isinstance(inner, _Repeat) and inner.least == 0:
            least, body = 0, inner.body
            most = None if most is None or inner.most is None else most * inner.most
        elif self.accepts((body,)):
            least = 0
        if most is not None and most >= self._context:
            most = None
        return self._intern(_Repeat(body, min(least, self._context + 1), most))

    def _intern(self, kind: _Kind) -> Node:
        if kind not in self._numbers:
            self._numbers[kind] = len(self._kinds)
            self._kinds.append(kind)
        return self._numbers[kind]

    def _work(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise _too_large(self._context)
