"""What a demo adds up and compares at its end, and the picture it draws meanwhile, without any part running."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from cli.demo_books import FenceSeen, JournalBook, SaidBook
from cli.demo_comparison import Comparison, Ending, ending_json, show_ending
from cli.demo_kill import Kill, Moment
from cli.demo_scene import PartitionScene, Phase, Scene, Told, Tone, WorkerScene
from cli.demo_screen import screen
from compiler import RuleSet, SourceFile, compile_sources
from processor.engines import EngineName, make_engine
from processor.finite import FiniteOutcome, RuleCounts, judge_finite
from processor.inputs import read_inputs
from topics.journal import Checkpoint, Fence, Limits, Standing, encode
from topics.journal import RuleCounts as Change
from topics.recordings import HOTROD_PROTO_KEYED, recording

if TYPE_CHECKING:
    from collections.abc import Callable

RULES = b"""
rules:
  - {id: nobody-asks, rule: 'never { "SQL SELECT" }'}
  - {id: nobody-is-lost, rule: 'when { "HTTP GET" } never { lost }'}
"""
LIMITS = Limits(
    root_grace_ns=1,
    idle_timeout_ns=1,
    max_age_ns=1,
    closed_retention_ns=1,
    timestamp_skew_max_ns=1,
    span_count_max=1,
    early_verdicts=False,
)


@cache
def rule_set() -> RuleSet:
    found = compile_sources([SourceFile("rules.yaml", RULES)]).rule_set
    assert found is not None
    return found


@cache
def expected() -> FiniteOutcome:
    return judge_finite(read_inputs([str(recording(HOTROD_PROTO_KEYED))]), make_engine(EngineName.LUAJIT, rule_set()))


def record(epoch: int, **counts: int) -> bytes:
    """A checkpoint record that counts one rule."""
    standing = Standing(position=0, time_ns=0, program="0" * 16, limits=LIMITS)
    change = Change(rule="nobody-asks", version="1", **counts)
    written = Checkpoint(
        epoch=epoch,
        marks=(),
        counts=(change,),
        standing=standing,
        rebuild_offset=0,
        journal_from=-1,
        first_offset=0,
        last_offset=0,
    )
    return encode(written)


def test_only_records_of_the_newest_fence_count_and_changes_are_signed() -> None:
    book = JournalBook()
    entries = [encode(Fence(worker="a:1")), record(0, violated=3, not_applicable=4), encode(Fence(worker="b:2")), record(0, violated=9)]
    entries += [b"no entry", record(2, violated=-1, satisfied=1)]
    for offset, value in enumerate(entries):
        book.take(1, offset, value)
    assert book.counts == {"nobody-asks": RuleCounts(satisfied=1, violated=2)}
    assert (book.record_count, book.void_count, book.verdict_count, book.trace_count) == (2, 1, 3, 7)
    assert book.fences == [FenceSeen(1, 0, "a:1"), FenceSeen(1, 2, "b:2")]


def test_a_fence_has_spoken_once_a_record_of_its_own_counts() -> None:
    book = JournalBook()
    for offset, value in enumerate([encode(Fence(worker="a:1")), encode(Fence(worker="b:2")), record(0, violated=1)]):
        book.take(0, offset, value)
    assert not any(map(book.has_spoken, book.fences))
    book.take(0, 3, record(1, violated=1))
    assert [book.has_spoken(fence) for fence in book.fences] == [False, True]


def test_a_violation_said_again_is_counted_and_one_said_otherwise_is_named() -> None:
    book, (first, second, *_) = SaidBook(), expected().records
    for said in (first, second, first):
        book.take(said.canonical_json())
    assert (book.record_count, book.again_count, book.differing) == (3, 1, set())
    book.take(replace_body(second.canonical_json()))
    assert book.differing == {second.ce_id}


def replace_body(value: bytes) -> bytes:
    body = json.loads(value)
    body["offender_count"] += 1
    return json.dumps(body).encode()


def comparison() -> Comparison:
    """A demo that said and counted what `betrace check` does."""
    said, journal = SaidBook(), JournalBook()
    for violation in expected().records:
        said.take(violation.canonical_json())
    journal.counts |= {rule: replace(counts) for rule, counts in expected().counts.items()}
    return Comparison(rule_set(), expected(), expected().records, said, journal)


def ending(compared: Comparison | None) -> Ending:
    return Ending(933, compared, [Kill(2, 77, 311, Moment.SAYING, 4.0, 9.5)], Counter(done=3), 1_000, 30.0)


def test_the_same_verdicts_are_said_to_be_the_same_with_what_was_killed(capsys: pytest.CaptureFixture[str]) -> None:
    show_ending(ending(comparison()))
    output = capsys.readouterr().out
    assert ending(comparison()).status == 0
    assert "killed: worker 2 (pid 77) at record 311, just after it said a violation; all partitions judged again after 9.5 s\n" in output
    assert "nothing was lost: " in output
    assert output.endswith("\nthe same as betrace check says of these records\n")


def test_traces_that_were_shed_are_said_and_of_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    compared = comparison()
    shed = Checkpoint(**json.loads(record(0, violated=3)) | {"traces_shed": 2})
    compared.journal.take(0, 0, encode(Fence(worker="a:1")))
    compared.journal.take(0, 1, encode(shed))
    show_ending(ending(compared))
    assert "shed, so not judged: 2 traces of 5\n" in capsys.readouterr().out


def _one_missing(compared: Comparison) -> Comparison:
    return replace(compared, found=compared.found[1:])


def _one_counted_twice(compared: Comparison) -> Comparison:
    compared.journal.counts["nobody-is-lost"].satisfied += 1
    return compared


def _one_said_otherwise(compared: Comparison) -> Comparison:
    compared.said.take(replace_body(compared.found[0].canonical_json()))
    return compared


@pytest.mark.parametrize("spoiled", [_one_missing, _one_counted_twice, _one_said_otherwise])
def test_what_differs_from_betrace_check_is_said_with_status_1(
    spoiled: Callable[[Comparison], Comparison], capsys: pytest.CaptureFixture[str]
) -> None:
    ended = ending(spoiled(comparison()))
    show_ending(ended)
    output = capsys.readouterr().out
    assert ended.status == 1
    assert "NOT the same as betrace check says of these records" in output
    assert "nothing was lost" not in output
    assert json.loads(ending_json(ended))["outcome"] == "differs"


def test_a_demo_that_was_ended_before_has_nothing_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    show_ending(ending(None))
    assert "nothing to compare (933 played)" in capsys.readouterr().out
    assert ending(None).status == 0
    assert json.loads(ending_json(ending(None)))["outcome"] == "incomplete"


def scene() -> Scene:
    """A moment after worker 2 was killed."""
    judging = WorkerScene(1, "worker-1", 101, Phase.JUDGING, 0, (0, 2))
    return Scene(
        elapsed_s=75.0,
        doing="worker 2 is dead",
        played_count=400,
        record_count=933,
        workers=[judging, WorkerScene(2, "worker-2", 102, Phase.DEAD, 1)],
        partitions=[PartitionScene(0, judging, 120, 120, 1.0), PartitionScene(1, None, 60, 90, None)],
        traces_begun=60,
        traces_judged=50,
        closed={"root_ended": 45},
        verdicts=dict(expected().counts),
        violations=expected().records,
        said_count=9,
        again_count=1,
        story=[Told(number, float(number), f"event {number} {'and so on ' * 30}", Tone.BAD) for number in range(20)],
    )


def drawn(columns: int, lines: int, shown: Scene) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, height=lines, legacy_windows=False, force_terminal=True, color_system=None)
    return ["".join(part.text for part in row) for row in console.render_lines(screen(shown, rule_set(), "http://api", columns, lines))]


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (81, 25), (100, 30), (120, 40), (140, 34), (200, 60)])
def test_the_picture_fills_the_terminal_and_no_more_of_it(columns: int, lines: int) -> None:
    for shown in (scene(), Scene()):
        picture = drawn(columns, lines, shown)
        assert [len(row) for row in picture] == [columns] * lines


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_the_picture_names_workers_partitions_verdicts_violations_and_what_happened(columns: int, lines: int) -> None:
    picture = "\n".join(drawn(columns, lines, scene()))
    for text in ("01:15", "worker 2 is dead", "400 of 933 records played", "● 2", "dead", "nobody", "30", "worker 1"):
        assert text in picture
    assert "60 begun · 10 open · 50 judged · closed: 45 root_ended, 5 by workers" in picture
    assert "newest violations: 9 said, 1 again" in picture
    violation = expected().records[0]
    assert f"✗ {violation.rule.id}" in picture
    assert violation.trace.id[:8] in picture
    assert "never" in picture
    assert "19.0 s event 19 and so on" in picture
    assert "event 0 " not in picture


def test_a_terminal_that_became_too_small_is_told_what_it_needs() -> None:
    assert "the live view needs 80 columns and 24 lines" in " ".join(drawn(79, 24, scene()))
