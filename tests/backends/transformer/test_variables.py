"""The map of variables says where they are, from when until when."""

from __future__ import annotations

import random

import pytest
import torch

import tpir
from tests.examples.test_every_step import small
from tests.models.exported_programs import stream_at
from tpir.models.transformer_predict import model_inputs

EXAMPLES = ("hist", "long_addition", "most_frequent", "sort_by_frequency", "sort_by_key", "dyck2")


@pytest.mark.parametrize("name", EXAMPLES)
def test_directions_hold_a_variable_until_it_is_read_for_the_last_time(name: str) -> None:
    """Directions are used again, some of a variable before others: none that is still listed."""
    checkpoint = tpir.compile(tpir.optimise(small(name)), target="transformer")
    source = random.Random(0)
    lengths = [source.randint(1, checkpoint.context) for _ in range(50)]
    sequences = [source.choices(checkpoint.vocabulary, k=length) for length in lengths]
    ids, present = model_inputs(checkpoint, sequences)
    times = range(2 * checkpoint.blocks + 1)
    streams = [stream_at(checkpoint, time, ids, present)[present] for time in times]
    directions = [d for variable in checkpoint.variables for d in variable.directions]
    assert len(set(directions)) < len(directions) or name in ("hist", "dyck2")  # used again
    for variable in checkpoint.variables:
        held = [stream[:, list(variable.directions)] for stream in streams]
        for time in range(variable.written, variable.read):
            assert torch.equal(held[time], held[variable.written]), (variable, time)
