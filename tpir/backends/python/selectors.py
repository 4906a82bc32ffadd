"""Selectors, written so that time grows with the length of the input and not with its square.

Nothing is written for a selector until it is used. Then it is split into parts (see ``forms``), or,
where that cannot be, becomes rows: for each query the list of the positions that it selects.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tpir.backends.python.expressions import is_safe
from tpir.backends.python.forms import UP_TO_THE_QUERY, Form, both
from tpir.backends.python.keyed import Keyed
from tpir.backends.python.layout import Call, Code, Comprehension
from tpir.backends.python.normal import Forms
from tpir.backends.python.parts import MOST_ORDERS, Part, can_choose, is_keyed, orders_of, part_of
from tpir.backends.python.relations import membership, most_wanted
from tpir.backends.python.writer import Writer
from tpir.ir.expressions import ORDERINGS
from tpir.ir.functions import Relation
from tpir.ir.ops import Always, And, Choose, Comparison, Not, Or, Select
from tpir.ir.program import Node


@dataclass(frozen=True)
class Chosen:
    """A variable that holds one position for each query; None for none unless ``total``."""

    name: str
    total: bool


@dataclass(frozen=True)
class Parts:
    """Conjunctions, each with its factor: what they select adds up to what is selected.

    What they need is written when they are asked for.
    """

    writer: Writer
    name: str
    form: Form

    def all(self) -> list[tuple[Part, int]]:
        """Each part with its factor."""
        return [(part_of(self.writer, self.name, t), factor) for t, factor in self.form.items()]

    @property
    def only(self) -> Part | None:
        """The one part that is all; None if there are others."""
        return self.all()[0][0] if list(self.form.values()) == [1] else None

    @property
    def keyed(self) -> Keyed | None:
        """The one part, if it is of keys that equal wanted ones."""
        only = self.only if all(map(is_keyed, self.form)) else None
        return only if isinstance(only, Keyed) else None

    @property
    def can_choose(self) -> bool:
        """Whether each selected key is in one part, and parts know their first and last keys."""
        return all(factor == 1 and can_choose(term) for term, factor in self.form.items())


@dataclass(frozen=True)
class Rows:
    """A variable that holds a list of ascending positions for each query."""

    name: str


Selection = Chosen | Parts | Rows


@dataclass
class Selectors:
    """The selectors of the module under construction."""

    writer: Writer
    chosen: dict[Node, Chosen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.forms = Forms(self.writer)

    @property
    def causal(self) -> bool:
        """Whether positions see only what is up to them."""
        return self.writer.program.causal

    def write(self, node: Node) -> None:
        """The statement that a select needs where comparing its values may fail.

        Forms are made here, operands first, however deep selectors are nested.
        """
        match node.op:
            case Select(Comparison(op)) if op in ORDERINGS:
                if not is_safe(op, *(operand.type for operand in node.operands)):
                    columns = ", ".join(self.writer.columns[o] for o in node.operands)
                    self.writer.statement(f"{self.writer.use('comparable')}({columns})")
            case And() | Or() | Not():
                self.forms.of(node)

    def choose(self, node: Node, code: Code, *, total: bool) -> None:
        """The statement that makes a choice."""
        self.writer.columns[node] = self.writer.assign(node.name, code)
        self.chosen[node] = Chosen(self.writer.columns[node], total)

    def selection(self, node: Node) -> Selection:
        """How a selector is used."""
        if node in self.chosen:
            return self.chosen[node]
        return self._parts(node) or Rows(self.rows(node))

    def _parts(self, node: Node) -> Parts | None:
        """A selector as parts; None where it has too many, or some that cannot be written."""
        match node.op:
            case Select(Relation() as relation) if not self.causal:
                if most_wanted(node, relation) > 1:
                    return None  # rows: queries of equal values share one, and such are few
        form = self.forms.of(node)
        if form is not None and self.causal:
            form = both(form, UP_TO_THE_QUERY)
        if form is None or any(len(orders_of(term)) > MOST_ORDERS for term in form):
            return None
        return Parts(self.writer, node.name, form)

    # Rows of any selector.

    def rows(self, node: Node) -> str:
        """A variable that holds the selected positions, ascending, for each query."""
        known, waiting = self.writer.rows, [node]
        while waiting:
            done = waiting[-1]
            keyed = self._keyed(done)
            combines = keyed is None and isinstance(done.op, And | Or | Not)
            missing = [o for o in done.operands if combines and o not in known]
            if missing:
                waiting += missing  # operands first, however deep selectors are nested
                continue
            waiting.pop()
            if done not in known:
                code = self._rows(done) if keyed is None else keyed.rows()
                known[done] = self.writer.stored(f"rows_{done.name}", code)
        return known[node]

    def _keyed(self, node: Node) -> Keyed | None:
        """A selector as keys that queries want, if that is all it is."""
        parts = None if node in self.chosen else self._parts(node)
        return None if parts is None else parts.keyed

    def _rows(self, node: Node) -> Code:
        match node.op:
            case Choose():
                name, total = self.chosen[node].name, self.chosen[node].total
                row = "(j,)" if total else "() if j is None else (j,)"
                return Comprehension("[]", row, f"for j in {name}")
            case Select(Relation() as relation):
                return self._matching(*membership(self.writer, node, relation))
            case Select(Always(truth)):
                row = "range(i + 1)" if self.causal else "range(n)"
                return Comprehension("[]", row if truth else "()", "for i in range(n)")
            case Select(Comparison(op)):
                keys, queries = (self.writer.columns[operand] for operand in node.operands)
                return self._matching(keys, queries, f"lambda key, query: key {op.value} query")
        names = [self.writer.rows[operand] for operand in node.operands]
        if isinstance(node.op, Not):
            universe = "range(i + 1)" if self.causal else "range(n)"
            row = f"[j for j in {universe} if j not in row]"
            clause = f"for i, row in enumerate(map(set, {names[0]}))"
            if not self.causal:
                clause = f"for row in map(set, {names[0]})"
            return Comprehension("[]", row, clause)
        sign = "&" if isinstance(node.op, And) else "|"
        element = f"sorted({{*x}} {sign} {{*y}})"
        return Comprehension("[]", element, f"for x, y in zip({names[0]}, {names[1]})")

    def _matching(self, keys: str, queries: str, holds: str) -> Code:
        helper = self.writer.use("matching_so_far" if self.causal else "matching")
        return Call(helper, (keys, queries, holds))
