"""Running an emitted ``.py`` file: an isolated process (``python -I``), watched by a clock.

The process is handed batches of inputs as vocabulary indices and answers with codes of the values
it saw, so that hundreds of thousands of inputs cost little more than the module's own work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.types import Categorical
from tpir.ir.values import Value, show_value
from tpir.semantics.columns import Column
from tpir.semantics.failures import FAILURES, failure_code
from tpir.semantics.interpreter import BatchResult

SECONDS_FOR_A_BATCH = 300.0

_CHILD = r"""
import array, json, math, os, sys
# The protocol has file descriptors of its own: whatever the module reads or prints is not in it.
read, write = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
path = sys.argv[1]
names = {"__name__": "tpir_module"}
exec(compile(open(path, encoding="utf-8").read(), path, "exec"), names)
run, Failed = names["run"], names.get("Failure", ())
vocabulary = json.loads(read.readline())
codes, fresh = {}, []

class Unfit(Exception):
    pass

def code(value):
    key = (type(value).__name__, value)
    if key not in codes:
        if type(value) not in (str, int, float, bool):
            raise Unfit(f"run returned {value!r} where a word, a number or a truth value belongs")
        if type(value) is float and not math.isfinite(value):
            raise Unfit(f"run returned {value!r}, which is not a finite number")
        codes[key] = len(codes)
        fresh.append(value)
    return codes[key]

def coded(result, length, sizes):
    named = result if isinstance(result, dict) else {"output": result}
    if not named or not all(isinstance(name, str) for name in named):
        raise Unfit("run returned a dict whose keys are not the names of outputs")
    if sizes and named.keys() != sizes.keys():
        raise Unfit("run returned outputs of other names than for another input")
    for name, values in named.items():
        if not isinstance(values, (list, tuple)):
            raise Unfit(f"run returned {type(values).__name__} where a list belongs")
        if len(values) not in (1, length):
            raise Unfit(f"run returned {len(values)} values for {length} tokens")
        if len(values) != sizes.get(name, len(values)):
            raise Unfit("run returned one value for each position here, one in all elsewhere")
    try:
        return {name: [code(value) for value in values] for name, values in named.items()}
    except TypeError:
        raise Unfit(f"run returned {result!r} where a word, a number or a truth value belongs")

def answer(tokens, length, count):
    outputs, failures, sizes = {}, {}, {}
    for k in range(count):
        row = [vocabulary[t] for t in tokens[k * length : (k + 1) * length]]
        try:
            found = coded(run(row), length, sizes)
        except Failed as failure:
            failures[k] = str(failure)
            continue
        except Unfit as unfit:
            return {"input": k, "error": str(unfit)}, []
        except Exception as error:
            return {"input": k, "error": f"{type(error).__name__}: {error}"}, []
        sizes = {name: len(row) for name, row in found.items()}
        for name, row in found.items():
            outputs.setdefault(name, {})[k] = row
    arrays = []
    for name, rows in outputs.items():
        nothing = [0] * sizes[name]
        arrays.append(array.array("i", [c for k in range(count) for c in rows.get(k, nothing)]))
    return {"sizes": sizes, "fresh": fresh, "failures": failures}, arrays

for line in read:
    length, count = json.loads(line)
    tokens = array.array("i")
    tokens.frombytes(read.read(4 * length * count))
    reply, arrays = answer(tokens, length, count)
    write.write(json.dumps(reply).encode() + b"\n")
    fresh.clear()
    for flat in arrays:
        write.write(flat.tobytes())
    write.flush()
"""


class PythonProcess:
    """One process that holds one emitted module."""

    def __init__(self, path: Path, vocabulary: Sequence[Value]) -> None:
        self.path = path
        self.vocabulary = tuple(vocabulary)
        self._values: list[Value] = []
        self._late = False
        # A file and not a pipe: nobody reads along, and a full pipe would stop the module.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CHILD, str(path.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._send(json.dumps(list(vocabulary)).encode() + b"\n")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """Run inputs of one length: vocabulary indices of shape (position, input).

        Raises TpirError, naming the input, where the module raises anything but its own Failure or
        returns what is no output; and if it breaks off or takes longer than SECONDS_FOR_A_BATCH.
        """
        length, count = tokens.shape
        clock = threading.Timer(SECONDS_FOR_A_BATCH, self._stop)
        clock.start()
        try:
            self._send(json.dumps([length, count]).encode() + b"\n")
            self._send(np.ascontiguousarray(tokens.T, dtype=np.int32).tobytes())
            reply = json.loads(self._line())
            if "error" in reply:
                raise self._failed(tokens[:, reply["input"]].tolist(), reply["error"])
            self._values.extend(reply["fresh"])
            outputs = {name: self._column(size, count) for name, size in reply["sizes"].items()}
            failed = np.zeros(count, dtype=np.uint8)
            for k, kind in reply["failures"].items():
                failed[int(k)] = failure_code(kind) if kind in FAILURES else 1
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._broken() from None
        finally:
            clock.cancel()
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

    def _stop(self) -> None:
        self._late = True
        self._process.kill()

    def _failed(self, codes: list[int], why: str) -> TpirError:
        shown = " ".join(show_value(self.vocabulary[code]) for code in codes)
        return TpirError(f"{self.path} broke off on the input {shown}: {why}")

    def _broken(self) -> TpirError:
        """An error that says why the process ended, or that it does not speak the protocol."""
        if self._late:
            return TpirError(f"{self.path} broke off: more than {SECONDS_FOR_A_BATCH:.0f} s")
        try:
            status: int | None = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            status = None
            self._process.kill()
        self._errors.seek(0)
        errors = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        ended = "it answered nothing sensible" if status is None else f"it ended, status {status}"
        return TpirError(f"{self.path} broke off: {errors[-1] if errors else ended}")

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe
