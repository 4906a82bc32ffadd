"""Where transcripts of the original come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = "TPIR_RASP"


@pytest.fixture
def original() -> Path:
    """A checkout of the original RASP (github.com/tech-srl/RASP), if ``TPIR_RASP`` names one."""
    named = os.environ.get(CHECKOUT)
    if not named:
        pytest.skip(f"{CHECKOUT} names no checkout of tech-srl/RASP: nothing was compared with it")
    path = Path(named).resolve()
    assert (path / "RASP_support").is_dir(), f"{CHECKOUT}={named} is no checkout of the original"
    return path
