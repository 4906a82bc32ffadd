"""The source distribution and the wheel are complete, and the wheel works where it is installed."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("lens", "onnx", "saturate", "smt")
"""Extras that parts of the package import; the others are for developing it."""

# Both archives are built once: all tests that read them belong on one worker.
pytestmark = pytest.mark.xdist_group("packaging")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return table


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """The files of the project, as git knows them."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: what a distribution must contain is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and os.path.lexists(ROOT / name)]


@pytest.fixture(scope="module")
def distributions(tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, built from tracked files, and the wheel, built from the sdist."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked:
        copy = source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    built = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)]
    run = subprocess.run(build, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return built


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def package_files(tracked: list[str]) -> set[str]:
    """Where modules, grammar, libraries and typing marker belong in a distribution."""
    linked = {name: f"tpir/{name}" for name in ("passes", "grammar")}
    files = set()
    for name in tracked:
        top = name.partition("/")[0]
        if top in ("tpir", *linked) and name.endswith((".py", ".c", ".lark", ".rasp", ".typed")):
            files.add(name.replace(top, linked.get(top, top), 1))
    return files


def test_symlinks_are_relative() -> None:
    for name in ("passes", "grammar"):
        link = ROOT / "tpir" / name
        if link.is_symlink():
            assert link.readlink() == Path("..", name)
        else:
            assert not (ROOT / ".git").exists(), f"tpir/{name} must be a symlink in a checkout"


def test_sdist_is_complete(
    distributions: Path, package_files: set[str], tracked: list[str]
) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert all(member.isfile() or member.isdir() for member in members)
    files = {m.name.partition("/")[2] for m in members if m.isfile()}
    also = {"pyproject.toml", "LICENSE", "Makefile", "constraints.txt"}
    also |= {
        name for name in tracked if re.match(r"(tests|examples|benchmarks|docs|editors)/.", name)
    }
    assert package_files | also <= files
    strays = {name for name in files if name.startswith("tpir/")} - package_files
    assert not strays


def test_wheel_is_complete(wheel: Path, package_files: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    information = {name for name in files if ".dist-info/" in name.partition("/")[0] + "/"}
    assert files - information == package_files
    assert {name.partition("/")[0] for name in files - information} == {"tpir"}


def test_wheel_metadata(wheel: Path, project: dict[str, Any]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
        headers = Parser().parsestr(archive.read(names["METADATA"]).decode("utf-8"))
        licence = archive.read(names["licenses/LICENSE"]).decode("utf-8")
        top_level = archive.read(names["top_level.txt"]).decode("utf-8").split()
    assert headers["License-Expression"] == "Apache-2.0"
    assert headers["Requires-Python"] == project["requires-python"]
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert top_level == ["tpir"]


def test_commands_point_into_the_package(project: dict[str, Any], package_files: set[str]) -> None:
    for target in project["scripts"].values():
        module, _, function = target.partition(":")
        file = f"{module.replace('.', '/')}.py"
        assert file in package_files
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def test_pygments_finds_the_lexer(project: dict[str, Any], package_files: set[str]) -> None:
    (target,) = project["entry-points"]["pygments.lexers"].values()
    module, _, name = target.partition(":")
    file = f"{module.replace('.', '/')}.py"
    assert file in package_files
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    assert name in {n.name for n in tree.body if isinstance(n, ast.ClassDef)}


def test_wheel_works_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run = subprocess.run(
        [*install, "--target", str(target), str(wheel)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    program = (
        "import sys, tpir, tpir.passes, tpir.grammar, tpir.text\n"
        "print(*(sys.modules[m].__file__ for m in ('tpir', 'tpir.passes', 'tpir.grammar')))"
    )
    used = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert used.returncode == 0, used.stderr
    assert all(Path(file).is_relative_to(target) for file in used.stdout.split()), used.stdout


def test_imports_are_declared(project: dict[str, Any]) -> None:
    """What the package imports from others is among its dependencies, and nothing else is.

    But for extras, which it imports where they are asked for.
    """
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    extras = project["optional-dependencies"]
    optional = {
        canonicalize_name(Requirement(line).name) for name in EXTRAS for line in extras[name]
    }
    # joblib's backends for clusters: whoever names one brings it.
    optional |= {"dask", "ray"}
    owners = metadata.packages_distributions()
    imported = {
        canonicalize_name(owner)
        for folder in ("tpir", "passes", "grammar")
        for path in (ROOT / folder).rglob("*.py")
        for module in top_level_imports(path)
        if module not in sys.stdlib_module_names and module != "tpir"
        for owner in owners.get(module, [module])
    }
    assert imported - optional == declared


def test_every_dependency_is_pinned(project: dict[str, Any]) -> None:
    """``constraints.txt`` holds one allowed version of all that a full installation brings."""
    pins = read_pins()
    wanted = list(map(Requirement, project["dependencies"]))
    for lines in project["optional-dependencies"].values():
        wanted += map(Requirement, lines)
    for requirement in wanted:
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} forbids the pinned {pin}"
    assert {name for requirement in wanted for name in closure(requirement)} <= set(pins)


def test_constraints_name_no_host() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8") + (ROOT / "Makefile").read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links", text)


def read_pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins: dict[str, Version] = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, equals, version = line.partition("==")
            assert equals, line
            pins[canonicalize_name(name)] = Version(version)
    return pins


def closure(requirement: Requirement) -> Iterator[str]:
    """The package that a requirement names, and all that it needs here, as far as installed."""
    waiting, seen = [requirement], set[str]()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in seen:
            continue
        seen.add(name)
        yield name
        try:
            below = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for needed in map(Requirement, below):
            extras = wanted.extras or {""}
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(needed)


def top_level_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
