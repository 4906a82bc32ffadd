"""One way to run whatever can be run: batches of vocabulary indices in, outcomes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.python_process import PythonProcess
from tpir.ir.program import Program
from tpir.ir.values import Value, value_key
from tpir.semantics.interpreter import BatchResult, Interpreter


class Runner(Protocol):
    """Something that turns inputs into outcomes."""

    @property
    def vocabulary(self) -> tuple[Value, ...]:
        """The tokens, in the order of the indices that ``run_batch`` takes."""
        ...

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """Run inputs of one length: vocabulary indices of shape (position, input)."""
        ...

    def float32_differences(self) -> int | None:
        """On how many inputs so far a float32 run differed; None where there is no such run."""
        ...

    def close(self) -> None:
        """Let go of what the runner holds."""
        ...


class ProgramRunner:
    """Runs a program in the interpreter."""

    def __init__(self, program: Program) -> None:
        self.vocabulary = program.vocabulary
        self._interpreter = Interpreter(program)

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """See Runner."""
        return self._interpreter.run_batch(tokens)

    def float32_differences(self) -> int | None:
        """Programs have one meaning."""
        return None

    def close(self) -> None:
        """Nothing to let go of."""


class Recoded:
    """A runner over another order of the vocabulary: that of the space both sides are run on."""

    def __init__(self, runner: Runner, vocabulary: Sequence[Value]) -> None:
        codes = {value_key(v): k for k, v in enumerate(runner.vocabulary)}
        self.runner = runner
        self._codes = np.array([codes[value_key(v)] for v in vocabulary], dtype=np.int64)

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """Indices of the given vocabulary become those of the runner's own."""
        return self.runner.run_batch(self._codes[tokens.astype(np.intp)])


class ProcessRunner:
    """Runs an emitted module in its own process."""

    def __init__(self, process: PythonProcess) -> None:
        self.vocabulary = process.vocabulary
        self._process = process

    def run_batch(self, tokens: NDArray[np.generic]) -> BatchResult:
        """See Runner."""
        return self._process.run_batch(tokens)

    def float32_differences(self) -> int | None:
        """Modules have one meaning."""
        return None

    def close(self) -> None:
        """End the process."""
        self._process.close()
