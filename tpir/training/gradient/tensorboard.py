"""The metrics of a run for TensorBoard, where that is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tpir.errors import TpirError
from tpir.training.gradient.loop import GradientProgress

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    _writer: Callable[[str], SummaryWriter] | None = None
else:
    _writer = SummaryWriter


class TensorBoard:
    """Writes to ``folder``; call it with a run's progress. Raises TpirError where not installed."""

    def __init__(self, folder: Path) -> None:
        if _writer is None:
            raise TpirError("--tensorboard needs the package tensorboard: pip install tensorboard")
        self._writer = _writer(str(folder))

    def __call__(self, progress: GradientProgress) -> None:
        """Add loss and validation accuracy of each seed that goes on."""
        for record in progress.latest:
            if record.epoch == progress.epoch:
                for name, value in (("loss", record.loss), ("validation", record.accuracy)):
                    self._writer.add_scalar(f"{name}/seed {record.seed}", value, record.epoch)
        self._writer.flush()
