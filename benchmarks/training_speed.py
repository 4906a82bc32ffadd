"""How long a training step takes: many seeds at once, beside the public reference code.

The same task (sort, vocabulary 8, length 8), sizes and batch; seconds per step and seed with 1, 4
and 16 seeds at once, and of the reference, which trains one. All sides take turns, each in a
process of its own, so that a busy machine slows them alike; the median over turns is shown. The
reference's steps are those of its ``run_training`` without its data loader, which is slower still;
ours are whole steps of ``tpir train``, drawing the batch included. With ``--processor-time`` what
counts is the time that the processes had, not what they waited for it.

The reference code (princeton-nlp/TransformerPrograms) is not part of this project and this script
holds none of it: ``--reference PATH`` names a checkout. It needs the packages torch, numpy and
einops; ``--python`` names an interpreter that has them. Without it only our side runs.

    python benchmarks/training_speed.py --reference PATH [--python PYTHON] [--threads 2]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SEEDS = (1, 4, 16)


@dataclass(frozen=True)
class Sizes:
    """A model and a batch, as both sides train it."""

    name: str
    n_layers: int
    n_heads_cat: int
    n_heads_num: int
    n_cat_mlps: int
    n_num_mlps: int
    batch_size: int


SETTINGS = (
    Sizes("2 layers, 4 heads, 1 MLP", 2, 4, 0, 1, 0, 512),
    Sizes("3 layers, 4 + 4 heads, 2 + 2 MLPs", 3, 4, 4, 2, 2, 512),
    Sizes("2 layers, 4 heads, 1 MLP", 2, 4, 0, 1, 0, 64),
    Sizes("3 layers, 4 + 4 heads, 2 + 2 MLPs", 3, 4, 4, 2, 2, 64),
)


def main() -> int:
    options = parse_arguments()
    if options.worker:
        work(options)
        return 0
    reference: Path | None = options.reference
    if reference is None or not (reference / "src/models/programs.py").is_file():
        print("no checkout of the reference code (--reference PATH): only ours", file=sys.stderr)
        reference = None
    print("| model | batch | reference |" + "".join(f" S = {s} |" for s in SEEDS) + " ratio |")
    print("|---|---" + "|---" * (2 + len(SEEDS)) + "|")
    for sizes in SETTINGS:
        print(row(sizes, measure(sizes, reference, options)), flush=True)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=Path, help="a checkout of the public reference code")
    parser.add_argument("--python", default=sys.executable, help="what runs the reference")
    parser.add_argument("--threads", type=int, default=1, help="for either side")
    parser.add_argument("--engine", default="auto", help="what takes our steps: c or torch")
    parser.add_argument(
        "--processor-time", action="store_true", help="not of the clock: for a busy machine"
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of a turn")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(
    sizes: Sizes, reference: Path | None, options: argparse.Namespace
) -> dict[int, float | None]:
    """Milliseconds per step and seed; 0 stands for the reference. None where it does not run."""
    sides: list[int] = [*([0] if reference is not None else []), *SEEDS]
    workers = {seeds: start(sizes, seeds, reference, options) for seeds in sides}
    times: dict[int, list[float]] = {seeds: [] for seeds in sides}
    try:
        for turn in range(options.turns + 1):
            for seeds, worker in list(workers.items()):
                took = ask(worker)
                if took is None:
                    print(f"{seeds or 'the reference'}: does not run, see above", file=sys.stderr)
                    del workers[seeds]
                elif turn:  # the first one warms up
                    times[seeds].append(took / options.steps / max(seeds, 1))
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return {s: 1000 * statistics.median(times[s]) if times.get(s) else None for s in (0, *SEEDS)}


def start(
    sizes: Sizes, seeds: int, reference: Path | None, options: argparse.Namespace
) -> subprocess.Popen[str]:
    what = dataclasses.asdict(sizes) | {"seeds": seeds, "steps": options.steps}
    what |= {"reference": str(reference), "threads": options.threads, "engine": options.engine}
    what |= {"processor_time": options.processor_time}
    python = sys.executable if seeds else options.python
    environment = os.environ | dict.fromkeys(THREADS, str(options.threads))
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return subprocess.Popen(
        [python, "-B", __file__, "--worker", json.dumps(what)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def ask(worker: subprocess.Popen[str]) -> float | None:
    """Let a worker take a turn: the seconds it took, None where it is dead."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    except BrokenPipeError:
        return None
    answer = worker.stdout.readline()
    return float(answer) if answer else None


def row(sizes: Sizes, found: dict[int, float | None]) -> str:
    cells = [sizes.name, str(sizes.batch_size)]
    cells += ["-" if found[s] is None else f"{found[s]:.2f} ms" for s in (0, *SEEDS)]
    peer, ours = found[0], found[SEEDS[-1]]
    cells.append("-" if peer is None or ours is None else f"{peer / ours:.1f}x")
    return f"| {' | '.join(cells)} |"


def work(options: argparse.Namespace) -> None:
    what = json.loads(options.worker)
    turns = reference_turns(what) if not what["seeds"] else our_turns(what)
    take = next(turns)
    clock = time.process_time if what["processor_time"] else time.perf_counter
    for _ in sys.stdin:
        before = clock()
        take()
        print(clock() - before, flush=True)


def our_turns(what: dict[str, object]) -> Iterator[Callable[[], object]]:
    import torch

    from tpir.training.gradient.data import Data
    from tpir.training.gradient.environment import gradient_environment
    from tpir.training.gradient.settings import GradientSettings
    from tpir.training.gradient.trainer import Trainer
    from tpir.training.sources import problem_of_task

    sizes = {field.name: what[field.name] for field in dataclasses.fields(Sizes)}
    del sizes["name"]
    settings = GradientSettings(
        seeds=what["seeds"],
        steps=10**6,
        epoch_steps=what["steps"],
        evenness=0.0,
        engine=what["engine"],
        **sizes,
    )
    problem = problem_of_task("sort", as_reference=True)
    with gradient_environment():
        threads = int(str(what["threads"]))
        torch.set_num_threads(threads)
        data = Data.of(problem, problem.splits.train, torch.device("cpu"))
        config = settings.model_config(problem)
        trainer = Trainer(config, settings, data, range(settings.seeds), threads=threads)
        yield lambda: trainer.run_epoch(0)


def reference_turns(what: dict[str, object]) -> Iterator[Callable[[], object]]:
    sys.path.insert(0, str(what["reference"]))
    import numpy
    import torch
    from src.models.programs import TransformerProgramModel, gumbel_soft

    torch.set_num_threads(int(str(what["threads"])))
    length = words = 8
    model = TransformerProgramModel(
        d_vocab=words,
        d_vocab_out=words,
        n_vars_cat=1,
        n_vars_num=1,
        d_var=words,
        n_heads_cat=what["n_heads_cat"],
        n_heads_num=what["n_heads_num"],
        d_mlp=64,
        n_cat_mlps=what["n_cat_mlps"],
        n_num_mlps=what["n_num_mlps"],
        mlp_vars_in=2,
        n_layers=what["n_layers"],
        n_ctx=length,
        sample_fn=gumbel_soft,
        attention_type="cat",
        rel_pos_bias="fixed",
        unembed_mask=numpy.arange(words) == 0,
        pool_outputs=0,
        one_hot_embed=True,
        count_only=True,
        selector_width=0,
    )
    model.set_temp(1.0)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05)
    inputs = torch.randint(1, words, (what["batch_size"], length))
    lengths = torch.randint(3, length + 1, (what["batch_size"], 1))
    inputs[torch.arange(length) >= lengths] = 0

    def take() -> None:
        for _ in range(int(str(what["steps"]))):
            present = (inputs != 0).float()
            mask = (present.unsqueeze(-1) @ present.unsqueeze(-2)).bool()
            scores = model(inputs, mask=mask).log_softmax(-1)
            losses = -scores.gather(2, inputs.unsqueeze(-1)).squeeze(-1)
            losses = losses.masked_fill(inputs == 0, 0.0).sum(-1) / (inputs != 0).sum(-1)
            losses.mean().backward()
            optimiser.step()
            optimiser.zero_grad()

    yield take


if __name__ == "__main__":
    sys.exit(main())
