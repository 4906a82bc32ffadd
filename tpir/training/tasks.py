"""The eight algorithmic tasks of Friedman et al. 2023 (arXiv 2306.01128, section 4 and appendix B).

Definitions are those of the public reference code, whose special tokens count inside vocabulary and
length, and so are the random streams: equal sizes and seed give equal inputs in the same order.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tpir.errors import TpirError
from tpir.training.examples import Examples, Label
from tpir.training.problem import BOS as BOS
from tpir.training.problem import EOS as EOS
from tpir.training.problem import PAD as PAD

UNKNOWN = "<unk>"
PAIRS = (("(", ")"), ("{", "}"))
LARGEST_VOCABULARY = 4096


@dataclass(frozen=True)
class Sizes:
    """What a data set is drawn from: a vocabulary and a range of lengths (see ``Task``)."""

    vocab_size: int
    min_length: int
    max_length: int


Drawer = Callable[[np.random.RandomState, Sizes], list[str]]


@dataclass(frozen=True)
class Task:
    """A function from inputs to labels, with a way to draw inputs.

    ``defaults`` are the sizes of the paper's smaller setting. In them, as everywhere,
    ``vocab_size`` counts the special tokens (``<pad>``, ``<s>`` and, where ``closed``, ``</s>``),
    ``max_length`` counts every visible token, and ``min_length`` is the fewest tokens between the
    specials. The tasks ``in_pairs`` differ, as in the reference: they draw k pairs,
    ``min_length // 2 <= k <= max_length // 2``; a Dyck input is then filled up or cut to
    ``max_length`` tokens, and an induction input has 2k + 2. ``closed`` tasks end their inputs in
    ``</s>``; ``causal`` tasks want a causal model; ``vocab_sizes`` are the smallest and the largest
    vocabulary.
    """

    name: str
    summary: str
    defaults: Sizes
    label_body: Callable[[Sequence[str]], list[Label]]
    draw_body: Drawer
    ordinary: Callable[[int], list[str]]
    label_names: Callable[[Sizes], list[str]]
    vocab_sizes: tuple[int, int]
    closed: bool = False
    causal: bool = False
    in_pairs: bool = False
    unpaired_tokens: int = 0

    def vocabulary(self, vocab_size: int) -> tuple[str, ...]:
        """All tokens in index order: ``<pad>``, then the others sorted as strings."""
        specials = [BOS, EOS] if self.closed else [BOS]
        return (PAD, *sorted(specials + self.ordinary(vocab_size)))

    def labels(self, sizes: Sizes) -> tuple[str, ...]:
        """All labels that such inputs can have, in index order: ``<pad>``, then the others sorted.

        The reference collects them from its training set instead, and may miss a rare one.
        """
        return (PAD, *sorted(self.label_names(sizes)))

    def context(self, max_length: int) -> int:
        """The number of tokens of the longest input."""
        if not self.unpaired_tokens:
            return max_length
        return 2 * (max_length // 2) + self.unpaired_tokens

    def label(self, tokens: Sequence[str]) -> list[Label]:
        """The gold label of each position of one input; None where there is none.

        Raises TpirError if the input has not the task's form.
        """
        if not self._has_form(tokens):
            form, text = f"{BOS} … {EOS}" if self.closed else f"{BOS} …", " ".join(tokens)
            raise TpirError(f"inputs of task {self.name} have the form {form}, not {text!r}")
        if self.closed:
            return [None, *self.label_body(tokens[1:-1]), None]
        return [None, *self.label_body(tokens[1:])]

    def generate(
        self, vocab_size: int, size: int, min_length: int, max_length: int, seed: int
    ) -> Examples:
        """Draw ``size`` distinct inputs with their labels.

        Fewer where 5 · ``size`` draws do not find so many. Raises TpirError if there are none.
        """
        sizes = Sizes(vocab_size, min_length, max_length)
        self.check(sizes)
        if size < 1:
            raise TpirError(f"a data set needs at least one example, not {size}")
        random = np.random.RandomState(seed)
        inputs: dict[str, tuple[str, ...]] = {}
        for _ in range(5 * size):
            body = self.draw_body(random, sizes)
            tokens = (BOS, *body, EOS) if self.closed else (BOS, *body)
            # The reference tells inputs apart by their joined text; its samples depend on that.
            inputs.setdefault("".join(tokens), tokens)
            if len(inputs) == size:
                break
        drawn = tuple(inputs.values())
        return Examples(drawn, tuple(tuple(self.label(tokens)) for tokens in drawn))

    def check(self, sizes: Sizes) -> None:
        """Raise TpirError if no input has these sizes."""
        smallest, largest = self.vocab_sizes
        if not smallest <= sizes.vocab_size <= largest:
            bounds = str(smallest) if smallest == largest else f"{smallest} to {largest}"
            raise TpirError(
                f"task {self.name} wants a vocabulary size of {bounds} (special tokens included), "
                f"not {sizes.vocab_size}"
            )
        longest = sizes.max_length if self.in_pairs else self._room(sizes)
        if not 1 <= sizes.min_length <= longest or sizes.max_length < 2:
            raise TpirError(
                f"task {self.name} has no inputs with min_length {sizes.min_length} "
                f"and max_length {sizes.max_length}"
            )

    def _has_form(self, tokens: Sequence[str]) -> bool:
        if self.closed and (len(tokens) < 2 or tokens[-1] != EOS):
            return False
        return len(tokens) > 0 and tokens[0] == BOS

    def _room(self, sizes: Sizes) -> int:
        return sizes.max_length - (2 if self.closed else 1)


def get_task(name: str) -> Task:
    """The task of that name. Raises TpirError, listing the names, if there is none."""
    if name not in TASKS:
        raise TpirError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return TASKS[name]


def _reversed(body: Sequence[str]) -> list[Label]:
    return list(reversed(body))


def _sorted(body: Sequence[str]) -> list[Label]:
    # Tokens sort as strings, as in the reference: "10" comes before "2".
    return [*sorted(body)]


def _counts(body: Sequence[str]) -> list[Label]:
    counts = Counter(body)
    return [str(counts[token]) for token in body]


def _double_counts(body: Sequence[str]) -> list[Label]:
    counts = Counter(body)
    tokens_with = Counter(counts.values())
    return [str(tokens_with[counts[token]]) for token in body]


def _by_frequency(body: Sequence[str]) -> list[Label]:
    # most_common keeps first appearances in order among equals, as the task wants it.
    order: list[Label] = [token for token, _ in Counter(body).most_common()]
    return order + [BOS] * (len(body) - len(order))


def _dyck_prefix(body: Sequence[str]) -> list[Label]:
    """P: may still become balanced; T: balanced; F: no longer."""
    opener = {right: left for left, right in PAIRS}
    stack: list[str] = []
    labels: list[Label] = []
    for token in body:
        if token not in opener:
            stack.append(token)
        elif not stack or stack.pop() != opener[token]:
            return labels + ["F"] * (len(body) - len(labels))
        labels.append("P" if stack else "T")
    return labels


def _recalled(body: Sequence[str]) -> list[Label]:
    """At a letter: the token that followed the same letter before, or ``<unk>``."""
    followers: dict[str, str] = {}
    labels: list[Label] = []
    for i, token in enumerate(body):
        labels.append(None if token.isdigit() else followers.get(token, UNKNOWN))
        if not token.isdigit() and i + 1 < len(body):
            followers[token] = body[i + 1]
    return labels


def _numbers(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def _brackets(kinds: int) -> list[str]:
    return [bracket for pair in PAIRS[:kinds] for bracket in pair]


def _letters_and_numbers(vocab_size: int) -> list[str]:
    size = (vocab_size - 2) // 2
    return [*string.ascii_lowercase[:size], *_numbers(size)]


def _draw_numbers(specials: int, closed: bool) -> Drawer:
    def draw(random: np.random.RandomState, sizes: Sizes) -> list[str]:
        longest = sizes.max_length - (2 if closed else 1)
        length = random.randint(sizes.min_length, longest + 1)
        return [str(i) for i in random.choice(sizes.vocab_size - specials, size=length)]

    return draw


def _draw_balanced(random: np.random.RandomState, kinds: int, sizes: Sizes) -> list[str]:
    pairs = random.randint(sizes.min_length // 2, sizes.max_length // 2 + 1)
    body: list[str] = []
    for _ in range(pairs):
        left, right = PAIRS[random.randint(0, kinds)]
        around = random.randint(0, 2)
        body = [left, *body, right] if around else [*body, left, right]
    return body


def _draw_dyck(kinds: int) -> Drawer:
    brackets = _brackets(kinds)

    def draw(random: np.random.RandomState, sizes: Sizes) -> list[str]:
        length = sizes.max_length - 1
        body = _draw_balanced(random, kinds, sizes) if random.randint(2) else []
        if len(body) < length:
            body += [brackets[i] for i in random.choice(len(brackets), size=length - len(body))]
        return body[:length]

    return draw


def _draw_pairs(random: np.random.RandomState, sizes: Sizes) -> list[str]:
    size = (sizes.vocab_size - 2) // 2
    length = random.randint(sizes.min_length // 2, sizes.max_length // 2 + 1)
    number_of = random.randint(0, size, size=size)
    letters = random.randint(0, size, size=length)
    body = [token for c in letters for token in (string.ascii_lowercase[c], str(number_of[c]))]
    if random.randint(0, 2):
        return [str(random.choice(size)), *body]
    return [*body, string.ascii_lowercase[random.randint(0, size)]]


def _number_task(
    name: str,
    summary: str,
    label_body: Callable[[Sequence[str]], list[Label]],
    label_names: Callable[[Sizes], list[str]],
    *,
    closed: bool = False,
) -> Task:
    specials = 3 if closed else 2
    return Task(
        name=name,
        summary=summary,
        defaults=Sizes(8, 1, 8),
        label_body=label_body,
        draw_body=_draw_numbers(specials, closed),
        ordinary=lambda vocab_size: _numbers(vocab_size - specials),
        label_names=label_names,
        vocab_sizes=(specials + 1, LARGEST_VOCABULARY),
        closed=closed,
    )


def _dyck_task(name: str, kinds: int) -> Task:
    return Task(
        name=name,
        summary=f"prefixes of {2 * kinds} brackets: balanced (T), may still be (P), cannot be (F)",
        defaults=Sizes(2 + 2 * kinds, 16, 16),
        label_body=_dyck_prefix,
        draw_body=_draw_dyck(kinds),
        ordinary=lambda _: _brackets(kinds),
        label_names=lambda _: ["F", "P", "T"],
        vocab_sizes=(2 + 2 * kinds, 2 + 2 * kinds),
        causal=True,
        in_pairs=True,
    )


def _tokens_of(specials: int) -> Callable[[Sizes], list[str]]:
    return lambda sizes: _numbers(sizes.vocab_size - specials)


def _counted(sizes: Sizes) -> list[str]:
    return [str(i) for i in range(1, sizes.max_length)]


def _double_counted(sizes: Sizes) -> list[str]:
    return [str(i) for i in range(1, min(sizes.max_length - 1, sizes.vocab_size - 2) + 1)]


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _number_task("reverse", "the tokens backwards", _reversed, _tokens_of(3), closed=True),
        _number_task("hist", "how often each token appears", _counts, _counted),
        _number_task(
            "double_hist",
            "how many distinct tokens appear as often as this one",
            _double_counts,
            _double_counted,
        ),
        _number_task(
            "sort", "the tokens sorted by their text", _sorted, _tokens_of(3), closed=True
        ),
        _number_task(
            "most_freq",
            "the distinct tokens, most frequent first, ties by first appearance",
            _by_frequency,
            lambda sizes: [*_numbers(sizes.vocab_size - 2), BOS],
        ),
        _dyck_task("dyck1", 1),
        _dyck_task("dyck2", 2),
        Task(
            name="induction",
            summary="at a letter, the number that followed it before",
            defaults=Sizes(10, 9, 9),
            label_body=_recalled,
            draw_body=_draw_pairs,
            ordinary=_letters_and_numbers,
            label_names=lambda sizes: [*_numbers((sizes.vocab_size - 2) // 2), UNKNOWN],
            vocab_sizes=(4, 2 + 2 * len(string.ascii_lowercase)),
            causal=True,
            in_pairs=True,
            unpaired_tokens=2,
        ),
    )
}
