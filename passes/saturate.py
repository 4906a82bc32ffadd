"""Equality saturation: every law of selectors, counts and sums at once, then the shortest form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import ClassVar

from tpir.errors import TpirError
from tpir.ir.expressions import Argument, Binary, BinaryOp, Expression, Literal
from tpir.ir.infer import TypeProblem, infer
from tpir.ir.ops import (
    AggregateSum,
    Always,
    And,
    Comparison,
    Indices,
    Map,
    Not,
    Op,
    Or,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector, Width, values_of
from tpir.passes.base import Pass, PassResult, until_stable
from tpir.passes.constants import constant_of
from tpir.passes.failing import can_fail
from tpir.passes.reading import reading_size
from tpir.passes.saturate_laws import COMPARISONS, LAWS
from tpir.passes.widening import instead

MOST_NODES = 40
"""Of the algebra in one program; with more, laws in any order are too many terms."""

LONGEST = 2000
"""Characters of a term; a node whose term is longer is a leaf to its readers."""

_ARITHMETIC = {BinaryOp.ADD: "Add", BinaryOp.SUBTRACT: "Sub"}
_OPERATORS = {name: op for op, name in _ARITHMETIC.items()}

Term = tuple["str | int | Term", ...]
"""A constructor of ``saturate_laws`` and its arguments."""


@dataclass(frozen=True)
class Saturate(Pass):
    """Find the shortest way to say what selectors, their counts and sums say.

    Laws: those of sets for selectors, and of comparisons; a count of what is not selected is the
    length less what is; counts and sums over selectors that have nothing in common add up to those
    over both; arithmetic (``saturate_laws``). They are applied in all orders at once, on a graph of
    equal terms (Tate et al. 2009), so that none stands in the way of another.

        n = selector_width(a and b) + selector_width(a and not b)   →   n = selector_width(a)

    Sound: the laws hold for all selectors of one universe and all whole numbers; what can fail is
    left as it is, and so is whatever is no selector, count, sum or arithmetic (tables of tables are
    for ``fold-tables``). What is found is taken only where the program prints shorter.

    Needs the package egglog, an optional extra: ``pip install 'tpir[saturate]'``.
    """

    name: ClassVar[str] = "saturate"
    rounds: int = field(default=6, metadata={"least": 1, "help": "how often all laws are applied"})

    def measure(self, program: Program) -> tuple[int, ...]:
        """Characters to read."""
        return (reading_size(program),)

    def run(self, program: Program) -> PassResult:
        """Rewrite one node after another. Raises TpirError where egglog is not installed."""
        return until_stable(program, self._once)

    def _once(self, program: Program) -> PassResult:
        terms = _Terms(program)
        roots = [node for node in program.live if terms.is_composed(node)]
        if not 0 < len(roots) <= MOST_NODES:
            return PassResult(program, False)
        for node, found in zip(roots, _shortest(terms, roots, self.rounds), strict=True):
            new = _Maker(program, terms, node).node(found)
            made = None if new is None or new is node else instead(program, node, new)
            if made is not None and reading_size(made) < reading_size(program):
                witness = {name: name for name in program.by_name if name in made.by_name}
                why = f"{node.name}: the same in fewer words"
                return PassResult(made, True, (why,), witness)
        return PassResult(program, False)


# ---- from nodes to terms


class _Terms:
    """The live nodes of a program as terms; what has no law is a leaf, by number."""

    def __init__(self, program: Program) -> None:
        self.leaves: list[Node] = []
        self.terms: dict[Node, str] = {}
        for node in program.live:
            self.terms[node] = self._term(node)

    def is_composed(self, node: Node) -> bool:
        """Whether a node is more than a leaf or a number."""
        return not self.terms[node].startswith(("(Leaf", "(Num", "(All", "(Nothing"))

    def _term(self, node: Node) -> str:
        made = None if can_fail(node) else self._composed(node)
        if made is None or len(made) > LONGEST:
            self.leaves.append(node)
            return f"(Leaf {len(self.leaves) - 1})"
        return made

    def _composed(self, node: Node) -> str | None:
        parts = " ".join(self.terms[operand] for operand in node.operands)
        match node.op:
            case And() | Or() if node.type == Selector(Width.MANY):
                return f"({type(node.op).__name__} {parts})"
            case Not():
                return f"(Not {parts})"
            case Select(Always(truth)):
                return "(All)" if truth else "(Nothing)"
            case Select(Comparison(op)) if all(values_of(o.type) for o in node.operands):
                return f"(Sel {COMPARISONS.index(op)} {parts})"
            case SelectorWidth():
                return f"(Count {parts})"
            case AggregateSum() if _is_whole(node.operands[1]):
                return f"(Sum {parts})"
            case Map(function) if all(map(_is_whole, (node, *node.operands))):
                value = constant_of(node)
                if type(value) is int:
                    return f"(Num {value})"
                if isinstance(function, Binary):
                    return self._arithmetic(function, node)
        return None

    def _arithmetic(self, expression: Expression, node: Node) -> str | None:
        match expression:
            case Argument(index):
                return self.terms[node.operands[index]]
            case Literal(value) if type(value) is int:
                return f"(Num {value})"
            case Binary(op, left, right) if op in _ARITHMETIC:
                parts = [self._arithmetic(side, node) for side in (left, right)]
                return None if None in parts else f"({_ARITHMETIC[op]} {parts[0]} {parts[1]})"
        return None


def _is_whole(node: Node) -> bool:
    values = values_of(node.type)
    return values is not None and all(type(v) is int for v in values)


# ---- saturation


def _shortest(terms: _Terms, roots: list[Node], rounds: int) -> list[Term]:
    """For each root the shortest term that the laws make equal to it."""
    try:
        from egglog.bindings import EGraph, ExtractBest
    except ImportError as error:
        raise TpirError(
            "the pass saturate needs the package egglog: pip install 'tpir[saturate]'"
        ) from error
    lets = [f"(let $root{k} {terms.terms[node]})" for k, node in enumerate(roots)]
    asked = [f"(extract $root{k})" for k in range(len(roots))]
    graph = EGraph()
    text = "\n".join([LAWS, *lets, f"(run {rounds})", *asked])
    answers = graph.run_program(*graph.parse_program(text))
    best = [answer for answer in answers if isinstance(answer, ExtractBest)]
    return [_read(answer.termdag.to_string(answer.term)) for answer in best]


def _read(text: str) -> Term:
    """A term from its text."""
    words = iter(text.replace("(", " ( ").replace(")", " ) ").split())
    assert next(words) == "("
    return _rest(words)


def _rest(words: Iterator[str]) -> Term:
    found: list[str | int | Term] = []
    for word in words:
        if word == ")":
            break
        if word == "(":
            found.append(_rest(words))
        else:
            found.append(int(word) if word.lstrip("-").isdigit() else word)
    return tuple(found)


# ---- from terms to nodes


class _Maker:
    """Makes nodes of a term, to stand where ``old`` does; nodes before it are used again."""

    def __init__(self, program: Program, terms: _Terms, old: Node) -> None:
        self.program, self.terms, self.old = program, terms, old
        self._before = program.nodes[: program.nodes.index(old)]
        self._known = {(node.op, node.operands): node for node in reversed(self._before)}
        self._names = set(program.by_name)

    def node(self, term: Term) -> Node | None:
        """The node of the whole term; None where it needs what is not there yet."""
        made = self._made(term)
        return made if made in self._before or made is None else _named(made, self.old)

    def _made(self, term: Term) -> Node | None:
        name, *parts = term
        if name == "Leaf":
            leaf = self.terms.leaves[int(str(parts[0]))]
            return leaf if leaf in self._before else None
        if name in ("Add", "Sub", "Num"):
            operands: list[Node | None] = []
            function = self._expression(term, operands)
            return self._add(Map(function), operands)
        if name in ("All", "Nothing"):
            return self._everything(name == "All")
        operands = [self._made(part) for part in parts if isinstance(part, tuple)]
        return self._add(_op(term), operands)

    def _everything(self, truth: bool) -> Node | None:
        for node in self._before:
            if node.op == Select(Always(truth)) and not can_fail(node):
                return node
        first = next((node for node in self._before if isinstance(node.op, Indices | Tokens)), None)
        return self._add(Select(Always(truth)), [first, first])

    def _expression(self, term: Term, operands: list[Node | None]) -> Expression:
        """Arithmetic over operands, which are noted as they come up."""
        name, *parts = term
        if name == "Num":
            return Literal(int(str(parts[0])))
        if name in _OPERATORS:
            left, right = (self._expression(p, operands) for p in parts if isinstance(p, tuple))
            return Binary(_OPERATORS[str(name)], left, right)
        made = self._made(term)
        if made not in operands:
            operands.append(made)
        return Argument(operands.index(made))

    def _add(self, op: Op, operands: list[Node | None]) -> Node | None:
        if any(operand is None for operand in operands):
            return None
        found = tuple(operand for operand in operands if operand is not None)
        if (op, found) not in self._known:
            made = _typed(self.program, op, found, self._name())
            if made is None:
                return None
            self._known[op, found] = made
        return self._known[op, found]

    def _name(self) -> str:
        names = (f"{self.old.name}_{k}" for k in count(2))
        name = next(name for name in names if name not in self._names)
        self._names.add(name)
        return name


def _op(term: Term) -> Op:
    """The op of a term that is a selector, a count or a sum."""
    match term[0]:
        case "Sel":
            return Select(Comparison(COMPARISONS[int(str(term[1]))]))
        case "Not":
            return Not()
        case "And":
            return And()
        case "Or":
            return Or()
        case "Count":
            return SelectorWidth()
    return AggregateSum()


def _typed(program: Program, op: Op, operands: tuple[Node, ...], name: str) -> Node | None:
    """A new node, if these operands are ones that it takes."""
    try:
        type_ = infer(op, [o.type for o in operands], program.header.surroundings)
    except TypeProblem:
        return None
    return Node(op, operands, type_, name)


def _named(node: Node, old: Node) -> Node:
    """The node under the name of the one that it replaces."""
    return replace(node, name=old.name, origin=old.origin, comments=old.comments)
