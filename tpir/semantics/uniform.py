"""``uniform``: which inputs mix words with other values in one sequence."""

from __future__ import annotations

import numpy as np

from tpir.ir.expressions import MIXED_TYPES
from tpir.ir.types import Categorical
from tpir.semantics.columns import Column
from tpir.semantics.failures import Codes, failure_code


def mixes(values: Column) -> Codes | None:
    """The positions that hold a word where the first one does not, or the other way round.

    None where there are none.
    """
    if not isinstance(values.type, Categorical):
        return None
    worded = np.array([isinstance(value, str) for value in values.type.domain])
    if worded.all() or not worded.any():
        return None
    words = worded[values.data.astype(np.intp)]
    mixed = words != words[:1]
    if not mixed.any():
        return None
    return np.where(mixed, failure_code(MIXED_TYPES), 0).astype(np.uint8)
