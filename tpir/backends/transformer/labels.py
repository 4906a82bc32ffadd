"""A readout inside a program as a table: its label for all values of its features together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tpir.ir.functions import Domain, codes_of
from tpir.ir.ops import Classify
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, value_key
from tpir.semantics.columns import Column
from tpir.semantics.readout import readout


def labels_of(node: Node, domains: Sequence[Domain]) -> tuple[Value, ...]:
    """The label for each row of the product of domains, as the interpreter finds it."""
    assert isinstance(node.op, Classify)
    sizes = [len(domain) for domain in domains]
    places = np.indices(sizes).reshape(len(domains), 1, math.prod(sizes))
    features = []
    for operand, domain, at in zip(node.operands, domains, places, strict=True):
        listed = values_of(operand.type)
        if listed is None:
            data = np.array([float(value) for value in domain])
        else:
            code = codes_of(listed)
            data = np.array([code[value_key(value)] for value in domain])
        features.append(Column(operand.type, data[at]))
    codes = readout(node, features, 1).data.reshape(-1)
    return tuple(node.op.labels[k] for k in codes.tolist())
