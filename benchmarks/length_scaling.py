"""How the time of emitted Python grows with the length of the input.

    python benchmarks/length_scaling.py
    python benchmarks/length_scaling.py sort dyck2 --lengths 1000,10000

The programs are those that people write in RASP, most of them in Weiss et al. 2021. For each: the
processor seconds of one call at each length (the least of five), and the ratio from one length to
the next. At lengths 1 to 20 and --checked what the module gives is compared with the interpreter.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from random_inputs import Draw, addition, brackets, words

import tpir
from tpir.semantics.interpreter import run_many

Run = Callable[[list[str]], object]
CHECKED = 1000
RUNS = 5


@dataclass(frozen=True)
class Task:
    """A program, and how to draw an input of some length."""

    vocabulary: str
    draw: Draw
    text: str


SORT = """
earlier = select({key}, {key}, <) or (select({key}, {key}, ==) and select(indices, indices, <));
place = selector_width(earlier);
sorted = aggregate(select(place, indices, ==), {seq});
"""


def with_beginning(selector: str, name: str) -> str:
    """The width of a selector as the paper computes it, with a token at the beginning."""
    return f"""
        {name}_or = {selector} or select(indices, 0, ==);
        {name} = 1 / aggregate({name}_or, indicator(indices == 0)) - 1;
    """


def dyck(pairs: Sequence[str]) -> str:
    def any_of(column: str, texts: Sequence[str]) -> str:
        return " or ".join(f'({column} == "{text}")' for text in texts)

    matches = " or ".join(
        f'((matched_opener == "{opener}") and (tokens == "{closer}"))' for opener, closer in pairs
    )
    return f"""
        opens = indicator({any_of("tokens", [pair[0] for pair in pairs])});
        closes = indicator({any_of("tokens", [pair[1] for pair in pairs])});
        up_to_self = select(indices, indices, <=);
        n_opens = aggregate_sum(up_to_self, opens);
        n_closes = aggregate_sum(up_to_self, closes);
        depth = n_opens - n_closes;
        delay_closer = depth + closes;
        depth_index = selector_width(select(delay_closer, delay_closer, ==) and up_to_self);
        open_for_close = select(opens, 1, ==) and select(delay_closer, delay_closer, ==)
            and select(depth_index, depth_index - 1, ==);
        matched_opener = aggregate(open_for_close, tokens, "-");
        mismatch = (closes == 1) and not ({matches});
        had_problem = aggregate(up_to_self, indicator(mismatch or (depth < 0))) > 0;
        dyck = "F" if had_problem else ("T" if depth == 0 else "P");
    """


DIGITS = "".join(f'{d} if tokens == "{d}" else (' for d in range(10)) + "-1" + ")" * 10
ADDITION = f"""
    length = selector_width(select(1, 1, ==));
    add_index = aggregate(select(tokens, "+", ==), indices);
    is_val2 = indices > add_index;
    as_nums = {DIGITS};
    val2 = as_nums if is_val2 else 0;
    val1_target_pos = indices + (length - add_index);
    val1 = aggregate(select(val1_target_pos, indices, ==), as_nums, 0);
    sum = val1 + val2;
    definite_carry = sum > 9;
    may_carry = sum == 9;
    definite_no_carry = sum < 9;
    num_prev = aggregate_sum(select(indices, indices, <), indicator(definite_no_carry));
    potential_triggers = select(indices, indices, >) and select(num_prev, num_prev, ==);
    triggered = aggregate(potential_triggers, indicator(definite_carry)) > 0;
    carries = definite_carry or (may_carry and triggered);
    receives_carry = aggregate(select(indices, indices + 1, ==), indicator(carries), 0);
    overflowing = sum + receives_carry;
    longsum = overflowing if overflowing < 10 else (overflowing - 10);
"""

WORDS = "a,b,c,d,e,f,g,h,i,j"
TASKS = {
    "histogram": Task(WORDS, words, "hist = selector_width(select(tokens, tokens, ==));"),
    "histogram, BOS": Task(WORDS, words, with_beginning("select(tokens, tokens, ==)", "hist")),
    "double histogram": Task(
        WORDS,
        words,
        """
        hist = selector_width(select(tokens, tokens, ==));
        seen = selector_width(select(tokens, tokens, ==) and select(indices, indices, <)) > 0;
        hist2 = selector_width(select(hist, hist, ==) and select(seen, False, ==));
        """,
    ),
    "reverse": Task(
        WORDS,
        words,
        """
        length = selector_width(select(1, 1, ==));
        reverse = aggregate(select(indices, length - 1 - indices, ==), tokens);
        """,
    ),
    "shift": Task(
        WORDS, words, 'shift = aggregate(select(indices + 3, indices, ==), tokens, "-");'
    ),
    "running counts": Task(
        WORDS,
        words,
        """
        up_to_self = select(indices, indices, <=);
        output count = aggregate_sum(up_to_self, indicator(tokens == "a"));
        output share = aggregate(up_to_self, indicator(tokens == "a"));
        output own = selector_width(up_to_self and select(tokens, tokens, ==));
        output later = selector_width(select(tokens, tokens, ==) and not up_to_self);
        """,
    ),
    "sort": Task(WORDS, words, SORT.format(key="tokens", seq="tokens")),
    "sort, BOS": Task(
        WORDS,
        words,
        with_beginning(
            "(select(tokens, tokens, <) or (select(tokens, tokens, ==) "
            "and select(indices, indices, <)))",
            "num_before",
        )
        + """
        place = -1 if indices == 0 else num_before;
        itself = select(indices, 0, ==) and select(indices, indices, ==);
        sorted = aggregate(select(place, indices - 1, ==) or itself, tokens);
        """,
    ),
    "sort by frequency": Task(
        WORDS,
        words,
        """
        hist = selector_width(select(tokens, tokens, ==));
        seen = selector_width(select(tokens, tokens, ==) and select(indices, indices, <)) > 0;
        key = -(hist - indicator(seen) * 100000);
        seq = "§" if seen else tokens;
        """
        + SORT.format(key="key", seq="seq"),
    ),
    "Dyck-1": Task(
        "(,)",
        brackets(["()"]),
        """
        up_to_self = select(indices, indices, <=);
        n_opens = aggregate_sum(up_to_self, indicator(tokens == "("));
        n_closes = aggregate_sum(up_to_self, indicator(tokens == ")"));
        balance = n_opens - n_closes;
        prev_imbalances = aggregate(up_to_self, indicator(balance < 0));
        dyck1 = "F" if prev_imbalances > 0 else ("T" if balance == 0 else "P");
        """,
    ),
    "Dyck-2": Task("(,),{,}", brackets(["()", "{}"]), dyck(["()", "{}"])),
    "Dyck-3": Task("(,),{,},[,]", brackets(["()", "{}", "[]"]), dyck(["()", "{}", "[]"])),
    "long addition": Task("0,1,2,3,4,5,6,7,8,9,+", addition, ADDITION),
}


def check(program: tpir.Program, run: Run, inputs: Sequence[list[str]]) -> None:
    """Stop unless the module and the interpreter give the same."""
    for tokens, outcome in zip(inputs, run_many(program, inputs), strict=True):
        found = run(tokens)
        if not isinstance(found, dict):
            found = {next(iter(program.outputs)): found}
        wanted = {name: list(values) for name, values in (outcome.values or {}).items()}
        if repr(found) != repr(wanted):
            sys.exit(f"the module and the interpreter differ on {tokens}")


def seconds(run: Run, tokens: list[str]) -> float:
    def once() -> float:
        start = time.process_time()
        run(tokens)
        return time.process_time() - start

    return min(once() for _ in range(RUNS))


def measure(task: Task, lengths: Sequence[int], checked: int) -> list[str]:
    """The cells of a line of the table."""
    vocabulary = task.vocabulary.split(",")
    program = tpir.parse(task.text, vocabulary=vocabulary, context=max(*lengths, checked))
    start = time.process_time()
    module = tpir.emit(program)
    emission = time.process_time() - start
    names: dict[str, object] = {}
    exec(compile(module, "module", "exec"), names)
    run = names["run"]
    assert callable(run)
    noise = random.Random(0)
    inputs = [task.draw(noise, length) for length in (*range(1, 21), checked) if length <= checked]
    # The same program for short inputs: the interpreter prepares tables for all that it may get.
    check(tpir.parse(task.text, vocabulary=vocabulary, context=checked), run, inputs)
    times = [seconds(run, task.draw(noise, length)) for length in lengths]
    ratios = [later / earlier for earlier, later in pairwise(times)]
    return [
        *(f"{t:.4f}" for t in times),
        *(f"{r:.1f}" for r in ratios),
        f"{emission:.3f}",
        f"{len(module):,}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", help="parts of the names of tasks; default: all")
    parser.add_argument("--lengths", default="1000,10000,100000")
    parser.add_argument("--checked", type=int, default=CHECKED)
    options = parser.parse_args()
    lengths = [int(length) for length in options.lengths.split(",")]
    columns = [*(f"{length:,}: s" for length in lengths), *("ratio" for _ in lengths[1:])]
    print(f"| program | {' | '.join(columns)} | emission: s | module: characters |")
    print("|---|" + "---|" * (len(columns) + 2))
    for name, task in TASKS.items():
        if not options.tasks or any(wanted in name for wanted in options.tasks):
            cells = measure(task, lengths, options.checked)
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
