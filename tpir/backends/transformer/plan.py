"""What a Transformer is made of before it has layers: embeddings, heads and MLP units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tpir.backends.transformer.basis import Column
from tpir.backends.transformer.features import Coordinate, Feature
from tpir.ir.values import Value


@dataclass(frozen=True)
class Embedded:
    """A coordinate that the embedding of the token, or else of the position, puts there.

    ``column``: its value for each token of the vocabulary, or for each position.
    """

    coordinate: Coordinate
    column: Column
    of_token: bool


@dataclass(frozen=True)
class Pair:
    """A product in a score; ``at_bos``: the key feature at the token of beginning, 0 for most."""

    query: Feature
    key: Feature
    at_bos: float = 0.0


@dataclass(frozen=True)
class Written:
    """A coordinate that a head writes: what it reads at the key, and at the token of beginning."""

    coordinate: Coordinate
    value: Feature
    at_sink: float


@dataclass
class Head:
    """Attention: the score of a pair is the sum over ``pairs`` of query feature x key feature.

    Scores are in units in which what is selected is at least 1 above what is not. ``sink`` is the
    score of the token of beginning, a feature of the query; None where that is a key like others.
    """

    pairs: list[Pair]
    sink: Feature | None
    slot: int
    written: list[Written] = field(default_factory=list)


@dataclass(frozen=True)
class Unit:
    """A hidden unit: the relu of a feature, and what it adds to coordinates."""

    input: Feature
    output: tuple[tuple[Coordinate, float], ...]


@dataclass
class Mlp:
    """Hidden units of one block that make one variable; constants go to the output bias."""

    slot: int
    units: list[Unit]
    constants: dict[Coordinate, float]


@dataclass(frozen=True)
class Readout:
    """An output: features that become logits. ``values``: what each says; None for one number."""

    name: str
    logits: tuple[Feature, ...]
    values: tuple[Value, ...] | None
    pooled: bool = False


@dataclass
class Plan:
    """Everything, in the order it was made."""

    embedded: list[Embedded] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    mlps: list[Mlp] = field(default_factory=list)
    readouts: list[Readout] = field(default_factory=list)
    bos: Coordinate | None = None

    @property
    def blocks(self) -> int:
        """How many blocks of attention and MLP it takes."""
        slots = [head.slot for head in self.heads] + [mlp.slot for mlp in self.mlps]
        return (max(slots, default=0) + 1) // 2

    def coordinates(self) -> Iterator[Coordinate]:
        """All coordinates."""
        if self.bos is not None:
            yield self.bos
        for embedded in self.embedded:
            yield embedded.coordinate
        for head in self.heads:
            yield from (w.coordinate for w in head.written)
        for mlp in self.mlps:
            yield from mlp.constants
