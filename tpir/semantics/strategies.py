"""Hypothesis strategies for inputs.

Apart from ``space`` because importing Hypothesis takes a quarter of a second, which a command that
only runs a program need not pay.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tpir.ir.values import Value
from tpir.semantics.space import InputSpace


@st.composite
def inputs(draw: st.DrawFn, space: InputSpace) -> list[Value]:
    """Inputs of a space, as lists of tokens.

    Lengths are drawn evenly. Shrinks to short inputs, then to tokens early in the vocabulary.
    """
    length = draw(st.sampled_from(space.lengths()))
    indices: list[int] = []
    for _ in range(length):
        choices = space.choices(indices, length)
        # No draw where there is no choice: fewer choices shrink faster.
        indices.append(choices[0] if len(choices) == 1 else draw(st.sampled_from(choices)))
    return space.decode(indices)
