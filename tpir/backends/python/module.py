"""Putting the module together: header, helpers, tables, and ``run``."""

from __future__ import annotations

from dataclasses import replace

from tpir.backends.python.aggregates import write_aggregate, write_sum, write_width
from tpir.backends.python.choices import write_choose
from tpir.backends.python.layout import Entry, assign, display, literal, values_tuple
from tpir.backends.python.maps import write_map
from tpir.backends.python.readout import write_readout
from tpir.backends.python.runtime import imported, sources
from tpir.backends.python.selectors import Selectors
from tpir.backends.python.writer import Writer, words
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
from tpir.ir.program import Node, Program
from tpir.ir.types import is_mixed


def emit_python(program: Program) -> str:
    """A stand-alone Python module that computes the program; the same text for equal input.

    It imports nothing but ``bisect``, where it needs that, and is laid out as ``ruff format
    --line-length 100`` does it. Its ``run(tokens)`` returns a list with one value for each position
    (one label where the output is pooled), or a dict of such lists by name where the program has
    several outputs. It raises ValueError for an input that the program does not take, and the
    module's ``Failure`` (there only if it is needed) where the program fails.
    """
    writer = Writer(program)
    selectors = Selectors(writer)
    shown = ""
    for node in program.live:
        origin = str(replace(node.origin, span=None)) if node.origin else ""
        for comment in node.comments:
            writer.comment(comment.removeprefix("#"))
        if origin and origin != shown:
            writer.comment(origin)
        shown = origin
        _write(writer, selectors, node)
    return _assemble(writer)


def _write(writer: Writer, selectors: Selectors, node: Node) -> None:
    match node.op:
        case Tokens():
            writer.columns[node] = "tokens"
        case Indices():
            writer.positions = writer.stored(node.name, "list(range(n))")
            writer.columns[node] = writer.positions
        case Map():
            write_map(writer, node)
        case Uniform():
            column = writer.columns[node.operands[0]]
            mixed = is_mixed(node.type)
            writer.columns[node] = (
                writer.assign(node.name, f"{writer.use('uniform')}({column})") if mixed else column
            )
        case Select() | And() | Or() | Not():
            selectors.write(node)
        case Choose():
            write_choose(selectors, node)
        case Aggregate():
            write_aggregate(selectors, node)
        case AggregateSum():
            write_sum(selectors, node)
        case SelectorWidth():
            write_width(selectors, node)
        case Classify() | ClassifyPooled():
            write_readout(writer, node)


def _assemble(writer: Writer) -> str:
    program = writer.program
    typed = any(not isinstance(token, str) for token in program.vocabulary)
    helpers = {*writer.helpers, "check_typed" if typed else "check"}
    known = (
        "frozenset((type(token).__name__, token) for token in VOCABULARY)"
        if typed
        else "frozenset(VOCABULARY)"
    )
    header = [
        *assign("PROGRAM", literal(program.name)),
        *assign("VOCABULARY", values_tuple(program.vocabulary)),
        *assign("LABELS", values_tuple(program.labels)),
        f"CONTEXT = {program.context}",
        f"CAUSAL = {program.causal}",
        *assign("ACCEPTS", "None" if program.accepts is None else literal(program.accepts)),
        f'FINGERPRINT = "{program.fingerprint}"',
        f"KNOWN = {known}",
    ]
    parts = [_docstring(program), *_imports(helpers), "\n".join(header)]
    text = "\n\n".join(parts) + "\n\n\n" + "\n\n\n".join(sources(helpers))
    if writer.constants:
        text += "\n\n\n" + "\n".join(writer.constants)
    for function in writer.functions:
        text += "\n\n\n" + function
    return text + "\n\n\n" + "\n".join(_run(writer)) + "\n"


def _imports(helpers: set[str]) -> list[str]:
    """The import that the helpers in use need."""
    names = imported(helpers)
    return [f"from bisect import {', '.join(names)}"] if names else []


def _docstring(program: Program) -> str:
    pooled = all(isinstance(node.op, ClassifyPooled) for node in program.outputs.values())
    count = "one label" if pooled else "one value for each position"
    result = f"a list of {count}" if len(program.outputs) == 1 else "a dict of lists by output"
    return (
        '"""A Transformer Program as plain Python: see PROGRAM, VOCABULARY and ACCEPTS.\n\n'
        f"run(tokens) takes a list of 1 to {program.context} tokens and returns {result}.\n"
        f"{_form_note(program)}"
        '"""'
    )


def _form_note(program: Program) -> str:
    if program.accepts is None:
        return ""
    return "It is meant for inputs of the form ACCEPTS, and does not check that.\n"


def _run(writer: Writer) -> list[str]:
    outputs = {name: writer.columns[node] for name, node in writer.program.outputs.items()}
    lines = [
        "def run(tokens):",
        '    """The output for a list of tokens. Raises ValueError for what is not an input."""',
        "    check(tokens)",
    ]
    body = writer.statements(outputs.values())
    if any("n" in words(line) for line in body):
        lines.append("    n = len(tokens)")
    lines += body
    if len(outputs) == 1:
        (name,) = outputs.values()
        return [*lines, f"    return {'list(tokens)' if name == 'tokens' else name}"]
    entries = [
        Entry(literal(name), f"list({column})" if column == "tokens" else column)
        for name, column in outputs.items()
    ]
    result = assign("outputs", display("{}", entries), indent=1)
    return [*lines, *result, "    return outputs"]
