"""Rewriting a program so that each node is one part of a Transformer Program, or refusing it.

What comes out computes the same and holds only: tokens, indices, tables and relu functions, heads
(a choice, a count or a sum over one relation), numbers of tokens, and one readout. Tables read
either categorical variables or counts, never both. In models whose predicates match one key value,
so do the relations: at most one for each query value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from tpir.errors import TpirError
from tpir.ir.adapt import adapt
from tpir.ir.builder import Builder
from tpir.ir.expressions import Failure, apply_binary
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
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Map,
    Op,
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
from tpir.ir.values import Value, is_number, show_value, sorted_values, value_key
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


def legalise(program: Program, predicates: Predicates | None, mlps: Mlps) -> Program:
    """The same function as a program whose nodes are parts of a Transformer Program.

    ``predicates`` and ``mlps`` are the kinds that the model shall have; None is ``one`` where no
    query value matches several key values, else ``set``.

    Raises TpirError, naming the node, for what has no place in the architecture.
    """
    if predicates is None and not scored(program):
        try:
            return _Legaliser(program, None, mlps).run()
        except _SeveralKeys:
            predicates = "set"
    return _Legaliser(program, predicates or "one", mlps).run()


def matches_sets(program: Program) -> bool:
    """Whether a query value of a legalised program matches several key values."""
    return any(
        isinstance(node.op, Select)
        and isinstance(node.op.predicate, Relation)
        and any(len(row) > 1 for row in node.op.predicate.rows)
        for node in program.live
    )


def refusal(node: Node, why: str) -> TpirError:
    """The error for a node that the architecture has no place for."""
    span = node.origin.span if node.origin else None
    return TpirError(f"{node.name} has no place in a Transformer Program: {why}", span=span)


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


class _SeveralKeys(Exception):
    """A query value matches several key values, in a program for which nothing is decided yet."""


class _Legaliser:
    def __init__(self, program: Program, predicates: Predicates | None, mlps: Mlps) -> None:
        self.program, self.predicates, self.mlps = program, predicates, mlps
        self.builder = Builder(program.header, share=True)
        self.scored = scored(program)
        self.indices = self.builder.add(Indices(), name="indices")
        self.new: dict[Node, Node] = {}
        self._columns: dict[Node, tuple[Value, ...] | None] = {}

    def run(self) -> Program:
        if len(self.program.outputs) != 1:
            names = ", ".join(self.program.outputs)
            raise TpirError(f"a Transformer Program has one output, this program has: {names}")
        for node in self.program.live:
            if isinstance(node.op, Classify | ClassifyPooled) and self.program.users[node]:
                raise refusal(node, "its labels are used inside the program")
            operands = tuple(self.new[operand] for operand in node.operands)
            self.new[node] = self._rewrite(node, operands)
        ((name, output),) = self.program.outputs.items()
        readout = self.new[output]
        if not isinstance(readout.op, Classify | ClassifyPooled):
            readout = self._read_values(output, readout)
        return self.builder.build({name: readout})

    def _rewrite(self, node: Node, operands: tuple[Node, ...]) -> Node:
        match node.op:
            case Tokens() | Indices():
                return self._add(node, node.op)
            case Map():
                return self._map(node, operands)
            case Uniform():
                if is_mixed(operands[0].type):
                    raise refusal(node, "it can fail: it may mix words and numbers")
                return operands[0]
            case Select():
                return self._select(node, operands)
            case Choose():
                return self._choose(node, operands)
            case Aggregate(default):
                return self._aggregate(node, default, operands)
            case AggregateSum():
                return self._sum(node, operands)
            case SelectorWidth():
                return self._add(node, node.op, self._matches(node, operands[0]))
            case Classify() | ClassifyPooled():
                return self._readout(node, node.op, operands)
        raise refusal(node, "selectors cannot be combined, each head has one relation")

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
        codes = np.indices([len(d) for d in domains]).reshape(len(domains), -1)
        columns = [Column(t, row[:, None]) for t, row in zip(types, codes, strict=True)]
        rows = math.prod(len(d) for d in domains)
        kernel = map_kernel(Node(node.op, operands, result, node.name))
        column, failed = kernel.run(columns, rows)
        if failed is not None and failed.any():
            raise refusal(node, f"it can fail: {FAILURES[int(failed.max()) - 1]}")
        return Table(domains, tuple(column.decode(1)[0]))

    def _select(self, node: Node, operands: tuple[Node, ...]) -> Node:
        """A relation, or every key."""
        assert isinstance(node.op, Select)
        if isinstance(node.op.predicate, Always):
            if node.op.predicate.truth:
                return self._add(node, node.op, self.indices, self.indices)
            return self._related(node, self.indices, self.indices, [()] * self.program.context)
        keys, queries = (self._categorical(node, operand) for operand in operands)
        rows = self._rows(node, keys, queries)
        if self.predicates == "set" or all(len(row) <= 1 for row in rows):
            return self._related(node, keys, queries, rows)
        if self.predicates is None:
            raise _SeveralKeys
        return self._by_class(node, keys, queries, rows)

    def _rows(self, node: Node, keys: Node, queries: Node) -> list[tuple[Value, ...]]:
        """For each query value the key values that match it and that the keys can have."""
        assert isinstance(node.op, Select)
        domain, op = _domain(keys), adapt(node.op, [keys.type, queries.type])
        assert isinstance(op, Select)
        predicate = op.predicate
        if isinstance(predicate, Relation):
            known = {value_key(v) for v in domain}
            return [tuple(v for v in row if value_key(v) in known) for row in predicate.rows]
        assert isinstance(predicate, Comparison)
        try:
            return [
                sorted_values(key for key in domain if apply_binary(predicate.op, key, query))
                for query in _domain(queries)
            ]
        except Failure as failure:
            raise refusal(node, f"it can fail: {failure.kind}") from failure

    def _by_class(
        self, node: Node, keys: Node, queries: Node, rows: list[tuple[Value, ...]]
    ) -> Node:
        """Where no two different rows share a key value: the keys as classes, one for each row."""
        classes = dict.fromkeys(tuple(map(value_key, row)) for row in rows if row)
        number = {key: k for k, row in enumerate(classes) for key in row}
        if len(number) != sum(map(len, classes)):
            raise refusal(node, "a query value matches one key value, here some match several")
        domain = _domain(keys)
        results = tuple(number.get(value_key(v), len(classes)) for v in domain)
        constant = len(set(results)) == 1
        table = Table((), results[:1]) if constant else Table((domain,), results)
        of_class = self._add(node, Map(table), *([] if constant else [keys]), suffix="_class")
        matched = [(number[value_key(row[0])],) if row else () for row in rows]
        return self._related(node, of_class, queries, matched)

    def _related(
        self, node: Node, keys: Node, queries: Node, rows: Sequence[tuple[Value, ...]]
    ) -> Node:
        return self._add(node, Select(Relation(_domain(queries), tuple(rows))), keys, queries)

    def _matches(self, node: Node, selector: Node) -> Node:
        """A selector as a relation; every key, if not as a set, as that of a constant to itself."""
        if not isinstance(selector.op, Select):
            raise refusal(node, f"it counts or sums over {selector.name}, which is one chosen key")
        if not isinstance(selector.op.predicate, Always):
            return selector
        positions = _domain(self.indices)
        if self.predicates == "set":
            return self._related(selector, self.indices, self.indices, [positions] * len(positions))
        constant = self._add(node, Map(Table((), (0,))), suffix="_any")
        every = Select(Relation(positions, ((0,),) * len(positions)))
        return self._add(selector, every, constant, self.indices, suffix="_every")

    def _choose(self, node: Node, operands: tuple[Node, ...]) -> Node:
        op = node.op
        assert isinstance(op, Choose)
        context, causal = self.program.context, self.program.causal
        first = offsets_of(op.order, context, causal) == offsets_of(
            Preference.FIRST, context, causal
        )
        if self.scored and not first:
            raise refusal(node, "in a model with scores, heads prefer the first of equal keys")
        if op.score is not None:
            if operands[0].op != Select(Always(True)):
                raise refusal(node, "a head with scores chooses among all keys")
            keys, queries = (self._categorical(node, operand) for operand in operands[1:])
            return self._add(node, op, operands[0], keys, queries)
        if not isinstance(operands[0].op, Select):
            raise refusal(node, "it chooses from a selector that is no relation")
        if self.scored and op.otherwise is Otherwise.FIRST:
            return self._score(node, operands[0])
        if op.otherwise is not Otherwise.FIRST:
            self._refuse_users_of_none(node)
            op = replace(op, otherwise=Otherwise.FIRST)
        return self._add(node, op, self._matches(node, operands[0]))

    def _refuse_users_of_none(self, node: Node) -> None:
        """A head that matches nothing takes the first position: only an aggregate can mend that."""
        if self.scored or any(not isinstance(u.op, Aggregate) for u in self.program.users[node]):
            raise refusal(node, "a head that matches nothing takes the first position")

    def _score(self, node: Node, selector: Node) -> Node:
        """A choice of the first match, as a score of 1 for keys that match."""
        assert isinstance(selector.op, Select)
        (keys, queries), predicate = selector.operands, selector.op.predicate
        every = self._add(selector, Select(Always(True)), self.indices, self.indices)
        domain, found = _domain(keys), _domain(queries)
        marks: tuple[tuple[int, ...], ...] = ((0,) * len(domain),) * len(found)
        if isinstance(predicate, Relation):
            marked = [set(map(value_key, row)) for row in predicate.rows]
            marks = tuple(tuple(int(value_key(k) in row) for k in domain) for row in marked)
        score = ScoreTable(found, domain, marks)
        return self._add(node, Choose(Preference.FIRST, score), every, keys, queries)

    def _aggregate(self, node: Node, default: Value | None, operands: tuple[Node, ...]) -> Node:
        """A head; where it may find no key, a count and an MLP that puts the default."""
        chosen, values = operands[0], self._categorical(node, operands[1])
        may_be_none = default is not None
        if not isinstance(chosen.op, Choose):
            least, most = self._selected.get(node.operands[0], (0, self.program.context))
            if most > 1:
                raise refusal(node, "a head takes the value of one key, not a mean over keys")
            chosen, may_be_none = self._only(node, chosen), least == 0
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
        if not isinstance(selector.op, Select):
            raise refusal(node, f"{selector.name} is no relation: each head has one")
        if self.scored:
            raise refusal(node, "in a model with scores, heads choose the best of all keys")
        return self._add(node, Choose(Preference.FIRST), self._matches(node, selector))

    @cached_property
    def _selected(self) -> Mapping[Node, tuple[int, int]]:
        """How many keys selectors select that values are aggregated over, where that can be run."""
        space = space_of(self.program)
        wanted = [
            node.operands[0]
            for node in self.program.live
            if isinstance(node.op, Aggregate) and isinstance(node.operands[0].op, Select)
        ]
        if space.count() > MOST_INPUTS:
            return {}
        return selected_counts(self.program, space, wanted)

    def _sum(self, node: Node, operands: tuple[Node, ...]) -> Node:
        summed = operands[1]
        if not is_numerical(summed):
            results = self._of_token(summed)
            if results is None or not all(map(is_number, results)):
                raise refusal(node, f"{summed.name} is no count and no number of the token")
            tokens = self._add(summed, Tokens())
            table = Table((_domain(tokens),), results)
            summed = self._add(summed, Map(table), tokens, suffix="_of_token")
        return self._add(node, node.op, self._matches(node, operands[0]), summed)

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
