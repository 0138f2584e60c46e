"""A trace drawn in the terminal."""

from __future__ import annotations

import pytest

from cli.amounts import duration_text
from cli.waterfall import LINE_COUNT_MAX, waterfall
from compiler import TraceView
from topics.span import Resource, Span

MS = 10**6
SHOP = Resource({"service.name": "shop"})


def _span(number: int, name: str, *, parent: int = 0, start_ms: int = 0, end_ms: int = 10) -> Span:
    parent_id = f"{parent:016x}" if parent else ""
    return Span("f" * 32, f"{number:016x}", name, (start_ms + 1) * MS, (end_ms + 1) * MS, parent_id=parent_id, resource=SHOP)


def _drawn(spans: list[Span], *blamed: Span) -> list[str]:
    return [line.plain for line in waterfall(TraceView(spans), blamed)]


def test_children_stand_below_their_parents_and_offenders_are_marked() -> None:
    root, late, early = _span(1, "root"), _span(2, "late", parent=1, start_ms=5), _span(3, "early", parent=1, end_ms=5)
    lines = _drawn([late, root, early], late)
    assert [line[:16] for line in lines] == ["    shop  root  ", "    shop    early"[:16], "  » shop    late"]
    assert lines[1].endswith("━━━━━━━━━━━━              0s +5ms")
    assert lines[2].endswith("            ━━━━━━━━━━━━  5ms +5ms")


def test_a_long_trace_keeps_the_offender_with_its_parents_and_says_what_is_left_out() -> None:
    chain = [_span(number, f"s{number}", parent=number - 1) for number in range(1, 6)]
    others = [_span(number, "other", parent=1) for number in range(10, 60)]
    lines = _drawn([*chain, *others], chain[4])
    names = [line.split()[-3] for line in lines if "━" in line]
    assert [name for name in ("s1", "s2", "s3", "s4", "s5") if any(f" {name} " in line for line in lines)] == ["s1", "s2", "s3", "s4", "s5"]
    assert len(names) == LINE_COUNT_MAX
    left_out = sum(int(line.split()[1]) for line in lines if line.startswith("    …"))
    assert left_out == len(chain) + len(others) - LINE_COUNT_MAX


def test_where_the_whole_trace_is_to_blame_the_longest_spans_are_kept() -> None:
    root = _span(1, "root", end_ms=1000)
    brief = [_span(number, "brief", parent=1, end_ms=1) for number in range(2, 60)]
    long = _span(99, "long", parent=1, end_ms=900)
    assert any(" long " in line for line in _drawn([root, *brief, long], root))


@pytest.mark.parametrize("parent", [1, 2, 9])
def test_cycles_and_orphans_are_drawn_once_each(parent: int) -> None:
    spans = [_span(1, "a", parent=2), _span(2, "b", parent=parent)]
    assert sorted(line.split()[1] for line in _drawn(spans)) == ["a", "b"]


def test_a_span_without_times_has_no_bar() -> None:
    (line,) = _drawn([Span("f" * 32, "1" * 16, "lost", 0, 0)])
    assert "━" not in line
    assert line.endswith("no times")


def test_long_names_are_cut() -> None:
    (line,) = _drawn([_span(1, "n" * 500)])
    assert len(line) < 140
    assert "…" in line


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (999, "999ns"),
        (1_500, "1.5us"),
        (2_000_000, "2ms"),
        (1_234_567_890, "1.235s"),
        (-5_000_000, "-5ms"),
        (5_400 * 10**9, "1.5h"),
    ],
)
def test_durations_have_the_largest_fitting_unit(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text
