"""The folder of a training run: what is in it, and when it may be written to."""

from __future__ import annotations

from pathlib import Path

from tpir.errors import TpirError
from tpir.files import check_writable, write_atomic
from tpir.models.checkpoint import CHECKPOINT_FILE

SETTINGS_FILE = "settings.json"
METRICS_FILE = "metrics.csv"
STATE_FILE = "training-state.pt"


def prepare_folder(folder: Path, settings: str, *, resume: bool, force: bool) -> None:
    """Make ``folder`` ready for a run with ``settings``, or to ``resume`` one.

    Raises TpirError where it holds a run that is not to be resumed, unless ``force``.
    """
    if folder.exists() and not folder.is_dir():
        raise TpirError(f"cannot write to {folder}: it is no folder")
    state = folder / STATE_FILE
    if resume:
        if (folder / CHECKPOINT_FILE).exists() and not state.exists():
            raise TpirError(f"{folder} holds a checkpoint, but no training state to resume from")
    else:
        if state.exists() and not force:
            raise TpirError(
                f"{folder} holds a training run; use --resume to go on, --force to start anew"
            )
        paths = [folder / n for n in (CHECKPOINT_FILE, SETTINGS_FILE, METRICS_FILE, STATE_FILE)]
        for path in paths:
            check_writable(path, force=force)
        for path in paths:
            path.unlink(missing_ok=True)
    if not state.exists():
        write_atomic(folder / SETTINGS_FILE, settings, force=True)


def expect_same(folder: Path, different: list[str]) -> None:
    """Raise TpirError if settings differ from those that the run in ``folder`` has."""
    if different:
        raise TpirError(
            f"{folder} was trained with other settings: {', '.join(different)} differ",
            notes=["resume it with the settings in its settings.json, or start anew with --force"],
        )
