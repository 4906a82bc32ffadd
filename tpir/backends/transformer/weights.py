"""From a plan to tensors: directions for coordinates, scales for scores, matrices for features."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.features import Coordinate, Feature
from tpir.backends.transformer.plan import Head, Plan, Unit

Floats = NDArray[np.float64]


@dataclass
class Directions:
    """Which direction of the residual stream holds a coordinate, and what is cleared where."""

    of: dict[Coordinate, int] = field(default_factory=dict)
    width: int = 0
    clears: dict[int, list[Coordinate]] = field(default_factory=dict)
    """By the slot of an MLP: the coordinates that it takes out of the stream."""
    last: dict[Coordinate, int] = field(default_factory=dict)


def allocate(plan: Plan) -> Directions:
    """A direction for each coordinate; those of coordinates that are not read again are reused.

    A direction is free again after an MLP has taken the old value out, with one hidden unit.
    """
    last = _last_reads(plan)
    directions = Directions(last=last)
    by_slot: dict[int, list[Coordinate]] = {}
    for coordinate in plan.coordinates():
        by_slot.setdefault(coordinate.slot, []).append(coordinate)
    free: list[int] = []
    dirty: list[Coordinate] = []  # dead, not taken out yet
    live: list[Coordinate] = []
    for slot in range(2 * plan.blocks + 1):
        new = by_slot.get(slot, [])
        if slot and slot % 2 == 0:
            dirty += [c for c in live if last[c] <= slot and c.leaves_nothing]
            live = [c for c in live if last[c] > slot]
            needed = _needed(by_slot, slot) - len(free)
            cleared = dirty[: max(0, needed)]
            dirty = dirty[len(cleared) :]
            if cleared:
                directions.clears[slot] = cleared
                free += sorted(directions.of[c] for c in cleared)
        for coordinate in new:
            if free:
                directions.of[coordinate] = free.pop(0)
            else:
                directions.of[coordinate] = directions.width
                directions.width += 1
        live += new
    return directions


def _needed(by_slot: dict[int, list[Coordinate]], slot: int) -> int:
    """Directions that this MLP and the attention after it write."""
    return sum(len(by_slot.get(s, [])) for s in (slot, slot + 1))


def _last_reads(plan: Plan) -> dict[Coordinate, int]:
    """The slot that reads a coordinate last; beyond all of them where the readout does."""
    end = 2 * plan.blocks + 1
    last = {c: c.slot for c in plan.coordinates()}

    def read(feature: Feature, slot: int) -> None:
        for coordinate in feature.terms:
            last[coordinate] = max(last[coordinate], slot)

    for head in plan.heads:
        for pair in head.pairs:
            read(pair.query, head.slot)
            read(pair.key, head.slot)
        if head.sink is not None:
            read(head.sink, head.slot)
        for written in head.written:
            read(written.value, head.slot)
    for mlp in plan.mlps:
        for unit in mlp.units:
            read(unit.input, mlp.slot)
    for readout in plan.readouts:
        for feature in readout.logits:
            read(feature, end)
    if plan.bos is not None:
        last[plan.bos] = end
    return last


@dataclass
class Tensors:
    """The state of ``tpir.models.transformer.Transformer``, in float64."""

    state: dict[str, Floats]
    directions: Directions


def tensors_of(plan: Plan, vocabulary: int, context: int, gap: float) -> Tensors:
    """The tensors that compute a plan; the token of beginning, if any, comes after the words."""
    directions = allocate(plan)
    width = max(1, directions.width)
    offset = 0 if plan.bos is None else 1
    state: dict[str, Floats] = {}
    tokens = np.zeros((vocabulary + offset, width))
    positions = np.zeros((context + offset, width))
    for embedded in plan.embedded:
        table = tokens if embedded.of_token else positions
        shift = 0 if embedded.of_token else offset
        column = np.array(embedded.column)
        table[shift : shift + len(column), directions.of[embedded.coordinate]] = column
    if plan.bos is not None:
        tokens[vocabulary, directions.of[plan.bos]] = 1.0
    state["embed.W_E"], state["pos_embed.W_pos"] = tokens, positions
    for block in range(plan.blocks):
        heads = [h for h in plan.heads if h.slot == 2 * block + 1]
        state.update(_attention(f"blocks.{block}.attn.", heads, plan, directions, width, gap))
        slot = 2 * block + 2
        state.update(_mlp(f"blocks.{block}.mlp.", slot, plan, directions, width))
    logits = [f for readout in plan.readouts for f in readout.logits]
    state["unembed.W_U"] = _matrix(logits, directions, width)
    state["unembed.b_U"] = np.array([f.constant for f in logits])
    return Tensors(state, directions)


def _matrix(features: list[Feature], directions: Directions, width: int) -> Floats:
    """The weights of features as columns [width, features]."""
    matrix = np.zeros((width, len(features)))
    for k, feature in enumerate(features):
        for coordinate, weight in feature.terms.items():
            matrix[directions.of[coordinate], k] += weight
    return matrix


def _attention(
    prefix: str, heads: list[Head], plan: Plan, directions: Directions, width: int, gap: float
) -> dict[str, Floats]:
    size = max((max(len(_pairs(h, plan)), len(h.written)) for h in heads), default=1)
    count = max(1, len(heads))
    size = max(1, size)
    shapes = {f"W_{n}": (count, width, size) for n in "QKV"} | {
        f"b_{n}": (count, size) for n in "QKV"
    }
    state = {name: np.zeros(shape) for name, shape in shapes.items()}
    state["W_O"], state["b_O"] = np.zeros((count, size, width)), np.zeros(width)
    scale = 2.0 ** math.ceil(math.log2(gap * math.sqrt(size)))
    for h, head in enumerate(heads):
        pairs = _ordered(_pairs(head, plan), directions)
        for name, features in (
            ("Q", [q.times(scale) for q, _ in pairs]),
            ("K", [k for _, k in pairs]),
            ("V", [_at_bos(w.value, w.at_sink, plan) for w in head.written]),
        ):
            state[f"W_{name}"][h, :, : len(features)] = _matrix(features, directions, width)
            state[f"b_{name}"][h, : len(features)] = [f.constant for f in features]
        for d, written in enumerate(head.written):
            state["W_O"][h, d, directions.of[written.coordinate]] = 1.0
    return {prefix + name: tensor for name, tensor in state.items()}


def _pairs(head: Head, plan: Plan) -> list[tuple[Feature, Feature]]:
    """Query and key features, with the token of beginning as the key that stands for none.

    There all other key features are 0. Its own query attends to nothing else.
    """
    pairs = [(p.query, _at_bos(p.key, p.at_bos, plan)) for p in head.pairs]
    if plan.bos is None or head.sink is None:
        return pairs
    most = sum(abs(q.at_bos) * max(map(abs, k.bounds)) for q, k in pairs)
    own = 2.0 ** math.ceil(math.log2(most + abs(head.sink.at_bos) + 2.0))
    sink = head.sink.plus(Feature(0.0, {plan.bos: own}))
    return [*pairs, (sink, Feature(0.0, {plan.bos: 1.0}))]


def _ordered(
    pairs: list[tuple[Feature, Feature]], directions: Directions
) -> list[tuple[Feature, Feature]]:
    """By what they read, in the order of directions: not by how the selector was written."""

    def read(feature: Feature) -> tuple[object, ...]:
        terms = [(directions.of[c], w) for c, w in feature.terms.items()]
        return (*sorted(terms), (-1, feature.constant))

    return sorted(pairs, key=lambda pair: (read(pair[1]), read(pair[0])))


def _at_bos(feature: Feature, wanted: float, plan: Plan) -> Feature:
    """The feature, with another value at the token of beginning."""
    if plan.bos is None:
        return feature
    return feature.plus(Feature(0.0, {plan.bos: wanted - feature.at_bos}))


def _mlp(
    prefix: str, slot: int, plan: Plan, directions: Directions, width: int
) -> dict[str, Floats]:
    units = [unit for mlp in plan.mlps if mlp.slot == slot for unit in mlp.units]
    constants = np.zeros(width)
    for mlp in plan.mlps:
        if mlp.slot == slot:
            for coordinate, constant in mlp.constants.items():
                constants[directions.of[coordinate]] += constant
    outputs = [[(directions.of[c], w) for c, w in unit.output] for unit in units]
    for coordinate in directions.clears.get(slot, []):
        least = min(coordinate.least, coordinate.at_bos)
        units.append(Unit(Feature(-least, {coordinate: 1.0}), ()))
        outputs.append([(directions.of[coordinate], -1.0)])
        constants[directions.of[coordinate]] -= least
    if not units:
        units, outputs = [Unit(Feature(), ())], [[]]
    w_out = np.zeros((len(units), width))
    for k, row in enumerate(outputs):
        for direction, weight in row:
            w_out[k, direction] += weight
    inputs = [unit.input for unit in units]
    return {
        f"{prefix}W_in": _matrix(inputs, directions, width),
        f"{prefix}b_in": np.array([f.constant for f in inputs]),
        f"{prefix}W_out": w_out,
        f"{prefix}b_out": constants,
    }
