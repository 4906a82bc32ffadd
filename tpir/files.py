"""Reading text, and writing files: none is ever half there, none is overwritten by accident."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from tpir.errors import TpirError


def read_text(path: Path) -> str:
    """A text file as UTF-8. Raises TpirError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise TpirError(f"{path} is not a text file (UTF-8)") from None
    except OSError as error:
        raise TpirError(f"cannot read {path}: {error.strerror or error}") from error


def json_value(text: str, what: str) -> object:
    """What a JSON text says. Raises TpirError, calling it ``what``, with the place of its fault."""
    try:
        found: object = json.loads(text)
    except json.JSONDecodeError as error:
        line = "" if error.lineno == 1 else f"line {error.lineno}, "
        raise TpirError(f"{what}: not JSON at {line}column {error.colno}") from None
    except RecursionError:
        raise TpirError(f"{what}: this JSON is nested too deeply") from None
    except ValueError:
        raise TpirError(f"{what}: this JSON holds a number that is too long") from None
    return found


def write_atomic(path: Path, content: str | bytes, *, force: bool = False) -> None:
    """Write ``content`` to ``path`` in one step: the file is there whole, or not at all.

    Raises TpirError if the file exists and ``force`` is not set, or if it cannot be written.
    """
    check_writable(path, force=force)
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            # mkstemp makes files private; give this one the permissions any other new file gets.
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TpirError(f"cannot write {path}: {error.strerror or error}") from error


def check_writable(path: Path, *, force: bool = False) -> None:
    """Refuse early, before long work, what ``write_atomic`` would refuse in the end."""
    if path.is_dir():
        raise TpirError(f"cannot write {path}: it is a folder")
    if path.exists() and not force:
        raise TpirError(f"{path} exists; use --force to overwrite it")
