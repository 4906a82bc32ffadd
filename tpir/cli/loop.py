"""The arrows of a round trip, one after the other: what each writes, and what its check says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tpir.backends.python import emit_python
from tpir.cli.artefacts import program_of
from tpir.cli.verdicts import compare
from tpir.equiv.artefact import (
    Artefact,
    ReadOptions,
    load_artefact,
)
from tpir.equiv.effort import Effort
from tpir.equiv.verdict import Answer, Verdict
from tpir.files import check_writable, write_atomic
from tpir.ir.program import Program
from tpir.models.config import Mlps
from tpir.passes.base import size_of_program
from tpir.passes.pipeline import level, run_pipeline
from tpir.text import print_program
from tpir.view.diff import difference


@dataclass(frozen=True)
class Arrow:
    """One step: what it wrote, its size in words, and its check.

    ``verdict`` is None where programs are compared for equality; ``equal`` is then the answer.
    """

    name: str
    file: Path
    size: str
    seconds: float
    verdict: Verdict | None = None
    equal: bool = False
    difference: str = ""

    @property
    def word(self) -> str:
        """The answer in one word."""
        if self.verdict is not None:
            return self.verdict.answer.value
        return "equal" if self.equal else "different"

    @property
    def good(self) -> bool:
        """Whether the arrow holds, as far as it was looked."""
        if self.verdict is None:
            return self.equal
        return self.verdict.answer is not Answer.REFUTED

    @property
    def summary(self) -> str:
        """The answer, and on how many inputs a float32 run of a model differs, if on any."""
        counts = {} if self.verdict is None else self.verdict.float32_differences
        differ = sum(counts.values())
        return f"{self.word}, float32 differs on {differ:,}" if differ else self.word

    @property
    def inputs(self) -> str:
        """How many inputs the answer rests on."""
        return "" if self.verdict is None else f"{self.verdict.inputs:,}"

    @property
    def details(self) -> str:
        """A counterexample or a difference, where there is one."""
        if self.verdict is not None and self.verdict.counterexample is not None:
            return f"counterexample: {self.verdict.counterexample}"
        return self.difference


@dataclass(frozen=True)
class Loop:
    """A round trip of one checkpoint into a folder."""

    source: Artefact
    folder: Path
    name: str
    level: int
    effort: Effort
    force: bool

    def run(self) -> Iterator[Arrow]:
        """Take every arrow in turn. Raises TpirError before it writes if a file exists."""
        from tpir.backends.transformer_program import compile_transformer_program  # brings torch
        from tpir.models.checkpoint import save_checkpoint, save_reference
        from tpir.models.reference_format import is_expressible

        names = ("rasp", "min.rasp", "py", "safetensors", "again.rasp")
        full, small, module, weights, again = (self._file(suffix) for suffix in names)
        reference = self.folder / f"{self.name}_reference"
        for path in (full, small, module, weights, reference / "model.pt", again):
            check_writable(path, force=self.force)

        original = program_of(self.source)
        yield self._arrow("lower", self.source, full, lambda: print_program(original))
        lowered = load_artefact(full)
        yield self._equal("parse", original, program_of(lowered), full)
        opt = f"opt -O{self.level}"
        yield self._arrow(opt, lowered, small, lambda: self._simplified(lowered))
        simple = load_artefact(small)
        program = program_of(simple)
        yield self._arrow("emit python", simple, module, lambda: emit_python(program))
        compiled = compile_transformer_program(program, mlps=self._mlps)
        yield self._arrow(
            "compile",
            simple,
            weights,
            lambda: save_checkpoint(weights, compiled, force=self.force),
        )
        if is_expressible(compiled.config):
            yield self._arrow(
                "reference form",
                simple,
                reference,
                lambda: save_reference(reference, compiled, force=self.force),
            )
        relowered = program_of(load_artefact(weights))
        yield self._arrow("lower again", self.source, again, lambda: print_program(relowered))
        yield self._equal("the loop", program, relowered, again)
        if is_expressible(compiled.config):
            theirs = program_of(load_artefact(reference))
            yield self._equal("the loop by reference", program, theirs, reference)

    @property
    def _mlps(self) -> Mlps:
        """The kind of MLPs that the source has."""
        source = self.source.checkpoint
        return "relu" if source is None else source.config.mlps

    def _file(self, suffix: str) -> Path:
        return self.folder / f"{self.name}.{suffix}"

    def _simplified(self, lowered: Artefact) -> str:
        return print_program(run_pipeline(program_of(lowered), level(self.level)).program)

    def _arrow(
        self, name: str, before: Artefact, path: Path, make: Callable[[], str | None]
    ) -> Arrow:
        """Make a file, read it back, and check it against what it was made from."""
        start = time.perf_counter()
        text = make()
        if text is not None:
            write_atomic(path, text, force=self.force)
        after = load_artefact(path, ReadOptions())
        verdict = compare(before, after, self.source.space, self.effort)
        return Arrow(name, path, size_in_words(after), time.perf_counter() - start, verdict)

    def _equal(self, name: str, left: Program, right: Program, path: Path) -> Arrow:
        start = time.perf_counter()
        found = difference(left, right)
        seconds = time.perf_counter() - start
        details = "" if found.equal else f"the programs differ\n{found}"
        size = f"{size_of_program(right).nodes:,} nodes"
        return Arrow(name, path, size, seconds, equal=found.equal, difference=details)


def size_in_words(artefact: Artefact) -> str:
    """What an artefact is made of."""
    if artefact.program is not None:
        size = size_of_program(artefact.program)
        lines = print_program(artefact.program).count("\n")
        return f"{size.nodes:,} nodes, {size.rows:,} rows, {lines:,} lines"
    weights = artefact.checkpoint or artefact.transformer
    if weights is not None:
        state = weights.state
        return f"{sum(tensor.numel() for tensor in state.values()):,} parameters"
    return f"{artefact.path.read_text(encoding='utf-8').count(chr(10)):,} lines"
