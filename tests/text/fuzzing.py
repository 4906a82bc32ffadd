"""Random texts and mutated programs, and what has to hold of each: a result or a located error."""

from __future__ import annotations

import gc
import random
import re
import time
from pathlib import Path

from tpir.errors import TpirError
from tpir.semantics.interpreter import run_many
from tpir.text import parse, print_program

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [
    path.read_text(encoding="utf-8")
    for folder in ("examples", "tpir/library", "tests/passes/cases", "tests/passes/golden")
    for path in sorted((ROOT / folder).glob("*.rasp"))
]
WORDS = """
    def for in if else and or not return load table relu output classify program context causal
    mixed vocabulary labels accepts set example show examples on off full seq display exit quit
    tokens tokens_int tokens_str tokens_float tokens_bool tokens_asis indices length select
    aggregate aggregate_sum selector_width round indicator range zip len closest first last choose
    map order score otherwise none float32 bias unit keys True False out sort shift hist count max
    a b c x y f g _ 0 1 2 3 7 0.5 1e5 99999999999999999999 "a" "b" "" "l<" e"\\n" "std" $1 $2 == !=
    < <= > >= + - * / % ^ ( ) [ ] { } , ; : = | -> .. # \n
""".replace("\\n}", "\n}").split(" ")
WORDS = [word.strip() or "\n" for word in WORDS if word.strip() or word == "\n"]
CHARACTERS = "".join(map(chr, range(32, 127))) + '\n\t"";;(){}[]é§\u2028\x00\x85🙂'
_PIECES = re.compile(r'"[^"\n]*"|\w+|\s+|->|\.\.|[=!<>]=|.', re.DOTALL)

LONGEST = 2000
"""Characters of an error, its notes and its line included."""

SLOW = 3.0
"""Seconds of this process that one text may take: one, but that machines may be slow or busy."""

SLOW_NODE = 0.002
"""Seconds more for each node of the program that it makes, to run, print and read again."""


def random_text(dice: random.Random) -> str:
    """Characters, words of the language, or a program with some pieces changed."""
    kind = dice.random()
    if kind < 0.15:
        return "".join(dice.choices(CHARACTERS, k=dice.randrange(60)))
    if kind < 0.25:
        return tall(dice)
    if kind < 0.45:
        return " ".join(dice.choices(WORDS, k=dice.randrange(40)))
    return mutated(dice, dice.choice(SEEDS))


def tall(dice: random.Random) -> str:
    """A text of few words that asks for much: long lists, deep nesting, odd orders, many loads."""
    size = dice.choice((3, 40, 300, 3000, 100_000, 1_000_000))
    deep = dice.choice((3, 60, 300, 1000, 2000))
    atom = dice.choice(("1", '"a"', "indices", "0.5", "tokens"))
    opening, closing = dice.choice((("(", ")"), ("[", "]"), ("not ", ""), ("-", ""), ("f(", ")")))
    offsets = ", ".join(dice.choices(("-1", "0", "1", "2", "1.0"), k=dice.randrange(4)))
    calls = dice.choice(("f(n - 1)", "f(n - 1) + f(n - 2)", "f(n)", "[f(n - 1)]"))
    depth = dice.choice((5, 25, deep))
    lines = (
        f"x = indices; l = range({size}); for a in range({size}) {{ {dice.choice(STEPS)} }}",
        f"x = {opening * deep}{atom}{closing * deep};",
        f"x = {dice.choice(JOINS).join([atom] * deep)};",
        f"def f(n) {{ return n if n < 2 else {calls}; }} x = f({depth}) + indices;",
        f"x = choose(select(tokens, tokens, ==), order=[{offsets}]); y = aggregate(x, tokens);",
        f'load "{dice.choice("ax/.") * deep}"; x = {atom};',
        f'x = aggregate(select(indices, {dice.choice("01")}, {dice.choice("<>")}), {atom}, "a");',
    )
    return dice.choice(lines)


STEPS = (
    "l = range(1000000);",
    "m = zip(l, l);",
    "m = 5.5 in l;",
    "m = l + l;",
    "m = l == range(3);",
    "m = indices in l;",
    "m = l[indices];",
    "l = [l];",
    'm = "a" * len(l);',
    "m = {i: l for i in l};",
    "m = [[i for i in l] for j in l];",
    "x = x + 1;",
    "for b in l { y = x; }",
)
JOINS = (" + ", " * ", " if 1 else ", " if indices else ", " and ", "^", " % ", " == ", " in ")


def mutated(dice: random.Random, text: str) -> str:
    """A program, or a stretch of it, with pieces dropped, doubled, swapped or replaced."""
    pieces = _PIECES.findall(text)
    if dice.random() < 0.7:
        start = dice.randrange(len(pieces))
        pieces = pieces[start : start + dice.randrange(1, 120)]
    for _ in range(dice.randrange(1, 5)):
        k, other = dice.randrange(len(pieces)), dice.randrange(len(pieces))
        match dice.randrange(5):
            case 0:
                pieces[k] = ""
            case 1:
                pieces[k] *= 2
            case 2:
                pieces[k], pieces[other] = pieces[other], pieces[k]
            case 3:
                pieces[k] = dice.choice(WORDS)
            case _:
                pieces[k] = "".join(dice.choices(CHARACTERS, k=2))
    return "".join(pieces)


def try_text(text: str) -> str:
    """Elaborate a text, run it, print it and read it again: ``ran`` or ``refused``.

    Raises AssertionError for an error without a place, or a text that takes too long. Other
    exceptions are crashes.
    """
    outcome, nodes, seconds = _timed(text)
    allowed = SLOW + SLOW_NODE * nodes
    if seconds > allowed:  # perhaps it was collecting what others left, or the machine was busy
        gc.collect()
        seconds = _timed(text)[2]
    assert seconds < allowed, f"{seconds:.1f} s for\n{text}"
    return outcome


def _timed(text: str) -> tuple[str, int, float]:
    """The outcome, the nodes of the program, and the seconds it took."""
    start, nodes = time.process_time(), 0
    try:
        program = parse(text, name="fuzz.rasp", vocabulary=("a", "b", "7"), context=4)
        nodes = len(program.nodes)
        run_many(program, ["ab7a", "b"])
        assert parse(print_program(program)) == program, text
        outcome = "ran"
    except TpirError as error:
        assert error.span is not None, f"{error}\n{text}"
        assert len(str(error)) < LONGEST, f"{len(str(error))} characters for\n{text}"
        assert "\n" not in error.message, error.message
        outcome = "refused"
    return outcome, nodes, time.process_time() - start
