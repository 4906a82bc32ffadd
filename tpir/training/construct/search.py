"""The search: features from the shortest on, until a table of a few of them gives every label.

As in a saturating theorem prover, features wait in two orders, by length and by what they tell of
the goals; the best is taken, tried together with all that were taken before, and whatever can be
made of it and them is added to those that wait.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tpir.training.construct.batch import Batch, Values
from tpir.training.construct.features import (
    Base,
    Combined,
    Count,
    Feature,
    Fetch,
    Filter,
    Lookup,
    Relation,
    Selector,
    operands_of,
)
from tpir.training.construct.goals import LARGEST_TABLE, Goal
from tpir.training.construct.grammar import Grammar, Known

WIDEST = 41
"""A feature of more different values than this is not made."""

SURE = 0.9999
"""A table that gets this share of the labels of the sample right is worth checking on the rest."""

_PROMISING = 0.6
"""A feature that tells such a share beside the token or the position is tried with it at once."""

_BATCH = 500
"""How many waiting candidates are evaluated before the next feature is taken."""

_ATTEMPTS, _MORE = 20, 40
"""How often fetching by a place is tried, and how many features may say 'nowhere' then."""

_SUMS_FIRST = 1_000
"""Before so many features are tried, places are not looked up in tables: sums are simpler."""

_PATIENCE, _LEAST = 4, 20_000
"""How long a better table is looked for: so many times as before, and at least so many features."""

_NEAR, _STRIDE = 3.0, 0.5
"""Candidates are made up to so many bits at first; then the horizon moves on by so many."""

_LAST_STEP = 8
"""Four layers, each heads and then MLPs."""


@dataclass(frozen=True)
class SearchStatus:
    """How far a search is: features tried, kept, taken; the best table, and its share right."""

    tried: int
    kept: int
    taken: int
    best: tuple[Feature, ...]
    share_right: float


class _Waiting(NamedTuple):
    bits: float
    serial: int
    feature: Feature
    step: int


@dataclass
class Search:
    """Features on a sample of inputs, and goals on it, the first of which is what counts.

    ``verify`` is asked whether a table of some features gives the labels of all data: None if not,
    else how many of its rows rest on a single label. The search ends with a table that has no such
    row, or after ``budget`` features. A table with some is kept while a better one is looked for,
    ``_PATIENCE`` times as long as it took: by the estimate of Good and Turing (Good 1953), such
    rows are as many as labels to come that have no row. Equal arguments give equal results.
    """

    batch: Batch
    goals: list[Goal]
    n_tokens: int
    budget: int
    verify: Callable[[tuple[Feature, ...]], int | None]
    on_status: Callable[[SearchStatus], None] | None = None
    solution: tuple[Feature, ...] | None = None
    tried: int = 0
    best: dict[str, list[tuple[float, tuple[Feature, ...]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._grammar = Grammar(self.n_tokens, causal=self.batch.causal)
        self._candidates: list[_Waiting] = []
        self._by_length: list[tuple[float, int, Feature]] = []
        self._by_gain: list[tuple[float, int, Feature, float, float, int]] = []
        self._telling: list[Feature] = []
        self._seen: set[bytes] = set()
        self._step: dict[Feature, int] = {}
        self._ordered: dict[Feature, bool] = {}
        self._done: set[Feature] = set()
        self._open_goals = list(self.goals)
        self._telling_goals = self.goals[1:] or self.goals
        self._horizon = _NEAR
        self._unfinished: list[tuple[Known, float]] = []
        self._made = 0
        self._provisional: tuple[int, tuple[Feature, ...]] | None = None
        self._summands: dict[str, dict[bytes, Feature]] = {}
        self._tables: list[tuple[Goal, tuple[Feature, ...]]] = []
        self._attempts: dict[str, int] = {}
        self._hits: dict[tuple[Feature, Feature], NDArray[np.float64]] = {}

    @property
    def taken(self) -> list[Known]:
        """The features taken so far, in order."""
        return self._grammar.known

    def run(self) -> tuple[Feature, ...] | None:
        """The features whose table gives every label; None if the budget ran out before."""
        for base in (Base.POSITION, Base.TOKEN):
            self._consider(base, 0.0, 0)
        while self.solution is None and self.tried < self.budget:
            feature = self._next()
            if feature is not None:
                self._take(feature)
            self._evaluate_some()
            if self.tried >= _SUMS_FIRST:
                self._try_tables()
            if len(self._candidates) < _BATCH:
                self._look_further()
            if self.on_status is not None:
                self.on_status(self._status())
        if self.solution is None and self._provisional is not None:
            self.solution = self._provisional[1]
        return self.solution

    def _try_tables(self) -> None:
        waiting, self._tables = self._tables, []
        for goal, features in waiting:
            if self.solution is None:
                self._fetch_by_place(goal, features)

    def best_features(self) -> tuple[Feature, ...]:
        """Those whose table is the best so far."""
        found = self.best.get(self.goals[0].name)
        return found[0][1] if found else (Base.TOKEN,)

    def _status(self) -> SearchStatus:
        best = self.best_features()
        share = self.goals[0].share_right(*self.goals[0].joint(best))
        return SearchStatus(self.tried, len(self._step), len(self.taken), best, share)

    def _next(self) -> Feature | None:
        """In turn the shortest, and the one that tells most beside each of those taken for that."""
        if len(self.taken) % 3:
            return self._shortest() or self._most_telling()
        return self._most_telling() or self._shortest()

    def _shortest(self) -> Feature | None:
        while self._by_length:
            feature = heapq.heappop(self._by_length)[2]
            if feature not in self._done:
                self._done.add(feature)
                return feature
        return None

    def _most_telling(self) -> Feature | None:
        """Gains only fall as more is taken, so an old one that is still the best needs no more."""
        while self._by_gain:
            _, serial, feature, bits, gain, seen = heapq.heappop(self._by_gain)
            if feature in self._done:
                continue
            if seen == len(self._telling):
                self._done.add(feature)
                self._telling.append(feature)
                return feature
            values = self.batch.values(feature)
            for known in self._telling[seen:]:
                beside = max(goal.gain_beside(known, values) for goal in self._telling_goals)
                gain = min(gain, beside)
            self._offer(serial, feature, bits, gain)
        return None

    def _offer(self, serial: int, feature: Feature, bits: float, gain: float) -> None:
        entry = (0.02 * bits - gain, serial, feature, bits, gain, len(self._telling))
        heapq.heappush(self._by_gain, entry)

    def _evaluate_some(self) -> None:
        for _ in range(_BATCH):
            if not self._candidates or self.solution is not None:
                return
            waiting = heapq.heappop(self._candidates)
            self._consider(waiting.feature, waiting.bits, waiting.step)

    def _consider(self, feature: Feature, bits: float, step: int) -> None:
        """Evaluate a feature; keep it if no other has these values, up to sign and a constant."""
        self.tried += 1
        values = self.batch.compute(feature)
        present = values[self.batch.present]
        low, high = int(present.min()), int(present.max())
        if low == high or high - low >= WIDEST:
            return
        key = _canonical(present)
        if key in self._seen:
            return
        self._seen.add(key)
        self._step[feature], self._ordered[feature] = step, self._is_ordered(feature)
        gain = 0.0
        for goal in list(self._open_goals):
            told = goal.gain(values)
            if goal in self._telling_goals:
                gain = max(gain, told)
            if told > _PROMISING:
                for base in Base:
                    self._try(goal, tuple({feature: None, base: None}))
            self._try(goal, (feature,))
            if self.solution is None and goal is not self.goals[0]:
                self._complete_sum(goal, feature, values)
            if self.solution is not None:
                return
        serial = len(self._step)
        heapq.heappush(self._by_length, (bits, serial, feature))
        self._offer(serial, feature, bits, gain)

    def _is_ordered(self, feature: Feature) -> bool:
        match feature:
            case Base.TOKEN | Lookup():
                return False
            case Fetch(_, value):
                return self._ordered[value]
        return True

    def _take(self, feature: Feature) -> None:
        low, high = self.batch.bounds(feature)
        known = self._grammar.learn(feature, ordered=self._ordered[feature], low=low, high=high)
        for goal in list(self._open_goals):
            self._pair_up(goal, feature)
            if self.solution is not None:
                return
        self._ask_by_table(feature)
        if self.solution is not None:
            return
        self._make(known, -1.0)

    def _make(self, new: Known, low: float) -> None:
        """Add what can be made up to the horizon, and note that there is more beyond."""
        for bits, made in self._grammar.made_with(new, low, self._horizon):
            self._wait(bits, made)
        self._unfinished.append((new, self._horizon))

    def _look_further(self) -> None:
        self._horizon += _STRIDE
        unfinished, self._unfinished = self._unfinished, []
        for new, low in unfinished:
            self._make(new, low)

    def _wait(self, bits: float, made: Feature) -> None:
        step = self._step_of(made)
        if step <= _LAST_STEP:
            heapq.heappush(self._candidates, _Waiting(bits, self._serial(), made, step))

    def _serial(self) -> int:
        self._made += 1
        return self._made

    def _step_of(self, feature: Feature) -> int:
        """Heads work in odd steps, MLPs in even ones, each on what was there before."""
        before = max((self._step[operand] for operand in operands_of(feature)), default=0)
        head = isinstance(feature, Count | Fetch)
        return before + 1 if before % 2 != head else before + 2

    def _pair_up(self, goal: Goal, feature: Feature) -> None:
        """Try tables of the feature with one or two of those taken before."""
        codes, size = goal.codes(feature)
        found: list[tuple[float, Feature]] = []
        for other in self.taken[:-1]:
            more, n = goal.codes(other.feature)
            if size * n > LARGEST_TABLE:
                continue
            unknown = goal.unknown(codes * n + more, size * n)
            found.append((unknown, other.feature))
            if unknown < 0.3 * goal.entropy:
                self._try(goal, (feature, other.feature))
                if self.solution is not None or goal not in self._open_goals:
                    return
        if not found:
            return
        found.sort(key=lambda pair: pair[0])
        best = self.best.setdefault(goal.name, [])
        best += [(unknown, (feature, other)) for unknown, other in found[:3]]
        best.sort(key=lambda entry: entry[0])
        del best[12:]
        if goal is self.goals[0]:
            self._table_up(goal, feature, found[0][1])
        for _, pair in best[:4]:
            for third in [k.feature for k in self.taken] if feature in pair else [feature]:
                self._third(goal, pair, third)
                if self.solution is not None or goal not in self._open_goals:
                    return

    def _third(self, goal: Goal, pair: tuple[Feature, ...], third: Feature) -> None:
        if third in pair:
            return
        codes, size = goal.joint((*pair, third))
        if size <= LARGEST_TABLE and goal.unknown(codes, size) < 0.3 * goal.entropy:
            self._try(goal, (*pair, third))

    def _table_up(self, goal: Goal, feature: Feature, other: Feature) -> None:
        """The labels that two features best go with, as a feature of its own."""
        codes, size = goal.joint((feature, other))
        lows, sizes = zip(*(self._range(goal, f) for f in (feature, other)), strict=True)
        if size != math.prod(sizes):
            return
        results = tuple(map(int, goal.best_table(codes, size)))
        made = Lookup((feature, other), lows, sizes, results)
        bits = 2.0 + math.log2(1 + len(self.taken)) * 2
        if len(set(results)) > 1:
            self._wait(bits, made)

    def _range(self, goal: Goal, feature: Feature) -> tuple[int, int]:
        """The least value at the labelled positions of a goal, and how many there are from it."""
        return int(goal.at(self.batch.values(feature)).min()), goal.codes(feature)[1]

    def _try(self, goal: Goal, features: tuple[Feature, ...]) -> None:
        codes, size = goal.joint(features)
        if size > LARGEST_TABLE or goal.share_right(codes, size) < SURE:
            return
        if goal is self.goals[0]:
            self._offer_solution(features)
        else:
            self._reached(goal, features)

    def _offer_solution(self, features: tuple[Feature, ...]) -> None:
        single = self.verify(features)
        if single is None:
            return
        if single == 0:
            self.solution = features
        elif self._provisional is None or single < self._provisional[0]:
            self._provisional = (single, features)
            self.budget = min(self.budget, _PATIENCE * self.tried + _LEAST)

    def _reached(self, goal: Goal, features: tuple[Feature, ...]) -> None:
        """A table tells each token where it is wanted: fetch the token that says 'here'.

        It has to keep quiet at tokens that are wanted nowhere, which may take one more feature.
        """
        self._attempts[goal.name] = self._attempts.get(goal.name, 0) + 1
        if self._attempts[goal.name] >= _ATTEMPTS:
            self._open_goals.remove(goal)
        if self._fetch_by_sum(goal, features):
            return
        if self.tried < _SUMS_FIRST:
            self._tables.append((goal, features))
            return
        self._fetch_by_place(goal, features)

    def _fetch_by_place(self, goal: Goal, features: tuple[Feature, ...]) -> None:
        wanted = goal.everywhere()
        more = [()] + [(k.feature,) for k in self.taken[:_MORE] if k.feature not in features]
        for extra in more:
            place = self._place(wanted, (*features, *extra))
            if place is None:
                continue
            made = Fetch(Selector(Relation("==", place, Base.POSITION)), Base.TOKEN)
            if self._step_of(made) <= _LAST_STEP:
                self._consider(made, 0.0, self._step_of(made))
            if self.solution is not None:
                return

    def _complete_sum(self, goal: Goal, feature: Feature, values: Values) -> None:
        """Look for a feature that gives the goal when this one is added or subtracted.

        What it would have to be is known, up to a constant, so one look-up finds it among all.
        """
        here = goal.at(values)
        summands = self._summands.setdefault(goal.name, {})
        for operator, missing in (("+", goal.labels - here), ("-", goal.labels + here)):
            other = summands.get(_digest(missing - missing[0]))
            if other is not None and goal in self._open_goals:
                made = Combined("+" if operator == "+" else "-", other, feature)
                self._step[made], self._ordered[made] = self._step_of(made), True
                self._reached(goal, (made,))
                if self.solution is not None:
                    return
        summands.setdefault(_digest(here - here[0]), feature)

    def _fetch_by_sum(self, goal: Goal, features: tuple[Feature, ...]) -> bool:
        """Where the place is a feature, or two added, but for a constant: no table is needed."""
        place: Feature = features[0]
        if len(features) == 2:
            place = Combined("+", *features)
            self._step[place], self._ordered[place] = self._step_of(place), True
        offsets = np.unique(goal.labels - goal.at(self.batch.values(place)))
        if len(features) > 2 or len(offsets) != 1:
            return False
        tokens = np.unique(goal.at(self.batch.values(Base.TOKEN)))
        here = Relation("==", place, Base.POSITION, -int(offsets[0]))
        filters = [None, Filter(Base.TOKEN, tuple(map(int, tokens)))]
        filters += [f for known in self.taken[:_MORE] for _, f in self._grammar.filters(known)]
        for chosen in filters:
            made = Fetch(Selector(here, chosen), Base.TOKEN)
            if self._step_of(made) <= _LAST_STEP:
                self._consider(made, 0.0, self._step_of(made))
            if self.solution is not None:
                return True
        return False

    def _place(self, wanted: Goal, features: tuple[Feature, ...]) -> Feature | None:
        """The table of features that says where a token is wanted, or nowhere."""
        codes, size = wanted.joint(features)
        if size > LARGEST_TABLE or wanted.share_right(codes, size) < SURE:
            return None
        lows, sizes = zip(*(self._range(wanted, f) for f in features), strict=True)
        results = tuple(map(int, wanted.best_table(codes, size)))
        table = Lookup(features, lows, sizes, results)
        self._step[table], self._ordered[table] = self._step_of(table), True
        return table

    def _ask_by_table(self, feature: Feature) -> None:
        """Heads whose query is a table of two features: the best key for each cell is exact."""
        goal = self.goals[0]
        codes, size = goal.codes(feature)
        if size > 20:
            return
        for key, value in ((Base.POSITION, Base.TOKEN), (Base.TOKEN, Base.POSITION)):
            hits = self._hits_of(goal, key, value)
            for other in self.taken[:-1]:
                more, n = goal.codes(other.feature)
                if size * n > 600 or not hits.shape[1]:
                    continue
                cells = codes * n + more
                summed = np.stack(
                    [np.bincount(cells, column, minlength=size * n) for column in hits.T], 1
                )
                if summed.max(1).sum() / goal.size >= 0.999:
                    self._fetch_by_table(key, value, (feature, other.feature), summed.argmax(1))
                    if self.solution is not None:
                        return

    def _fetch_by_table(
        self, key: Base, value: Base, query: tuple[Feature, Feature], asked: NDArray[np.int64]
    ) -> None:
        lows, sizes = zip(*(self._range(self.goals[0], f) for f in query), strict=True)
        low = self.batch.bounds(key)[0]
        table = Lookup(query, lows, sizes, tuple(int(x) + low for x in asked))
        self._step[table], self._ordered[table] = self._step_of(table), True
        made = Fetch(Selector(Relation("==", key, table)), value)
        if self._step_of(made) <= _LAST_STEP:
            self._consider(made, 0.0, self._step_of(made))

    def _hits_of(self, goal: Goal, key: Base, value: Base) -> NDArray[np.float64]:
        """Whether asking for each key value fetches the label: [labelled position, key value].

        A fetched value counts for the label that it goes with more often than by chance.
        """
        found = self._hits.get((key, value))
        if found is not None:
            return found
        low, equal = self.batch.equal(key)
        columns = []
        for k in range(equal.shape[1]):
            asked = Relation("==", key, Lookup((Base.POSITION,), (0,), (1,), (low + k,)))
            chosen = self.batch.closest(self.batch.selected(Selector(asked)))
            fetched = np.take_along_axis(self.batch.values(value), chosen, 1)
            columns.append(goal.at(fetched))
        values = np.stack(columns, 1)
        counts = np.zeros((int(values.max()) + 1, goal.n_labels))
        for column in columns:
            np.add.at(counts, (column, goal.labels), 1.0)
        counts += 1.0
        lift = counts / counts.sum(1, keepdims=True) / counts.sum(0, keepdims=True)
        right: NDArray[np.bool_] = lift.argmax(1)[values] == goal.labels[:, None]
        hits: NDArray[np.float64] = right.astype(np.float64)
        if hits.shape[1] > 20:
            hits = hits[:, :0]
        self._hits[key, value] = hits
        return hits


def _canonical(values: Values) -> bytes:
    """Equal for values that differ by sign and a constant only."""
    moved = values - values[0]
    first = moved[np.argmax(moved != 0)]
    return _digest(moved if first > 0 else -moved)


def _digest(values: NDArray[np.int16] | NDArray[np.int64]) -> bytes:
    return blake2b(values.astype(np.int16).tobytes(), digest_size=16).digest()
