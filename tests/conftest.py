"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the public checkpoints and their recorded predictions.

    It is not part of the project; a test that needs it skips, and says so, where it is missing.
    """
    if not (SHARED / "checkpoints").is_dir():
        pytest.skip(f"the shared checkpoints are not at {SHARED}: real-checkpoint tests did not run")
    return SHARED
