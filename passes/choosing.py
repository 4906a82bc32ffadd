"""A readout of the fewest features that gets enough labels of some data right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isqrt

import numpy as np

from tpir.ir.builder import Builder
from tpir.ir.ops import Classify
from tpir.ir.program import Node, Program, cone
from tpir.passes.features import Feature, Fit, Labelled, cost, gain, length, readout, total_cost
from tpir.passes.scores import Row, Scores
from tpir.passes.simple_heads import SimpleHeads, candidates
from tpir.passes.votes import Votes, improved, settled

_POWER = 0.5
"""How much a feature's length counts against what it explains."""

_TRIED = 8
_QUICK = 40
"""Steps of fitting that tell better features from worse."""

_MOST_FITS = 150
_MOST_FEATURES = 24
_POSITIONS = 4000
"""On about so many labels features are chosen, to begin with."""

_MORE = 4
_SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60, 150, 500, 5000)
"""The largest weights of readouts in whole numbers."""


def chosen_anew(program: Program, scores: Scores, rows: Sequence[Row]) -> Program | None:
    """The program with a new readout that gets ``scores.least`` labels right, or None.

    It reads what the program holds, and simple heads. ``rows`` are the data of ``scores``. Features
    are chosen on some of them; where these do not do on all, on more. Features that take more to
    read than the whole program are not tried.
    """
    node = next(iter(program.outputs.values()))
    assert isinstance(node.op, Classify)
    heads, labels, longest = SimpleHeads(program), len(node.op.labels), length(program.live)
    everything = Labelled(scores, labels)
    if not len(everything.gold):
        return None
    step = max(1, len(everything.gold) // _POSITIONS)
    start: tuple[Feature, ...] = ()
    while True:
        part = scores if step == 1 else Scores(program, rows[::step])
        data = everything if step == 1 else Labelled(part, labels)
        wanted = min(len(data.gold), _wanted(program, part, scores))
        fit = _Choice(data, candidates(heads, data), wanted, longest).run(start)
        if fit is None:
            return None
        whole = Fit.of(everything, [everything.like(f) for f in fit.features])
        votes = _whole(whole, scores.least)
        if whole.right_with(votes) >= scores.least:
            return _with_readout(program, node, whole.features, votes)
        if step == 1:
            return None
        step, start = max(1, step // _MORE), fit.features


def _wanted(program: Program, part: Scores, scores: Scores) -> int:
    """How many labels of a part are to be right: chance is to favour few features in few cases."""
    if part is scores:
        return scores.least
    lost = (scores.right(program) - scores.least) / max(1, scores.total)
    wrong = part.total - part.right(program) + int(lost * part.total)
    return part.total - wrong + isqrt(wrong)


@dataclass(frozen=True, eq=False)
class _Choice:
    """Looks for few features, shorter than ``longest``, that get ``wanted`` labels right."""

    data: Labelled
    candidates: Sequence[Feature]
    wanted: int
    longest: int

    def run(self, start: Sequence[Feature]) -> Fit | None:
        """Add the best feature until they do; then leave out, or replace, what can be."""
        fit = Fit.of(self.data, [self.data.like(f) for f in start])
        while fit.right < self.wanted:
            long = total_cost(fit.features, self.labels) >= self.longest
            many = len(fit.features) >= _MOST_FEATURES
            better = None if long or many else self._extended(fit)
            if better is None:
                return None
            fit = better
        return self._shortened(fit)

    def _extended(self, fit: Fit) -> Fit | None:
        """With the feature that explains most for its length; None if none explains anything."""
        best: tuple[float, Fit] | None = None
        known = cone(f.node for f in fit.features)
        for new in self._promising(fit)[:_TRIED]:
            tried = Fit.of(self.data, [*fit.features, new], _QUICK)
            value = (fit.loss - tried.loss) / cost(new, known, self.data.labels) ** _POWER
            if best is None or value > best[0]:
                best = (value, tried)
        if best is None:
            return None
        better = Fit.of(self.data, best[1].features)
        return better if better.loss < fit.loss else None

    def _promising(self, fit: Fit) -> list[Feature]:
        """The candidates, those first that seem to explain most for their length."""
        rest, variance = fit.surprise()
        known = cone(f.node for f in fit.features)
        labels = self.data.labels
        value = [
            gain(f, rest, variance) / cost(f, known, labels) ** _POWER for f in self.candidates
        ]
        order = np.argsort(-np.array(value), kind="stable").tolist()
        read = {(f.node, f.is_table) for f in fit.features}
        found = [self.candidates[k] for k in order]
        return [f for f in found if (f.node, f.is_table) not in read]

    def _shortened(self, fit: Fit) -> Fit:
        """Features left out, or shorter ones in their place, the longest first, while that does."""
        fits = _MOST_FITS
        again = True
        while again:
            again = False
            for gone in sorted(fit.features, key=lambda f: total_cost(_but(fit, f), self.labels)):
                for tried in self._without(fit, gone):
                    fits -= 1
                    if tried.right >= self.wanted:
                        fit, again = tried, True
                        break
                if fits <= 0:
                    return fit
        return fit

    def _without(self, fit: Fit, gone: Feature) -> Iterator[Fit]:
        """Fits without a feature, alone or with a shorter one that may explain as much."""
        kept, now = _but(fit, gone), total_cost(fit.features, self.labels)
        less = Fit.of(self.data, kept)
        yield less
        shorter = (
            new for new in self._promising(less) if total_cost([*kept, new], self.labels) < now
        )
        for new in islice(shorter, _TRIED):
            yield Fit.of(self.data, [*kept, new])

    @property
    def labels(self) -> int:
        """How many labels there are."""
        return self.data.labels


def _but(fit: Fit, gone: Feature) -> list[Feature]:
    return [f for f in fit.features if f is not gone]


def _whole(fit: Fit, wanted: int) -> Votes:
    """The weights in whole numbers: the smallest that do about as well, else the best."""
    centred = fit.votes.centred()
    largest = max(float(np.abs(t).max(initial=0)) for t in (*centred.tables, centred.bias)) or 1
    count = int(fit.weight.sum())
    wanted = max(wanted, fit.right - (0 if fit.right == count else count // 100))
    found: list[Votes] = []
    for scale in _SCALES:
        rounded = centred.rounded(scale / largest)
        found.append(settled(improved(rounded, fit.cells, fit.weight), fit.cells))
        if fit.right_with(found[-1]) >= wanted:
            break
    return max(found, key=fit.right_with)


def _with_readout(
    program: Program, node: Node, features: Sequence[Feature], votes: Votes
) -> Program:
    """The program with this readout, its new nodes numbered anew, and what is dead gone."""
    assert isinstance(node.op, Classify)
    builder, made = Builder(program.header), dict[Node, Node]()
    for old in _in_order([f.node for f in features]):
        name = old.name if old in program.users else old.name.rstrip("0123456789").rstrip("_")
        operands = tuple(made[o] for o in old.operands)
        made[old] = builder.add(
            old.op, operands, name=name, origin=old.origin, comments=old.comments
        )
    op = readout(node.op, features, votes)
    last = builder.add(op, [made[f.node] for f in features], name=node.name, origin=node.origin)
    return builder.build(dict.fromkeys(program.outputs, last))


def _in_order(nodes: Sequence[Node]) -> list[Node]:
    """Nodes and all they depend on, operands first."""
    found: dict[Node, None] = {}
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting[-1]
        missing = [operand for operand in node.operands if operand not in found]
        if missing:
            waiting += reversed(missing)
        else:
            found[waiting.pop()] = None
    return list(found)
