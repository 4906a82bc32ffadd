"""``aggregate``, ``aggregate_sum`` and ``selector_width``: what is made of the selected values."""

from __future__ import annotations

from tpir.backends.python.layout import Call, Code, Comprehension, literal
from tpir.backends.python.parts import column_of, combined
from tpir.backends.python.selectors import Chosen, Parts, Rows, Selectors
from tpir.backends.python.writer import Writer
from tpir.ir.bounds import may_overflow
from tpir.ir.infer import has_means, lacks_default
from tpir.ir.ops import Aggregate
from tpir.ir.program import Node
from tpir.ir.types import (
    Categorical,
    Integer,
    Selector,
    Type,
    Width,
    is_integral,
    number_bounds,
    values_of,
)

DYADIC_BITS = 20
SAFE_TOTAL = 2.0**32
"""Multiples of 2^-20 whose sizes add up to less than this are added without rounding."""


def write_aggregate(selectors: Selectors, node: Node) -> None:
    """The selected value, the default for none, the mean of several."""
    assert isinstance(node.op, Aggregate)
    selector, value_node = node.operands
    writer = selectors.writer
    values = writer.columns[value_node]
    default = None if node.op.default is None else literal(node.op.default)
    selection = selectors.selection(selector)
    if isinstance(selection, Chosen):
        element = f"{values}[j]"
        if not selection.total and default is not None:
            element = f"{default} if j is None else {element}"
        _assign(writer, node, Comprehension("[]", element, f"for j in {selection.name}"))
        return
    assert default is not None
    if not has_means(value_node.type, node.type) or selector.type != Selector(Width.MANY):
        _assign(writer, node, _singles(selectors, node, selection, default))
    elif isinstance(selection, Rows):
        _assign(writer, node, _row_means(writer, node, selection.name, default))
    elif selection.keyed is not None:
        zero = _zero(value_node.type)
        _assign(writer, node, selection.keyed.means(values, default, zero))
    else:
        _write_means(selectors, node, selection, default)


def _singles(selectors: Selectors, node: Node, selection: Parts | Rows, default: str) -> Code:
    """The one selected value; several words fail."""
    selector, value_node = node.operands
    writer, values = selectors.writer, selectors.writer.columns[value_node]
    if isinstance(selection, Rows):
        return Call(writer.use("singles"), (selection.name, values, default))
    if selection.keyed is not None:
        return selection.keyed.singles(values, default)
    counts = width_of(selectors, selector, selection)
    places = _sums(writer, f"places_{selector.name}", selection, writer.positions, "0")
    if selector.type == Selector(Width.MANY):
        return Call(writer.use("only"), (counts, places, values, default))
    element = f"{values}[j] if x else {default}"
    return Comprehension("[]", element, f"for x, j in zip({counts}, {places})")


def _write_means(selectors: Selectors, node: Node, selection: Parts, default: str) -> None:
    selector, value_node = node.operands
    writer, values = selectors.writer, selectors.writer.columns[value_node]
    counts = width_of(selectors, selector, selection)
    if _any_order(value_node.type, writer.program.context) or _in_key_order(selection):
        _assign(writer, node, _means(selectors, node, selection, counts, default))
        return
    name = writer.namer.name(node.name)
    with writer.under(f"if max({counts}) < 2 or {writer.use('any_order')}({values}):"):
        writer.put(
            name, _guarded(writer, node, _means(selectors, node, selection, counts, default))
        )
    with writer.under("else:"):
        code = _row_means(writer, node, selectors.rows(selector), default)
        writer.put(name, _guarded(writer, node, code))
    writer.columns[node] = name


def _means(selectors: Selectors, node: Node, selection: Parts, counts: str, default: str) -> Code:
    """Means, from counts and totals; a single value stays as it is."""
    selector, value_node = node.operands
    writer, values = selectors.writer, selectors.writer.columns[value_node]
    zero = _zero(value_node.type)
    totals = _sums(writer, f"totals_{node.name}", selection, values, zero)
    if _are_ints(value_node.type):
        return Call(writer.use("means"), (counts, totals, default))
    places = _sums(writer, f"places_{selector.name}", selection, writer.positions, "0")
    return Call(writer.use("means_or_ones"), (counts, totals, places, values, default))


def _row_means(writer: Writer, node: Node, rows: str, default: str) -> Code:
    values = node.operands[1]
    arguments = (rows, writer.columns[values], default, _zero(values.type))
    return Call(writer.use("averages"), arguments)


def write_sum(selectors: Selectors, node: Node) -> None:
    """The sum of the selected values: exact for ints, left to right from 0.0 for the rest."""
    selector, value_node = node.operands
    writer = selectors.writer
    values, zero = writer.columns[value_node], _zero(value_node.type)
    match selectors.selection(selector):
        case Chosen() as chosen:
            # Adding zero makes an int of a truth value and a float of an int among floats.
            element = (
                f"{values}[j]" if isinstance(value_node.type, Integer) else f"{zero} + {values}[j]"
            )
            if not chosen.total:
                element = f"{zero} if j is None else {element}"
            _assign(writer, node, Comprehension("[]", element, f"for j in {chosen.name}"))
        case Rows(rows):
            _assign(writer, node, Call(writer.use("sums"), (rows, values, zero)))
        case selection if _any_order(value_node.type, writer.program.context) or _in_key_order(
            selection
        ):
            _assign(writer, node, _summed(writer, node.name, selection, values, zero))
        case selection:
            name = writer.namer.name(node.name)
            with writer.under(f"if {writer.use('any_order')}({values}):"):
                writer.put(name, _summed(writer, node.name, selection, values, zero))
            with writer.under("else:"):
                code = Call(writer.use("sums"), (selectors.rows(selector), values, zero))
                writer.put(name, _guarded(writer, node, code))
            writer.columns[node] = name


def write_width(selectors: Selectors, node: Node) -> None:
    """How many positions are selected."""
    (selector,) = node.operands
    writer = selectors.writer
    code: Code
    match selectors.selection(selector):
        case Chosen(name, total):
            code = "[1] * n" if total else f"[0 if j is None else 1 for j in {name}]"
        case Rows(name):
            code = f"[len(row) for row in {name}]"
        case Parts() as selection:
            code = _counts(writer, node.name, selection)
    writer.columns[node] = writer.stored(node.name, code)


def width_of(selectors: Selectors, selector: Node, selection: Parts) -> str:
    """A variable that holds how many positions a selector selects."""
    name = f"counts_{selector.name}"
    return selectors.writer.stored(name, _counts(selectors.writer, name, selection))


def _counts(writer: Writer, name: str, selection: Parts) -> Code:
    found = [(part.counts(), factor) for part, factor in selection.all()]
    return column_of(combined(writer, name, found))


def _summed(writer: Writer, name: str, selection: Parts, values: str, zero: str) -> Code:
    found = [(part.sums(values, zero), factor) for part, factor in selection.all()]
    return column_of(combined(writer, name, found, zero))


def _sums(writer: Writer, name: str, selection: Parts, values: str, zero: str) -> str:
    return writer.stored(name, _summed(writer, name, selection, values, zero))


def _assign(writer: Writer, node: Node, code: Code) -> None:
    writer.columns[node] = writer.assign(node.name, _guarded(writer, node, code))


def _guarded(writer: Writer, node: Node, code: Code) -> Code:
    """The numbers, with a Failure where a sum leaves the range of floats, or none is selected."""
    if isinstance(node.op, Aggregate) and lacks_default(node.type, node.op.default):
        return Call(writer.use("unworded"), (code,))
    if not may_overflow(node, writer.program.context):
        return code
    return Call(writer.use("finite"), (code,))


def _in_key_order(selection: Parts) -> bool:
    """Whether sums are made by adding the selected values from left to right."""
    return not selection.form or (selection.only is not None and selection.only.in_key_order)


def _any_order(type_: Type, context: int) -> bool:
    """Whether sums of values of this type are the same in any order: none of them rounds."""
    if is_integral(type_):
        return True
    domain = values_of(type_)
    if domain is None or number_bounds(type_) is None:
        return False
    numbers = [x for x in domain if not isinstance(x, str)]
    whole = all(x * 2**DYADIC_BITS % 1 == 0 for x in numbers)
    return whole and context * max(map(abs, numbers)) < SAFE_TOTAL


def _are_ints(type_: Type) -> bool:
    """Whether all values are ints, so that the sum of one is that one."""
    if isinstance(type_, Categorical):
        return all(type(value) is int for value in type_.domain)
    return isinstance(type_, Integer)


def _zero(type_: Type) -> str:
    return "0" if is_integral(type_) else "0.0"
