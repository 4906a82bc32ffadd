"""Running an emitted ``.py`` file: an isolated process (``python -I``), watched by a clock.

The process is handed batches of inputs as vocabulary indices and answers with codes of the values
it saw, so that hundreds of thousands of inputs cost little more than the module's own work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.types import Categorical
from tpir.ir.values import Value
from tpir.semantics.columns import Column
from tpir.semantics.failures import FAILURES, failure_code
from tpir.semantics.interpreter import BatchResult

SECONDS_FOR_A_BATCH = 300.0

_CHILD = r"""
import array, json, sys
path = sys.argv[1]
names = {"__name__": "tpir_module"}
exec(compile(open(path, encoding="utf-8").read(), path, "exec"), names)
run, Failed = names["run"], names.get("Failure", ())
read, write = sys.stdin.buffer, sys.stdout.buffer
sys.stdout = sys.stderr
vocabulary = json.loads(read.readline())
codes, fresh = {}, []

def code(value):
    key = (type(value).__name__, value)
    if key not in codes:
        codes[key] = len(codes)
        fresh.append(value)
    return codes[key]

for line in read:
    length, count = json.loads(line)
    tokens = array.array("i")
    tokens.frombytes(read.read(4 * length * count))
    outputs, failures = {}, {}
    for k in range(count):
        row = [vocabulary[t] for t in tokens[k * length : (k + 1) * length]]
        try:
            result = run(row)
        except Failed as failure:
            failures[k] = str(failure)
            continue
        named = result if isinstance(result, dict) else {"output": result}
        for name, values in named.items():
            rows = outputs.setdefault(name, {})
            rows[k] = [code(v) for v in values]
    sizes = {name: len(next(iter(rows.values()))) for name, rows in outputs.items()}
    write.write(json.dumps([sizes, fresh, failures]).encode() + b"\n")
    fresh.clear()
    for name, rows in outputs.items():
        nothing = [0] * sizes[name]
        flat = array.array("i", [c for k in range(count) for c in rows.get(k, nothing)])
        write.write(flat.tobytes())
    write.flush()
"""


class PythonProcess:
    """One process that holds one emitted module."""

    def __init__(self, path: Path, vocabulary: Sequence[Value]) -> None:
        self.path = path
        self.vocabulary = tuple(vocabulary)
        self._values: list[Value] = []
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CHILD, str(path.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._send(json.dumps(list(vocabulary)).encode() + b"\n")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """Run inputs of one length: vocabulary indices of shape (position, input).

        Raises TpirError if the module breaks off or takes longer than SECONDS_FOR_A_BATCH.
        """
        length, count = tokens.shape
        clock = threading.Timer(SECONDS_FOR_A_BATCH, self._process.kill)
        clock.start()
        try:
            self._send(json.dumps([length, count]).encode() + b"\n")
            self._send(np.ascontiguousarray(tokens.T, dtype=np.int32).tobytes())
            sizes, fresh, failures = json.loads(self._line())
            self._values.extend(fresh)
            outputs = {name: self._column(size, count) for name, size in sizes.items()}
        finally:
            clock.cancel()
        failed = np.zeros(count, dtype=np.uint8)
        for k, kind in failures.items():
            failed[int(k)] = failure_code(kind) if kind in FAILURES else 1
        return BatchResult(outputs, failed)

    def _column(self, size: int, count: int) -> Column:
        raw = self._pipe(self._process.stdout).read(4 * size * count)
        codes = np.frombuffer(raw, dtype=np.int32).reshape(count, size).T
        return Column(Categorical(tuple(self._values)), codes)

    def _line(self) -> bytes:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise self._broken()
        return line

    def _send(self, data: bytes) -> None:
        try:
            pipe = self._pipe(self._process.stdin)
            pipe.write(data)
            pipe.flush()
        except OSError:
            raise self._broken() from None

    def _broken(self) -> TpirError:
        self._process.kill()
        _, errors = self._process.communicate()
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
        why = last[0] if last else f"it was stopped (more than {SECONDS_FOR_A_BATCH:.0f} s?)"
        return TpirError(f"{self.path} broke off: {why}")

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe
