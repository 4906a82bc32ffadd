"""The whole way from a program to weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from tpir.backends.transformer.budget import Budget
from tpir.backends.transformer.cache import Cache
from tpir.backends.transformer.canonical import canonical
from tpir.backends.transformer.forms import Forms
from tpir.backends.transformer.legal import Legaliser
from tpir.backends.transformer.plan import Plan, Readout
from tpir.backends.transformer.planner import Planner
from tpir.backends.transformer.weights import Directions, tensors_of
from tpir.ir.floats import gives_floats
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector
from tpir.models.stored_transformer import Output, TransformerCheckpoint, Variable

MOST_ORDERS = 4
"""How often tables are made, each time with their arguments in the order of the last."""


def compile_transformer(
    program: Program, *, dtype: torch.dtype = torch.float32
) -> TransformerCheckpoint:
    """The weights of a standard Transformer that computes the program.

    Raises TpirError, naming the node, for what cannot be exact.
    """
    budget = Budget("float64" if dtype is torch.float64 else "float32")
    legaliser = Legaliser(program)
    plan = _ordered_plan(legaliser.forms, legaliser.run(), budget)
    tensors = tensors_of(plan, len(program.vocabulary), program.context, budget.gap)
    return TransformerCheckpoint(
        {name: torch.tensor(array, dtype=dtype) for name, array in tensors.state.items()},
        program.vocabulary,
        program.context,
        program.causal,
        plan.bos is not None,
        tuple(_output(program, readout) for readout in plan.readouts),
        _variables(plan, tensors.directions),
        program.accepts,
        program.fingerprint,
    )


def _ordered_plan(forms: Forms, program: Program, budget: Budget) -> Plan:
    """A plan that does not depend on the order in which nodes and operands were written.

    Tables whose arguments come in another order than they are made in are made again, in theirs.
    """
    order: Mapping[Node, int] = {node: k for k, node in enumerate(program.live)}
    firm: frozenset[Node] = frozenset()
    cache = Cache(budget)
    for _ in range(MOST_ORDERS):
        program, new = canonical(forms, program, order)
        firm = frozenset(new[node] for node in firm if node in new)
        planner = _planned(forms, program, budget, cache, firm)
        order, firm = planner.order(), planner.firm
        made = (node for node in new.values() if not isinstance(node.type, Selector))
        places = [order[node] for node in made if node in order]
        if places == sorted(places):
            break
    return planner.plan


def _planned(
    forms: Forms, program: Program, budget: Budget, cache: Cache, firm: frozenset[Node]
) -> Planner:
    """A plan whose errors stay small: nodes are made firm where they would not."""
    while True:
        planner = Planner(forms, program, budget, cache, firm)
        planner.run()
        if not planner.wanted:
            return planner
        firm |= planner.wanted


def _output(program: Program, readout: Readout) -> Output:
    """What the file says of a readout; a logit does not show that the number is a float."""
    floats = readout.values is None and gives_floats(program.outputs[readout.name].op)
    return Output(readout.name, readout.values, readout.pooled, floats)


def _variables(plan: Plan, directions: Directions) -> tuple[Variable, ...]:
    """Coordinates of one variable that are there for the same time, as they lie in the stream.

    A variable some of whose directions are used again earlier than others is listed for each.
    """
    groups: dict[tuple[str, int, int], list[int]] = {}
    for coordinate in plan.coordinates():
        name = coordinate.name.partition("#")[0]
        key = (name, coordinate.slot, directions.last[coordinate])
        groups.setdefault(key, []).append(directions.of[coordinate])
    return tuple(
        Variable(name, tuple(places), slot, last) for (name, slot, last), places in groups.items()
    )
