"""What a head writes: the values that it reads, gathered by the variables of the stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tpir.ir.program import Origin
from tpir.lowering.transformer.numbers import Codes, Floats
from tpir.lowering.transformer.stream import Read, Stream


@dataclass(frozen=True, eq=False)
class Written:
    """What a head copies to the stream from one key, and from the token of beginning.

    ``read`` [d]: the values at a key; ``at_sink`` [d], or None without a token of beginning.
    ``groups``: directions that belong together, as the file says or else as ranks say.
    """

    read: Read
    at_sink: Floats | None
    groups: list[Codes]
    name: str
    origin: Origin

    @property
    def moved(self) -> Floats:
        """What the token of beginning has more than the base of the values."""
        assert self.at_sink is not None
        difference = self.at_sink - self.read.base
        return np.where(np.abs(difference) > self.read.noise, difference, 0.0)


def written_by(
    stream: Stream, read: Read, at_sink: Floats | None, name: str, origin: Origin
) -> Written:
    """What a head writes, by the names of the variables in the file."""
    changes = np.zeros(len(read.base), dtype=bool)
    for rows in read.rows.values():
        changes |= rows.any(axis=0)
    if at_sink is not None:
        changes |= np.abs(at_sink - read.base) > read.noise
    directions = np.flatnonzero(changes)
    by_name: dict[str, list[int]] = {}
    for direction in directions.tolist():
        found = stream.names.get((stream.slot, direction), f"#{direction}")
        by_name.setdefault(found, []).append(direction)
    groups = [np.array(places, dtype=np.intp) for places in by_name.values()]
    known = [n for n in by_name if not n.startswith("#")]
    label = known[0].removesuffix(".raw") if known else name
    return Written(read, at_sink, groups, label, origin)
