"""One run of a sweep, in a process of its own: ``python -m tpir.cli.sweep_run FOLDER``.

A process, so that runs side by side share no random numbers and no thread settings, so that one
that dies takes no other with it, and so that it is the same whatever starts it.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tpir.cli.artefacts import program_of
from tpir.cli.console import say
from tpir.cli.eval_problem import subject_of
from tpir.cli.opt import DEFAULT_LEVEL, count_lines
from tpir.cli.train import METHODS, STANDARD, Way, way
from tpir.cli.train_request import PROBLEM_FILE, Request
from tpir.equiv.artefact import Artefact, ReadOptions, load_artefact
from tpir.errors import TpirError
from tpir.files import json_value, read_text, write_atomic
from tpir.passes.pipeline import level, run_pipeline
from tpir.training.problem import Problem

if sys.platform != "win32":
    import fcntl

RUN_FILE = "run.json"
"""In the folder of a run: its settings, as the grid has them."""

RESULT_FILE = "result.json"
"""What a run came to, or ``error``: there once it is over."""

LOG_FILE = "log.txt"
_CLOCK_FILE = "clock.json"


def in_own_process(folder: Path, working: Path) -> str:
    """Do the run in ``folder`` to its end and give its name; ``working`` is where paths start.

    Raises nothing for a run that fails: its result says why.
    """
    (folder / RESULT_FILE).unlink(missing_ok=True)
    with (folder / LOG_FILE).open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-m", "tpir.cli.sweep_run", str(folder)],
            cwd=working,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"OMP_NUM_THREADS": "1", **os.environ},
        )
    if not (folder / RESULT_FILE).exists():
        code = done.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        _write_result(folder, {"error": f"its process {how}; see its {LOG_FILE}"})
    return folder.name


def run_in(folder: Path) -> None:
    """Train, go on with what was begun, judge, and write down what came of it."""
    try:
        with _alone(folder):
            _write_result(folder, _result(folder))
    except TpirError as error:
        say(f"error: {error}")
        _write_result(folder, {"error": error.message})
    except Exception as error:
        traceback.print_exc()
        first = str(error).split("\n")[0]
        _write_result(folder, {"error": f"unexpected {type(error).__name__}: {first}"})


def _write_result(folder: Path, result: Mapping[str, object]) -> None:
    write_atomic(folder / RESULT_FILE, json.dumps(result, indent=2) + "\n", force=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raise TpirError where a process is at work in the folder: of a sweep that was killed, say."""
    with (folder / RUN_FILE).open() as handle:
        if sys.platform != "win32":
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TpirError(f"another process is at work in {folder}") from None
        yield


def _result(folder: Path) -> dict[str, object]:
    from tpir.models.checkpoint import CHECKPOINT_FILE  # brings torch, before the clock starts
    from tpir.training.run_folder import STATE_FILE

    settings = json_value(read_text(folder / RUN_FILE), RUN_FILE)
    assert isinstance(settings, dict)
    clock = _Clock(folder)
    begun = (folder / STATE_FILE).is_file()
    train = way(None, None, folder) if begun else way_of(str(settings["method"]))
    train(request_of(settings, folder, resume=begun))
    seconds = clock.seconds()
    weights, program = folder / CHECKPOINT_FILE, folder / "program.rasp"
    artefact = load_artefact(weights if weights.is_file() else program, ReadOptions())
    return (
        _sizes(artefact)
        | _accuracies(artefact, problem_of(folder))
        | {
            "seconds": round(seconds, 2),
            "lines": _lines(artefact),
        }
    )


def methods() -> list[str]:
    """The ways to train that a grid can name, the usual one first."""
    return [*METHODS, STANDARD]


def way_of(method: str) -> Way:
    """What trains by one of ``methods``."""
    return way(STANDARD, None) if method == STANDARD else way(None, method)


def request_of(settings: Mapping[str, object], folder: Path, *, resume: bool) -> Request:
    """What ``tpir train`` would be asked for; the folder is the run's own, so it may overwrite."""
    given = dict(settings)
    given.pop("method")
    task, teacher, data, preset = (
        None if (value := given.pop(name, None)) is None else str(value)
        for name in ("task", "teacher", "data", "preset")
    )
    return Request(
        out=folder,
        task=task,
        teacher=None if teacher is None else Path(teacher),
        data=None if data is None else Path(data),
        preset=preset,
        settings=None,
        changes=given,
        resume=resume,
        force=not resume,
        as_json=False,
        tensorboard=False,
    )


def problem_of(folder: Path) -> Problem:
    """What a run learnt; runs of the method reference have data of their own."""
    from tpir.training.problem_settings import ProblemSettings
    from tpir.training.settings import TrainingSettings
    from tpir.training.sources import problem_of_task

    if (folder / PROBLEM_FILE).is_file():
        return ProblemSettings.from_json(read_text(folder / PROBLEM_FILE)).problem()
    settings = TrainingSettings.from_json(read_text(folder / "settings.json"))
    return problem_of_task(
        settings.task,
        vocab_size=settings.vocab_size,
        min_length=settings.min_length,
        max_length=settings.max_length,
        dataset_size=settings.dataset_size,
        seed=settings.seed,
        as_reference=True,
    )


def _accuracies(artefact: Artefact, problem: Problem) -> dict[str, object]:
    from tpir.training.judge import accuracy_of, answers_of

    answers, splits = answers_of(subject_of(artefact), problem), problem.splits
    found: dict[str, object] = {}
    for name, part in (("validation", splits.validation), ("test", splits.test)):
        accuracy = accuracy_of(answers, problem.encoded(part))
        shares = {"mean": accuracy.mean_over_lengths, "all": accuracy.overall.accuracy}
        for how, share in shares.items():
            found[f"{name}_{how}"] = None if math.isnan(share) else share
    return found


def _sizes(artefact: Artefact) -> dict[str, object]:
    """Layers, heads and MLPs in all layers, numbers in the weights."""
    from tpir.models.transformer_sizes import sizes_of

    if artefact.transformer is not None:
        sizes = sizes_of(artefact.transformer.state)
        counts = len(sizes.blocks), sizes.heads, len(sizes.blocks), sizes.parameters
    elif artefact.checkpoint is not None:
        config, state = artefact.checkpoint.config, artefact.checkpoint.state
        layers, numbers = config.n_layers, sum(tensor.numel() for tensor in state.values())
        heads = config.n_heads_cat + config.n_heads_num
        counts = layers, layers * heads, layers * (config.n_cat_mlps + config.n_num_mlps), numbers
    else:
        return {}
    return dict(zip(("layers", "heads", "mlps", "parameters"), counts, strict=True))


def _lines(artefact: Artefact) -> int | None:
    """How long the simplified program is; a standard Transformer computes none."""
    if artefact.transformer is not None:
        return None
    return count_lines(run_pipeline(program_of(artefact), level(DEFAULT_LEVEL)).program)


class _Clock:
    """Seconds that a run has taken, those before it was killed included.

    These count until the last time that anything was written in its folder.
    """

    def __init__(self, folder: Path) -> None:
        path, self.before, self.started = folder / _CLOCK_FILE, 0.0, time.time()
        if path.exists():
            earlier = json.loads(read_text(path))
            written = max(p.stat().st_mtime for p in folder.iterdir() if p.name != LOG_FILE)
            self.before = earlier["before"] + max(0.0, written - earlier["started"])
        write_atomic(path, json.dumps({"before": self.before, "started": self.started}), force=True)

    def seconds(self) -> float:
        return self.before + time.time() - self.started


if __name__ == "__main__":
    run_in(Path(sys.argv[1]))
