"""Whatever a text holds, it is a program or a located error, and neither takes long."""

from __future__ import annotations

import random

import pytest

from tests.conftest import PROGRAMS
from tests.text.fuzzing import random_text, try_text

BATCHES = 4


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_texts_run_or_are_refused_with_a_place(batch: int) -> None:
    dice = random.Random(batch)
    outcomes = [try_text(random_text(dice)) for _ in range(PROGRAMS // BATCHES)]
    assert outcomes.count("ran") > len(outcomes) / 20
    assert outcomes.count("refused") > len(outcomes) / 20
