"""One contestant of rasp_lengths.py in a process of its own, which that script starts and asks.

    python benchmarks/lengths_worker.py KIND '{"file": …, "output": …, "vocabulary": …, "limit": …}'

A line of standard input is a JSON object: ``{"prepare": length}`` or ``{"run": [token, …]}``. The
answer is one line: the processor seconds of each part of the preparation; or the seconds of the
run, a digest of its values and the peak of memory so far in bytes, or ``{"late": true}`` past the
limit. (Digests, so that the script stays small: a process inherits the peak of the one that starts
it.)

The original RASP runs on a Python of its own: beside the standard library nothing is imported that
the contestant does not need.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PREPARATIONS = 3
"""How often a program is prepared; the least time counts: the first one also reads the grammar."""


class Late(BaseException):
    """The limit is reached. Not an Exception: contestants catch those."""


class Original:
    """tech-srl/RASP: what its prompt calls to evaluate an s-op, without the prompt."""

    def __init__(self, setting: dict[str, Any]) -> None:
        os.chdir(setting["path"])  # it loads its library from there
        sys.path.insert(0, setting["path"])
        self.file, self.output = Path(setting["file"]).with_suffix(""), setting["output"]

    def prepare(self, length: int) -> dict[str, float]:
        from RASP_support.REPL import REPL

        def start() -> Any:
            prompt = REPL()
            prompt.silent = True
            prompt.run_given_line(f'load "{self.file}";')
            return prompt.env.get_variable(self.output)

        self.sequence, seconds = least(start)
        return {"the original's start": seconds}

    def run(self, tokens: list[str]) -> tuple[Any, float]:
        return timed(lambda: self.sequence.call(tokens))

    def values(self, result: Any) -> list[Any]:
        return list(result.get_vals())


class Interpreter:
    """tpir's interpreter, on a program for one vocabulary and inputs up to one length."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self.setting = setting

    def load(self, length: int) -> Any:
        import tpir

        setting = self.setting
        artefact = tpir.load(setting["file"], vocabulary=setting["vocabulary"], context=length)
        return artefact.program

    def prepare(self, length: int) -> dict[str, float]:
        from tpir.semantics.interpreter import Interpreter

        self.interpreter, seconds = least(lambda: Interpreter(self.load(length)))
        return {"parse and specialise": seconds}

    def run(self, tokens: list[str]) -> tuple[Any, float]:
        import numpy as np

        def once() -> Any:
            codes = self.interpreter.encode(tokens)
            return self.interpreter.run_batch(np.array(codes)[:, None]).outcomes()

        return timed(once)

    def values(self, result: Any) -> list[Any]:
        (values,) = result[0].values.values()
        return list(values)


class Emitted(Interpreter):
    """The Python module that tpir emits."""

    def prepare(self, length: int) -> dict[str, float]:
        import tpir

        program = self.load(length)
        text, seconds = least(lambda: tpir.emit(program))
        module = {}
        exec(compile(text, "module", "exec"), module)
        self.module = module["run"]
        return {"emission": seconds}

    def run(self, tokens: list[str]) -> tuple[Any, float]:
        return timed(lambda: self.module(tokens))

    def values(self, result: Any) -> list[Any]:
        return result


# Without interegular, as a user has it: the tests' tool makes Lark check the grammar at each start.
START = 'import sys; sys.modules["interegular"] = None; from tpir.cli.main import main; main()'


class Command:
    """``tpir run``: a process that starts, reads the program and the input, runs and prints."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self.command = [sys.executable, "-c", START, "run", setting["file"], "--input", "-"]
        self.limit = setting["limit"]

    def prepare(self, length: int) -> dict[str, float]:
        return {}

    def run(self, tokens: list[str]) -> tuple[Any, float]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                self.command,
                input=json.dumps(tokens),
                stdout=subprocess.PIPE,
                encoding="utf-8",
                timeout=self.limit,
                check=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return done.stdout, used
        raise Late

    def values(self, result: Any) -> list[Any]:
        return json.loads(result)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its processor seconds."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def least(call: Callable[[], Any]) -> tuple[Any, float]:
    """The same for the quickest of a few calls."""
    return min((timed(call) for _ in range(PREPARATIONS)), key=lambda done: done[1])


def run(contestant: Any, tokens: list[str], limit: float) -> dict[str, Any]:
    """Run within the limit, by the clock: with a timer of processor seconds theirs get coarse."""
    try:
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            result, seconds = contestant.run(tokens)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Late:
        return {"late": True}
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    values = json.dumps(contestant.values(result))  # 1, 1.0, true and "1" are told apart
    digest = hashlib.sha256(values.encode()).hexdigest()
    return {"seconds": seconds, "digest": digest, "peak": peak}


def late(*_: object) -> None:
    """The limit is reached."""
    raise Late


KINDS = {"original": Original, "interpreter": Interpreter, "emitted": Emitted, "command": Command}


def main() -> None:
    setting = json.loads(sys.argv[2])
    contestant = KINDS[sys.argv[1]](setting)
    signal.signal(signal.SIGALRM, late)
    answers, sys.stdout = sys.stdout, sys.stderr  # the original prints
    for line in sys.stdin:
        asked = json.loads(line)
        if "prepare" in asked:
            answer = contestant.prepare(asked["prepare"])
        else:
            answer = run(contestant, asked["run"], setting["limit"])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
