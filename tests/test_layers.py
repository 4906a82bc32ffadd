"""Imports run one way: the layers of the package, read from the source of every file.

The order, low to high: ``span, errors, files -> ir -> semantics -> grammar, library, text
-> passes -> models -> lowering, backends -> equiv -> view, training -> api -> repl -> tpir itself
-> cli``.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module may import what ranks below it, and nothing else; names that share a rank are strangers.
ORDER: tuple[tuple[str, ...], ...] = (
    ("span",),
    ("errors",),
    ("files",),
    ("ir",),
    ("semantics",),
    ("grammar", "library"),
    ("text",),
    ("passes",),
    ("models",),
    ("lowering", "backends"),
    ("equiv",),
    ("view", "training"),
    ("api",),
    ("repl",),
    ("",),  # tpir/__init__.py, the public API
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}

# The files of lowering/ and backends/ that touch weights; their siblings leave torch to them.
TOUCH_WEIGHTS = frozenset(
    {
        "tpir.backends.transformer.compiler",
        "tpir.backends.transformer_program_weights",
        "tpir.lowering.tensors",
    }
)

# Lazy loading keeps torch out of `tpir run prog.rasp`; nowhere else may a function hide an import,
# but of a library that is slow to load and that only some callers need, or that is an extra.
MAY_IMPORT_LATE = ("", "api", "cli", "__main__")
SLOW_TO_LOAD = ("networkx", "automata")
EXTRAS = ("transformer_lens", "onnx", "z3", "bitwuzla", "egglog")
# Loads whatever a path holds, so only some of its callers need a model.
LOADS_ANYTHING = "tpir.equiv.artefact"

PACKAGES = {f"tpir.{name}" if name else "tpir" for name in RANK}


@dataclass(frozen=True)
class Import:
    """One imported name: what, on which line, and whether a function hides it."""

    target: str
    line: int
    in_function: bool


def test_every_import_runs_one_way() -> None:
    sources = dict(source_files())
    modules = set(sources)
    faults = [
        f"{path.relative_to(ROOT)}:{fault}"
        for module, path in sources.items()
        for fault in import_faults(module, path.name, path.read_text("utf-8"), modules)
    ]
    assert not faults, "imports that the layers forbid:\n" + "\n".join(faults)


def test_every_file_is_read_once() -> None:
    paths = [path.resolve() for _, path in source_files()]
    assert len(paths) == len(set(paths))
    assert {"tpir", "tpir.passes", "tpir.grammar", "tpir.errors"} <= {m for m, _ in source_files()}


def test_list_of_files_that_touch_weights_is_current() -> None:
    sources = dict(source_files())
    for module in TOUCH_WEIGHTS:
        assert layer_of(module) in ("lowering", "backends")
        tree = ast.parse(sources[module].read_text("utf-8"))
        package = module.rpartition(".")[0]
        assert any(is_torch(found.target) for found in imports_of(tree, package, PACKAGES))


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("tpir.span", "from tpir.errors import TpirError", "upward: tpir.errors"),
        ("tpir.errors", "from tpir.files import write_atomic", "upward: tpir.files"),
        ("tpir.ir.program", "import tpir.semantics.interpreter", "upward: tpir.semantics"),
        ("tpir.ir.program", "from tpir import view", "upward: tpir.view"),
        ("tpir.ir.program", "from tpir import parse", "upward: tpir imports"),
        ("tpir.ir.program", "from .. import text", "upward: tpir.text"),
        ("tpir.ir.program", "from ..text import parser", "upward: tpir.text"),
        ("tpir.passes.dce", "if TYPE_CHECKING:\n    import tpir.equiv", "upward: tpir.equiv"),
        ("tpir.lowering.reference", "import tpir.backends.python", "upward: tpir.backends"),
        ("tpir.backends.python", "import tpir.lowering", "upward: tpir.lowering"),
        ("tpir.equiv.check", "from tpir.view import graph", "upward: tpir.view"),
        ("tpir.view.graph", "from tpir.training import tasks", "upward: tpir.training"),
        ("tpir.training.tasks", "from tpir.view import graph", "upward: tpir.view"),
        ("tpir.training.tasks", "from tpir.cli.main import main", "upward: tpir.cli"),
        ("tpir.text.parser", "import torch", "torch"),
        ("tpir.text.parser", "from torch.nn import Module", "torch"),
        ("tpir.backends.python", "import torch", "torch"),
        ("tpir.view.report", "from safetensors.torch import load", "torch"),
        ("tpir.cli.main", "import torch", "torch"),
        ("tpir.passes.dce", "def f():\n    import tpir.ir", "inside a function"),
        ("tpir.ir.program", "def f():\n    import lark", "inside a function"),
        ("tpir.models.heads", "f = lambda: __import__('tpir.view')", "by name"),
        ("tpir.ir.ops", "import importlib\nimportlib.import_module('tpir.view')", "by name"),
        ("tpir.passes.dce", "from passes import base", "tpir.passes, not passes"),
        ("tpir.text.parser", "import grammar", "tpir.grammar, not grammar"),
        ("tpir.text.parser", "import tpir.nonsense", "upward: tpir.nonsense"),
        ("tpir.novelty.thing", "import os", "not in the layers"),
    ],
)
def test_planted_fault_is_found(module: str, source: str, fault: str) -> None:
    found = list(import_faults(module, "x.py", source, PACKAGES))
    assert len(found) == 1, found
    assert fault in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tpir.errors", "from tpir.span import Span"),
        ("tpir.text.parser", "from tpir.grammar import load\nfrom tpir import errors, ir"),
        ("tpir.passes.dce", "from tpir.passes.base import Pass\nfrom .base import Pass\nimport os"),
        ("tpir.models.heads", "import torch\nfrom torch import nn"),
        ("tpir.cli.main", "def f():\n    import tpir.models\n    from tpir import training"),
        ("tpir.cli.main", "import tpir\nfrom tpir import parse"),
        ("tpir.ir.program", "def f():\n    import networkx as nx"),
        ("tpir.models.heads", "def f():\n    from onnx import helper"),
        ("tpir", "import importlib\nimportlib.import_module('tpir.view')"),
    ],
)
def test_honest_import_is_allowed(module: str, source: str) -> None:
    assert list(import_faults(module, "x.py", source, PACKAGES)) == []


@pytest.mark.parametrize(
    "module",
    [
        "tpir",
        "tpir.text",
        "tpir.passes",
        "tpir.semantics",
        "tpir.backends.python",
        "tpir.equiv",
        "tpir.view",
        "tpir.view.notebook",
        "tpir.repl.magic",
        "tpir.cli",
        "tpir.cli.main",
    ],
)
def test_starts_without_torch(module: str) -> None:
    if module not in dict(source_files()):
        pytest.skip(f"{module} is not there")
    program = f"import sys, {module}; print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["False"]


SLOW = {"torch", "networkx", "automata", "hypothesis", "rich", "graphviz", "tpir.passes"}


@pytest.mark.parametrize("command", ["run", "info"])
def test_a_command_loads_what_it_needs(command: str, tmp_path: Path) -> None:
    """``tpir run prog.rasp`` loads nothing slow; that it would be seen shows ``tpir info``."""
    path = tmp_path / "open.rasp"
    path.write_text("context 4; vocabulary {0, 1};\nx = tokens;\n")
    given = [command, str(path), *(["--text", "01"] if command == "run" else [])]
    program = (
        "import sys; from tpir.cli.main import main; status = main(sys.argv[1:]); "
        f"print(status, *({SLOW!r} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", program, *given], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    status, *loaded = run.stdout.splitlines()[-1].split()
    assert status == "0"
    assert (loaded == []) == (command == "run")


@pytest.mark.parametrize("name", ["passes", "grammar"])
def test_folders_refuse_their_bare_name(name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 1
    assert f"import tpir.{name}, not {name}" in run.stderr


def source_files() -> Iterator[tuple[str, Path]]:
    """Every module of the package with its file, which for the two symlinks is the real one."""
    for folder, package in ((ROOT / "tpir", "tpir"), *linked_folders()):
        for current, below, files in os.walk(folder, followlinks=False):
            below[:] = sorted(name for name in below if name != "__pycache__")
            for name in sorted(files):
                if name.endswith(".py"):
                    path = Path(current, name)
                    parts = path.relative_to(folder).with_suffix("").parts
                    parts = parts[:-1] if parts[-1] == "__init__" else parts
                    yield ".".join((package, *parts)), path


def linked_folders() -> list[tuple[Path, str]]:
    """The packages whose source is a top-level folder; an unpacked sdist has none."""
    return [
        (ROOT / name, f"tpir.{name}")
        for name in ("passes", "grammar")
        if (ROOT / "tpir" / name).is_symlink()
    ]


def import_faults(module: str, file: str, source: str, modules: set[str]) -> Iterator[str]:
    """What is wrong with the imports of one file, one line each, starting with the line number."""
    layer = layer_of(module)
    if layer not in RANK:
        yield f"1: {module} is not in the layers of {Path(__file__).name}: give it a place there"
        return
    tree = ast.parse(source)
    package = module if file == "__init__.py" else module.rpartition(".")[0]
    for found in imports_of(tree, package, modules):
        yield from one_fault(module, layer, found)
    if layer not in MAY_IMPORT_LATE:
        for line in imports_by_name(tree):
            yield f"{line}: imports a module by name at run time, out of this test's sight"


def one_fault(module: str, layer: str, found: Import) -> Iterator[str]:
    where, top = found.line, found.target.partition(".")[0]
    late = layer in MAY_IMPORT_LATE or (
        module == LOADS_ANYTHING and found.target.startswith("tpir.models")
    )
    if found.in_function and not late and top not in SLOW_TO_LOAD + EXTRAS:
        yield f"{where}: imports {found.target} inside a function"
    if top in ("passes", "grammar"):
        yield f"{where}: import tpir.{top}, not {top}"
    free = layer in ("models", "training") or module in TOUCH_WEIGHTS
    if is_torch(found.target) and not free:
        yield f"{where}: {module} imports torch, and has to start without it"
    target = layer_of(found.target)
    if top == "tpir" and target != layer and RANK.get(target, len(ORDER)) >= RANK[layer]:
        name = f"tpir.{target}" if target else "tpir"
        yield f"{where}: upward: {name} imports from above {module}, or from beside it"


def is_torch(module: str) -> bool:
    return module.partition(".")[0] == "torch" or module.startswith("safetensors.torch")


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports_of(tree: ast.Module, package: str, modules: set[str]) -> Iterator[Import]:
    """Every import statement of a file; ``from a import b`` names a.b where that is a module."""
    for node, in_function in walk_with_functions(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, in_function)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, package)
            targets = {
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base
                for alias in node.names
            }
            if base == "safetensors":
                targets = {f"{base}.{alias.name}" for alias in node.names}
            for target in sorted(targets):
                yield Import(target, node.lineno, in_function)


def absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def imports_by_name(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in ("import_module", "__import__"):
                yield node.lineno


def walk_with_functions(tree: ast.Module) -> Iterator[tuple[ast.AST, bool]]:
    """Every node of a file, and whether a function encloses it."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, inside = waiting.pop()
        yield node, inside
        below = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting.extend((child, below) for child in ast.iter_child_nodes(node))
