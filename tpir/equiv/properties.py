"""Properties of a program: what its output always is, as a program over its input and its output.

A property is ``.rasp`` text over ``tokens``, ``indices`` and ``output`` whose outputs are truth
values. Put on top of the program it is one program more, and the property holds where that one is
equal to the one that says ``True``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import Literal
from tpir.ir.functions import TableWeights
from tpir.ir.ops import Classify, Indices, Map, Tokens
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import Bool, Pooled, size_of, values_of
from tpir.ir.values import Value, show_value
from tpir.semantics.program_space import space_of
from tpir.text import parse

OUTPUT = "output"
"""What a property calls the output of the program."""

MAX_VALUES = 2**12
"""Outputs of more values than this are not given to a property."""

SORTED = """
before = select(indices, indices, <) and select(inner, True, ==);
sorted_output = not inner or selector_width(before and select(output, output, >)) == 0;
"""

PERMUTATION = """
among = select(inner, True, ==);
given = selector_width(select(tokens, tokens, ==) and among);
found = selector_width(select(output, tokens, ==) and among);
permutation = not inner or given == found;
"""

SHIPPED = {"sorted-output": SORTED, "permutation": PERMUTATION}
"""The properties that go by a name, as text over ``output`` and ``inner`` (no special token)."""

RENAMING = "renaming"
"""The output is the same after any renaming of tokens that are not special."""


@dataclass(frozen=True)
class Claim:
    """Two programs that are equal if a property holds: ``left`` of the program, ``right`` without.

    ``name`` says what is claimed.
    """

    name: str
    left: Program
    right: Program


def is_special(token: Value) -> bool:
    """Whether a token is a mark such as ``<s>``, and no part of what a model is about."""
    return isinstance(token, str) and len(token) > 2 and token[0] == "<" and token[-1] == ">"


def shipped_claim(program: Program, name: str) -> Claim:
    """A property by name. Raises TpirError where the program's input or output does not fit."""
    if program.causal and name == "permutation":
        raise TpirError("in a causal program no position sees the whole input to count it")
    special = [show_value(t) for t in program.vocabulary if is_special(t)]
    rows = [f"{token} -> False;" for token in special] + ["_ -> True"]
    if len(special) == len(program.vocabulary):
        raise TpirError("every token is special: there is nothing to say a property of")
    inner = f"table is_inner {{ {' '.join(rows)} }}\ninner = is_inner(tokens);\n"
    return claim(program, inner + SHIPPED[name], name)


def claim(program: Program, text: str, name: str) -> Claim:
    """A property as text. Raises TpirError where it is none."""
    output = _only_output(program)
    header = program.header
    listed = ", ".join(map(show_value, header.vocabulary))
    first = (
        f"context {header.context};\nvocabulary {{{listed}}};\n"
        f"{'causal;' if header.causal else ''}\n{_stand_in(output)}\n"
    )
    try:
        asked = parse(first + text, name=name)
    except TpirError as error:
        raise TpirError(f"the property {name}: {error.message}", notes=error.notes) from None
    for node in asked.outputs.values():
        if not isinstance(node.type, Bool):
            raise TpirError(f"the property {name} is of type {node.type}, not a truth value")
    builder = Builder(replace(header, labels=()))
    new = copied(builder, program.nodes, {})
    shared: dict[object, Node] = {
        type(node.op): new[node] for node in program.nodes if isinstance(node.op, Tokens | Indices)
    }
    given: dict[Node, Node] = {}
    for node in asked.nodes:
        if node.name == OUTPUT and isinstance(node.op, Map | Classify):
            given[node] = new[output]
        elif type(node.op) in shared:
            given[node] = shared[type(node.op)]
    made = copied(builder, asked.nodes, given)
    holds = builder.build({key: made[node] for key, node in asked.outputs.items()})
    return Claim(name, holds, _always(holds))


def _only_output(program: Program) -> Node:
    if len(program.outputs) != 1:
        raise TpirError(f"the program has {len(program.outputs)} outputs; choose one with --output")
    (output,) = program.outputs.values()
    if isinstance(output.type, Pooled):
        raise TpirError("the program has one label for the input; properties are of sequences")
    return output


def _stand_in(output: Node) -> str:
    """Text for a sequence of the output's type, that the output takes the place of."""
    size = size_of(output.type)
    if size is None:
        return f"{OUTPUT} = indices / 3;"
    if size > MAX_VALUES:
        raise TpirError(f"the output has {size:,} values; a property is told of {MAX_VALUES:,}")
    values = values_of(output.type) or ()
    labels = ", ".join(map(show_value, values))
    bias = ", ".join(["0.0"] * len(values))
    return f"{OUTPUT} = classify {{ labels {{{labels}}}; bias [{bias}]; }};"


def copied(builder: Builder, nodes: Sequence[Node], given: Mapping[Node, Node]) -> dict[Node, Node]:
    """Nodes made anew in a builder; those that are given are not."""
    new = dict(given)
    for node in nodes:
        if node not in new:
            new[node] = builder.copy(node, [new[operand] for operand in node.operands])
    return new


def _always(program: Program) -> Program:
    """The program with the same outputs, all of them true."""
    builder = Builder(program.header)
    node = builder.add(Map(Literal(True)), [])
    return builder.build(dict.fromkeys(program.outputs, node))


def renaming_claims(program: Program) -> list[Claim]:
    """That the output is the same after renaming tokens: for two renamings that make all others.

    The first exchanges two tokens, the second moves each to the next. Raises TpirError where there
    are too few tokens.
    """
    tokens = [t for t in program.vocabulary if not is_special(t)]
    if len(tokens) < 2:
        raise TpirError("there are not two tokens that could be exchanged")
    classes = space_of(program).automaton.class_of
    told_apart = {
        int(number)
        for number, token in zip(classes, program.vocabulary, strict=True)
        if not is_special(token)
    }
    if len(told_apart) > 1:
        raise TpirError("the accepted form tells tokens apart: not every renamed input is one")
    swap = {tokens[0]: tokens[1], tokens[1]: tokens[0]}
    turn = dict(zip(tokens, [*tokens[1:], tokens[0]], strict=True))
    named = {f"exchanging {show_value(tokens[0])} and {show_value(tokens[1])}": swap}
    if len(tokens) > 2:
        named["moving each token to the next"] = turn
    return [Claim(name, program, renamed(program, new)) for name, new in named.items()]


def renamed(program: Program, names: Mapping[Value, Value]) -> Program:
    """The program on renamed tokens."""
    header: Header = program.header
    vocabulary = header.vocabulary
    builder = Builder(header)
    tokens = builder.add(Tokens())
    rows = tuple(
        tuple(float(names.get(token, token) == other) for other in vocabulary)
        for token in vocabulary
    )
    zero = (0.0,) * len(vocabulary)
    # A readout gives the tokens in the order of the vocabulary; a table would sort them.
    op = Classify(vocabulary, zero, (TableWeights(vocabulary, rows),))
    other = builder.add(op, [tokens], name="renamed")
    given = {node: other for node in program.nodes if isinstance(node.op, Tokens)}
    new = copied(builder, program.nodes, given)
    return builder.build({name: new[node] for name, node in program.outputs.items()})
