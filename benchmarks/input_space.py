"""Times to build, count, enumerate and sample input spaces.

Run it with ``python benchmarks/input_space.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from tpir.semantics.form_parser import parse_form
from tpir.semantics.space import InputSpace


def timed(what: str, action: Callable[[], object]) -> None:
    best = float("inf")
    for _ in range(3):
        started = perf_counter()
        action()
        best = min(best, perf_counter() - started)
    print(f"{best * 1000:8.1f} ms  {what}")


def bracketed(symbols: int, context: int, end: str) -> InputSpace:
    words = [str(i) for i in range(symbols)]
    choice = " | ".join(f'"{word}"' for word in words)
    form = parse_form(f'"<s>" ({choice}){{1,{context - 1 - bool(end)}}} {end}')
    return InputSpace(("<s>", "</s>", *words), context, form)


def main() -> None:
    small = bracketed(6, 8, "")
    large = bracketed(58, 129, '"</s>"')
    timed("build vocabulary 8, context 8", lambda: bracketed(6, 8, ""))
    timed("build vocabulary 60, context 129", lambda: bracketed(58, 129, '"</s>"'))
    timed("count it", lambda: bracketed(58, 129, '"</s>"').count())
    timed("its possible tokens", large.possible_tokens)
    timed("1,000 samples of it", lambda: large.sample(1000, np.random.default_rng(0)))
    timed(f"enumerate {small.count():,} inputs", lambda: sum(1 for _ in small.batches(16_384)))


if __name__ == "__main__":
    main()
