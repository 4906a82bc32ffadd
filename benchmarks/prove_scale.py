"""Proving a lowered checkpoint equal to its simplified form: time and memory against length.

Each proof runs in a process of its own, on the inputs of up to so many tokens. For contrast the
same question is asked about the outputs alone, without pairs of nodes. Writes the section "Time and
memory" of docs/proving.md.

    python benchmarks/prove_scale.py ../shared/checkpoints/sort_v16_n16 --write docs/proving.md
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.mutations import mutated, reached_rows  # noqa: E402
from tpir.equiv.artefact import program_artefact  # noqa: E402
from tpir.equiv.effort import Effort  # noqa: E402
from tpir.equiv.sides import compare  # noqa: E402
from tpir.equiv.smt import proof as proofs  # noqa: E402
from tpir.equiv.smt.solvers import Solver  # noqa: E402
from tpir.equiv.smt.sweep import Sweep  # noqa: E402
from tpir.errors import TpirError  # noqa: E402
from tpir.ir.program import Program  # noqa: E402
from tpir.lowering.transformer_program import lower_transformer_program  # noqa: E402
from tpir.models.checkpoint import load_checkpoint  # noqa: E402
from tpir.passes.pipeline import optimise  # noqa: E402
from tpir.semantics.program_space import input_space  # noqa: E402
from tpir.semantics.space import InputSpace  # noqa: E402
from tpir.text import parse, print_program  # noqa: E402

WHOLE_SECONDS = 20
HEADING = "## Time and memory\n"


def up_to(program: Program, longest: int) -> InputSpace:
    return input_space(program.vocabulary, longest, program.accepts)


def prove(left: Path, right: Path, longest: int, solver: str, whole: bool) -> dict[str, object]:
    """One proof, in this process."""
    one, other = (parse(path.read_text("utf-8")) for path in (left, right))
    space = up_to(one, longest)
    if whole:
        Sweep.run = lambda self: None  # type: ignore[method-assign]
    start = time.perf_counter()
    found = proofs.prove_programs(
        one, other, space, seconds=WHOLE_SECONDS if whole else 600, solver=Solver(solver)
    )
    return {
        "seconds": time.perf_counter() - start,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "inputs": space.count(),
        "equal": found.equal,
        "reason": found.reason,
        "paired": f"{found.paired} of {found.nodes}",
        "questions": found.questions,
        "largest": found.largest,
    }


def in_process(*arguments: str) -> dict[str, object]:
    run = subprocess.run(
        [sys.executable, __file__, "--one", *arguments], capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(run.stdout)
    return found


def mutations(program: Program, against: Program, count: int) -> Counter[str]:
    """What a check says of programs with one wrong row that inputs reach."""
    rng, said = random.Random(0), Counter[str]()
    rows = reached_rows(program, 2000, 0)
    places = [(node, row) for node, reached in rows.items() for row in sorted(reached)]
    rng.shuffle(places)
    right = program_artefact(against, Path("simplified.rasp"))
    for node, row in places:
        try:
            mutant = mutated(program, node, row, rng)
        except TpirError:
            continue
        left = program_artefact(mutant, Path("mutant.rasp"))
        said[compare(left, right, right.space, Effort(seconds=2)).answer.value] += 1
        if said["refuted"] == count or sum(said.values()) == 4 * count:
            break
    return said


def section(checkpoint: Path, lengths: list[int], levels: list[int], count: int) -> str:
    program = lower_transformer_program(load_checkpoint(checkpoint))
    scratch = Path("/tmp") / f"prove-scale-{checkpoint.name}"
    scratch.mkdir(exist_ok=True)
    before = scratch / "O0.rasp"
    before.write_text(print_program(program), "utf-8")
    after = {}
    for level in levels:
        after[level] = scratch / f"O{level}.rasp"
        after[level].write_text(print_program(optimise(program, level)), "utf-8")
    lines = [
        HEADING,
        f"`{checkpoint.name}` as lowered against its simplified forms, on all inputs of up to so",
        "many tokens; the outputs alone, without pairs, have "
        f"{WHOLE_SECONDS} s. Made by `benchmarks/prove_scale.py` with Python "
        f"{platform.python_version()} on one core.",
        "",
        "| tokens | inputs | against | solver | seconds | MiB | pairs | asked | outputs alone |",
        "|---:|---:|---|---|---:|---:|---|---:|---|",
    ]
    for level in levels:
        for solver in ("bitwuzla", "z3"):
            for n in lengths:
                one = in_process(str(before), str(after[level]), str(n), solver)
                alone = ""
                if solver == "bitwuzla" and level == levels[0]:
                    other = in_process(str(before), str(after[level]), str(n), solver, "whole")
                    alone = f"{other['seconds']:.1f} s" if other["equal"] else "no answer"
                assert one["equal"], one
                lines.append(
                    f"| {n} | {one['inputs']:.3g} | -O{level} | {solver} | {one['seconds']:.1f} | "
                    f"{one['memory']:,} | {one['paired']} | {one['questions']} | {alone} |"
                )
                print(lines[-1], flush=True)
    said = mutations(program, optimise(program, levels[0]), count)
    print(said)
    lines += [
        "",
        f"Of {sum(said.values())} mutations of one table row that inputs reach, against the "
        f"-O{levels[0]} form: {said['refuted']} refuted, {said['tested']} tested (2 s each), "
        f"{said['proved']} proved.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("--lengths", default="4,8,12,16")
    parser.add_argument("--levels", default="3")
    parser.add_argument("--mutations", type=int, default=50)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--one", nargs="+")
    given = parser.parse_args()
    if given.one:
        left, right, longest, solver, *rest = given.one
        found = prove(Path(left), Path(right), int(longest), solver, bool(rest))
        print(json.dumps(found))
        return
    lengths, levels = ([int(n) for n in text.split(",")] for text in (given.lengths, given.levels))
    text = section(given.checkpoint, lengths, levels, given.mutations)
    if given.write is None:
        print(text)
        return
    page = given.write.read_text("utf-8")
    start = page.index(HEADING)
    end = page.find("\n## ", start + 1)
    rest = "" if end < 0 else page[end + 1 :]
    given.write.write_text(page[:start] + text + ("\n" if rest else "") + rest, "utf-8")


if __name__ == "__main__":
    main()
