"""Features that mark a position: counted from there on, or fetched from."""

from __future__ import annotations

from collections.abc import Iterator

from tpir.training.construct.features import Base, Count, Feature, Fetch, Filter, Lookup, Selector
from tpir.training.construct.goals import Goal, Kind
from tpir.training.construct.pool import Pool
from tpir.training.construct.tables import lookup


def marked(pool: Pool, goal: Goal, features: tuple[Feature, ...]) -> Iterator[Feature]:
    """What is made of features whose table says where a lasting label begins, or the answer is.

    Whether it has begun; or the token there.
    """
    mark: Feature = lookup(goal, features)
    pool.keep(mark)
    there = Selector(None, Filter(mark, (1,)))
    made: Feature = Fetch(there, Base.TOKEN)
    if goal.kind is Kind.ONSET:
        count = Count(there)
        pool.keep(count)
        made = Lookup((count,), (0,), (2,), (0, 1))
    if pool.fits(made):
        yield made
