"""Every code block of the README and of docs/ runs: ``sh`` blocks in a shell, ``python`` in Python.

The blocks of one page run in order in one folder, in which ``examples`` is that of the project. A
``text`` block holds lines that the block before it prints; a line of ``…`` stands for others.
Blocks without a language are not run. A picture that a page draws is the one that docs/ holds.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VERDICT = re.compile(r"#\s+((?:proved|refuted|tested|\{).*)$", re.MULTILINE)


def run_block(language: str, code: str, folder: Path) -> tuple[str, str]:
    """Standard output, and all that was printed."""
    binaries = Path(sys.executable).parent
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euc", code] if language == "sh" else [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, f"{code}\n--- printed\n{done.stdout}{done.stderr}"
    return done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_blocks_run(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    code, everything = "", ""
    for language, content in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "text":
            printed = {line.strip() for line in everything.splitlines()}
            for line in content.splitlines():
                assert line.strip() in printed | {"…"}, f"{line}\n--- not in\n{everything}\n{code}"
            continue
        code = content
        output, everything = run_block(language, code, tmp_path)
        for expected in VERDICT.findall(code):
            assert expected in output, f"{code}\n--- printed\n{everything}"
    for picture in tmp_path.glob("*.svg"):
        kept = page.parent / picture.name
        if kept.exists():
            assert picture.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), kept


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), (page, target)
