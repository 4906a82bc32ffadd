"""Emitted modules in a process of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tpir.equiv import python_process
from tpir.equiv.python_process import PythonProcess
from tpir.errors import TpirError

MODULE = """
class Failure(Exception):
    pass


def run(tokens):
    if tokens[0] == "b":
        raise Failure("division by zero")
    return {"same": tokens, "kinds": [1, True, 1.0, "1"][: len(tokens)]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "module.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_keep_their_types_and_failures_are_seen(tmp_path: Path) -> None:
    process = PythonProcess(write(tmp_path, MODULE), ["a", "b"])
    result = process.run_batch(np.array([[0, 1], [1, 1], [0, 0]]))
    first, second = result.outcomes()
    process.close()
    assert first.values == {"same": ("a", "b", "a"), "kinds": (1, True, 1.0)}
    assert [type(v) for v in first.values["kinds"]] == [int, bool, float]
    assert second.failure == "division by zero"


@pytest.mark.parametrize(
    "text", ["def run(tokens):\n    return 1 / 0\n", "raise SystemExit(3)\n", "x = 1\n"]
)
def test_a_module_that_breaks_off_is_one_clear_error(tmp_path: Path, text: str) -> None:
    process = PythonProcess(write(tmp_path, text), ["a"])
    with pytest.raises(TpirError, match="broke off"):
        process.run_batch(np.array([[0]]))
    process.close()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("[1 // (tokens[0] == 'a')] * 2", "ZeroDivisionError: "),
        ("[None] * 2", "run returned None where a word"),
        ("[[1], {}]", r"run returned \[\[1\], \{\}\] where a word"),
        ("[1.0, float('inf')]", "inf, which is not a finite number"),
        ("[1, 2, 3]", "3 values for 2 tokens"),
        ("'ab'", "str where a list belongs"),
        ("[1] if tokens == ['b', 'a'] else [1, 2]", "one in all elsewhere"),
        ("{'x' if tokens == ['b', 'a'] else 'y': [1]}", "outputs of other names"),
        ("{}", "names of outputs"),
    ],
)
def test_an_input_that_goes_wrong_is_named(tmp_path: Path, body: str, why: str) -> None:
    process = PythonProcess(write(tmp_path, f"def run(tokens):\n    return {body}\n"), ["a", "b"])
    with pytest.raises(TpirError, match=f'on the input "[ab]" "[ab]": .*{why}'):
        process.run_batch(np.array([[0, 1], [1, 0]]))
    process.close()


def test_what_a_module_prints_is_not_in_the_way(tmp_path: Path) -> None:
    text = (
        "import os, sys\ndef run(tokens):\n"
        "    os.write(1, b'x' * 70000)\n    print('y' * 70000)\n"
        "    sys.stderr.write('z' * 70000)\n"
        "    return [sys.stdin.read(), *tokens[1:]]\n"
    )
    process = PythonProcess(write(tmp_path, text), ["a", "b"])
    (outcome,) = process.run_batch(np.array([[0], [1]])).outcomes()
    process.close()
    assert outcome.values == {"output": ("", "b")}


def test_a_module_that_never_ends_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_process, "SECONDS_FOR_A_BATCH", 0.5)
    process = PythonProcess(write(tmp_path, "def run(t):\n    while True:\n        pass\n"), ["a"])
    with pytest.raises(TpirError, match="broke off"):
        process.run_batch(np.array([[0]]))
    process.close()
