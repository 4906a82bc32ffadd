"""The residual stream of a standard Transformer as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tpir.view.stream import Part, Stream, runs, sublayer_name
from tpir.view.stream_bands import WORDS

if TYPE_CHECKING:  # it brings torch
    from tpir.models.stored_transformer import Variable


def stream_text(stream: Stream) -> str:
    """Variables against sublayers, then what each head, each group of hidden units does.

    Columns: E embedding, A and M attention and MLP of a block, U unembedding.
    """
    return "\n".join(
        [
            f"{stream.summary}; ▸ written, ● read, × old value taken out",
            "",
            *_table(stream),
            "",
            *_parts(stream),
            "",
        ]
    )


def _table(stream: Stream) -> Iterator[str]:
    heads = ["E", *(f"{'AM'[k % 2]}{k // 2}" for k in range(2 * stream.blocks)), "U"]
    width = max(map(len, heads)) + 1
    rows = [("directions", "variable", "".join(head.ljust(width) for head in heads))]
    for variable in sorted(stream.variables, key=lambda v: (v.written, v.directions)):
        cells = "".join(_cell(stream, variable, time, width) for time in stream.times)
        rows.append((runs(variable.directions), variable.name, cells))
    first, second = (max(len(row[k]) for row in rows) for k in range(2))
    for directions, name, cells in rows:
        yield f"{directions:<{first}}  {name:<{second}}  {cells}".rstrip()


def _cell(stream: Stream, variable: Variable, time: int, width: int) -> str:
    """A variable in one sublayer: a mark, and a line to the next where it is still there."""
    if not variable.written <= time <= variable.read:
        return " " * width
    line = "─" if time < variable.read else " "
    parts, own = stream.at(time), variable.directions
    if time == variable.written:
        marked, mark = any(part.writes_to(d) for part in parts for d in own), "▸"
    else:
        marked, mark = any(part.reads_of(d) for part in parts for d in own), "●"
    return (mark if marked else line) + line * (width - 1)


def _parts(stream: Stream) -> Iterator[str]:
    for time in stream.times:
        parts = stream.at(time)
        if parts:
            yield sublayer_name(time, stream.blocks)
        for part in parts:
            yield f"  {part.name}: {_said(part)}"


def _said(part: Part) -> str:
    """``q tokens, k bos tokens, v bos → count.raw``."""
    reads = [
        " ".join([WORDS[role], *(str(touch) for found, touch in part.reads if found is role)])
        for role in dict.fromkeys(role for role, _ in part.reads)
    ]
    words = [", ".join(reads)] if reads else []
    if part.writes:
        words.append("→ " + ", ".join(map(str, part.writes)))
    if part.clears:
        words.append("× " + runs(part.clears))
    return " ".join(words) or "nothing"
