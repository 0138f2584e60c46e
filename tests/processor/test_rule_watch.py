"""Rules in a watched directory: what comes into force and when, what is refused, and that threads end."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from compiler.source import SourceFile
from processor.made_programs import JudgedWith, OfferedSet
from processor.rule_watch import RuleWatch
from tests.processor.played import NEEDS_CHECK, NO_BYPASS
from tests.trace_engines import engine_for
from topics.log_reader import LogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from processor.rules_in_force import RulesStanding
    from topics.rule_records import RuleSetRecord

INTERVAL_S = 0.02
OTHER = NO_BYPASS.replace("no-bypass", "no-detour").replace("{ bypass }", "{ detour }")


class MemoryArchive:
    """What RuleArchive does, in memory; fails as often as it is told to."""

    def __init__(self) -> None:
        self.records: dict[str, RuleSetRecord] = {}
        self.fails = 0
        self.not_kept = ""
        self.at_keep: Callable[[], None] = lambda: None

    def find(self, program_id: str) -> list[RuleSetRecord]:
        return [self.records[program_id]] if program_id in self.records else []

    def keep(self, program_id: str, record: Callable[[], RuleSetRecord]) -> str:
        self.at_keep()
        if self.fails:
            self.fails -= 1
            raise LogError("no broker answers")
        if not self.not_kept:
            self.records.setdefault(program_id, record())
        return self.not_kept


@pytest.fixture
def archive() -> MemoryArchive:
    return MemoryArchive()


@contextmanager
def watched(path: Path, archive: MemoryArchive) -> Iterator[RuleWatch]:
    rules = RuleWatch(path, JudgedWith(), engine_for, archive, interval_s=INTERVAL_S)  # type: ignore[arg-type]  # a double
    rules.start()
    try:
        yield rules
    finally:
        rules.stop()
        assert "rules" not in {thread.name for thread in threading.enumerate()}


def wait(rules: RuleWatch, until: Callable[[RulesStanding], bool]) -> RulesStanding:
    found = rules.wait(until, 10)
    assert until(found), found
    return found


def in_force(rules: RuleWatch, *rule_ids: str) -> RulesStanding:
    def are(standing: RulesStanding) -> bool:
        return standing.program is not None and tuple(rule.id for rule in standing.program.rule_set.rules) == rule_ids

    return wait(rules, are)


def test_what_the_directory_holds_comes_into_force_and_so_does_every_change(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        first = in_force(rules, "no-bypass").program
        assert first is rules.current
        (tmp_path / "b.yml").write_text(NEEDS_CHECK)
        in_force(rules, "no-bypass", "needs-check")
        (tmp_path / "a.yaml").unlink()
        last = in_force(rules, "needs-check")
        assert last.taken_count == 3
        assert first is not None
        assert rules.find(first.id) is first


def test_a_set_that_does_not_compile_is_refused_whole_and_the_old_one_stays(
    tmp_path: Path, archive: MemoryArchive, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        before = in_force(rules, "no-bypass").program
        (tmp_path / "b.yaml").write_text("rules:\n  - id: bad\n    rule: always { x = 1 }\n")
        refused = wait(rules, lambda standing: bool(standing.refused))
        assert [fault.rule for fault in refused.refused] == ["bad"]
        assert f"{tmp_path / 'b.yaml'}:3:22: error: unexpected `=`" in refused.refused[0].text
        assert "the newest rules are refused, rule bad: " in caplog.text
        assert refused.program is before
        assert rules.current is before
        (tmp_path / "b.yaml").write_text(NEEDS_CHECK)
        mended = in_force(rules, "no-bypass", "needs-check")
        assert (mended.refused, mended.refused_count) == ((), 1)


def test_going_back_to_what_is_in_force_ends_the_refusal(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        before = in_force(rules, "no-bypass").program
        (tmp_path / "a.yaml").write_text("rules: 5\n")
        wait(rules, lambda standing: bool(standing.refused))
        (tmp_path / "a.yaml").write_text(NO_BYPASS)
        assert wait(rules, lambda standing: not standing.refused).program is before


@pytest.mark.parametrize("loss", ["files", "directory"])
def test_an_empty_or_missing_directory_is_no_rule_set(tmp_path: Path, archive: MemoryArchive, loss: str) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yaml").write_text(NO_BYPASS)
    with watched(folder, archive) as rules:
        before = in_force(rules, "no-bypass").program
        (folder / "a.yaml").unlink()
        if loss == "directory":
            folder.rmdir()
        refused = wait(rules, lambda standing: bool(standing.refused))
        assert str(folder) in refused.refused[0].text
        assert refused.program is before


def test_at_the_start_a_refused_set_leaves_no_program_and_a_reason(tmp_path: Path, archive: MemoryArchive) -> None:
    with watched(tmp_path / "nowhere", archive) as rules:
        standing = wait(rules, lambda standing: bool(standing.refused))
        assert standing.program is None
        assert "nowhere cannot be read: No such file or directory" in standing.refused[0].text


def test_what_is_half_written_is_not_taken(tmp_path: Path, archive: MemoryArchive) -> None:
    """Each look finds other bytes, all of them sets that compile; only what stays is taken."""
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    rules = RuleWatch(tmp_path, JudgedWith(), engine_for, archive)  # type: ignore[arg-type]  # a double
    rules._round()
    rules._round()
    assert [rule.id for rule in rules.current.rule_set.rules] == ["no-bypass"]
    (tmp_path / "a.yaml").write_text(NO_BYPASS + OTHER.removeprefix("\nrules:\n"))
    rules._round()
    (tmp_path / "a.yaml").write_text(NEEDS_CHECK)
    rules._round()
    assert [rule.id for rule in rules.current.rule_set.rules] == ["no-bypass"]
    rules._round()
    assert [rule.id for rule in rules.current.rule_set.rules] == ["needs-check"]
    assert rules.standing.taken_count == 2


def test_a_mounted_config_map_is_swapped_by_its_link(tmp_path: Path, archive: MemoryArchive) -> None:
    """Kubernetes: files are links through `..data`, which is renamed onto the new version's directory."""
    for number, text in enumerate((NO_BYPASS, NEEDS_CHECK)):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "a.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    with watched(tmp_path, archive) as rules:
        in_force(rules, "no-bypass")
        (tmp_path / "..new").symlink_to("..1")
        (tmp_path / "..new").rename(tmp_path / "..data")
        in_force(rules, "needs-check")


def test_another_layout_of_the_same_rules_changes_nothing(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        before = in_force(rules, "no-bypass")
        (tmp_path / "a.yaml").write_text("# a comment\n" + NO_BYPASS)
        (tmp_path / "b.yaml").write_text("rules: 5\n")
        wait(rules, lambda standing: bool(standing.refused))
        (tmp_path / "b.yaml").unlink()
        after = wait(rules, lambda standing: not standing.refused)
        assert (after.program, after.since_ns, after.taken_count) == (before.program, before.since_ns, 1)


def test_a_set_is_written_down_before_it_comes_into_force(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    in_force_at_keep = []
    with watched(tmp_path, archive) as rules:
        archive.at_keep = lambda: in_force_at_keep.append(rules.standing.program)
        first = in_force(rules, "no-bypass").program
        (tmp_path / "a.yaml").write_text(NEEDS_CHECK)
        second = in_force(rules, "needs-check").program
    assert first is not None
    assert second is not None
    assert in_force_at_keep[-1] is first
    assert list(archive.records) == [first.id, second.id]
    assert [source.name for source in archive.records[second.id].sources] == ["a.yaml"]


def test_a_set_that_cannot_be_written_down_now_waits_and_the_old_one_runs_on(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        before = in_force(rules, "no-bypass").program
        archive.fails = 2
        (tmp_path / "a.yaml").write_text(NEEDS_CHECK)
        waiting = wait(rules, lambda standing: bool(standing.trouble))
        assert (waiting.trouble, waiting.program) == ("no broker answers", before)
        assert in_force(rules, "needs-check").trouble == ""


def test_going_back_while_a_set_waits_to_be_written_down_ends_the_waiting(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        before = in_force(rules, "no-bypass").program
        archive.fails = 1_000_000
        (tmp_path / "a.yaml").write_text(NEEDS_CHECK)
        wait(rules, lambda standing: bool(standing.trouble))
        archive.fails = 0
        (tmp_path / "a.yaml").write_text(NO_BYPASS)
        after = wait(rules, lambda standing: not standing.trouble)
        assert (after.program, after.taken_count) == (before, 1)


def test_without_a_topic_rules_come_into_force_and_it_is_said_that_they_are_not_kept(tmp_path: Path, archive: MemoryArchive) -> None:
    archive.not_kept = "there is no topic"
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        assert in_force(rules, "no-bypass").not_kept == "there is no topic"


def test_once_there_is_a_topic_the_rules_in_force_are_written_to_it(
    tmp_path: Path, archive: MemoryArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor.rule_watch._KEEP_AGAIN_S", 0.05)
    archive.not_kept = "there is no topic"
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        program = in_force(rules, "no-bypass").program
        archive.not_kept = ""
        assert wait(rules, lambda standing: not standing.not_kept).program is program
        assert len(archive.records) == 1


def test_a_program_of_another_process_is_found_in_the_archive(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        old = in_force(rules, "no-bypass").program
    (tmp_path / "a.yaml").write_text(NEEDS_CHECK)
    with watched(tmp_path, archive) as rules:
        in_force(rules, "needs-check")
        assert old is not None
        found = rules.find(old.id)
        assert found is not None
        assert (found.id, [rule.id for rule in found.rule_set.rules]) == (old.id, ["no-bypass"])
        assert rules.find(old.id) is found
        assert rules.find("0" * 16) is None
        assert rules.current.id != old.id


def test_a_record_that_compiles_to_another_program_than_its_key_says_is_not_found(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        program = in_force(rules, "no-bypass").program
        assert program is not None
        archive.records["1" * 16] = archive.records[program.id]
        assert rules.find("1" * 16) is None


def test_a_program_that_hashes_with_another_key_is_gone(tmp_path: Path, archive: MemoryArchive) -> None:
    (tmp_path / "a.yaml").write_text(NEEDS_CHECK.replace("mask", "hash"))

    def begun(key_id: str) -> RuleWatch:
        rules = RuleWatch(tmp_path, JudgedWith(redaction_key_id=key_id), engine_for, archive)  # type: ignore[arg-type]  # a double
        rules._round()
        rules._round()
        return rules

    before, after, again = begun("a" * 16), begun("b" * 16), begun("a" * 16)
    assert after.find(before.current.id) is None
    assert again.find(before.current.id) is not None
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    assert begun("a" * 16).find(before.current.id) is not None
    assert begun("b" * 16).find(before.current.id) is None


def test_a_set_for_another_key_is_refused_and_says_which(tmp_path: Path, archive: MemoryArchive) -> None:
    """The topic's set is for the key that `betrace rules apply` was given."""
    rules = RuleWatch(tmp_path, JudgedWith(redaction_key_id="b" * 16), engine_for, archive)  # type: ignore[arg-type]  # a double
    source = SourceFile("a.yaml", NEEDS_CHECK.replace("mask", "hash").encode())
    for key_id, words in (("a" * 16, f"key {'a' * 16}"), ("", "no key")):
        rules._offer(OfferedSet((source,), JudgedWith(redaction_key_id=key_id)))
        (fault,) = rules.standing.refused
        assert fault.text == f"rules redact by hash with {words}, this worker has key {'b' * 16} (redaction_key_file)"
    assert rules.standing.program is None


def test_programs_of_the_past_are_kept_in_small_number(tmp_path: Path, archive: MemoryArchive) -> None:
    rules = RuleWatch(tmp_path, JudgedWith(), engine_for, archive)  # type: ignore[arg-type]  # a double
    ids = []
    for number in range(12):
        (tmp_path / "a.yaml").write_text(NO_BYPASS.replace("{ bypass }", f"{{ bypass{number} }}"))
        rules._round()
        rules._round()
        ids.append(rules.current.id)
    assert list(rules._programs) == ids[-8:]
    assert rules.find(ids[0]) is not None
    assert ids[-1] in rules._programs


def test_a_fault_of_the_watch_itself_is_said_and_tried_again(tmp_path: Path, archive: MemoryArchive) -> None:
    def fail() -> None:
        archive.at_keep = lambda: None
        raise RuntimeError("no such luck")

    archive.at_keep = fail
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with watched(tmp_path, archive) as rules:
        wait(rules, lambda standing: standing.trouble == "looking for rules failed: RuntimeError: no such luck")
        assert in_force(rules, "no-bypass").trouble == ""


def test_stopping_ends_whoever_waits(tmp_path: Path, archive: MemoryArchive) -> None:
    rules = RuleWatch(tmp_path, JudgedWith(), engine_for, archive)  # type: ignore[arg-type]  # a double
    rules.start()
    began = time.monotonic()
    threading.Timer(0.1, rules.stop).start()
    rules.wait(lambda _standing: False, 20)
    assert time.monotonic() - began < 10
