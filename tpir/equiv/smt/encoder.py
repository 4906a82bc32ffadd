"""Programs as circuits: what every op makes of the inputs of one length.

An element of a sequence is a summary, a row of a selector one literal for each key. Elements are
built when they are asked for, each once; a cut ends the walk (see ``frame``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tpir.equiv.smt.aggregates import aggregated, counted, totalled
from tpir.equiv.smt.circuit import FALSE, TRUE, Circuit, Literal
from tpir.equiv.smt.frame import Frame
from tpir.equiv.smt.functions import Plans
from tpir.equiv.smt.readouts import classified, pooled
from tpir.equiv.smt.solvers import Clock, OutOfTime
from tpir.equiv.smt.summaries import Summary, constant, gathered, renamed
from tpir.ir.functions import ScoreTable
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Not,
    Or,
    Otherwise,
    Pool,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
    offsets_of,
)
from tpir.ir.program import Header, Node
from tpir.ir.types import Categorical, Pooled, Selector
from tpir.ir.values import Key, Value, value_key

Place = tuple[Node, int]
"""A node at a position: for a selector the row of that query."""

Row = list[Literal]


@dataclass(frozen=True)
class Merge:
    """A node that is a function of another one: ``function`` by key, None where it is the same."""

    of: Node
    function: Mapping[Key, Value] | None = None

    def apply(self, circuit: Circuit, summary: Summary) -> Summary:
        """The summary of the merged node."""
        function = self.function
        if function is None:
            return summary
        return renamed(circuit, summary, lambda value: function.get(value_key(value)))


@dataclass
class Encoder:
    """The elements of a program's nodes in a frame.

    ``merges`` are used where they are known, ``is_cut`` says where variables stand for nodes. It
    raises OutOfTime when the clock has run down.
    """

    frame: Frame
    header: Header
    plans: Plans
    merges: Mapping[Node, Merge] = field(default_factory=dict)
    is_cut: Callable[[Node], bool] = lambda node: False
    clock: Clock | None = None
    _elements: dict[Place, Summary] = field(default_factory=dict)
    _rows: dict[Place, Row] = field(default_factory=dict)
    _row_failures: dict[Place, Literal] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """The number of positions."""
        return self.frame.length

    def element(self, node: Node, position: int) -> Summary:
        """A sequence at a position; of a pooled label only position 0 is asked."""
        self._compute((node, position))
        return self._elements[node, position]

    def row(self, node: Node, query: int) -> Row:
        """For each key whether a selector selects it."""
        self._compute((node, query))
        return self._rows[node, query]

    def failure(self, node: Node, position: int) -> Literal:
        """When the node itself fails there."""
        self._compute((node, position))
        if isinstance(node.type, Selector):
            return self._row_failures.get((node, position), FALSE)
        return self._elements[node, position].fails

    def _known(self, place: Place) -> bool:
        return place in self._elements or place in self._rows

    def _compute(self, place: Place) -> None:
        waiting = [place]
        while waiting:  # not by recursion: chains of nodes are thousands long
            if self.clock is not None and self.clock.left <= 0:
                raise OutOfTime
            last = waiting[-1]
            if self._known(last):
                waiting.pop()
                continue
            missing = [p for p in self._parts(*last) if not self._known(p)]
            if missing:
                waiting += missing
            else:
                self._step(*last)

    def _parts(self, node: Node, i: int) -> list[Place]:
        """What the node at a position is made of."""
        merge = self.merges.get(node)
        if merge is not None:
            return [(merge.of, i)]
        if self.is_cut(node):
            return []
        positions = range(self.length)
        operands = node.operands
        match node.op:
            case Select():
                return [*((operands[0], j) for j in positions), (operands[1], i)]
            case Choose(score=ScoreTable()):
                keys = ((operands[1], j) for j in positions)
                return [(operands[0], i), *keys, (operands[2], i)]
            case Aggregate() | AggregateSum():
                return [(operands[0], i), *((operands[1], j) for j in positions)]
            case ClassifyPooled(over=over):
                summed = positions if over is Pool.ALL else range(1)
                return [(o, j) for o in operands for j in summed]
            case Uniform():
                return [(operands[0], 0), (operands[0], i)]
        return [(o, i) for o in operands]

    def _step(self, node: Node, i: int) -> None:
        merge = self.merges.get(node)
        if isinstance(node.type, Selector):
            if merge is None:
                self._rows[node, i] = self._selected(node, i)
            else:
                self._rows[node, i] = self._rows[merge.of, i]
        elif merge is not None:
            self._elements[node, i] = merge.apply(self.frame.circuit, self._elements[merge.of, i])
        elif self.is_cut(node):
            self._elements[node, i] = self.frame.cut(node, i)
        else:
            self._elements[node, i] = self._sequence(node, i)

    def _sequence(self, node: Node, i: int) -> Summary:
        circuit, operands = self.frame.circuit, node.operands
        here = [self._elements[o, i] for o in operands if (o, i) in self._elements]
        match node.op:
            case Tokens():
                return self.frame.tokens[i]
            case Indices():
                return constant(i)
            case Map():
                return self._mapped(node, here)
            case Uniform():
                return self._uniform(self._elements[operands[0], 0], here[0], node)
            case SelectorWidth():
                return counted(circuit, self._rows[operands[0], i])
            case Classify():
                return classified(circuit, node, here)
            case ClassifyPooled(over=over):
                summed = range(self.length if over is Pool.ALL else 1)
                return pooled(
                    circuit, node, [[self._elements[o, j] for o in operands] for j in summed]
                )
        row = self._rows[operands[0], i]
        values = [self._elements[operands[1], j] for j in range(self.length)]
        assert isinstance(operands[0].type, Selector)
        if isinstance(node.op, AggregateSum):
            return totalled(circuit, node, row, values)
        return aggregated(circuit, node, row, values)

    def _mapped(self, node: Node, operands: list[Summary]) -> Summary:
        circuit = self.frame.circuit
        results, plan = self.plans.of_map(node, operands)
        found = plan.apply(circuit, operands)
        fails = found.pop(-1, FALSE)
        total = fails == FALSE and all(operand.total for operand in operands)
        return gathered(circuit, ((results[c], x) for c, x in found.items()), fails, total=total)

    def _uniform(self, first: Summary, here: Summary, node: Node) -> Summary:
        circuit = self.frame.circuit
        if not isinstance(node.type, Categorical):
            return Summary(here.values, here.literals, FALSE, here.total)

        def words(summary: Summary, wanted: bool) -> Literal:
            pairs = zip(summary.values, summary.literals, strict=True)
            return circuit.any(x for v, x in pairs if isinstance(v, str) is wanted)

        mixed = circuit.either(
            circuit.both(words(first, True), words(here, False)),
            circuit.both(words(first, False), words(here, True)),
        )
        literals = tuple(circuit.both(x, mixed ^ 1) for x in here.literals)
        return Summary(here.values, literals, mixed, here.total and mixed == FALSE)

    def _selected(self, node: Node, i: int) -> Row:
        circuit, positions = self.frame.circuit, range(self.length)
        seen = [not self.header.causal or j <= i for j in positions]
        rows = [self._rows[o, i] for o in node.operands if isinstance(o.type, Selector)]
        match node.op:
            case Select():
                return self._related(node, i, seen)
            case And():
                return [circuit.both(a, b) for a, b in zip(*rows, strict=True)]
            case Or():
                return [circuit.either(a, b) for a, b in zip(*rows, strict=True)]
            case Not():
                return [x ^ 1 if s else FALSE for x, s in zip(rows[0], seen, strict=True)]
        return self._chosen(node, i, rows[0])

    def _related(self, node: Node, i: int, seen: list[bool]) -> Row:
        circuit, (keys, queries) = self.frame.circuit, node.operands
        query = self._elements[queries, i]
        row, failures = [], []
        for j in range(self.length):
            if not seen[j]:
                row.append(FALSE)
                continue
            key = self._elements[keys, j]
            if key is query or (key.keys == query.keys and key.literals == query.literals):
                found = self.plans.of_pair(node, key).apply(circuit, [key])
            else:
                found = self.plans.of_predicate(node, key, query).apply(circuit, [key, query])
            row.append(found.get(1, FALSE))
            failures.append(found.get(-1, FALSE))
        self._row_failures[node, i] = circuit.any(failures)
        return row

    def _chosen(self, node: Node, i: int, row: Row) -> Row:
        """The best of the selected keys: level by level of the score, each in the order."""
        circuit, op = self.frame.circuit, node.op
        assert isinstance(op, Choose)
        offsets = offsets_of(op.order, self.length, causal=False)
        order = [i + d for d in offsets if 0 <= i + d < self.length]
        levels: list[dict[int, Literal]] = [{0: TRUE} for _ in row]
        if op.score is not None:
            keys, queries = node.operands[1:]
            query = self._elements[queries, i]
            for j in range(self.length):
                key = self._elements[keys, j]
                plan = self.plans.of_score(node, op.score, key, query)
                levels[j] = plan.apply(circuit, [query, key])
        chosen = [FALSE] * self.length
        none = TRUE
        for level in sorted({level for found in levels for level in found}):
            for j in order:
                candidate = circuit.both(row[j], levels[j].get(level, FALSE))
                chosen[j] = circuit.either(chosen[j], circuit.both(candidate, none))
                none = circuit.both(none, candidate ^ 1)
        if op.otherwise is Otherwise.FIRST:
            chosen[0] = circuit.either(chosen[0], none)
        return chosen


def positions_of(node: Node, length: int) -> range:
    """The positions that a node has."""
    return range(1) if isinstance(node.type, Pooled) else range(length)
