"""The rules topic on real brokers: read whole, followed, written; what comes into force from it, and what does not."""

from __future__ import annotations

import random
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient

from processor.made_programs import JudgedWith
from processor.rule_archive import RuleArchive
from processor.rule_follow import RuleFollow
from processor.rule_watch import RuleWatch
from tests.e2e.rules_topic import LONG_AGO, RulesTopic, broken, named
from tests.processor.played import NEEDS_CHECK, NO_BYPASS
from tests.trace_engines import engine_for
from topics.log_reader import LogError, LogReader, NoTopicError
from topics.names import RULES
from topics.rule_records import RuleRecord, RuleSource
from topics.rules_log import RulesLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from processor.rules_in_force import RulesInForce, RulesStanding
    from tests.e2e.brokers import Broker


@pytest.fixture
def missing(broker: Broker) -> RulesTopic:
    return RulesTopic(broker, uuid.uuid4().hex[:8])


@pytest.fixture
def topic(missing: RulesTopic) -> RulesTopic:
    missing.make()
    return missing


@contextmanager
def running(rules: RulesInForce) -> Iterator[RulesInForce]:
    rules.start()
    try:
        yield rules
    finally:
        rules.stop()
        assert "rules" not in {thread.name for thread in threading.enumerate()}


def wait(rules: RulesInForce, until: Callable[[RulesStanding], bool]) -> RulesStanding:
    found = rules.wait(until, 20)
    assert until(found), found
    return found


def in_force(program_id: str) -> Callable[[RulesStanding], bool]:
    return lambda standing: standing.program is not None and standing.program.id == program_id


# ---- the log ----------------------------------------------------------------------------------------------------------------------------


def test_the_last_record_of_each_key_stands_and_sets_keep_the_order_of_the_log(topic: RulesTopic) -> None:
    first, second = named("one"), named("two")
    rule = RuleRecord.model_validate(
        {"id": "one", "version": 2, "state": "active", "text": NO_BYPASS, "metadata": {}, "written_at": LONG_AGO, "written_by": "me"}
    )
    log = topic.log
    log.write([(rule.key, rule.canonical_json()), (b"two", b"no record"), (first.key, b"{}")])
    log.write([(record.key, record.canonical_json()) for record in (first, second, first)])
    log.write([(b"two", None), (b"set:" + b"0" * 16, b"no set")])
    found = log.read()
    assert found.rules == {"one": rule}
    assert [(placed.key, placed.record) for placed in found.sets] == [(second.key, second), (first.key, first), (b"set:" + b"0" * 16, None)]
    assert found.sets[-1].fault.startswith("offset 7 holds nothing of BeTrace: ")
    assert (found.newest, found.end) == (first, 8)
    log.write([(first.key, None)])
    assert [placed.record for placed in log.read().sets] == [second, None]


def test_counters_are_the_greatest_that_anything_tells(topic: RulesTopic) -> None:
    topic.write(named("one", versions={"one": 3, "gone": 7}))
    topic.write(named("two", versions={"two": 1, "one": 2}))
    assert topic.log.read().counters() == {"one": 3, "two": 1, "gone": 7}


def test_writes_come_to_stand_one_behind_the_other_and_a_reader_follows_them(topic: RulesTopic) -> None:
    log = topic.log
    assert log.write([(b"a", b"1"), (b"b", b"2")]) == [0, 1]
    reader = log.follow()
    try:
        seen = []
        while not reader.is_at_end:
            seen += reader.poll(0.1)
        assert log.write([(b"c", None)]) == [2]
        until = time.monotonic() + 10
        while len(seen) < 3 and time.monotonic() < until:
            seen += reader.poll(0.1)
    finally:
        reader.close()
    assert [(record.offset, record.key, record.value) for record in seen] == [(0, b"a", b"1"), (1, b"b", b"2"), (2, b"c", None)]


def test_the_largest_record_the_topic_takes_is_written_and_read(topic: RulesTopic) -> None:
    largest = random.Random(1).randbytes((RULES.record_bytes_max or 0) - 2**16)
    topic.log.write([(b"large", largest), (b"small", b"")])
    reader = topic.log.follow()
    try:
        seen = []
        while not reader.is_at_end:
            seen += reader.poll(0.1)
    finally:
        reader.close()
    assert [record.value for record in seen] == [largest, b""]


def test_a_part_of_a_log_is_read_by_offsets(topic: RulesTopic) -> None:
    topic.log.write([(b"%d" % number, b"x" * 100) for number in range(2_500)])
    with LogReader(topic.connection, topic.rules, client_id="test") as reader:
        assert reader.partition_count() == 1
        assert [record.offset for record in reader.read(0, 700, 2_200)] == list(range(700, 2_200))
        assert reader.read(0, 5, 5) == []
        assert [record.offset for record in reader.read(0, 2_490, 2_500)] == list(range(2_490, 2_500))
        assert (reader.first_offset(0), reader.end(0)) == (0, 2_500)


def test_a_topic_that_is_not_there_is_said_and_not_made(missing: RulesTopic) -> None:
    for call in (missing.log.read, missing.log.follow, lambda: missing.log.write([(b"a", b"1")])):
        with pytest.raises(NoTopicError, match=rf"there is no topic {missing.rules}: run `betrace topics apply`"):
            call()
    assert missing.rules not in AdminClient(dict(missing.connection)).list_topics(timeout=10).topics


def test_no_broker_is_an_error_within_the_time_set() -> None:
    log = RulesLog({"bootstrap.servers": "127.0.0.1:1"}, timeout_s=0.5)
    for call in (log.read, log.follow, lambda: log.write([(b"a", b"1")])):
        began = time.monotonic()
        with pytest.raises(LogError, match="no broker tells its topics"):
            call()
        assert time.monotonic() - began < 5


# ---- the topic followed -----------------------------------------------------------------------------------------------------------------


def test_the_newest_set_in_the_order_of_the_log_is_in_force(topic: RulesTopic) -> None:
    first, second = named("one"), named("two", "three", versions={"two": 4})
    topic.write(first)
    with running(RuleFollow(topic.log, engine_for)) as rules:
        wait(rules, in_force(first.program))
        topic.write(second)
        wait(rules, in_force(second.program))
        assert next((rule.id, rule.version) for rule in rules.current.rule_set.rules) == ("two", "4")
        topic.write(first)
        again = wait(rules, in_force(first.program))
        assert (again.taken_count, again.refused_count, again.trouble) == (3, 0, "")


def test_a_worker_that_starts_compiles_only_the_newest_set(topic: RulesTopic) -> None:
    for name in ("one", "two", "three"):
        topic.write(named(name))
    with running(RuleFollow(topic.log, engine_for)) as rules:
        assert wait(rules, lambda standing: standing.program is not None).taken_count == 1
        assert rules.current.id == named("three").program


def test_rules_are_waited_for_where_there_are_none_yet(missing: RulesTopic) -> None:
    with running(RuleFollow(missing.log, engine_for)) as rules:
        assert "there is no topic" in wait(rules, lambda standing: bool(standing.trouble)).trouble
        missing.make()
        wait(rules, lambda standing: standing.trouble == f"{missing.rules} holds no rule set yet: run `betrace rules apply`")
        assert rules.standing.program is None
        missing.write(named("one"))
        assert wait(rules, in_force(named("one").program)).trouble == ""


@pytest.mark.parametrize("fault", ["a rule that does not compile", "a record that is none", "a newer language"])
def test_a_bad_set_is_refused_and_the_old_one_runs_on_also_behind_a_restart(topic: RulesTopic, fault: str) -> None:
    good, bad = named("one"), broken(named("two"))
    if fault == "a newer language":
        bad = named("two", language_version="2")
    topic.write(named("zero"))
    topic.write(good)
    with running(RuleFollow(topic.log, engine_for)) as rules:
        wait(rules, in_force(good.program))
        topic.log.write([(bad.key, b"{}" if fault == "a record that is none" else bad.canonical_json())])
        refused = wait(rules, lambda standing: bool(standing.refused))
        assert in_force(good.program)(refused)
        if fault == "a rule that does not compile":
            assert (refused.refused[0].rule, refused.refused[0].text.partition(":")[0]) == ("two", "two.yaml")
    with running(RuleFollow(topic.log, engine_for)) as restarted:
        standing = wait(restarted, lambda standing: standing.program is not None)
        assert in_force(good.program)(standing)
        assert standing.refused
        topic.write(named("three"))
        assert wait(restarted, in_force(named("three").program)).refused == ()


def test_programs_of_other_workers_are_found_on_the_topic(topic: RulesTopic) -> None:
    old, new = named("one"), named("two")
    topic.write(old)
    topic.write(new)
    with running(RuleFollow(topic.log, engine_for)) as rules:
        wait(rules, in_force(new.program))
        found = rules.find(old.program)
        assert found is not None
        assert (found.id, found.rule_set.rules[0].id) == (old.program, "one")
        assert rules.find("0" * 16) is None
        assert rules.find(new.program) is rules.current


def test_a_program_that_an_older_language_names_otherwise_is_found(topic: RulesTopic) -> None:
    record = named("one")
    topic.write(record.model_copy(update={"program": "1" * 16, "language_version": "0"}))
    topic.write(named("two"))
    with running(RuleFollow(topic.log, engine_for)) as rules:
        wait(rules, in_force(named("two").program))
        found = rules.find(record.program)
        assert found is not None
        assert found.id == record.program


def test_that_nobody_can_say_whether_a_program_is_there_is_an_error() -> None:
    rules = RuleFollow(RulesLog({"bootstrap.servers": "127.0.0.1:1"}, timeout_s=0.3), engine_for)
    with pytest.raises(LogError):
        rules.find("0" * 16)


# ---- a directory, with the topic for the programs of the past ---------------------------------------------------------------------------


def test_what_a_directory_held_can_be_had_again_from_the_topic(topic: RulesTopic, tmp_path: Path) -> None:
    def watch() -> RuleWatch:
        return RuleWatch(tmp_path, JudgedWith(3, 5), engine_for, RuleArchive(topic.log), interval_s=0.05)

    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with running(watch()) as rules:
        wait(rules, lambda standing: standing.program is not None)
        old = rules.current.id
    (tmp_path / "a.yaml").write_text(NEEDS_CHECK)
    with running(watch()) as rules:
        standing = wait(rules, lambda standing: standing.program is not None)
        assert standing.not_kept == ""
        found = rules.find(old)
        assert found is not None
        assert found.rule_set.rules[0].id == "no-bypass"
    (written, newest) = topic.log.read().sets
    assert written.record is not None
    assert written.record.sources == (RuleSource(name="a.yaml", text=NO_BYPASS),)
    assert (written.record.skew_tolerance_ns, written.record.offender_count_max) == (3, 5)
    with running(watch()) as rules:
        wait(rules, lambda standing: standing.program is not None)
    assert topic.log.read().sets[-1] == newest


def test_without_the_topic_a_directory_works_and_says_what_is_missing(missing: RulesTopic, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(NO_BYPASS)
    with running(RuleWatch(tmp_path, JudgedWith(), engine_for, RuleArchive(missing.log), interval_s=0.05)) as rules:
        standing = wait(rules, lambda standing: standing.program is not None)
        assert standing.not_kept == f"there is no topic {missing.rules}: run `betrace topics apply`"
        assert rules.find("0" * 16) is None
