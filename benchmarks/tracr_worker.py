"""Tracr in a process of its own, which tracr_table.py starts and asks.

    python benchmarks/tracr_worker.py '{"path": CHECKOUT, "limit": SECONDS, "memory": GIB}'

A line of standard input is a JSON object, and so is each answer:

- ``{"meaning": {"program": …, "length": n, "inputs": [[token, …], …]}}``: what Tracr's own
  evaluator says the program computes;
- ``{"compile": {"program": …, "length": n, "vocabulary": […], "repeats": k}}``: the sizes of the
  model, and the processor seconds of compiling at Tracr's defaults: the first time, and the least
  of k more, for which JAX knows all shapes;
- ``{"forward": [[token, …], …]}``: the seconds of one forward pass of the batch as Tracr calls it,
  and jitted, by the clock, the least of several; all inputs have one length;
- ``{"run": [[token, …], …]}``: what the model computes at each position of each input.

``{"late": true}`` past the limit, ``{"error": text}`` where Tracr raises. It runs on a Python of
its own: nothing is imported beside the standard library and what Tracr itself needs.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

FORWARDS = 100
"""How often a batch is run at most; the least time counts."""
BUDGET = 20.0
"""Seconds after which a measurement is not repeated."""


class Late(BaseException):
    """The limit is reached. Not an Exception: contestants catch those."""


def late(*_: object) -> None:
    """The limit is reached."""
    raise Late


Clock = Callable[[], float]


def least(
    call: Callable[[], Any], repeats: int, clock: Clock = time.process_time
) -> tuple[Any, float]:
    """What a call gives, and the seconds of the quickest of as many as fit."""
    best, spent, result = float("inf"), 0.0, None
    for _ in range(repeats):
        start = clock()
        result = call()
        seconds = clock() - start
        best, spent = min(best, seconds), spent + seconds
        if spent > BUDGET:
            break
    return result, best


class Tracr:
    """One library program at a time."""

    def __init__(self, path: str) -> None:
        sys.path.insert(0, path)
        import jax
        from tracr.compiler import compiling, lib
        from tracr.rasp import rasp

        self.jax, self.bos = jax, compiling.COMPILER_BOS
        self.compiler = compiling.compile_rasp_to_model
        self.programs: dict[str, Callable[[int], Any]] = {
            "length": lambda n: lib.make_length(),
            "reverse": lambda n: lib.make_reverse(rasp.tokens),
            "pair_balance": lambda n: lib.make_pair_balance(rasp.tokens, "(", ")"),
            "shuffle_dyck1": lambda n: lib.make_shuffle_dyck(["()"]),
            "shuffle_dyck": lambda n: lib.make_shuffle_dyck(["()", "{}"]),
            "shuffle_dyck3": lambda n: lib.make_shuffle_dyck(["()", "{}", "[]"]),
            "hist": lambda n: lib.make_hist(),
            "sort_unique": lambda n: lib.make_sort_unique(rasp.tokens, rasp.tokens),
            "sort": lambda n: lib.make_sort(rasp.tokens, rasp.tokens, max_seq_len=n, min_key=1),
            "frequent_first": lambda n: lib.make_sort_freq(n),
            "frac_prevs": lambda n: lib.make_frac_prevs(rasp.tokens == "l"),
            "shift": lambda n: lib.shift_by(2, rasp.tokens),
            "detect_pattern": lambda n: lib.detect_pattern(rasp.tokens, "abc"),
            "count_less_freq": lambda n: lib.make_count_less_freq(2),
            "count": lambda n: lib.make_count(rasp.tokens, "a"),
            "combine": lambda n: lib.make_nary_sequencemap(
                lambda x, y, z: x + y - z, rasp.tokens, rasp.tokens, rasp.indices
            ),
            "nary_map": lambda n: lib.make_nary_sequencemap(
                lambda x, y, z: x * y / z, rasp.indices, rasp.indices, rasp.tokens
            ),
        }

    def compile(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Compile a program: its sizes and seconds."""
        make, length = self.programs[asked["program"]], asked["length"]

        def compile_anew() -> Any:
            return self.compiler(make(length), set(asked["vocabulary"]), length)

        self.model, first = least(compile_anew, 1)
        repeats = asked["repeats"] if first < BUDGET else 0
        again = least(compile_anew, repeats)[1] if repeats else None
        config, jnp = self.model.model_config, self.jax.numpy
        self.params = self.jax.tree_util.tree_map(jnp.asarray, self.model.params)
        self.forward = self.jax.jit(lambda p, ids: self.model.forward(p, ids).unembedded_output)
        leaves = self.jax.tree_util.tree_leaves(self.model.params)
        return {
            "d_model": len(self.model.residual_labels),
            "layers": config.num_layers,
            "heads": config.num_heads,
            "key_size": config.key_size,
            "mlp_hidden": config.mlp_hidden_size,
            "parameters": sum(leaf.size for leaf in leaves),
            "compile_seconds": first,
            "again_seconds": again,
        }

    def encoded(self, inputs: list[list[Any]]) -> Any:
        encode = self.model.input_encoder.encode
        return self.jax.numpy.array([encode([self.bos, *tokens]) for tokens in inputs])

    def time_forward(self, inputs: list[list[Any]]) -> dict[str, Any]:
        """The seconds of a forward pass, what it takes to trace and compile left out."""
        ids = self.encoded(inputs)
        found = {}
        for name, forward in (
            ("forward_seconds", lambda: self.model.forward(self.params, ids).unembedded_output),
            ("jitted_seconds", lambda: self.forward(self.params, ids)),
        ):
            forward().block_until_ready()
            # By the clock: what another thread has just done is not in the processor's seconds yet.
            _, found[name] = least(
                lambda: forward().block_until_ready(),  # noqa: B023
                FORWARDS,
                time.perf_counter,
            )
        return found

    def run(self, inputs: list[list[Any]]) -> dict[str, Any]:
        """Decoded outputs. Inputs of one length go together: nothing is padded."""
        places = defaultdict(list)
        for place, tokens in enumerate(inputs):
            places[len(tokens)].append(place)
        outputs: list[Any] = [None] * len(inputs)
        for group in places.values():
            rows = self.forward(self.params, self.encoded([inputs[place] for place in group]))
            for place, row in zip(group, rows.tolist(), strict=True):
                outputs[place] = self.model.output_encoder.decode(row)[1:]
        return {"outputs": outputs}

    def meaning(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the evaluator gives, None included."""
        program = self.programs[asked["program"]](asked["length"])
        return {"outputs": [list(program(tokens)) for tokens in asked["inputs"]]}


def main() -> None:
    setting = json.loads(sys.argv[1])
    signal.signal(signal.SIGALRM, late)
    most = int(setting["memory"] * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    answers, sys.stdout = sys.stdout, sys.stderr
    tracr = Tracr(setting["path"])
    calls = {
        "compile": tracr.compile,
        "forward": tracr.time_forward,
        "run": tracr.run,
        "meaning": tracr.meaning,
    }
    for line in sys.stdin:
        ((kind, asked),) = json.loads(line).items()
        try:
            signal.setitimer(signal.ITIMER_REAL, setting["limit"])
            try:
                answer = calls[kind](asked)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Late:
            answer = {"late": True}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
