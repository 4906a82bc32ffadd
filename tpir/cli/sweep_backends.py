"""What ``tpir sweep`` starts runs through: joblib, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from tpir.cli.sweep_run import in_own_process
from tpir.errors import TpirError

BACKENDS = {"loky": None, "threading": None, "ray": "ray", "dask": "distributed"}
"""joblib's backends by name, and the package that each needs."""


def expect_backend(backend: str) -> None:
    """Raise TpirError where there is no such backend, or it is not installed."""
    if backend not in BACKENDS:
        raise TpirError(f"--backend {backend}: there is {', '.join(BACKENDS)}")
    package = BACKENDS[backend]
    if package is not None and find_spec(package) is None:
        raise TpirError(f"--backend {backend} needs the package {package}: pip install {package}")


def run_side_by_side(folders: Sequence[Path], jobs: int, backend: str) -> Iterator[str]:
    """Do the runs in ``folders``, ``jobs`` at a time; the name of each as it is done."""
    from joblib import Parallel, delayed, parallel_config

    with ExitStack() as stack:
        if backend == "ray":
            from ray.util.joblib import register_ray

            register_ray()
        if backend == "dask":
            from dask.distributed import Client

            stack.enter_context(Client())
        # joblib's Ray backend cannot say what is done before all is.
        told = "list" if backend == "ray" else "generator_unordered"
        stack.enter_context(parallel_config(backend=backend, n_jobs=jobs))
        parallel = Parallel(return_as=told, batch_size=1)
        working = Path.cwd()
        yield from parallel(delayed(in_own_process)(folder, working) for folder in folders)
