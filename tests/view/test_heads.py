"""Layers and heads are those that the original RASP counts, and sharing merges equal selectors.

The programs are the paper's examples (Weiss et al. 2021, ``paper_examples.rasp`` of the original),
written without functions. The counts beside them are what ``width_and_depth`` of the original's
``analyse.py`` says of each.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tpir.ir.ops import Aggregate, AggregateSum, SelectorWidth
from tpir.ir.program import Program
from tpir.passes.cse import Cse
from tpir.text import parse
from tpir.view.heads import HeadCount, count_heads, layers_of

HIST_BOS = """
at0 = select(indices, 0, ==);
same = select(tokens, tokens, ==);
hist_bos = 1 / aggregate(same or at0, indicator(indices == 0)) - 1;
"""
HAS_EARLIER = """
earlier_copy = select(tokens, tokens, ==) and select(indices, indices, <);
has_earlier = 1 / aggregate(earlier_copy or at0, indicator(indices == 0)) - 1 > 0;
"""
SORT_BOS = """
earlier = select(key, key, <) or (select(key, key, ==) and select(indices, indices, <));
num_before = 1 / aggregate(earlier or select(indices, 0, ==), indicator(indices == 0)) - 1;
place = -1 if indices == 0 else num_before;
grab = select(place, indices - 1, ==) or (select(indices, 0, ==) and select(indices, indices, ==));
sorted = aggregate(grab, values);
"""
EXAMPLES: dict[str, tuple[str, tuple[int, ...]]] = {
    "hist_bos": (HIST_BOS, (1,)),
    "hist_nobos": ("hist = selector_width(select(tokens, tokens, ==));", (2,)),
    "length": ("length = 1 / aggregate(select(1, 1, ==), indicator(indices == 0));", (1,)),
    "reverse": (
        """
        length = 1 / aggregate(select(1, 1, ==), indicator(indices == 0));
        flip = select(indices, length - 1 - indices, ==);
        reverse = aggregate(flip, tokens);
        """,
        (1, 1),
    ),
    "sort_bos": ("values = tokens; key = tokens;" + SORT_BOS, (1, 1)),
    "hist2_bos": (
        HIST_BOS
        + HAS_EARLIER
        + """
        own = select(hist_bos, hist_bos, ==) and select(has_earlier, False, ==);
        hist2_bos = 1 / aggregate(own or at0, indicator(indices == 0)) - 1;
        """,
        (2, 1),
    ),
    "sort_by_most_freq": (
        HIST_BOS
        + HAS_EARLIER
        + """
        key = -(hist_bos - indicator(has_earlier) * 300);
        values = "-" if has_earlier else tokens;
        """
        + SORT_BOS,
        (2, 1, 1),
    ),
    "dyck1_ptf": (
        """
        before = select(indices, indices, <=);
        n_opens = (indices + 1) * aggregate(before, indicator(tokens == "("));
        n_closes = (indices + 1) * aggregate(before, indicator(tokens == ")"));
        balance = n_opens - n_closes;
        prev_imbalances = aggregate(before, indicator(balance < 0));
        dyck1_ptf = "F" if prev_imbalances > 0 else ("T" if balance == 0 else "P");
        """,
        (1, 1),
    ),
    "dyck2_ptf": (
        """
        table pairs { ("(", ")") | ("{", "}") -> True; _ -> False }
        opens = indicator((tokens == "(") or (tokens == "{"));
        closes = indicator((tokens == ")") or (tokens == "}"));
        before = select(indices, indices, <=);
        n_opens = (indices + 1) * aggregate(before, opens);
        n_closes = (indices + 1) * aggregate(before, closes);
        depth = n_opens - n_closes;
        delayed = depth + closes;
        depth_index = selector_width(select(delayed, delayed, ==) and before);
        open_for_close = select(opens, 1, ==) and select(delayed, delayed, ==)
            and select(depth_index, depth_index - 1, ==);
        opener = aggregate(open_for_close, tokens, "-");
        mismatch = (closes == 1) and not pairs(opener, tokens);
        had_problem = aggregate(before, indicator(mismatch or (depth < 0))) > 0;
        dyck2_ptf = "F" if had_problem else ("T" if depth == 0 else "P");
        """,
        (1, 2, 1, 1),
    ),
}


def count(text: str) -> HeadCount:
    return count_heads(parse(text, vocabulary=("(", ")", "{", "}"), context=6))


@pytest.mark.parametrize("name", EXAMPLES)
def test_paper_examples_count_as_in_the_original(name: str) -> None:
    text, heads = EXAMPLES[name]
    assert count(text).heads == heads


def test_equal_selectors_of_a_layer_share_a_head() -> None:
    found = count(
        """
        a = aggregate(select(tokens, tokens, ==), indices);
        b = aggregate(select(tokens, tokens, ==), indices + 1);
        c = aggregate(select(tokens, tokens, !=), indices);
        d = aggregate(select(tokens, tokens, ==), a + b + c);
        """
    )
    assert (found.heads, found.shared) == ((3, 1), (2, 1))
    assert (found.layers, found.total, found.total_shared) == (2, 4, 3)
    assert str(found) == "layers 2, heads 3+1 (shared 2+1)"


def test_one_selector_is_one_head_on_each_layer_that_uses_it() -> None:
    found = count(
        """
        same = select(tokens, tokens, ==);
        a = aggregate(same, indices) + aggregate_sum(same, indices);
        b = aggregate(same, a) + aggregate(first(same), indices);
        """
    )
    assert found.heads == found.shared == (2, 1)


def test_combined_selector_is_one_head_and_its_parts_are_none() -> None:
    found = count(
        """
        same = select(tokens, tokens, ==);
        late = select(aggregate(same, indices), 1, >);
        n = aggregate(not (same and late), indices);
        """
    )
    assert found.heads == (1, 1)


def test_width_takes_two_heads_unless_position_0_is_sure_to_be_selected() -> None:
    for selector, heads in [
        ("select(tokens, tokens, ==)", 2),
        ("select(indices, indices, <=)", 1),
        ("select(indices, indices, <)", 2),
        ("select(indices, indices + 1, <)", 1),
        ("select(indices, 0, ==)", 1),
        ("select(indices, 0, !=)", 2),
        ("select(indices, indices - 3, !=)", 2),
        ("select(indices, 1, !=)", 1),
        ("select(indices, -1 - indices, >)", 1),
        ("select(indices, -indices, >=)", 1),
        ("select(indices, tokens, ==)", 2),
        ("select(indices, indices / 1, ==)", 2),
        ("select(tokens, tokens, True)", 1),
        ("select(1, 1, ==)", 1),
        ("select(1, indices, <)", 2),
        ("select(-1, indices, <)", 1),
        ('select("(", tokens, ==)', 2),
        ("select(tokens, tokens, False)", 2),
        ("select(tokens, tokens, ==) or select(indices, 0, ==)", 1),
        ("select(tokens, tokens, ==) and select(indices, 0, ==)", 2),
        ("select(indices, indices, <=) and select(indices, 0, ==)", 1),
        ("not select(tokens, tokens, False)", 2),
        ("select(indices, indices, near)", 1),
        ("select(indices, indices, far)", 2),
    ]:
        tables = "table near { 0 -> 0; _ -> {0, 1} } table far { 0 -> {}; _ -> {0, 1} }"
        assert count(f"{tables} n = selector_width({selector});").heads == (heads,), selector


def test_width_shares_heads_with_what_it_stands_for() -> None:
    found = count(
        """
        same = select(tokens, tokens, ==);
        n = selector_width(same) + selector_width(select(tokens, tokens, ==));
        m = n + aggregate(same or select(indices, 0, ==), 1) + selector_width(same and same);
        """
    )
    assert (found.heads, found.shared) == ((7,), (4,))


def test_scored_choice_stands_above_what_it_scores() -> None:
    found = count(
        """
        table likes { keys {0, 1, 2}; _ -> [0, 1, 2] }
        table few { 1 -> 1; 2 -> 2; _ -> 0 }
        n = few(selector_width(select(tokens, tokens, ==)));
        best = aggregate(choose(select(tokens, tokens, True), score=likes(n, n)), tokens);
        """
    )
    assert found.heads == (2, 1)


def test_only_what_the_output_reaches_counts() -> None:
    assert str(count("n = selector_width(select(tokens, tokens, ==)); output indices;")) == (
        "layers 0, heads 0 (shared 0)"
    )


@given(programs())
@settings(max_examples=PROGRAMS // 10)
def test_counts_hold_together(program: Program) -> None:
    found, layers = count_heads(program), layers_of(program)
    assert all(
        1 <= shared <= heads for heads, shared in zip(found.heads, found.shared, strict=True)
    )
    readers = [
        n for n in program.live if isinstance(n.op, Aggregate | AggregateSum | SelectorWidth)
    ]
    assert found.total <= 2 * len(readers)
    for node in program.live:
        assert all(layers[operand] <= layers[node] for operand in node.operands)
    merged = count_heads(Cse().run(program).program)
    assert merged.shared == found.shared
    assert merged.layers == found.layers
