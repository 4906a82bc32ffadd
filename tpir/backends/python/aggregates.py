"""``aggregate``, ``aggregate_sum`` and ``selector_width``: what is made of the selected values."""

from __future__ import annotations

from tpir.backends.python.choices import at_index
from tpir.backends.python.layout import Call, Code, Comprehension, literal
from tpir.backends.python.selectors import Chosen, Keyed, Rows, Selectors
from tpir.ir.bounds import may_overflow
from tpir.ir.ops import Aggregate
from tpir.ir.program import Node
from tpir.ir.types import Integer, Type, is_integral, number_bounds


def write_aggregate(selectors: Selectors, node: Node) -> None:
    """The selected value, the default for none, the mean of several."""
    assert isinstance(node.op, Aggregate)
    selector, value_node = node.operands
    values = selectors.writer.columns[value_node]
    default = None if node.op.default is None else literal(node.op.default)
    selection = selectors.found[selector]
    code: Code
    if isinstance(selection, Chosen):
        element = f"{values}[j]"
        if not selection.total and default is not None:
            element = f"{default} if j is None else {element}"
        code = Comprehension("[]", element, f"for j in {selection.name}")
    else:
        assert default is not None
        code = _guarded(
            selectors, node, _mean(selectors, selector, value_node.type, values, default)
        )
    selectors.writer.columns[node] = selectors.writer.assign(node.name, code)


def _mean(selectors: Selectors, selector: Node, type_: Type, values: str, default: str) -> Code:
    writer, selection = selectors.writer, selectors.found[selector]
    words = number_bounds(type_) is None
    if isinstance(selection, Keyed) and selectors.causal and not words:
        wanted = _wanted(selection)
        helper = writer.use("averages_so_far")
        return Call(helper, (selection.keys, wanted, values, default, _zero(type_)))
    rows = _rows(selectors, selector)
    if words:
        return Call(writer.use("singles"), (rows, values, default))
    return Call(writer.use("averages"), (rows, values, default, _zero(type_)))


def write_sum(selectors: Selectors, node: Node) -> None:
    """The sum of the selected values: exact for ints, left to right from 0.0 for the rest."""
    selector, value_node = node.operands
    writer, selection = selectors.writer, selectors.found[selector]
    values, zero = writer.columns[value_node], _zero(value_node.type)
    code: Code
    if isinstance(selection, Chosen):
        # Adding zero makes an int of a truth value and a float of an int among floats.
        element = (
            f"{values}[j]" if isinstance(value_node.type, Integer) else f"{zero} + {values}[j]"
        )
        if not selection.total:
            element = f"{zero} if j is None else {element}"
        code = Comprehension("[]", element, f"for j in {selection.name}")
    elif isinstance(selection, Keyed) and selection.at_index:
        code = at_index(selectors, selection, f"{zero} + {values}[j]", zero)
    elif isinstance(selection, Keyed) and selectors.causal:
        helper = writer.use("sums_so_far")
        code = Call(helper, (selection.keys, _wanted(selection), values, zero))
    elif isinstance(selection, Keyed):
        totals = Call(writer.use("totals"), (selection.keys, values, zero))
        found = writer.shared(f"totals_{values}", selection.keys, totals)
        element = f"{found}.get({selection.want}, {zero})"
        code = Comprehension("[]", element, f"for x in {selection.queries}")
    else:
        code = Call(writer.use("sums"), (_rows(selectors, selector), values, zero))
    code = _guarded(selectors, node, code)
    writer.columns[node] = writer.assign(node.name, code)


def _guarded(selectors: Selectors, node: Node, code: Code) -> Code:
    """The numbers, with a Failure where a sum leaves the range of floats."""
    writer = selectors.writer
    if not may_overflow(node, writer.program.context):
        return code
    return Call(writer.use("finite"), (code,))


def write_width(selectors: Selectors, node: Node) -> None:
    """How many positions are selected."""
    (selector,) = node.operands
    writer = selectors.writer
    code: Code
    match selectors.found[selector]:
        case Chosen(name, total):
            code = "[1] * n" if total else f"[0 if j is None else 1 for j in {name}]"
        case Rows(name):
            code = f"[len(row) for row in {name}]"
        case Keyed() as keyed if keyed.at_index:
            code = at_index(selectors, keyed, "1", "0")
        case Keyed() as keyed if selectors.causal:
            code = Call(writer.use("counts_so_far"), (keyed.keys, _wanted(keyed)))
        case Keyed() as keyed:
            found = f"len({selectors.where(keyed)}.get({keyed.want}, ()))"
            code = Comprehension("[]", found, f"for x in {keyed.queries}")
    writer.columns[node] = writer.assign(node.name, code)


def _rows(selectors: Selectors, selector: Node) -> Code:
    """The rows of a selector; those of a keyed one are made where they are used."""
    selection = selectors.found[selector]
    return (
        selectors.keyed_rows(selection)
        if isinstance(selection, Keyed)
        else selectors.rows(selector)
    )


def _wanted(keyed: Keyed) -> str:
    return keyed.queries if keyed.want == "x" else f"[{keyed.want} for x in {keyed.queries}]"


def _zero(type_: Type) -> str:
    return "0" if is_integral(type_) else "0.0"
