"""Constructed features and a table of labels as a program."""

from __future__ import annotations

from itertools import product

from tpir.ir.functions import Table
from tpir.ir.ops import Map
from tpir.ir.program import Header, Node, Program
from tpir.ir.verify import verify
from tpir.training.construct.features import Feature, is_token
from tpir.training.construct.label_table import LabelTable, Rows, merge_columns
from tpir.training.construct.nodes import FeatureNodes, domain_of

OUTPUT = "output"
"""The name of a constructed program's output."""


def program_of(header: Header, table: LabelTable, *, begun: int | None) -> Program:
    """The program that computes a table's features and looks its labels up.

    ``begun`` is the token that no token is compared with, if there is one (see ``Batch``).
    """
    nodes = FeatureNodes(header, begun)
    for feature in table.features:
        nodes.node(feature)
    program = nodes.builder.build({OUTPUT: _output(nodes, table)})
    verify(program)
    return program


def _output(nodes: FeatureNodes, table: LabelTable) -> Node:
    """The labels: two columns at a time, so that each step is one small table."""
    first, *rest = table.features
    if not rest and _is_itself(nodes, first, table):
        return nodes.node(first)
    every = product(*map(nodes.codes, table.features))
    rows: Rows = {key: table.label(key) for key in every}
    node, codes = nodes.node(first), nodes.codes(first)
    while len(rest) > 1:
        second = rest.pop(0)
        class_of, rows = merge_columns(rows)
        results = tuple(class_of[pair] for pair in product(codes, nodes.codes(second)))
        node = _looked_up(nodes, [node, nodes.node(second)], results, "case")
        codes = [int(k) for k in domain_of(node)]
    columns = [codes, *map(nodes.codes, rest)]
    labels = tuple(rows[key] for key in product(*columns))
    return _looked_up(nodes, [node, *map(nodes.node, rest)], labels, OUTPUT)


def _looked_up(
    nodes: FeatureNodes, operands: list[Node], results: tuple[int, ...] | tuple[str, ...], name: str
) -> Node:
    table = Table(tuple(domain_of(operand) for operand in operands), results)
    return nodes.builder.add(Map(table), operands, name=name)


def _is_itself(nodes: FeatureNodes, feature: Feature, table: LabelTable) -> bool:
    """Whether the labels are the tokens that a feature gives."""
    return is_token(feature) and all(
        label == nodes.words[code] for (code,), label in table.rows.items()
    )
