"""The residual stream of a standard Transformer: which variable is where, who writes, who reads.

Where a variable stands, and how long, is what the checkpoint names. Who writes and reads is in the
weights alone: a head reads a direction as query, key or value where the row of its W_Q, W_K or W_V
is not zero, and writes it where the column of its W_O is not; hidden units by W_in and W_out, the
embeddings and the unembedding likewise. A direction that is read or written while no variable
stands there is shown as what it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tpir.view.boxes import Role

if TYPE_CHECKING:  # it brings torch, and this module starts without
    from tpir.models.stored_transformer import TransformerCheckpoint, Variable

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Touch:
    """Directions that are read or written, and the variable there; None where there is none.

    ``whole``: whether these are all directions that the variable has then.
    """

    variable: str | None
    directions: tuple[int, ...]
    whole: bool = False

    def __str__(self) -> str:
        if self.variable is None:
            return f"direction{'s' if len(self.directions) > 1 else ''} {runs(self.directions)}"
        return self.variable if self.whole else f"{self.variable} ({runs(self.directions)})"


@dataclass(frozen=True)
class Part:
    """An embedding, a head, the hidden units that write the same variables, or an output.

    ``time`` is that of ``Variable``. ``number`` is the head's. ``clears`` are directions whose old
    value an MLP takes out, with a unit each.
    """

    name: str
    time: int
    reads: tuple[tuple[Role, Touch], ...] = ()
    writes: tuple[Touch, ...] = ()
    clears: tuple[int, ...] = ()
    number: int = 0

    @property
    def idle(self) -> bool:
        """Whether it neither reads nor writes."""
        return not (self.reads or self.writes or self.clears)

    def reads_of(self, direction: int) -> list[Role]:
        """As what it reads a direction."""
        return [role for role, touch in self.reads if direction in touch.directions]

    def writes_to(self, direction: int) -> bool:
        """Whether it adds something to a direction; taking out does not count."""
        return any(direction in touch.directions for touch in self.writes)


@dataclass(frozen=True)
class Stream:
    """The variables that the checkpoint names, and in order the parts that do something."""

    d_model: int
    blocks: int
    variables: tuple[Variable, ...]
    parts: tuple[Part, ...]

    @property
    def times(self) -> range:
        """The embedding, the attention and the MLP of each block, the unembedding."""
        return range(2 * self.blocks + 2)

    @property
    def summary(self) -> str:
        """The sizes in words."""
        return f"{_count(self.d_model, 'direction')}, {_count(self.blocks, 'block')}"

    def at(self, time: int) -> list[Part]:
        """The parts of one sublayer."""
        return [part for part in self.parts if part.time == time]


def sublayer_name(time: int, blocks: int) -> str:
    """The sublayer of a time in half blocks; see ``Variable``."""
    if time == 0:
        return "embedding"
    if time > 2 * blocks:
        return "unembedding"
    return f"block {(time - 1) // 2} {'attention' if time % 2 else 'MLP'}"


def residual_stream(checkpoint: TransformerCheckpoint) -> Stream:
    """Read the stream off a checkpoint."""
    nonzero = {name: x.detach().cpu().numpy() != 0 for name, x in checkpoint.state.items()}
    reader = _Reader(nonzero, checkpoint)
    parts = [*reader.embeddings()]
    for block in range(checkpoint.blocks):
        parts += [*reader.heads(block), *reader.units(block)]
    return Stream(
        nonzero["embed.W_E"].shape[1],
        checkpoint.blocks,
        checkpoint.variables,
        (*(part for part in parts if not part.idle), *reader.outputs()),
    )


def runs(numbers: Iterable[int]) -> str:
    """Numbers in words: ``0 2–5``."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in found)


@dataclass(frozen=True)
class _Reader:
    """``nonzero``: the tensors of the state, true where they are not 0."""

    nonzero: Mapping[str, Bools]
    checkpoint: TransformerCheckpoint

    def embeddings(self) -> Iterator[Part]:
        tokens, positions = self.nonzero["embed.W_E"], self.nonzero["pos_embed.W_pos"]
        bos = self.checkpoint.bos
        words = _any(tokens[:-1] if bos else tokens, 0)
        yield Part("token", 0, writes=self.written(words, 0))
        if bos:
            yield Part("beginning", 0, writes=self.written(tokens[-1] & ~words, 0))
        yield Part("position", 0, writes=self.written(_any(positions, 0), 0))

    def heads(self, block: int) -> Iterator[Part]:
        time, prefix = 2 * block + 1, f"blocks.{block}.attn."
        roles = {"W_Q": Role.QUERIES, "W_K": Role.KEYS, "W_V": Role.VALUES}
        for head, written in enumerate(_any(self.nonzero[f"{prefix}W_O"], 1)):
            reads = tuple(
                (role, touch)
                for name, role in roles.items()
                for touch in self.read(_any(self.nonzero[prefix + name][head], 1), time)
            )
            yield Part(f"head {head}", time, reads, self.written(written, time), number=head)
        yield Part("bias", time, writes=self.written(self.nonzero[f"{prefix}b_O"], time))

    def units(self, block: int) -> Iterator[Part]:
        """Hidden units that write the same variables make one part."""
        time, prefix = 2 * block + 2, f"blocks.{block}.mlp."
        w_in, w_out = self.nonzero[f"{prefix}W_in"], self.nonzero[f"{prefix}W_out"]
        clearing = self.clearing(block)
        groups: dict[frozenset[str | None], list[int]] = {}
        for unit, row in enumerate(w_out):
            names = frozenset(touch.variable for touch in self.written(row, time))
            if unit not in clearing and row.any():
                groups.setdefault(names, []).append(unit)
        for units in groups.values():
            reads = self.read(_any(w_in[:, units], 1), time)
            writes = self.written(_any(w_out[units], 0), time)
            yield Part(
                _units(units), time, tuple((Role.ARGUMENT, touch) for touch in reads), writes
            )
        yield Part(_units(clearing), time, clears=tuple(sorted(clearing.values())))
        biased = self.nonzero[f"{prefix}b_out"] & ~_any(w_out, 0)
        yield Part("bias", time, writes=self.written(biased, time))

    def clearing(self, block: int) -> dict[int, int]:
        """The units that take out the old value of a direction, and which direction.

        Such a unit reads one direction and writes it alone, with the opposite sign, and the
        variable there is not read later.
        """
        time, prefix = 2 * block + 2, f"blocks.{block}.mlp."
        w_in, w_out = self.nonzero[f"{prefix}W_in"], self.nonzero[f"{prefix}W_out"]
        state = self.checkpoint.state
        product = state[f"{prefix}W_in"].T * state[f"{prefix}W_out"]
        found: dict[int, int] = {}  # by direction: where there are several units, the last
        for unit in np.flatnonzero((w_in.sum(0) == 1) & (w_out.sum(1) == 1)).tolist():
            direction = int(w_in[:, unit].argmax())
            dead = [v for v in self.checkpoint.variables if direction in v.directions]
            dead = [v for v in dead if v.written < time]
            if dead and all(v.read <= time for v in dead) and product[unit, direction] == -1:
                found[direction] = unit
        return {unit: direction for direction, unit in found.items()}

    def outputs(self) -> Iterator[Part]:
        time, first = 2 * self.checkpoint.blocks + 1, 0
        for output in self.checkpoint.outputs:
            logits = self.nonzero["unembed.W_U"][:, first : first + output.width]
            reads = self.read(_any(logits, 1), time)
            yield Part(
                f"output {output.name}", time, tuple((Role.FEATURE, touch) for touch in reads)
            )
            first += output.width

    def read(self, mask: Bools, time: int) -> tuple[Touch, ...]:
        """What stands in these directions when a sublayer reads them."""
        return self.touches(mask, lambda v: v.written < time <= v.read)

    def written(self, mask: Bools, time: int) -> tuple[Touch, ...]:
        """What a sublayer writes in these directions."""
        return self.touches(mask, lambda v: v.written == time)

    def touches(self, mask: Bools, holds: Callable[[Variable], bool]) -> tuple[Touch, ...]:
        there = {d: v.name for v in self.checkpoint.variables if holds(v) for d in v.directions}
        found: dict[str | None, list[int]] = {}
        for direction in np.flatnonzero(mask).tolist():
            found.setdefault(there.get(direction), []).append(direction)
        size = Counter(there.values())
        return tuple(
            Touch(name, tuple(directions), name is not None and len(directions) == size[name])
            for name, directions in found.items()
        )


def _any(mask: Bools, axis: int) -> Bools:
    return np.asarray(mask.any(axis))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _units(units: Iterable[int]) -> str:
    numbers = list(units)
    return f"unit{'s' if len(numbers) > 1 else ''} {runs(numbers)}"
