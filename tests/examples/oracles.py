"""What each example computes, in plain Python: slow, and written without a thought of attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.examples.inputs import (
    additions,
    behind,
    bracket_rows,
    copies,
    countings,
    words,
)

Value = str | int | float | bool
Tokens = list[str]


@dataclass(frozen=True)
class Example:
    """The inputs on which an example is run, and what it has to make of each."""

    inputs: Sequence[Tokens]
    oracle: Callable[[Tokens], list[Value]] = field(repr=False)


def hist(tokens: Tokens) -> list[Value]:
    return [tokens.count(token) for token in tokens]


def hist_bos(tokens: Tokens) -> list[Value]:
    return [0, *hist(tokens[1:])]


def double_hist(tokens: Tokens) -> list[Value]:
    times = Counter(tokens)
    return [list(times.values()).count(times[token]) for token in tokens]


def double_hist_bos(tokens: Tokens) -> list[Value]:
    return [0, *double_hist(tokens[1:])]


def by_frequency(tokens: Tokens) -> list[Value]:
    kinds = [kind for kind, _ in Counter(tokens).most_common()]  # equally frequent as they came
    return kinds + ["-"] * (len(tokens) - len(kinds))


def frequent_first(tokens: Tokens) -> list[Value]:
    return sorted(tokens, key=lambda token: -tokens.count(token))


def dyck(pairs: Sequence[str]) -> Callable[[Tokens], list[Value]]:
    partner = {closing: opening for opening, closing in pairs}

    def verdicts(tokens: Tokens) -> list[Value]:
        stack, failed, found = [], False, list[Value]()
        for token in tokens:
            if token in partner.values():
                stack.append(token)
            elif token in partner and not failed:
                failed = not stack or stack.pop() != partner[token]
            found.append("F" if failed else "P" if stack else "T")
        return found

    return verdicts


def shuffle_dyck(pairs: Sequence[str]) -> Callable[[Tokens], list[Value]]:
    def balanced(tokens: Tokens) -> list[Value]:
        found = True
        for opening, closing in pairs:
            open_ = 0
            for token in tokens:
                open_ += (token == opening) - (token == closing)
                found = found and open_ >= 0
            found = found and open_ == 0
        return [found] * len(tokens)

    return balanced


def sort_unique(tokens: Tokens) -> list[Value]:
    in_order = sorted(tokens)
    return ["-" if token == before else token for before, token in pairwise(["", *in_order])]


def long_addition(tokens: Tokens) -> list[Value]:
    a, b = "".join(tokens).split("+")
    return [int(digit) for digit in str(int(a) + int(b)).zfill(len(tokens))]


def frac_prevs(tokens: Tokens) -> list[Value]:
    return [tokens[: i + 1].count("l") / (i + 1) for i in range(len(tokens))]


def pair_balance(tokens: Tokens) -> list[Value]:
    return [
        (tokens[: i + 1].count("(") - tokens[: i + 1].count(")")) / (i + 1)
        for i in range(len(tokens))
    ]


def shift(tokens: Tokens) -> list[Value]:
    return ["-", "-", *tokens][: len(tokens)]


def detect_pattern(tokens: Tokens) -> list[Value]:
    return [tokens[: i + 1][-3:] == ["a", "b", "c"] for i in range(len(tokens))]


def count(tokens: Tokens) -> list[Value]:
    return [tokens.count("a")] * len(tokens)


def count_less_freq(tokens: Tokens) -> list[Value]:
    return [sum(tokens.count(token) <= 2 for token in tokens)] * len(tokens)


def most_frequent(tokens: Tokens) -> list[Value]:
    return [max(tokens, key=tokens.count)] * len(tokens)  # max gives the first of the best


def first_occurrence(tokens: Tokens) -> list[Value]:
    return [token not in tokens[:i] for i, token in enumerate(tokens)]


def distinct(tokens: Tokens) -> list[Value]:
    return [len(set(tokens[: i + 1])) for i in range(len(tokens))]


def induction(tokens: Tokens) -> list[Value]:
    found: list[Value] = []
    for i, token in enumerate(tokens):
        places = [j for j in range(i) if tokens[j] == token]
        found.append(tokens[places[-1] + 1] if places else "?")
    return found


def parity(tokens: Tokens) -> list[Value]:
    return ["odd" if tokens[: i + 1].count("1") % 2 else "even" for i in range(len(tokens))]


def majority(tokens: Tokens) -> list[Value]:
    return [2 * tokens.count("a") > len(tokens)] * len(tokens)


def palindrome(tokens: Tokens) -> list[Value]:
    return [tokens == tokens[::-1]] * len(tokens)


def running_max(tokens: Tokens) -> list[Value]:
    return [max(tokens[: i + 1]) for i in range(len(tokens))]


def next_larger(tokens: Tokens) -> list[Value]:
    return [
        next((later for later in tokens[i:] if later > token), "-")
        for i, token in enumerate(tokens)
    ]


def word_lengths(tokens: Tokens) -> list[Value]:
    found: list[Value] = []
    for word in "".join(tokens).split("_"):
        found += [len(word)] * len(word) + [0]
    return found[:-1]


def combine(tokens: Tokens) -> list[Value]:
    return [2 * int(token) - i for i, token in enumerate(tokens)]


def nary_map(tokens: Tokens) -> list[Value]:
    return [i**2 / int(token) for i, token in enumerate(tokens)]


def copy_word(tokens: Tokens) -> list[Value]:
    colon = tokens.index(":")
    return [":"] * colon + [*tokens[:colon], "."][: len(tokens) - colon]


def count_up(tokens: Tokens) -> list[Value]:
    found: list[Value] = []
    for i, token in enumerate(tokens):
        start = max(j for j in range(i + 1) if tokens[j] == ">")
        behind_start = i - start
        if behind_start < 2:
            found.append(".")
        elif behind_start == 2:
            found.append(tokens[start + 1])
        else:
            found.append("." if token == tokens[start + 2] else str(int(token) + 1))
    return found


ABC = words("abc")
THREE = ("()", "{}", "[]")

EXAMPLES: dict[str, Example] = {
    "combine": Example(words("0123"), combine),
    "copy_word": Example(copies(), copy_word),
    "count": Example(ABC, count),
    "count_less_freq": Example(words("abcd"), count_less_freq),
    "count_up": Example(countings(), count_up),
    "detect_pattern": Example(ABC, detect_pattern),
    "distinct": Example(words("abcd"), distinct),
    "double_hist": Example(words("abcd"), double_hist),
    "double_hist_bos": Example(behind("$", "abcd"), double_hist_bos),
    "dyck1": Example(bracket_rows(THREE[:1]), dyck(THREE[:1])),
    "dyck2": Example(bracket_rows(THREE[:2]), dyck(THREE[:2])),
    "dyck_k": Example(bracket_rows(THREE) + words("()[]a"), dyck(THREE)),
    "first_occurrence": Example(words("abcd"), first_occurrence),
    "frac_prevs": Example(words("helo"), frac_prevs),
    "frequent_first": Example(words("abcd"), frequent_first),
    "hist": Example(words("abcd"), hist),
    "hist_bos": Example(behind("$", "abcd"), hist_bos),
    "induction": Example(ABC, induction),
    "length": Example(ABC, lambda tokens: [len(tokens)] * len(tokens)),
    "long_addition": Example(additions(), long_addition),
    "majority": Example(words("ab"), majority),
    "most_frequent": Example(words("abcd"), most_frequent),
    "nary_map": Example(words("123"), nary_map),
    "next_larger": Example(words("0123"), next_larger),
    "pair_balance": Example(words("()a"), pair_balance),
    "palindrome": Example(words("ab"), palindrome),
    "parity": Example(words("01"), parity),
    "reverse": Example(ABC, lambda tokens: tokens[::-1]),
    "running_max": Example(words("abcd"), running_max),
    "shift": Example(ABC, shift),
    "shuffle_dyck": Example(bracket_rows(THREE[:2]), shuffle_dyck(THREE[:2])),
    "shuffle_dyck1": Example(bracket_rows(THREE[:1]) + words("()a"), shuffle_dyck(THREE[:1])),
    "shuffle_dyck3": Example(bracket_rows(THREE), shuffle_dyck(THREE)),
    "sort": Example(words("abcd"), sorted),
    "sort_bos": Example(behind("$", "abcd"), lambda tokens: ["$", *sorted(tokens[1:])]),
    "sort_by_frequency": Example(words("abcd"), by_frequency),
    "sort_by_frequency_bos": Example(
        behind("$", "abcd"), lambda tokens: ["$", *by_frequency(tokens[1:])]
    ),
    "sort_by_key": Example(
        words("0123"), lambda tokens: sorted(tokens, key=lambda token: int(token) % 2)
    ),
    "sort_unique": Example(words("abcd"), sort_unique),
    "word_lengths": Example(words("ab_"), word_lengths),
}
