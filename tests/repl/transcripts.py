"""Transcripts of prompts: taken, and taken apart into what was said to each line."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tpir.repl.console import banner, lines_of, run_lines, shown_on
from tpir.repl.session import Session

# One prompt or more at the beginning of a line; the original indents them inside ``def``.
_PROMPTS = re.compile(r"^(?:(?:>>|\.\.) (?:  )*)+", re.MULTILINE)
_PROMPT = re.compile(r">>|\.\.")
_ERROR = re.compile(r"^\s*(?:!!|something went wrong: |not implemented this command yet!)")


@dataclass(frozen=True)
class Said:
    """What a prompt said to one line."""

    text: str

    @property
    def is_error(self) -> bool:
        """Whether it is a complaint."""
        return _ERROR.match(self.text) is not None


def transcript(text: str) -> str:
    """What ``tpir repl`` prints for a text on standard input."""
    out, session = io.StringIO(), Session()
    out.write(banner(session))
    run_lines(session, lines_of(io.StringIO(text), out), shown_on(out, io.StringIO()))
    return out.getvalue()


def said_to_lines(printed: str) -> list[Said]:
    """What a transcript has for each line of input: one prompt stands before each."""
    said: list[Said] = []
    end = 0
    for found in _PROMPTS.finditer(printed):
        if said:
            said[-1] = Said(printed[end : found.start()].strip())
        count = len(_PROMPT.findall(found.group()))
        said.extend([Said("")] * count)
        end = found.end()
    if said:
        said[-1] = Said(printed[end:].strip())
    return said


def copy_programs(original: Path, folder: Path) -> None:
    """Copy the programs that transcripts load from a checkout of the original."""
    for path in original.glob("*.rasp"):
        shutil.copy(path, folder)
    (folder / "tests").mkdir()
    shutil.copytree(original / "tests" / "rasps", folder / "tests" / "rasps")
