"""What differs between two programs, node by node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tpir.ir.infer import describe
from tpir.ir.ops import Classify, ClassifyPooled, Op
from tpir.ir.program import Node, Program
from tpir.ir.values import show_value
from tpir.view.rows import parts_of

_ROWS = 12
"""Rows listed for one node; more are counted."""


_OF_A = " of A"
"""Follows the name of an operand that has no match."""


@dataclass(frozen=True)
class Change:
    """A node that both programs have, with what is different about it."""

    left: str
    right: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """``equal`` is the equality of programs; the rest is for people, and empty where it holds."""

    equal: bool
    header: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()
    same: int = 0

    def __str__(self) -> str:
        if self.equal:
            return f"equal ({self.same} nodes)"
        lines = list(self.header)
        for change in self.changed:
            renamed = "" if change.left == change.right else f" (in B: {change.right})"
            lines.append(f"{change.left}{renamed}")
            lines.extend(f"  {line}" for line in change.lines)
        lines.extend(f"only in A: {line}" for line in self.only_left)
        lines.extend(f"only in B: {line}" for line in self.only_right)
        lines.append(f"{self.same} nodes are the same")
        return "\n".join(lines)


def difference(left: Program, right: Program) -> Difference:
    """Match the nodes that the outputs reach, and list what is different about each pair.

    Nodes that compute the same from the inputs match first; then, from the inputs on, nodes with
    the same op on matching operands, nodes of one name and op, and nodes on matching operands with
    the same op up to its tables.
    """
    if left == right:
        return Difference(True, same=len(left.live))
    pairs = _match(left, right)
    changed = []
    for node, other in pairs.items():
        lines = tuple(_changes(node, other, pairs))
        if lines:
            changed.append(Change(node.name, other.name, lines))
    found = set(pairs.values())
    return Difference(
        equal=False,
        header=tuple(_header(left, right, pairs)),
        changed=tuple(changed),
        only_left=tuple(_described(n) for n in left.live if n not in pairs),
        only_right=tuple(_described(n) for n in right.live if n not in found),
        same=len(pairs) - len(changed),
    )


Pairs = dict[Node, Node]


def _match(left: Program, right: Program) -> Pairs:
    pairs = _same_cones(left, right)
    free = {node: None for node in right.live if node not in set(pairs.values())}
    for node in left.live:
        if node in pairs:
            continue
        for fits in (_same_op(node, pairs), _same_name(node), _same_place(node, pairs)):
            other = next((candidate for candidate in free if fits(candidate)), None)
            if other is not None:
                pairs[node] = other
                del free[other]
                break
    return {node: pairs[node] for node in left.live if node in pairs}


def _same_cones(left: Program, right: Program) -> Pairs:
    """Nodes that are the same computation, from the inputs on."""
    numbers: dict[object, int] = {}

    def numbered(program: Program) -> dict[int, Node]:
        of: dict[Node, int] = {}
        for node in program.live:
            key = (*_signature(node, [of[o] for o in node.operands]), node.type)
            of[node] = numbers.setdefault(key, len(numbers))
        return {number: node for node, number in of.items()}

    first, second = numbered(left), numbered(right)
    return {node: second[number] for number, node in first.items() if number in second}


def _signature(node: Node, operands: Sequence[int]) -> tuple[object, ...]:
    """The op on its operands; features of a readout in any order."""
    op = node.op
    if isinstance(op, Classify | ClassifyPooled):
        features = sorted(
            (number, repr(w.key)) for number, w in zip(operands, op.weights, strict=True)
        )
        over = op.over if isinstance(op, ClassifyPooled) else None
        return (type(op), op.labels, op.bias, over, tuple(features))
    return (op, tuple(operands))


Fits = Callable[[Node], bool]


def _same_op(node: Node, pairs: Pairs) -> Fits:
    operands = [pairs.get(o) for o in node.operands]
    return lambda other: node.op == other.op and operands == list(other.operands)


def _same_name(node: Node) -> Fits:
    return lambda other: node.name == other.name and type(node.op) is type(other.op)


def _same_place(node: Node, pairs: Pairs) -> Fits:
    operands = [pairs.get(o) for o in node.operands]
    return lambda other: type(node.op) is type(other.op) and operands == list(other.operands)


def _described(node: Node) -> str:
    operands = ", ".join(o.name for o in node.operands[:6])
    more = f", … {len(node.operands) - 6} more" if len(node.operands) > 6 else ""
    return f"{node.name} = {describe(node.op)}({operands}{more}) : {node.type}"


def _header(left: Program, right: Program, pairs: Pairs) -> Iterator[str]:
    for what in ("vocabulary", "labels", "context", "causal", "accepts"):
        first, second = getattr(left, what), getattr(right, what)
        if _typed(first) != _typed(second):
            yield f"{what}: {_shown(first)} → {_shown(second)}"
    for name in sorted(left.outputs.keys() | right.outputs.keys()):
        one, two = left.outputs.get(name), right.outputs.get(name)
        if one is None or two is None:
            yield f"output {name}: only in {'B' if one is None else 'A'}"
        elif pairs.get(one) is not two:
            yield f"output {name}: {one.name} → {two.name}"


def _typed(fact: object) -> object:
    return [(type(v), v) for v in fact] if isinstance(fact, tuple) else fact


def _shown(fact: object) -> str:
    if isinstance(fact, tuple):
        return "{" + ", ".join(show_value(v) for v in fact) + "}"
    return "none" if fact is None else str(fact)


def _changes(node: Node, other: Node, pairs: Pairs) -> Iterator[str]:
    if not isinstance(node.op, Classify | ClassifyPooled):
        before = [pairs[o].name if o in pairs else f"{o.name}{_OF_A}" for o in node.operands]
        after = [o.name for o in other.operands]
        if before != after:
            yield f"operands: {', '.join(before)} → {', '.join(after)}"
    rows = list(_row_changes(node, other, pairs))
    yield from rows[:_ROWS]
    if len(rows) > _ROWS:
        yield f"… {len(rows) - _ROWS} more rows"
    if not rows and node.op != other.op and not _readouts(node.op, other.op):
        yield f"{describe(node.op)}: its options differ"


def _readouts(left: Op, right: Op) -> bool:
    return isinstance(left, Classify | ClassifyPooled) and type(left) is type(right)


def _row_changes(node: Node, other: Node, pairs: Pairs) -> Iterator[str]:
    """Rows and options that differ, those of one side alone among them."""
    names = [pairs[o].name if o in pairs else f"{o.name}{_OF_A}" for o in node.operands]
    others = [o.name for o in other.operands]
    if isinstance(node.op, Classify | ClassifyPooled):
        for name in names:
            if name not in others:
                yield f"feature {name.removesuffix(_OF_A)}: only in A"
        yield from (f"feature {name}: only in B" for name in others if name not in names)
    before = parts_of(node.op, names, only=set(others))
    after = parts_of(other.op, others, only=set(names))
    for key in dict.fromkeys((*before, *after)):
        one, two = before.get(key, "absent"), after.get(key, "absent")
        if one != two:
            yield f"{key}: {one} → {two}"
