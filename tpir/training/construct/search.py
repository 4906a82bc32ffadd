"""The search: features from the shortest on, until a table of a few of them gives every label.

As in a saturating theorem prover, features wait in two orders, by description length and by what
they tell of the goals; the best is taken, tried together with all that were taken before, and
whatever can be made of it and them is added to the candidates.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tpir.training.construct.agenda import Agenda
from tpir.training.construct.balances import Balances
from tpir.training.construct.batch import Batch, Values
from tpir.training.construct.candidates import Candidates
from tpir.training.construct.features import Base, Feature, is_ordered, operands_of
from tpir.training.construct.goals import LARGEST_TABLE, SURE, Goal, Kind
from tpir.training.construct.grammar import Candidate, Grammar
from tpir.training.construct.marks import marked
from tpir.training.construct.places import Places
from tpir.training.construct.pool import Pool
from tpir.training.construct.queries import QueryTables
from tpir.training.construct.solutions import Solutions
from tpir.training.construct.tables import Tables, best_labels

_PROMISING = 0.6
"""A feature that tells such a share beside the token or the position is tried with it at once."""

_BATCH = 500
"""How many candidates are evaluated before the next feature is taken."""

_ATTEMPTS = 20
"""How often fetching from the places of one goal is tried."""

_SUMS_FIRST = 1_000
"""Before so many features are tried, places are not looked up in tables: sums are simpler."""


@dataclass(frozen=True)
class SearchStatus:
    """How far a search is: features tried, kept, taken; the best table, and its share right."""

    tried: int
    kept: int
    taken: int
    best: tuple[Feature, ...]
    share_right: float


class Search:
    """Features on a sample of inputs, ``batch``, and goals on it.

    The first goal is what counts; the others say where tokens are wanted. ``verify`` is asked
    whether a table of some features gives the labels of all data (see ``Solutions``). The search
    ends with a table that does, or after ``budget`` features. Equal arguments give equal results.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        goals: Sequence[Goal],
        budget: int,
        verify: Callable[[tuple[Feature, ...]], int | None],
        on_status: Callable[[SearchStatus], None] | None = None,
    ) -> None:
        self.tried = 0
        self._batch, self._goal, self._on_status = batch, goals[0], on_status
        self._solutions = Solutions(verify, budget)
        self._pool = Pool(batch)
        self._grammar = Grammar(causal=batch.causal)
        self._candidates = Candidates(self._grammar, self._pool)
        placed = [goal for goal in goals if goal.kind is Kind.PLACE]
        self._telling_goals = placed or goals
        self._agenda = Agenda(batch, self._telling_goals)
        self._tables = Tables()
        self._balances = Balances(self._pool)
        self._balanced: set[Feature] = set()
        self._places = Places(self._pool, self._grammar)
        self._queries = QueryTables(self._pool, self._goal)
        self._open_goals = list(goals)
        self._attempts: Counter[Goal] = Counter()
        self._postponed: list[tuple[Goal, tuple[Feature, ...]]] = []

    def run(self) -> tuple[Feature, ...] | None:
        """The features whose table gives every label; None if the budget ran out before."""
        bases = (Base.POSITION, Base.TOKEN)
        for base in bases:
            self._consider(Candidate(0.0, base))
        # Whatever was made of those meanwhile, they are known first.
        for base in bases:
            self._agenda.drop(base)
            self._take(base)
        for balance in self._balances.all():
            self._balanced.add(balance.feature)
            self._candidates.add(balance)
        while not self._solved and self.tried < self._solutions.budget:
            feature = self._agenda.take()
            if feature is not None:
                self._take(feature)
            self._evaluate_some()
            self._try_postponed()
            if len(self._candidates) < _BATCH:
                self._candidates.look_further()
            if self._on_status is not None:
                self._on_status(self._status())
        solution = self._solutions.exact
        if solution is not None and len(solution) > 1:
            self._look_for_smaller(solution)
        return self._solutions.exact or self._solutions.provisional

    def best_features(self) -> tuple[Feature, ...]:
        """Those whose table is the best so far."""
        return self._tables.best(self._goal) or (Base.TOKEN,)

    @property
    def _solved(self) -> bool:
        return self._solutions.exact is not None

    def _status(self) -> SearchStatus:
        best = self.best_features()
        share = self._goal.share_right(*self._goal.joint(best))
        return SearchStatus(self.tried, len(self._pool), len(self._grammar.known), best, share)

    def _evaluate_some(self) -> None:
        for _ in range(_BATCH):
            if not self._candidates or self._solved:
                return
            self._consider(self._candidates.shortest())

    def _consider(self, candidate: Candidate) -> None:
        """Evaluate a feature; if it is new, try it for each goal and let it wait to be taken."""
        self.tried += 1
        feature = candidate.feature
        values = self._pool.keep_if_new(feature)
        if values is None:
            return
        gains = dict.fromkeys(self._telling_goals, 0.0)
        for goal in list(self._open_goals):
            told = goal.gain(values)
            if goal in gains:
                gains[goal] = told
            # The smallest table comes last, for it takes the place of larger ones.
            if told > _PROMISING:
                for base in Base:
                    self._try(goal, tuple({feature: None, base: None}))
            self._try(goal, (feature,))
            if goal.kind is Kind.PLACE:
                self._complete_sums(goal, feature, values)
            if self._solved:
                return
            goal.forget(feature)
        # Most features are never taken; what is kept of each would fill the memory.
        self._batch.forget(feature)
        self._agenda.add(feature, candidate.bits, list(gains.values()))
        if feature in self._balanced:
            self._balanced.discard(feature)
            for use in self._balances.uses(candidate):
                self._candidates.add(use)

    def _consider_all(self, features: Iterable[Feature]) -> None:
        """Features that were made for a goal, whatever their description length."""
        for feature in features:
            self._consider(Candidate(0.0, feature))
            if self._solved:
                return

    def _take(self, feature: Feature) -> None:
        """Try a feature together with those taken before, and make more of it and them."""
        low, high = self._batch.bounds(feature)
        known = self._grammar.learn(feature, ordered=is_ordered(feature), low=low, high=high)
        for goal in list(self._open_goals):
            self._pair_up(goal, feature)
            if self._solved:
                return
        self._consider_all(self._queries.fetches(feature, self._grammar.known[:-1]))
        if not self._solved:
            self._candidates.make_with(known)

    def _pair_up(self, goal: Goal, feature: Feature) -> None:
        """Try tables of the feature with one or two of those taken before."""
        known = self._grammar.known
        partners = self._tables.partners(goal, feature, known[:-1])
        self._try_all(goal, self._tables.pairs(goal, feature, partners))
        if self._solved or goal not in self._open_goals:
            return
        if goal is self._goal:
            labels = best_labels(goal, feature, partners, len(known))
            if labels is not None:
                self._candidates.add(labels)
        self._try_all(goal, self._tables.triples(goal, feature, partners, known))

    def _try_all(self, goal: Goal, tables: Iterable[tuple[Feature, ...]]) -> None:
        for features in tables:
            self._try(goal, features)
            if self._solved or goal not in self._open_goals:
                return

    def _try(self, goal: Goal, features: tuple[Feature, ...]) -> None:
        """Use a table if it gives an open goal on the sample."""
        if goal not in self._open_goals:
            return
        codes, size = goal.joint(features)
        if size > LARGEST_TABLE or goal.share_right(codes, size) < SURE:
            return
        if goal is self._goal:
            if self._pool.fits_labels(features):
                self._solutions.offer(features, size, self.tried)
        else:
            self._reached(goal, features)

    def _look_for_smaller(self, solution: tuple[Feature, ...]) -> None:
        """Try tables of two features that a solution is made of."""
        parts = list(dict.fromkeys(solution))
        for feature in parts:
            parts += [operand for operand in operands_of(feature) if operand not in parts]
        for features in itertools.combinations(parts, 2):
            self._try(self._goal, features)

    def _reached(self, goal: Goal, features: tuple[Feature, ...]) -> None:
        """Use features whose table gives a goal that is not the labels."""
        self._attempts[goal] += 1
        if self._attempts[goal] >= _ATTEMPTS:
            self._open_goals.remove(goal)
        if goal.kind is not Kind.PLACE:
            self._consider_all(marked(self._pool, goal, features))
            return
        self._consider_all(self._places.by_sum(goal, features))
        if self._solved:
            return
        if self.tried < _SUMS_FIRST:
            self._postponed.append((goal, features))
        else:
            self._consider_all(self._places.by_table(goal, features))

    def _complete_sums(self, goal: Goal, feature: Feature, values: Values) -> None:
        sums = self._places.completed_sums(goal, feature, values)
        while not self._solved and goal in self._open_goals:
            made = next(sums, None)
            if made is None:
                return
            self._reached(goal, (made,))

    def _try_postponed(self) -> None:
        """Look places up in tables, once there was time to find those that are sums."""
        if self.tried < _SUMS_FIRST:
            return
        waiting, self._postponed = self._postponed, []
        for goal, features in waiting:
            self._consider_all(self._places.by_table(goal, features))
            if self._solved:
                return
