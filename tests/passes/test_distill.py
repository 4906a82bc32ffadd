"""Distilling: lossy, so what is tested is what it loses, and that it says so."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.strategies_tp import transformer_programs
from tpir.api import lower
from tpir.errors import TpirError
from tpir.ir.ops import Classify
from tpir.ir.program import Program
from tpir.ir.types import Categorical
from tpir.ir.verify import verify
from tpir.passes import choosing, distill
from tpir.passes.distill import Distill, distilled
from tpir.passes.features import Feature
from tpir.passes.pipeline import PASSES, optimise, parse_pipeline, run_pipeline
from tpir.passes.reading import reading_size
from tpir.passes.scores import Row, Scores, read_rows
from tpir.passes.votes import Votes
from tpir.semantics.interpreter import run_many
from tpir.semantics.program_space import space_of
from tpir.text import parse, print_program

NOISY = """
program first;
context 5;
vocabulary {"<s>", "a", "b"};
labels {"a", "b"};
accepts "<s>" ("a" | "b"){1,4};
table one_keys { _ -> 1 }
table last_keys { 0 -> 2; _ -> 0 }
first = aggregate(closest(select(indices, indices, one_keys)), tokens);
other = aggregate(closest(select(indices, indices, last_keys)), tokens);
table odd { ("a", 4) -> 1; ("b", 3) -> 2; _ -> 0 }
rare = odd(first, indices);
output answer = classify {
    bias [0.0, 0.03125];
    first: { "a" -> [3.0, 0.0]; _ -> [0.0, 2.0]; };
    other: { "b" -> [0.5, 0.75]; _ -> [0.25, 0.0]; };
    rare: { 1 -> [0.0, 4.5]; _ -> [0.0, 0.0]; };
};
"""


def first_letter(program: Program) -> list[Row]:
    """Every input, labelled with its first letter after ``<s>``; ``<s>`` has no label."""
    space, rows = space_of(program), []
    for _, batch in space.batches(100):
        for column in batch.T:
            tokens = tuple(str(t) for t in space.decode(column))
            rows.append(Row(tokens, (None, *[tokens[1]] * (len(tokens) - 1))))
    return rows


def noisy() -> Program:
    return parse(NOISY.replace("output answer = ", "answer = ") + "output answer;")


def test_what_the_labels_do_not_need_goes() -> None:
    program = noisy()
    rows = first_letter(program)
    result = distilled(program, rows, rows, 0.0)
    assert result.changed
    assert not {"other", "rare"} & {node.name for node in result.program.live}
    scores = Scores(program, rows)
    assert scores.right(program) < scores.total  # the rare rule is wrong
    assert scores.right(result.program) == scores.total
    assert "100.00% after" in result.notes[-1]
    same = scores.alike(program, result.program) / scores.total
    assert result.notes[-1].endswith(f"held out, where {same:.2%} get the same label as before")
    assert same < 1


def test_it_is_deterministic() -> None:
    program = noisy()
    rows = first_letter(program)
    first, second = (distilled(program, rows, rows, 0.0) for _ in range(2))
    assert print_program(first.program) == print_program(second.program)
    assert first.notes == second.notes


def test_a_wrong_readout_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault planted in the new readout: it is measured again, and the old one stays."""
    program = noisy()
    rows = first_letter(program)

    def upside_down(op: Classify, features: Sequence[Feature], votes: Votes) -> Classify:
        turned = Votes(tuple(-t for t in votes.tables), -votes.bias)
        return features_readout(op, features, turned)

    features_readout = choosing.readout
    monkeypatch.setattr(choosing, "readout", upside_down)
    result = distilled(program, rows, rows, 0.0)
    assert "its readout stays: none fitted anew is as good" in result.notes
    scores = Scores(program, rows)
    assert scores.right(result.program) >= scores.right(program)


LAST = """
context 3;
vocabulary {"a", "b"};
labels {"a", "b"};
table spare { ("a", 2) -> 1; _ -> 0 }
extra = spare(tokens, indices);
answer = classify {
    bias [0, 1.5];
    indices: [1, 0];
    extra: { 1 -> [0, 0.25]; _ -> [0, 0] };
};
output answer;
"""
"""The label is whether it is the third position, and never rests on ``extra``."""


def test_a_longer_readout_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As good, but nothing of it can go; then what the old one does not need goes nevertheless."""
    program = parse(LAST)
    sums = " + ".join(["indices"] * 60)
    head, _, _ = LAST.partition("table spare")
    longer = f"{head} n = {sums}; answer = classify {{ bias [0, 100]; n: [1, 0]; }}; output answer;"
    monkeypatch.setattr(distill, "chosen_anew", lambda *_: parse(longer))
    inputs = [tuple(word) for length in (1, 2, 3) for word in product("ab", repeat=length)]
    rows = [Row(tokens, ("b", "b", "a")[: len(tokens)]) for tokens in inputs]
    result = distilled(program, rows, rows, 0.0)
    assert {node.name for node in result.program.live} == {"indices", "answer"}
    assert "its readout stays: one fitted anew leaves no less to read" in result.notes


def test_labels_that_the_program_never_gives() -> None:
    program = noisy()
    rows = [Row(row.tokens, ("never",) * len(row.tokens)) for row in first_letter(program)]
    result = distilled(program, rows, rows, 0.0)
    verify(result.program)
    assert "0.00% of the data before, 0.00% after" in result.notes[-1]


SOLVED = {"reverse_v8_n8": 30, "hist_v8_n8": 20, "induction": 30}
"""Checkpoints, and how many lines their distilled programs have at most."""


@pytest.mark.parametrize("name", SOLVED)
def test_on_a_trained_model(shared: Path, name: str) -> None:
    folder = shared / "checkpoints" / name
    program = optimise(lower(folder), 2)
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    rows = [Row(tuple(row["tokens"]), tuple(row["gold"])) for row in found]
    result = distilled(program, rows[250:], rows[:250], 0.0)
    assert print_program(result.program).count("\n") <= SOLVED[name]
    for part in (rows[250:], rows[:250]):
        scores = Scores(program, part)
        assert scores.right(result.program) >= scores.right(program)


def test_scores_against_one_by_one() -> None:
    program = noisy()
    rows = first_letter(program)
    outcomes = run_many(program, [row.tokens for row in rows])
    right = sum(
        gold == found
        for row, outcome in zip(rows, outcomes, strict=True)
        for gold, found in zip(row.labels, (outcome.values or {})["answer"], strict=True)
    )
    scores = Scores(program, rows)
    assert (scores.right(program), scores.total) == (right, sum(len(r.tokens) - 1 for r in rows))
    scores.least = right
    assert scores.agrees(program)
    scores.least = right + 1
    assert not scores.agrees(program)


@settings(max_examples=PROGRAMS // 20)
@given(program=transformer_programs(), data=st.data())
def test_the_budget_is_kept(program: Program, data: st.DataObject) -> None:
    output = next(iter(program.outputs.values()))
    if len(program.outputs) != 1 or not isinstance(output.type, Categorical):
        return
    domain = st.sampled_from(
        [None, "other", *(v for v in output.type.domain if isinstance(v, str))]
    )
    space, rows = space_of(program), []
    for _, batch in space.batches(20):
        for column in batch.T[:20]:
            tokens = tuple(str(t) for t in space.decode(column))
            rows.append(Row(tokens, tuple(data.draw(domain) for _ in tokens)))
        break
    if not Scores(program, rows).total:
        return
    result = distilled(program, rows, rows, 0.1)
    verify(result.program)
    assert Distill().measure(result.program) <= Distill().measure(program)
    scores = Scores(program, rows)
    assert scores.right(result.program) >= scores.right(program) - int(0.1 * scores.total)


def test_in_a_pipeline(tmp_path: Path) -> None:
    program = noisy()
    path = tmp_path / "data.jsonl"
    rows = first_letter(program)
    lines = [json.dumps({"tokens": r.tokens, "labels": r.labels}) for r in rows]
    path.write_text("\n".join(lines), "utf-8")
    assert read_rows(path) == rows
    passes = parse_pipeline(f"dce,distill{{data={path},max-drop=0.05,held-out=3}}")
    assert passes[1] == Distill(str(path), 0.05, 3)
    assert reading_size(run_pipeline(program, passes).program) < reading_size(program)
    assert "distill" not in PASSES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("distill", "needs data"),
        ("distill{data=/nowhere/at/all}", "cannot read"),
        ("distill{max-drop=x}", "takes a number of at least 0 (default 0.001)"),
        ("distill{held-out=1}", "takes a whole number of at least 2"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(TpirError) as error:
        run_pipeline(noisy(), parse_pipeline(text))
    assert said in str(error.value)


def test_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"tokens": ["a"], "labels": ["a"]}\n{"tokens": ["a"], "labels": [1]}\n')
    with pytest.raises(TpirError, match="line 2"):
        read_rows(path)
