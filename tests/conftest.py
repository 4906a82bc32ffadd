"""Options, Hypothesis profiles and fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parents[1].parent / "shared"

PROGRAMS = 20_000 if os.environ.get("TPIR_LONG") else 2_000
"""How many random programs each property sees; ``make test-long`` takes ten times as many."""

settings.register_profile(
    "tpir",
    deadline=None,
    derandomize=not os.environ.get("TPIR_LONG"),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("tpir")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files instead of comparing"
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the public checkpoints and their recorded predictions.

    It is not part of the project; a test that needs it skips, and says so, where it is missing.
    """
    if not (SHARED / "checkpoints").is_dir():
        pytest.skip(f"no shared checkpoints at {SHARED}: tests on real checkpoints did not run")
    return SHARED


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """Compare a text with ``golden/NAME`` beside the test file, or write it (--update-golden)."""

    def check(name: str, text: str) -> None:
        path = request.path.parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run pytest --update-golden and read the diff"
        assert text == path.read_text(encoding="utf-8")

    return check
