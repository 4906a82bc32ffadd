"""Programs at work: what each node holds for one batch of inputs, computed when it is asked for.

This is what every op means, on arrays. A machine needs a header and inputs, but no program: a graph
may grow while it runs.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from numpy.typing import NDArray

from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Not,
    Or,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
)
from tpir.ir.program import Header, Node
from tpir.semantics.aggregates import aggregate, aggregate_sum, selector_width
from tpir.semantics.columns import Column, code_dtype
from tpir.semantics.failures import Codes, by_input
from tpir.semantics.maps import MapKernel, map_kernel
from tpir.semantics.readout import readout
from tpir.semantics.selection import HardSelection, Selection, selection_of
from tpir.semantics.selectors import both, choose, either, neither, select
from tpir.semantics.uniform import mixes

State = Column | Selection | HardSelection


class Machine:
    """The states of nodes for one batch: each computed once, and operands before it.

    ``tokens`` holds vocabulary indices of inputs of one length, shape (position, input).
    ``kernels`` keeps what maps need beside their operands; machines of one program can share it.
    """

    def __init__(
        self,
        header: Header,
        tokens: NDArray[np.generic],
        kernels: dict[Node, MapKernel] | None = None,
    ) -> None:
        self.header, self.tokens = header, tokens
        self._kernels: dict[Node, MapKernel] = {} if kernels is None else kernels
        self._held: dict[Node, tuple[State, Codes | None]] = {}

    def state(self, node: Node) -> State:
        """What a node holds; where it fails, or an operand did, any values."""
        return self._compute(node)[0]

    def failures(self, node: Node) -> Codes | None:
        """How the node itself fails, by position (see ``failures``); None where it does not.

        What its operands do is theirs.
        """
        return self._compute(node)[1]

    def failed(self, node: Node) -> NDArray[np.uint8] | None:
        """How the node itself fails on each input, 0 for not at all; None where none fails."""
        codes = self.failures(node)
        return None if codes is None else by_input(codes)

    def forget(self, node: Node) -> None:
        """Free what a node holds; asked for again, it is computed again."""
        self._held.pop(node, None)

    def keep(self, nodes: Container[Node]) -> None:
        """Free what all other nodes hold."""
        self._held = {node: held for node, held in self._held.items() if node in nodes}

    def _compute(self, node: Node) -> tuple[State, Codes | None]:
        waiting = [node]
        while waiting:  # not by recursion: chains of nodes are thousands long
            last = waiting.pop()
            if last in self._held:
                continue
            missing = [operand for operand in last.operands if operand not in self._held]
            if missing:
                waiting += [last, *missing]
            else:
                state, codes = self._step(last)
                self._held[last] = (state, None if codes is None or not codes.any() else codes)
        return self._held[node]

    def _step(self, node: Node) -> tuple[State, Codes | None]:
        """One node, its operands being known."""
        held = [self._held[operand][0] for operand in node.operands]
        columns = [state for state in held if isinstance(state, Column)]
        length, causal = self.tokens.shape[0], self.header.causal
        match node.op:
            case Tokens():
                dtype = code_dtype(len(self.header.vocabulary))
                return Column(node.type, self.tokens.astype(dtype, copy=False)), None
            case Indices():
                dtype = code_dtype(self.header.context)
                return Column(node.type, np.arange(length, dtype=dtype)[:, None]), None
            case Map():
                return self._kernel(node).run(columns, length)
            case Uniform():
                return columns[0], mixes(columns[0])
            case Select(predicate):
                return select(predicate, columns[0], columns[1], causal)
            case And():
                return both(selection_of(held[0]), selection_of(held[1])), None
            case Or():
                return either(selection_of(held[0]), selection_of(held[1])), None
            case Not():
                return neither(selection_of(held[0]), causal), None
            case Choose():
                return choose(node.op, selection_of(held[0]), columns), None
            case Aggregate(default):
                return aggregate(held[0], columns[0], default, node.type)
            case AggregateSum():
                return aggregate_sum(held[0], columns[0], node.type)
            case SelectorWidth():
                return selector_width(held[0], node.type), None
            case Classify() | ClassifyPooled():
                return readout(node, columns, length), None

    def _kernel(self, node: Node) -> MapKernel:
        if node not in self._kernels:
            self._kernels[node] = map_kernel(node)
        return self._kernels[node]
