"""A trace drawn in the terminal."""

from __future__ import annotations

import time

import pytest
from rich.cells import cell_len

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


def _chain(count: int, first_parent: int) -> list[Span]:
    return [_span(1, "s1", parent=first_parent), *(_span(number, f"s{number}", parent=number - 1) for number in range(2, count + 1))]


@pytest.mark.parametrize("first_parent", [0, 9_000, 99_999], ids=["chain", "cycle", "orphan"])
def test_an_offender_deep_in_a_long_line_of_parents_is_shown_by_name_with_its_nearest(first_parent: int) -> None:
    spans = _chain(9_000, first_parent)
    began = time.monotonic()
    lines = _drawn(spans, spans[4_999], spans[7_999])
    assert [line.split()[2] for line in lines if line.startswith("  » ")] == ["s5000", "s8000"]
    assert any(" s4999 " in line for line in lines)
    assert len([line for line in lines if "━" in line]) == LINE_COUNT_MAX
    assert time.monotonic() - began < 2


def test_more_offenders_than_lines_leave_room_for_their_parents() -> None:
    root = _span(1, "root")
    spans = [_span(number, "bad", parent=1) for number in range(2, 100)]
    lines = _drawn([root, *spans], *spans)
    assert " root " in lines[0]
    assert len([line for line in lines if line.startswith("  » ")]) >= LINE_COUNT_MAX // 2


def test_control_characters_and_ill_formed_text_in_names_are_replaced() -> None:
    resource = Resource({"service.name": "\x9b2Jshop\udc80"})
    (line,) = _drawn([Span("f" * 32, "1" * 16, "a\x1b[31m\u202e\n\r\tb\udcff", MS, 2 * MS, resource=resource)])
    assert line.split()[:2] == ["\ufffd2Jshop\ufffd", "a\ufffd[31m\ufffd\ufffd\ufffd\ufffdb\ufffd"]


def test_wide_characters_keep_the_columns_in_line() -> None:
    lines = _drawn([_span(1, "注文" * 40), _span(2, "order", parent=1), _span(3, "注文", parent=1)])
    assert len({cell_len(line[: line.index("━")]) for line in lines}) == 1


def test_a_service_name_that_is_no_text_is_left_out() -> None:
    (line,) = _drawn([Span("f" * 32, "1" * 16, "a", MS, 2 * MS, resource=Resource({"service.name": 5}))])
    assert line.split()[0] == "a"


def test_a_span_without_times_has_no_bar() -> None:
    (line,) = _drawn([Span("f" * 32, "1" * 16, "lost", 0, 0)])
    assert "━" not in line
    assert line.endswith("no times")


@pytest.mark.parametrize("length", [500, 10_000_000])
def test_long_names_are_cut(length: int) -> None:
    (line,) = _drawn([_span(1, "n" * length)])
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
