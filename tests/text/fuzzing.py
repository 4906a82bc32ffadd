"""Random texts and mutated programs, and what has to hold of each: a result or a located error."""

from __future__ import annotations

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

SLOW = 1.0
"""Seconds of this process that one text may take."""


def random_text(dice: random.Random) -> str:
    """Characters, words of the language, or a program with some pieces changed."""
    kind = dice.random()
    if kind < 0.15:
        return "".join(dice.choices(CHARACTERS, k=dice.randrange(60)))
    if kind < 0.4:
        return " ".join(dice.choices(WORDS, k=dice.randrange(40)))
    return mutated(dice, dice.choice(SEEDS))


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
    start = time.process_time()
    try:
        program = parse(text, name="fuzz.rasp", vocabulary=("a", "b", "7"), context=4)
        run_many(program, ["ab7a", "b"])
        assert parse(print_program(program)) == program, text
        outcome = "ran"
    except TpirError as error:
        assert error.span is not None, f"{error}\n{text}"
        assert "\n" not in error.message, error.message
        outcome = "refused"
    seconds = time.process_time() - start
    assert seconds < SLOW, f"{seconds:.1f} s for\n{text}"
    return outcome
