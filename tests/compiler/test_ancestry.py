"""Who stands under whom, told by intervals, is what a walk along the chain of parents says, circles included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import SourceFile, TraceView, compile_sources
from compiler.ancestry import ancestry_of
from compiler.verdict import Closing
from compiler.why import why
from tests.timing import within
from topics.span import Span

# More are "gone": absent parents, and none.
IDS = tuple("abcdefgh")


def _walked(parent_ids: dict[str, str], below: str, above: str) -> bool:
    seen = {below}
    parent = parent_ids[below]
    while parent in parent_ids and parent not in seen:
        if parent == above:
            return True
        seen.add(parent)
        parent = parent_ids[parent]
    return False


@given(st.dictionaries(st.sampled_from(IDS), st.sampled_from((*IDS, "gone", ""))))
def test_intervals_say_what_a_walk_says(parent_ids: dict[str, str]) -> None:
    ancestry = ancestry_of(parent_ids)
    for below in parent_ids:
        for above in parent_ids:
            if below != above:
                assert ancestry.is_under(below, above) == _walked(parent_ids, below, above)
        assert not ancestry.is_under(below, "gone")


@pytest.mark.timed
def test_a_long_chain_is_explained_in_seconds() -> None:
    """Walked one parent after the other, it took the cube of its length."""
    rule_set = compile_sources([SourceFile("r", b"rules: [{id: one, rule: 'for each a as x always { b under x }'}]")]).rule_set
    assert rule_set is not None
    spans = [Span("0" * 32, str(at), parent_id=str(at - 1), name="ab"[at % 2], start_ns=at, end_ns=at + 1) for at in range(1, 1_000)]
    with within(8):
        assert why(rule_set.rules[0], TraceView(spans), Closing.INCOMPLETE).counts
