"""``choose``: one position for each query."""

from __future__ import annotations

from tpir.backends.python.forms import POSITIONS
from tpir.backends.python.layout import Call, Code, Comprehension, display, literal
from tpir.backends.python.loops import loop
from tpir.backends.python.parts import choice_of
from tpir.backends.python.selectors import Parts, Selectors
from tpir.backends.python.tables import asked, dictionary
from tpir.backends.python.writer import collides
from tpir.ir.functions import ScoreTable
from tpir.ir.ops import Always, Choose, Order, Otherwise, Preference, Select
from tpir.ir.program import Node


def write_choose(selectors: Selectors, node: Node) -> None:
    """The statement that chooses among the selected positions."""
    op = node.op
    assert isinstance(op, Choose)
    total = op.otherwise is Otherwise.FIRST
    code: Code | None = None
    if op.score is not None:
        code = _scored(selectors, node, op, op.score)
    elif isinstance(op.order, Preference):
        code = _from_parts(selectors, node.operands[0], op.order, total=total)
    if code is None:
        code = _from_rows(selectors, selectors.rows(node.operands[0]), op.order, total)
    selectors.choose(node, code, total=total)


def _from_parts(
    selectors: Selectors, selector: Node, order: Preference, *, total: bool
) -> Code | None:
    """The choice from each part, and among those, if the parts can say."""
    selection, writer = selectors.selection(selector), selectors.writer
    if not isinstance(selection, Parts) or not selection.can_choose:
        return None
    if len(selection.form) == 1:
        (term,) = selection.form
        return choice_of(writer, selector.name, term, order, total=total)
    nothing = "0" if total else "None"
    if not selection.form:
        return f"[{nothing}] * n"
    name = f"{order.value}_{selector.name}"
    columns = [
        writer.stored(name, choice_of(writer, name, term, order, total=False))
        for term in selection.form
    ]
    names, clause = loop([*columns, POSITIONS])
    found = f"(j for j in ({', '.join(names[c] for c in columns)}) if j is not None)"
    best = ("min", (found, f"key=lambda j: {_rank(selectors, order)}", f"default={nothing}"))
    return Comprehension("[]", Call(*best), clause)


def _from_rows(selectors: Selectors, rows: str, order: Order, total: bool) -> Code:
    writer = selectors.writer
    row = "row or (0,)" if total else "row"
    clause = f"for i, row in enumerate({rows})"
    if order is Preference.CLOSEST:
        return Comprehension("[]", f"{writer.use('nearest')}({row}, i)", clause)
    if isinstance(order, Preference):
        end = "[0]" if order is Preference.FIRST else "[-1]"
        nothing = "0" if total else "None"
        return Comprehension("[]", f"row{end} if row else {nothing}", f"for row in {rows}")
    rank = _rank(selectors, order)
    default = "0" if total else "None"
    element = f"min(row, key=lambda j: {rank}, default={default})"
    return Comprehension("[]", element, clause)


def _rank(selectors: Selectors, order: Order) -> str:
    """What is least for the preferred position ``j`` of query ``i``."""
    if order is Preference.CLOSEST:
        return "(j == i, abs(j - i), j)"
    if order is Preference.FIRST:
        return "j"
    if order is Preference.LAST:
        return "-j"
    assert isinstance(order, tuple)
    entries = [f"{literal(offset)}: {place}" for place, offset in enumerate(order)]
    ranks = selectors.writer.constant("offset_order", display("{}", entries))
    return f"({ranks}.get(j - i, CONTEXT * 2), j)"


def _scored(selectors: Selectors, node: Node, op: Choose, score: ScoreTable) -> Code:
    writer = selectors.writer
    selector, key_node, query_node = node.operands
    typed_keys, typed_queries = collides(score.keys), collides(score.queries)
    rows = [dictionary(score.keys, [repr(entry) for entry in row]) for row in score.rows]
    table = writer.constant(f"{node.name}_score", dictionary(score.queries, rows))
    keys, queries = writer.columns[key_node], writer.columns[query_node]
    everything = isinstance(selector.op, Select) and selector.op.predicate == Always(True)
    if everything and op.order is Preference.FIRST:
        if typed_keys:
            keys = f"list(map({writer.use('typed')}, {keys}))"
        if typed_queries:
            queries = f"list(map({writer.use('typed')}, {queries}))"
        helper = writer.use("best_so_far" if selectors.causal else "best")
        return Call(helper, (table, keys, queries))
    x = asked(writer, "x", score.queries)
    key = asked(writer, f"{keys}[j]", score.keys)
    rank = _rank(selectors, op.order)
    nothing = "0" if op.otherwise is Otherwise.FIRST else "None"
    element = Call(
        "min",
        ("row", f"key=lambda j: (-{table}[{x}][{key}], {rank})", f"default={nothing}"),
    )
    clause = f"for i, (x, row) in enumerate(zip({queries}, {selectors.rows(selector)}))"
    return Comprehension("[]", element, clause)
