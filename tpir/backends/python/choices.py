"""``choose``: one position for each query."""

from __future__ import annotations

from tpir.backends.python.layout import Call, Code, Comprehension, display, literal
from tpir.backends.python.selectors import Chosen, Keyed, Selectors
from tpir.backends.python.tables import asked, dictionary
from tpir.backends.python.writer import collides
from tpir.ir.functions import ScoreTable
from tpir.ir.ops import Always, Choose, Order, Otherwise, Preference, Select
from tpir.ir.program import Node

_SO_FAR = {
    Preference.CLOSEST: "latest",
    Preference.FIRST: "first_so_far",
    Preference.LAST: "last_so_far",
}


def write_choose(selectors: Selectors, node: Node) -> None:
    """The statement that chooses among the selected positions."""
    op, writer = node.op, selectors.writer
    assert isinstance(op, Choose)
    total = op.otherwise is Otherwise.FIRST
    selection = selectors.found[node.operands[0]]
    code: Code
    if op.score is not None:
        code = _scored(selectors, node, op, op.score)
    elif isinstance(selection, Keyed) and isinstance(op.order, Preference):
        code = _keyed(selectors, selection, op.order, total)
    else:
        rows = selectors.rows(node.operands[0])
        code = _from_rows(selectors, rows, op.order, total)
    selectors.found[node] = Chosen(writer.assign(node.name, code), total)


def _keyed(selectors: Selectors, keyed: Keyed, order: Preference, total: bool) -> Code:
    writer, nothing = selectors.writer, "0" if total else "None"
    if keyed.at_index:
        return at_index(selectors, keyed, "j", nothing)
    if selectors.causal:
        wanted = f"[{keyed.want} for x in {keyed.queries}]"
        wanted = keyed.queries if keyed.want == "x" else wanted
        return Call(writer.use(_SO_FAR[order]), (keyed.keys, wanted, nothing))
    row = f"{selectors.where(keyed)}.get({keyed.want}, {'(0,)' if total else '()'})"
    if order is Preference.CLOSEST:
        element = f"{writer.use('nearest')}({row}, i)"
        return Comprehension("[]", element, f"for i, x in enumerate({keyed.queries})")
    end = "[0]" if order is Preference.FIRST else "[-1]"
    clause = f"for x in {keyed.queries}"
    if total:
        return Comprehension("[]", f"{row}{end}", clause)
    inner = f"[{row} for x in {keyed.queries}]"
    return Comprehension("[]", f"row{end} if row else None", f"for row in {inner}")


def at_index(selectors: Selectors, keyed: Keyed, found: str, nothing: str) -> Code:
    """Where keys are positions: ``found``, in terms of the wanted position j, if that is there."""
    inside, beyond = ("<= i", "i + 1") if selectors.causal else ("< n", "n")
    clause = f"for x in {keyed.queries}"
    if selectors.causal:
        clause = f"for i, x in enumerate({keyed.queries})"
    want = keyed.want
    if want == "None":
        return Comprehension("[]", nothing, clause)
    if want.endswith(")") and ".get(" in want:
        want = f"{want[:-1]}, {beyond})"
    test = f"(j := {want}) {inside}" if "j" in found else f"{want} {inside}"
    return Comprehension("[]", f"{found} if {test} else {nothing}", clause)


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
