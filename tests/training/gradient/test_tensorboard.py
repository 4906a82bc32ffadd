"""What is handed to TensorBoard, with something in its place that keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tpir.errors import TpirError
from tpir.training.gradient import tensorboard
from tpir.training.gradient.loop import GradientProgress
from tpir.training.gradient.record import SeedRecord
from tpir.training.gradient.tensorboard import TensorBoard


class Writer:
    """Stands for ``SummaryWriter``."""

    written: list[tuple[str, float, int]]

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.written = []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.written.append((name, value, step))

    def flush(self) -> None:
        pass


def test_the_seeds_that_go_on_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[Writer] = []

    def writer(folder: str) -> Writer:
        made.append(Writer(folder))
        return made[-1]

    monkeypatch.setattr(tensorboard, "_writer", writer)
    board = TensorBoard(tmp_path)
    latest = (SeedRecord(2, 0, 0.5, 0.25, 0.75), SeedRecord(1, 1, 1.0, 0.5, 0.5))
    board(GradientProgress(2, 4, latest, (0,), {0: 0.75, 1: 0.5}, 1.0))
    assert made[0].folder == str(tmp_path)
    assert made[0].written == [("loss/seed 0", 0.25, 2), ("validation/seed 0", 0.75, 2)]


def test_where_it_is_missing_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tensorboard, "_writer", None)
    with pytest.raises(TpirError, match=r"^--tensorboard needs .* pip install tensorboard$"):
        TensorBoard(tmp_path)
