"""Rewriting a program so that each node is one part of a Transformer Program, or refusing it.

What comes out computes the same and holds only: tokens, indices, tables and relu functions, heads
(a choice, a count or a sum over relations that all must hold), numbers of tokens, and one readout.
Tables read either categorical variables or counts, never both. In models whose predicates match one
key value there is one relation a head, with at most one key value for each query value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from tpir.backends.transformer_program_refusal import refusal
from tpir.backends.transformer_program_selectors import Selectors, SeveralKeys, conjuncts_of
from tpir.errors import TpirError
from tpir.ir.adapt import adapt
from tpir.ir.builder import Builder
from tpir.ir.functions import (
    Domain,
    FeatureWeights,
    NumberWeights,
    Relation,
    ReluFunction,
    ScoreTable,
    Table,
    TableWeights,
)
from tpir.ir.infer import TypeProblem, infer
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Not,
    Op,
    Or,
    Otherwise,
    Pool,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
    offsets_of,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import is_mixed, size_of, values_of
from tpir.ir.values import Value, is_number, show_value
from tpir.models.config import Mlps, Predicates
from tpir.semantics.columns import Column
from tpir.semantics.failures import FAILURES
from tpir.semantics.maps import map_kernel
from tpir.semantics.program_space import space_of
from tpir.semantics.widths import selected_counts

MAX_ROWS = 65_536
"""The largest table that becomes an MLP."""

MOST_INPUTS = 2**20
"""Where there are more, it is not tried out how many keys a selector selects."""


def legalise(
    program: Program, predicates: Predicates | None, mlps: Mlps, *, narrow: bool = False
) -> Program:
    """The same function as a program whose nodes are parts of a Transformer Program.

    ``predicates`` and ``mlps`` are the kinds that the model shall have; None is ``one`` where each
    head has one relation and no query value matches several key values, else ``set``. With
    ``narrow`` heads read what tables of one variable read, and the tables may not be needed.

    Raises TpirError, naming the node, for what has no place in the architecture.
    """
    if predicates is None and not scored(program):
        try:
            return _Legaliser(program, None, mlps, narrow=narrow).run()
        except SeveralKeys:
            predicates = "set"
    return _Legaliser(program, predicates or "one", mlps, narrow=narrow).run()


def matches_sets(program: Program) -> bool:
    """Whether a query value of a legalised program matches several key values, or by conjuncts."""
    return any(
        isinstance(node.op, And)
        or (
            isinstance(node.op, Select)
            and isinstance(node.op.predicate, Relation)
            and any(len(row) > 1 for row in node.op.predicate.rows)
        )
        for node in program.live
    )


def most_conjuncts(program: Program) -> int:
    """How many relations a head of a legalised program needs."""
    selectors = [node for node in program.live if isinstance(node.op, Select | And)]
    return max((len(conjuncts_of(node)) for node in selectors), default=1)


def is_count(node: Node) -> bool:
    """Whether a node is computed by a numerical head, so that only a number holds it."""
    return isinstance(node.op, SelectorWidth | AggregateSum)


def is_numerical(node: Node) -> bool:
    """Whether a numerical variable can hold it: a count, a constant or a number of the token."""
    if is_count(node):
        return True
    return (
        is_of_word(node)
        and isinstance(node.op, Map)
        and isinstance(node.op.function, Table)
        and all(map(is_number, node.op.function.results))
    )


def is_of_word(node: Node) -> bool:
    """Whether a node is a map of nothing but the token, as embeddings are, or a constant."""
    return (
        isinstance(node.op, Map)
        and len(node.operands) <= 1
        and all(isinstance(operand.op, Tokens) for operand in node.operands)
    )


def reads_numbers(node: Node) -> bool:
    """Whether a map is a numerical MLP."""
    assert isinstance(node.op, Map)
    return isinstance(node.op.function, ReluFunction) or any(map(is_count, node.operands))


def scored(program: Program) -> bool:
    """Whether heads choose by score: then all of them do."""
    return any(isinstance(n.op, Choose) and n.op.score is not None for n in program.live)


class _Legaliser:
    def __init__(
        self, program: Program, predicates: Predicates | None, mlps: Mlps, *, narrow: bool
    ) -> None:
        self.program, self.predicates, self.mlps = program, predicates, mlps
        self.builder = Builder(program.header, share=True)
        self.scored = scored(program)
        self.indices = self.builder.add(Indices(), name="indices")
        source = self._source if narrow else None
        self.selectors = Selectors(self.builder, self.indices, predicates, source)
        self.new: dict[Node, Node] = {}
        self._columns: dict[Node, tuple[Value, ...] | None] = {}

    def run(self) -> Program:
        if len(self.program.outputs) != 1:
            names = ", ".join(self.program.outputs)
            raise TpirError(f"a Transformer Program has one output, this program has: {names}")
        for node in self.program.live:
            if isinstance(node.op, Classify | ClassifyPooled) and self.program.users[node]:
                raise refusal(node, "its labels are used inside the program")
            match node.op:
                case Select():
                    pair = (self._categorical(node, self.new[o]) for o in node.operands)
                    self.selectors.relate(node, *pair)
                case And() | Or() | Not():
                    self.selectors.combine(node)
                case _:
                    self.new[node] = self._rewrite(node)
        ((name, output),) = self.program.outputs.items()
        readout = self.new[output]
        if not isinstance(readout.op, Classify | ClassifyPooled):
            readout = self._read_values(output, readout)
        return self.builder.build({name: readout})

    def _rewrite(self, node: Node) -> Node:
        operands = tuple(self.new[operand] for operand in node.operands if operand in self.new)
        match node.op:
            case Tokens() | Indices():
                return self._add(node, node.op)
            case Map():
                return self._map(node, operands)
            case Uniform():
                if is_mixed(operands[0].type):
                    raise refusal(node, "it can fail: it may mix words and numbers")
                return operands[0]
            case Choose():
                return self._choose(node)
            case Aggregate(default):
                return self._aggregate(node, default)
            case AggregateSum():
                return self._sum(node)
            case SelectorWidth():
                return self._add(node, node.op, self._matches(node, node.operands[0]))
        assert isinstance(node.op, Classify | ClassifyPooled)
        return self._readout(node, node.op, operands)

    def _add(self, old: Node, op: Op, *operands: Node, suffix: str = "") -> Node:
        # A table in the place of an expression may list the same values in another order.
        fitted = adapt(op, [operand.type for operand in operands])
        return self.builder.add(fitted, operands, name=old.name + suffix, origin=old.origin)

    def _categorical(self, user: Node, node: Node) -> Node:
        """The node as a categorical variable; a count is looked up in a table."""
        size = size_of(node.type)
        if size is None:
            raise refusal(user, f"{node.name} is {node.type}, not one of finitely many values")
        if not is_count(node):
            return node
        if size > MAX_ROWS:
            raise refusal(user, f"{node.name} has {size} values, too many for a table")
        domain = _domain(node)
        return self._add(node, Map(Table((domain,), domain)), node, suffix="_value")

    def _source(self, node: Node) -> Node | None:
        """The variable that a table is of, if it has no more values than counts have; else None."""
        if not isinstance(node.op, Map) or not isinstance(node.op.function, Table):
            return None
        size = size_of(node.operands[0].type) if len(node.operands) == 1 else None
        if size is None or size > self.program.context + 1:
            return None
        source = self._categorical(node, node.operands[0])
        return None if source is node else source

    def _map(self, node: Node, operands: tuple[Node, ...]) -> Node:
        assert isinstance(node.op, Map)
        function = node.op.function
        relu = isinstance(function, ReluFunction) and self.mlps == "relu"
        if relu and all(map(is_numerical, operands)):
            return self._add(node, node.op, *operands)
        rows = _rows(operands)
        if rows is None or rows > MAX_ROWS:
            what = "real numbers" if rows is None else f"{rows} combinations of values"
            raise refusal(node, f"an MLP is a table, and its operands have {what}")
        table = function if isinstance(function, Table) else self._tabulate(node, operands)
        if any(map(is_count, operands)) and not all(map(self._is_count_like, operands)):
            operands = tuple(self._categorical(node, operand) for operand in operands)
        return self._add(node, Map(table), *operands)

    def _is_count_like(self, node: Node) -> bool:
        """Whether an MLP of counts can read the node too: tables read nothing but counts."""
        return is_count(node) if self.mlps == "table" else _is_whole(node)

    def _tabulate(self, node: Node, operands: tuple[Node, ...]) -> Table:
        """The table of an expression or relu function, as the interpreter evaluates it."""
        types = [operand.type for operand in operands]
        try:
            result = infer(node.op, types, self.program.header.surroundings)
        except TypeProblem as problem:
            raise refusal(node, f"it can fail: {problem}") from problem
        domains = tuple(map(_domain, operands))
        rows = math.prod(len(d) for d in domains)
        codes = np.indices([len(d) for d in domains]).reshape(len(domains), rows)
        columns = [Column(t, row[:, None]) for t, row in zip(types, codes, strict=True)]
        kernel = map_kernel(Node(node.op, operands, result, node.name))
        column, failed = kernel.run(columns, rows)
        if failed is not None and failed.any():
            raise refusal(node, f"it can fail: {FAILURES[int(failed.max()) - 1]}")
        return Table(domains, tuple(column.decode(1)[0]))

    def _matches(self, node: Node, selector: Node) -> Node:
        """What a head that counts or sums matches by."""
        if isinstance(selector.op, Choose):
            raise refusal(node, f"it counts or sums over {selector.name}, which is one chosen key")
        return self.selectors.selector(selector)

    def _choose(self, node: Node) -> Node:
        op, selector = node.op, node.operands[0]
        assert isinstance(op, Choose)
        context, causal = self.program.context, self.program.causal
        first = offsets_of(op.order, context, causal) == offsets_of(
            Preference.FIRST, context, causal
        )
        if self.scored and not first:
            raise refusal(node, "in a model with scores, heads prefer the first of equal keys")
        if isinstance(selector.op, Choose):
            raise refusal(node, "it chooses from a selector that is no relation")
        if op.score is not None:
            if self.selectors.conjunction(selector):
                raise refusal(node, "a head with scores chooses among all keys")
            keys, queries = (self._categorical(node, self.new[o]) for o in node.operands[1:])
            return self._add(node, op, self._all_keys(selector), keys, queries)
        if self.scored and op.otherwise is Otherwise.FIRST:
            return self._score(node, selector)
        if op.otherwise is not Otherwise.FIRST:
            self._refuse_users_of_none(node)
            op = replace(op, otherwise=Otherwise.FIRST)
        return self._add(node, op, self.selectors.selector(selector))

    def _refuse_users_of_none(self, node: Node) -> None:
        """A head that matches nothing takes the first position: only an aggregate can mend that."""
        if self.scored or any(not isinstance(u.op, Aggregate) for u in self.program.users[node]):
            raise refusal(node, "a head that matches nothing takes the first position")

    def _all_keys(self, old: Node) -> Node:
        return self._add(old, Select(Always(True)), self.indices, self.indices)

    def _score(self, node: Node, selector: Node) -> Node:
        """A choice of the first match, as a score of 1 for keys that match."""
        matches = self.selectors.conjunction(selector)
        if len(matches) > 1:
            raise refusal(node, "in a model with scores, each head has one relation")
        every = self._all_keys(selector)
        keys = queries = self.indices
        rows: list[list[bool]] = [[True] * self.program.context] * self.program.context
        if matches:
            keys, queries, rows = matches[0].keys, matches[0].queries, matches[0].holds.tolist()
        marks = tuple(tuple(map(int, row)) for row in rows)
        score = ScoreTable(_domain(queries), _domain(keys), marks)
        return self._add(node, Choose(Preference.FIRST, score), every, keys, queries)

    def _aggregate(self, node: Node, default: Value | None) -> Node:
        """A head; where it may find no key, a count and an MLP that puts the default."""
        selector, values = node.operands[0], self._categorical(node, self.new[node.operands[1]])
        may_be_none = default is not None
        if isinstance(selector.op, Choose):
            chosen = self.new[selector]
        else:
            least, most = self._selected.get(selector, (0, self.program.context))
            if most > 1:
                raise refusal(node, "a head takes the value of one key, not a mean over keys")
            chosen, may_be_none = self._only(node, selector), least == 0
        if not may_be_none or default is None:
            return self._add(node, Aggregate(), chosen, values)
        value = self._add(node, Aggregate(), chosen, values, suffix="_value")
        count = self._add(node, SelectorWidth(), chosen.operands[0], suffix="_count")
        count = self._categorical(node, count)
        domains = (_domain(value), _domain(count))
        if math.prod(map(len, domains)) > MAX_ROWS:
            raise refusal(node, "its default needs too large a table")
        table = Table.tabulate(domains, lambda found, number: found if number else default)
        return self._add(node, Map(table), value, count)

    def _only(self, node: Node, selector: Node) -> Node:
        """A selector of at most one key as a choice."""
        if self.scored:
            raise refusal(node, "in a model with scores, heads choose the best of all keys")
        return self._add(node, Choose(Preference.FIRST), self.selectors.selector(selector))

    @cached_property
    def _selected(self) -> Mapping[Node, tuple[int, int]]:
        """How many keys selectors select that values are aggregated over, where that can be run."""
        space = space_of(self.program)
        wanted = [
            node.operands[0]
            for node in self.program.live
            if isinstance(node.op, Aggregate) and not isinstance(node.operands[0].op, Choose)
        ]
        if space.count() > MOST_INPUTS:
            return {}
        return selected_counts(self.program, space, wanted)

    def _sum(self, node: Node) -> Node:
        summed = self.new[node.operands[1]]
        if not is_numerical(summed):
            results = self._of_token(summed)
            if results is None or not all(map(is_number, results)):
                raise refusal(node, f"{summed.name} is no count and no number of the token")
            tokens = self._add(summed, Tokens())
            table = Table((_domain(tokens),), results)
            summed = self._add(summed, Map(table), tokens, suffix="_of_token")
        return self._add(node, node.op, self._matches(node, node.operands[0]), summed)

    def _of_token(self, node: Node) -> tuple[Value, ...] | None:
        """The values of a node for each token, where tables make it of nothing else; or None."""
        if node not in self._columns:
            column = None
            if isinstance(node.op, Tokens):
                column = _domain(node)
            elif isinstance(node.op, Map) and isinstance(node.op.function, Table):
                found = [self._of_token(operand) for operand in node.operands]
                if found and None not in found:
                    rows = zip(*(c for c in found if c is not None), strict=True)
                    column = tuple(node.op.function(*row) for row in rows)
            self._columns[node] = column
        return self._columns[node]

    def _readout(
        self, node: Node, op: Classify | ClassifyPooled, operands: tuple[Node, ...]
    ) -> Node:
        if isinstance(op, ClassifyPooled) and (op.over is Pool.FIRST) != self.program.causal:
            raise refusal(node, "a causal model pools over the first position, others over all")
        _expect_words(node, op.labels)
        features: list[Node] = []
        weights: list[FeatureWeights] = []
        for operand, given in zip(operands, op.weights, strict=True):
            if isinstance(given, NumberWeights) and not is_numerical(operand):
                operand = self._categorical(node, operand)
                given = _by_value(given, _domain(operand))
            elif isinstance(given, TableWeights):
                operand = self._categorical(node, operand)
            features.append(operand)
            weights.append(given)
        if isinstance(op, ClassifyPooled):
            new: Op = ClassifyPooled(op.labels, op.bias, tuple(weights), op.over)
        else:
            new = Classify(op.labels, op.bias, tuple(weights))
        return self._add(node, new, *features)

    def _read_values(self, output: Node, node: Node) -> Node:
        """A readout that gives a categorical sequence unchanged."""
        node = self._categorical(output, node)
        domain = _domain(node)
        _expect_words(output, domain)
        identity = tuple(map(tuple, np.eye(len(domain)).tolist()))
        op = Classify(domain, (0.0,) * len(domain), (TableWeights(domain, identity),))
        return self._add(output, op, node, suffix="_label")


def _expect_words(output: Node, labels: Domain) -> None:
    for label in labels:
        if not isinstance(label, str):
            raise refusal(output, f"labels are words, but one is {show_value(label)}")


def _domain(node: Node) -> Domain:
    values = values_of(node.type)
    assert values is not None
    return values


def _rows(operands: Sequence[Node]) -> int | None:
    """How many rows a table over the operands has; None if one of them is not finite."""
    rows = 1
    for operand in operands:
        size = size_of(operand.type)
        if size is None:
            return None
        rows *= size
    return rows


def _is_whole(node: Node) -> bool:
    """Whether a numerical variable can hold the node, and its values are consecutive ints."""
    domain = _domain(node)
    return (
        is_numerical(node)
        and all(type(v) is int for v in domain)
        and domain == tuple(range(int(domain[0]), int(domain[0]) + len(domain)))
    )


def _by_value(weights: NumberWeights, domain: Domain) -> TableWeights:
    rows = tuple(tuple(float(v) * w for w in weights.row) for v in domain)
    return TableWeights(domain, rows)
