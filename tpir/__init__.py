"""tpir: a compiler for Transformer Programs.

A few names: ``load``, ``lower``, ``parse``, ``format``, ``optimise``, ``emit``, ``compile``,
``export``, ``run`` and ``check`` do what the commands of the same names do, ``save`` writes a
checkpoint; ``Program``, ``Artefact``, ``Verdict`` and ``TpirError`` are what they deal in.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tpir.api import (
        check,
        compile,
        emit,
        export,
        format,
        load,
        lower,
        optimise,
        parse,
        run,
        save,
    )
    from tpir.equiv.artefact import Artefact
    from tpir.equiv.verdict import Verdict
    from tpir.errors import TpirError
    from tpir.ir.program import Program
    from tpir.repl.magic import Shell

__all__ = [
    "Artefact",
    "Program",
    "TpirError",
    "Verdict",
    "check",
    "compile",
    "emit",
    "export",
    "format",
    "load",
    "lower",
    "optimise",
    "parse",
    "run",
    "save",
]

_HOMES = {
    "Artefact": "tpir.equiv.artefact",
    "Program": "tpir.ir.program",
    "TpirError": "tpir.errors",
    "Verdict": "tpir.equiv.verdict",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for: each part starts with what it needs."""
    if name not in __all__:
        raise AttributeError(f"module 'tpir' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, "tpir.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted(__all__)


def load_ipython_extension(shell: Shell) -> None:
    """``%load_ext tpir`` in a notebook: the magics ``%rasp`` and ``%%rasp``."""
    display = import_module("IPython.display").display
    import_module("tpir.repl.magic").load(shell, display)


if "IPython" in sys.modules:
    import_module("tpir.view.notebook").register()
