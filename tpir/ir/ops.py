"""The ops: one immutable dataclass each, and the table that says what each one takes and gives.

The verifier, the parser, the printer and the interpreter read ``SPECS``. A new op is a dataclass
and an entry here (what it is), a type rule in ``infer`` and one function in ``tpir.semantics``
(what it means).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tpir.ir.expressions import BinaryOp, Expression
from tpir.ir.functions import FeatureWeights, Relation, ReluFunction, ScoreTable, Table, floats
from tpir.ir.values import Structural, Value


@dataclass(frozen=True, eq=False)
class Tokens(Structural):
    """The input token at each position."""


@dataclass(frozen=True, eq=False)
class Indices(Structural):
    """The position, counted from 0."""


@dataclass(frozen=True, eq=False)
class Map(Structural):
    """A scalar function applied at each position. With no operands it is a constant."""

    function: Table | Expression | ReluFunction


@dataclass(frozen=True, eq=False)
class Uniform(Structural):
    """The sequence itself, if on this input it does not mix words with other values.

    Else the program fails. In the original RASP every sequence is checked so; here it is a node
    where types alone cannot tell. Operand: values.
    """


@dataclass(frozen=True, eq=False)
class Comparison(Structural):
    """The predicate ``keys[j] op queries[i]``, numbers compared as Python compares them."""

    op: BinaryOp


@dataclass(frozen=True, eq=False)
class Always(Structural):
    """The predicate that is true, or false, of every pair."""

    truth: bool


Predicate = Comparison | Relation | Always


@dataclass(frozen=True, eq=False)
class Select(Structural):
    """For each query position i, the key positions j with predicate(keys[j], queries[i]).

    Operands: keys, queries. In a causal program only j <= i.
    """

    predicate: Predicate


@dataclass(frozen=True, eq=False)
class And(Structural):
    """The keys that both selectors select."""


@dataclass(frozen=True, eq=False)
class Or(Structural):
    """The keys that either selector selects."""


@dataclass(frozen=True, eq=False)
class Not(Structural):
    """The keys of the universe (all j, or j <= i in a causal program) that are not selected."""


class Preference(Enum):
    """Names of orders among the selected keys."""

    CLOSEST = "closest"
    """Smallest distance; other positions before i itself; of two at one distance the left."""
    FIRST = "first"
    LAST = "last"


class Otherwise(Enum):
    """What ``choose`` does where nothing is selected."""

    FIRST = "first"
    NONE = "none"


Order = Preference | tuple[int, ...]
"""Offsets j - i, the best first. Offsets not listed come last; ties go to the left."""


@dataclass(frozen=True, eq=False)
class Choose(Structural):
    """The best selected key: highest score, then the offset that comes first in ``order``.

    Operands: a selector; with a score also keys and queries, whose values index ``score``.
    """

    order: Order = Preference.CLOSEST
    score: ScoreTable | None = None
    otherwise: Otherwise = Otherwise.FIRST


@dataclass(frozen=True, eq=False)
class Aggregate(Structural):
    """The selected value: one unchanged, none the default, several their mean (numbers only).

    Operands: selector, values. ``default`` None says that nothing selected cannot happen: allowed,
    and demanded, for hard selectors only.
    """

    default: Value | None = None


@dataclass(frozen=True, eq=False)
class AggregateSum(Structural):
    """The sum of the selected values. Operands: selector, values."""


@dataclass(frozen=True, eq=False)
class SelectorWidth(Structural):
    """How many keys are selected. Operand: a selector."""


@dataclass(frozen=True, eq=False)
class Classify(Structural):
    """argmax over labels of bias_l + sum over features of their weights; ties to the first label.

    One operand for each entry of ``weights``. Labels that the model masks are not listed.
    Sums run in float64, the bias first, then the features in operand order.
    """

    labels: tuple[Value, ...]
    bias: tuple[float, ...]
    weights: tuple[FeatureWeights, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", floats(self.bias))


class Pool(Enum):
    """Which positions a pooled readout sums over."""

    ALL = "all"
    FIRST = "first"


@dataclass(frozen=True, eq=False)
class ClassifyPooled(Structural):
    """The readout with logits summed over positions (bias too) before the argmax: one label."""

    labels: tuple[Value, ...]
    bias: tuple[float, ...]
    weights: tuple[FeatureWeights, ...]
    over: Pool = Pool.ALL

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", floats(self.bias))


Readout = Classify | ClassifyPooled
Op = (
    Tokens
    | Indices
    | Map
    | Uniform
    | Select
    | And
    | Or
    | Not
    | Choose
    | Aggregate
    | AggregateSum
    | SelectorWidth
    | Classify
    | ClassifyPooled
)


class Kind(Enum):
    """What an operand has to be."""

    SEQUENCE = "a sequence"
    SELECTOR = "a selector"


@dataclass(frozen=True)
class OpSpec:
    """What the text, the verifier and error messages know of an op.

    ``operands`` lists the fixed operands by role. ``variadic`` ops take any number of sequences
    instead; ``scored`` ones take keys and queries more where they carry a score.
    """

    name: str
    operands: tuple[tuple[str, Kind], ...] = ()
    variadic: bool = False
    scored: bool = False


SPECS: dict[type[Op], OpSpec] = {
    Tokens: OpSpec("tokens"),
    Indices: OpSpec("indices"),
    Map: OpSpec("map", variadic=True),
    Uniform: OpSpec("uniform", (("values", Kind.SEQUENCE),)),
    Select: OpSpec("select", (("keys", Kind.SEQUENCE), ("queries", Kind.SEQUENCE))),
    And: OpSpec("and", (("left", Kind.SELECTOR), ("right", Kind.SELECTOR))),
    Or: OpSpec("or", (("left", Kind.SELECTOR), ("right", Kind.SELECTOR))),
    Not: OpSpec("not", (("selector", Kind.SELECTOR),)),
    Choose: OpSpec("choose", (("selector", Kind.SELECTOR),), scored=True),
    Aggregate: OpSpec("aggregate", (("selector", Kind.SELECTOR), ("values", Kind.SEQUENCE))),
    AggregateSum: OpSpec("aggregate_sum", (("selector", Kind.SELECTOR), ("values", Kind.SEQUENCE))),
    SelectorWidth: OpSpec("selector_width", (("selector", Kind.SELECTOR),)),
    Classify: OpSpec("classify", variadic=True),
    ClassifyPooled: OpSpec("classify_pooled", variadic=True),
}


def operand_kinds(op: Op, count: int) -> tuple[tuple[str, Kind], ...]:
    """Role and kind of each operand that ``op`` takes, when it is given ``count`` of them."""
    spec = SPECS[type(op)]
    if spec.variadic:
        return tuple((f"operand {k + 1}", Kind.SEQUENCE) for k in range(count))
    if isinstance(op, Choose) and op.score is not None:
        return (*spec.operands, ("keys", Kind.SEQUENCE), ("queries", Kind.SEQUENCE))
    return spec.operands


def offsets_of(order: Order, context: int, causal: bool) -> tuple[int, ...]:
    """Every offset j - i that can occur within the context, the most preferred first."""
    reach = range(-(context - 1), 1 if causal else context)
    if order is Preference.CLOSEST:
        return tuple(sorted(reach, key=lambda d: (d == 0, abs(d), d)))
    if order is Preference.FIRST:
        return tuple(reach)
    if order is Preference.LAST:
        return tuple(reversed(reach))
    assert isinstance(order, tuple)
    listed = [d for d in order if d in reach]
    return (*listed, *(d for d in reach if d not in set(listed)))


def canonical_order(order: Order, context: int, causal: bool) -> Order:
    """The shortest way to say an order: by name if it has one, else without the offsets implied."""
    offsets = offsets_of(order, context, causal)
    for name in Preference:
        if offsets == offsets_of(name, context, causal):
            return name
    length = len(offsets)
    while length and offsets == offsets_of(offsets[: length - 1], context, causal):
        length -= 1
    return offsets[:length]
