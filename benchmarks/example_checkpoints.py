"""Trains the models in examples/checkpoints anew, and says whether they come out the same.

python benchmarks/example_checkpoints.py                  # all: the exit status is 1 if one differs
python benchmarks/example_checkpoints.py sort_v16_n16     # only these
python benchmarks/example_checkpoints.py --write          # and puts what differs in their place
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from training_tables import LINES, Line

from tpir.models.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "checkpoints"
GROUPS = ("8/8", "16/16")
TOO_LARGE = ("dyck2_n16",)

README = FOLDER / "README.md"

PAGE = """# Trained models

What `tpir train` wrote: a folder for each task, with the model (`checkpoint.safetensors`), the
program that was found (`program.rasp`), and all that both depend on (`problem.json`,
`settings.json`). Commands take the folder:

    tpir opt examples/checkpoints/sort_v8_n8 -O3

In a name, `v` is the size of the vocabulary and `n` the longest input, specials included. Accuracy
is the mean over lengths, in per cent: on the test inputs, then on all inputs, where there are at
most 1,000,000. How these models print: [the gallery](../../docs/gallery.md).

| folder | made by `tpir train … -o FOLDER` | test | all inputs | layers | d_var | kB |
|---|---|---|---|---|---|---|
{rows}

`dyck2 --vocab-size 6 --max-length 16` is left out, as its model takes 700 kB: it compares balances
of brackets, which have 33 values, and tables take the cube of that.

`make checkpoints` trains them anew and compares: equal settings give equal weights.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--write", action="store_true", help="put what differs in their place")
    options = parser.parse_args()
    lines = [line for line in LINES if line.group in GROUPS and line.name not in TOO_LARGE]
    chosen = [line for line in lines if not options.names or line.name in options.names]
    if not chosen:
        print(f"there is no {', '.join(options.names)}", file=sys.stderr)
        return 2
    rows, different = stated_rows(), 0
    for line in chosen:
        with tempfile.TemporaryDirectory() as folder:
            made, kept = Path(folder) / line.name, FOLDER / line.name
            report = train(line, made)
            found = differences(kept, made)
            if found and options.write:
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(made, kept)
        if options.write:
            rows[line.name] = row(line, report)
        elif not found and rows.get(line.name) != row(line, report):
            found = [f"its line in {README.name}"]
        different += bool(found)
        print(f"{line.name}: {', '.join(found) or 'the same'}", flush=True)
    if options.write:
        listed = "\n".join(rows[line.name] for line in lines if line.name in rows)
        README.write_text(PAGE.format(rows=listed), encoding="utf-8")
    return int(different > 0 and not options.write)


def train(line: Line, folder: Path) -> dict[str, Any]:
    """Run the command of a line, and read what it says."""
    arguments = shlex.split(line.command)[1:]
    command = [sys.executable, "-m", "tpir.cli.main", *arguments, "-o", str(folder), "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def differences(kept: Path, made: Path) -> list[str]:
    """The files that two runs do not have in common; of the weights the tensors and metadata."""
    found = []
    for path in sorted(made.iterdir()):
        other = kept / path.name
        if path.name == CHECKPOINT_FILE:
            equal = other.exists() and same(load_checkpoint(other), load_checkpoint(path))
        else:
            equal = other.exists() and other.read_bytes() == path.read_bytes()
        if not equal:
            found.append(path.name)
    return found


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two checkpoints hold the same. Their bytes need not be: metadata have no order."""
    if dataclasses.replace(one, state={}) != dataclasses.replace(other, state={}):
        return False
    return one.state.keys() == other.state.keys() and all(
        x.dtype == one.state[name].dtype and torch.equal(x, one.state[name])
        for name, x in other.state.items()
    )


def row(line: Line, report: Mapping[str, Any]) -> str:
    """What the page says of a model that is in its place."""
    path = FOLDER / line.name / CHECKPOINT_FILE
    config, everything = load_checkpoint(path).config, report["all_inputs"]
    cells = [
        f"[{line.name}]({line.name})",
        f"`{line.command.removeprefix('tpir train ')}`",
        percent(report["test"]),
        "" if everything is None else percent(everything),
        str(config.n_layers),
        str(config.d_var),
        f"{path.stat().st_size / 1000:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def percent(accuracy: Mapping[str, float]) -> str:
    return f"{100 * accuracy['mean_over_lengths']:.2f}"


def stated_rows() -> dict[str, str]:
    """The lines of the page by the folder that they name."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    return {match[1]: match[0] for match in re.finditer(r"^\| \[(\w+)\].*$", text, re.MULTILINE)}


if __name__ == "__main__":
    sys.exit(main())
