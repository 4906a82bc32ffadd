"""Whether a changed program still gives the same outputs: on some inputs, fast; then on all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Type, values_of
from tpir.ir.values import value_key
from tpir.passes.failing import can_fail
from tpir.semantics.columns import Column
from tpir.semantics.machine import Machine
from tpir.semantics.maps import MapKernel
from tpir.semantics.selection import CELLS
from tpir.semantics.space import InputSpace

Tokens = NDArray[np.generic]
Labels = Mapping[str, NDArray[np.intp]]

_SAMPLE = 1500
_COUNTEREXAMPLES = 64


def can_be_tried(program: Program) -> bool:
    """Whether all outputs have finitely many values and nothing fails."""
    outputs = program.outputs.values()
    return all(_domain(n.type) is not None and not can_fail(n) for n in outputs)


def _domain(type_: Type) -> tuple[object, ...] | None:
    return type_.domain if isinstance(type_, Pooled) else values_of(type_)


class Trials:
    """Some inputs of a space, of several lengths, with what a program's outputs are on them.

    Programs that share nodes with those tried before run only what is new.
    """

    def __init__(self, program: Program, space: InputSpace) -> None:
        self._original, self._space = program, space
        self._kernels: dict[Node, MapKernel] = {}
        self._groups: list[_Group] = []
        self.add(list(space.sample(_SAMPLE, np.random.default_rng(0))))

    def add(self, inputs: Sequence[Tokens]) -> None:
        """Try these inputs, too."""
        known = [row for group in self._groups for row in group.machine.tokens.T]
        by_length: dict[int, list[Tokens]] = {}
        for tokens in [*known, *inputs]:
            by_length.setdefault(len(tokens), []).append(tokens)
        self._groups = []
        for length in sorted(by_length, reverse=True):
            batch = np.unique(np.stack(by_length[length], axis=1), axis=1)
            machine = Machine(self._original.header, batch, self._kernels)
            self._groups.append(_Group(machine, labels(self._original, self._original, machine)))

    def agrees(self, program: Program) -> bool:
        """Whether a program's outputs are the original's on all inputs.

        The inputs that refute it are tried first the next time: they refute most.
        """
        for place, group in enumerate(self._groups):
            if not _same(labels(program, self._original, group.machine), group.expected):
                self._groups.insert(0, self._groups.pop(place))
                return False
        return True

    def counterexamples(self, program: Program) -> list[Tokens]:
        """Some inputs on which a program differs: all inputs are run, and none means equal."""
        original, kernels = self._original, dict[Node, MapKernel]()
        found: list[Tokens] = []
        for _, tokens in self._space.batches(max(1, CELLS // max(self._space.lengths()) ** 2)):
            machine = Machine(original.header, tokens, kernels)
            expected = labels(original, original, machine)
            made = labels(program, original, machine)
            differ = np.zeros(tokens.shape[1], dtype=np.bool_)
            for name in expected:
                differ |= (expected[name] != made[name]).any(axis=0)
            places = np.flatnonzero(differ)
            found.extend(tokens[:, k] for k in places[:: max(1, len(places) // _COUNTEREXAMPLES)])
            if len(found) > 6 * _COUNTEREXAMPLES:
                break
        return found

    def keep(self, program: Program) -> None:
        """Forget what nodes hold that are not in this program, or in the original."""
        wanted = {*program.nodes, *self._original.nodes}
        for group in self._groups:
            group.machine.keep(wanted)
        for node in [node for node in self._kernels if node not in wanted]:
            del self._kernels[node]


@dataclass(frozen=True, eq=False)
class _Group:
    machine: Machine
    expected: Labels


def labels(program: Program, original: Program, machine: Machine) -> dict[str, NDArray[np.intp]]:
    """The outputs of a program on a batch, as codes of the original program's output types."""
    found = {}
    for name, node in program.outputs.items():
        state = machine.state(node)
        assert isinstance(state, Column)
        codes = state.data.astype(np.intp)
        wanted = original.outputs[name].type
        if node.type != wanted:
            place = {value_key(v): k for k, v in enumerate(_domain(wanted) or ())}  # type: ignore[arg-type]
            moved = [place[value_key(v)] for v in _domain(node.type) or ()]  # type: ignore[arg-type]
            codes = np.array(moved, dtype=np.intp)[codes]
        shape = (codes.shape[0], machine.tokens.shape[1])
        found[name] = np.broadcast_to(codes, shape)
    return found


def _same(left: Labels, right: Labels) -> bool:
    return all(np.array_equal(left[name], right[name]) for name in right)
