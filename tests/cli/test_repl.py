"""``tpir repl`` where standard input is no terminal, and on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tpir.repl.console import banner
from tpir.repl.session import Session

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "tpir.cli.main", "repl")


def run(text: str | bytes, *arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=text.encode() if isinstance(text, str) else text,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )


def test_statements_come_from_standard_input(tmp_path: Path) -> None:
    done = run("a = 3\na + nope;\na;\n", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.decode() == (
        banner(Session())
        + ">> ..     value: a =  3\n"
        + "\t\t!!ignoring input:\n\t Error: Undefined variable: nope\n"
        + ">>     value: a =  3\n"
        + ">> \n"
    )
    assert done.stderr.decode() == (
        "<input 2>:1:5: unknown name nope\n    a + nope;\n        ^^^^\n"
    )


def test_after_exit_nothing_is_read(tmp_path: Path) -> None:
    done = run("exit\nnope;\n", folder=tmp_path)
    assert done.stdout.decode() == banner(Session()) + ">> "
    assert done.stderr == b""


def test_programs_are_loaded_first_and_the_example_is_given(tmp_path: Path) -> None:
    (tmp_path / "p.rasp").write_text("n = tokens;\n")
    done = run("n;", "p.rasp", "--text", "ab", folder=tmp_path)
    assert done.stdout.decode() == (
        "tpir: RASP, and :help\nrunning example is: ab\n     s-op: n\n"
        '>>      s-op: n\n \t Example: n("ab") = [a, b] (strings)\n>> \n'
    )


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    done = run(b"a = 1;\n\xff\xfe;\n", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"error: standard input is not a text (UTF-8)\n"
    missing = run("", "nope.rasp", folder=tmp_path)
    assert (missing.returncode, missing.stderr) == (2, b"error: there is no file nope.rasp\n")
    (tmp_path / "bad.rasp").write_bytes(b"\xff\xfe")
    bad = run("", "bad.rasp", folder=tmp_path)
    said = b"error: bad.rasp is not a text file (UTF-8)\n"
    assert (bad.returncode, bad.stderr) == (2, said)


def test_a_byte_order_mark_is_no_statement(tmp_path: Path) -> None:
    done = run(b"\xef\xbb\xbfa = 3;\n", folder=tmp_path)
    assert b"value: a =  3" in done.stdout
    assert done.stderr == b""


def test_an_empty_example_is_refused(cli: Cli) -> None:
    answer = cli("repl", "--text", "")
    assert answer.status == 2
    assert "an example has at least one character" in answer.err


def test_where_nobody_reads_on_all_is_well(tmp_path: Path) -> None:
    done = subprocess.run(
        f"yes 'tokens;' | head -5000 | {' '.join(COMMAND)} | head -1",
        shell=True,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.stdout.decode() == "tpir: RASP, and :help\n"
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("bare", [False, True])
def test_on_a_terminal(tmp_path: Path, bare: bool) -> None:
    """With editing, and without where prompt_toolkit cannot be imported."""
    if bare:
        (tmp_path / "prompt_toolkit.py").write_text("raise ModuleNotFoundError('no such thing')\n")
    else:
        pytest.importorskip("prompt_toolkit", reason="prompt_toolkit is not installed")
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "XDG_STATE_HOME": str(tmp_path),
        "TERM": "dumb" if bare else "xterm",
    }
    process = subprocess.Popen(
        COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    )
    os.close(theirs)
    rest = b""
    try:
        rest = until(ours, b">>", rest)
        os.write(ours, b"a = 20 + 3;\r")
        rest = until(ours, b"value: a =  23", rest)
        # Typed between two prompts, Return would be a line feed, and that only begins a new line.
        rest = until(ours, b">>", rest)
        os.write(ours, b"b = nope;\r")
        rest = until(ours, b"unknown name nope", rest)
        until(ours, b">>", rest)
        os.write(ours, b"\x04")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        os.close(ours)
    assert (tmp_path / "tpir" / "history").exists() is not bare


def until(terminal: int, wanted: bytes, seen: bytes) -> bytes:
    """Read what is printed until something is there; what stands behind it."""
    deadline = time.monotonic() + 180
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, f"{wanted!r} is not in {seen!r}"
        part = os.read(terminal, 65536)
        if b"\x1b[6n" in part:
            os.write(terminal, b"\x1b[1;1R")  # where the cursor is
        seen += part
    return seen.partition(wanted)[2]
