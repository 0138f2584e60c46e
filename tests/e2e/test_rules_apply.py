"""`betrace rules apply` and `betrace rules diff` on real brokers: what is written, what is refused, what is said of the workers."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from cli import rules_apply_command
from processor.made_programs import OfferedSet, compiled
from processor.rule_follow import RuleFollow
from tests.cli.run import run
from tests.e2e.rules_topic import LONG_AGO, RulesTopic, broken, named
from tests.processor.played import NEEDS_CHECK, NO_BYPASS
from tests.trace_engines import engine_for
from topics.journal import Checkpoint, Fence, Limits, Mark, Standing, encode
from topics.rule_records import RuleRecord, RuleState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.e2e.brokers import Broker
    from topics.journal import Entry
    from topics.rules_log import RulesContents

STRICTER = NO_BYPASS.replace("{ bypass }", "{ bypass or detour }")
FAILING = NO_BYPASS + "    tests:\n      - {name: none, trace: 'bypass 0ms..1ms', expect: satisfied}\n"
LIMITS = Limits(
    root_grace_ns=1,
    idle_timeout_ns=1,
    max_age_ns=1,
    closed_retention_ns=1,
    timestamp_skew_max_ns=1,
    span_count_max=1,
    early_verdicts=False,
)


@pytest.fixture
def topic(broker: Broker) -> RulesTopic:
    made = RulesTopic(broker, uuid.uuid4().hex[:8])
    made.make()
    return made


@pytest.fixture
def rules(topic: RulesTopic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `betrace rules COMMAND` on this topic and the test's directory, whose files are set by name."""
    monkeypatch.setenv("BETRACE_BOOTSTRAP_SERVERS", topic.broker.servers)
    monkeypatch.setenv("BETRACE_RULES_TOPIC", topic.rules)
    monkeypatch.setenv("BETRACE_RULE_STATS_TOPIC", topic.journal)

    def command(name: str, *options: str, **files: str) -> Result:
        for stem, text in files.items():
            (tmp_path / f"{stem}.yaml").write_text(text)
        return run("rules", name, tmp_path, *options)

    return command


def judged(topic: RulesTopic, partition: int, *programs: str, at_ns: int = 10**18) -> None:
    """Write a journal: a fence, then a record for each program, which its first mark brings."""
    entries: list[Entry] = [Fence(worker="test")]
    for number, program in enumerate(programs):
        time_ns = at_ns + number * 10**9
        entries.append(
            Checkpoint(
                epoch=0,
                marks=(Mark(position=number, time_ns=time_ns, program=program),),
                counts=(),
                standing=Standing(position=number, time_ns=time_ns + 5 * 10**9, program=program, limits=LIMITS),
                rebuild_offset=0,
                journal_from=-1,
                first_offset=0,
                last_offset=-1,
            )
        )
    producer = Producer({"bootstrap.servers": topic.broker.servers})
    for entry in entries:
        producer.produce(topic.journal, encode(entry), partition=partition)
    assert producer.flush(20) == 0


def versions(contents: RulesContents) -> dict[str, int]:
    return {rule.id: rule.version for rule in contents.rules.values()}


def answer(result: Result) -> Any:  # noqa: ANN401 - JSON
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# ---- apply ------------------------------------------------------------------------------------------------------------------------------


def test_counters_grow_only_where_a_rule_changed(rules: Callable[..., Result], topic: RulesTopic) -> None:
    first = rules("apply", a=NO_BYPASS, b=NEEDS_CHECK)
    assert first.exit_code == 0, first.output
    assert first.stdout.splitlines()[:2] == ["added  needs-check  version 1", "added  no-bypass  version 1"]
    assert rules("apply", a=STRICTER).stdout.splitlines()[0] == "changed  no-bypass  version 2"
    contents = topic.log.read()
    assert versions(contents) == {"needs-check": 1, "no-bypass": 2}
    assert contents.newest is not None
    assert contents.newest.versions == {"needs-check": 1, "no-bypass": 2}
    assert [source.name for source in contents.newest.sources] == ["a.yaml", "b.yaml"]
    assert contents.rules["no-bypass"].text == STRICTER.strip("\n") + "\n"
    assert contents.rules["no-bypass"].state is RuleState.ACTIVE


def test_workers_that_follow_run_what_was_applied(rules: Callable[..., Result], topic: RulesTopic) -> None:
    applied = answer(rules("apply", "-o", "json", a=NO_BYPASS))
    follower = RuleFollow(topic.log, engine_for)
    follower.start()
    try:
        assert follower.wait(lambda standing: standing.program is not None, 20).program
        assert follower.current.id == applied["program"]
        assert [rule.version for rule in follower.current.rule_set.rules] == ["1"]
    finally:
        follower.stop()


def test_applying_again_writes_nothing(rules: Callable[..., Result], topic: RulesTopic) -> None:
    rules("apply", a=NO_BYPASS)
    before = topic.log.read()
    again = rules("apply")
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (
        0,
        f"nothing to change: program {before.newest and before.newest.program} is in force",
    )
    assert topic.log.read() == before


def test_a_rule_that_is_gone_is_deleted_and_its_counter_never_given_again(rules: Callable[..., Result], topic: RulesTopic) -> None:
    rules("apply", a=NO_BYPASS, b=NEEDS_CHECK)
    assert "removed  no-bypass" in rules("apply", a="rules: []\n").stdout.splitlines()
    assert versions(topic.log.read()) == {"needs-check": 1}
    rules("apply", a=STRICTER)
    assert versions(topic.log.read()) == {"needs-check": 1, "no-bypass": 2}


def test_another_layout_keeps_version_and_program_and_is_written(rules: Callable[..., Result], topic: RulesTopic) -> None:
    program = answer(rules("apply", "-o", "json", a=NO_BYPASS))["program"]
    reworded = NO_BYPASS.replace("rule: |", "rule: |  # never ever")
    again = answer(rules("apply", "-o", "json", a=reworded))
    assert (again["program"], again["changes"]) == (program, [{"rule": "no-bypass", "change": "reworded", "version": 1}])
    assert "never ever" in topic.log.read().rules["no-bypass"].text
    assert answer(rules("diff", "-o", "json"))["changes"] == []


def test_what_was_half_written_is_finished(rules: Callable[..., Result], topic: RulesTopic) -> None:
    rules("apply", a=NO_BYPASS)
    rules("apply", a=STRICTER)
    contents = topic.log.read()
    topic.log.write([(contents.sets[-1].key, None)])
    finished = answer(rules("apply", "-o", "json"))
    assert finished["changes"] == [{"rule": "no-bypass", "change": "changed", "version": 2}]
    assert (finished["program"], versions(topic.log.read())) == (contents.newest and contents.newest.program, {"no-bypass": 2})


def test_a_draft_of_somebody_else_is_left_alone(rules: Callable[..., Result], topic: RulesTopic) -> None:
    draft = RuleRecord.model_validate(
        {"id": "draft", "version": 4, "state": "draft", "text": NO_BYPASS, "metadata": {}, "written_at": LONG_AGO}
    )
    topic.log.write([(draft.key, draft.canonical_json())])
    rules("apply", a=NO_BYPASS)
    assert topic.log.read().rules["draft"] == draft


def test_states_and_metadata_come_from_the_text(rules: Callable[..., Result], topic: RulesTopic) -> None:
    lines = "    severity: high\n    owner: me\n    controls: [SOC2:CC6.1]\n    rule:"
    rules(
        "apply",
        a=NO_BYPASS.replace("    rule:", "    mode: shadow\n" + lines),
        b=NEEDS_CHECK.replace("    rule:", "    enabled: false\n    rule:"),
    )
    found = topic.log.read().rules
    assert (found["no-bypass"].state, found["needs-check"].state) == (RuleState.SHADOW, RuleState.DISABLED)
    metadata = found["no-bypass"].metadata
    assert (metadata.severity, metadata.owner, metadata.controls) == ("high", "me", ("SOC2:CC6.1",))


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(
    ("text", "status", "said"),
    [("rules: [{id: a, rule: x}]\n", 2, "needs-always-or-never"), (FAILING, 1, "none")],
    ids=["refused", "failing"],
)
def test_with_an_error_or_a_failed_test_nothing_is_written(
    rules: Callable[..., Result], topic: RulesTopic, text: str, status: int, said: str, output: str
) -> None:
    rules("apply", a=NEEDS_CHECK)
    before = topic.log.read()
    result = rules("apply", "-o", output, b=text)
    assert (result.exit_code, said in result.output) == (status, True)
    if output == "json":
        assert json.loads(result.stdout)["accepted"] is False
    else:
        assert "nothing is written" in result.output
    assert topic.log.read() == before


def test_a_dry_run_says_what_would_be_and_writes_nothing(rules: Callable[..., Result], topic: RulesTopic) -> None:
    rules("apply", a=NO_BYPASS)
    before = topic.log.read()
    dry = rules("apply", "--dry-run", a=STRICTER)
    assert dry.stdout.splitlines()[0] == "changed  no-bypass  version 2"
    assert dry.stdout.splitlines()[-1].startswith("nothing is written: program ")
    assert topic.log.read() == before
    assert answer(rules("apply", "--dry-run", "-o", "json"))["written"] is False


def test_what_verdicts_hang_on_besides_is_part_of_the_set(rules: Callable[..., Result], topic: RulesTopic) -> None:
    plain = answer(rules("apply", "-o", "json", a=NO_BYPASS))
    other = answer(rules("apply", "-o", "json", "--skew-tolerance-ns", "5", "--offender-count-max", "3"))
    assert (other["program_before"], other["changes"]) == (plain["program"], [])
    newest = topic.log.read().newest
    assert newest is not None
    assert (newest.program, newest.skew_tolerance_ns, newest.offender_count_max) == (other["program"], 5, 3)


def test_sets_of_the_past_go_a_day_after_they_were_followed_unless_a_journal_names_them(
    rules: Callable[..., Result], topic: RulesTopic
) -> None:
    past = [named(name) for name in ("one", "two", "three", "four")]
    for record in past:
        topic.write(record)
    judged(topic, 1, past[1].program)
    first = answer(rules("apply", "-o", "json", a=NO_BYPASS))
    assert first["sets_deleted"] == [f"set:{past[0].program}", f"set:{past[2].program}"]
    kept = [placed.record.program for placed in topic.log.read().sets if placed.record is not None]
    # The last of the past was followed just now, however old it is.
    assert kept == [past[1].program, past[3].program, first["program"]]
    assert answer(rules("apply", "-o", "json"))["sets_deleted"] == []


def test_going_back_to_a_set_of_the_past_keeps_it(rules: Callable[..., Result], topic: RulesTopic) -> None:
    old = answer(rules("apply", "-o", "json", a=NO_BYPASS))["program"]
    for placed in topic.log.read().sets:
        assert placed.record is not None
        topic.write(placed.record.model_copy(update={"written_at": LONG_AGO}))
    topic.write(named("two"))
    back = answer(rules("apply", "-o", "json"))
    assert (back["program"], back["sets_deleted"]) == (old, [])
    newest = topic.log.read().newest
    assert newest is not None
    assert newest.program == old


def test_that_somebody_else_wrote_at_the_same_time_is_said(
    rules: Callable[..., Result], topic: RulesTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = rules_apply_command._plan

    def plan(*given: Any) -> Any:  # noqa: ANN401 - passed on
        topic.write(named("two"))
        return planned(*given)

    monkeypatch.setattr(rules_apply_command, "_plan", plan)
    result = rules("apply", a=NO_BYPASS)
    assert result.exit_code == 1
    assert "somebody else wrote to the rules topic at the same time" in result.stderr


# ---- diff -------------------------------------------------------------------------------------------------------------------------------


def test_a_diff_shows_each_rule_that_differs_in_its_authors_words(rules: Callable[..., Result]) -> None:
    rules("apply", a=NO_BYPASS, b=NEEDS_CHECK)
    assert rules("diff", "--exit-code").exit_code == 0
    assert rules("diff").stdout.splitlines()[0] == "no rule differs"
    shown = rules("diff", "--exit-code", a=STRICTER, b=NEEDS_CHECK.replace("needs-check", "other"))
    assert shown.exit_code == 1
    lines = shown.stdout.splitlines()
    assert [line for line in lines if line.startswith(("added", "changed", "removed"))] == [
        "removed: needs-check",
        "changed: no-bypass",
        "added: other",
    ]
    assert "-      never { bypass }" in lines
    assert "+      never { bypass or detour }" in lines
    assert "+++ /dev/null" in lines


def test_a_diff_says_which_program_each_partition_runs(rules: Callable[..., Result], topic: RulesTopic) -> None:
    program = answer(rules("apply", "-o", "json", a=NO_BYPASS))["program"]
    judged(topic, 0, "a" * 16, program)
    lines = rules("diff").stdout.splitlines()
    assert lines[-3] == f"program {program} is in force"
    since = "since 2001-09-09T01:46:41.000000000Z (as of 2001-09-09T01:46:46.000000000Z)"
    assert lines[-2] == f"  partition 0: runs the set in force, {since}"
    assert lines[-1] == "  partition 1: not judged yet"
    rules("apply", a=STRICTER)
    assert rules("diff").stdout.splitlines()[-2] == f"  partition 0: still runs program {program}, {since}"
    body = answer(rules("diff", "-o", "json"))
    assert [(one["partition"], one["program"], one["in_force"]) for one in body["partitions"]] == [(0, program, False), (1, None, False)]


def test_void_records_say_nothing_of_what_runs(rules: Callable[..., Result], topic: RulesTopic) -> None:
    program = answer(rules("apply", "-o", "json", a=NO_BYPASS))["program"]
    judged(topic, 0, program)
    producer = Producer({"bootstrap.servers": topic.broker.servers})
    producer.produce(topic.journal, encode(Fence(worker="another")), partition=0)
    assert producer.flush(20) == 0
    # Written behind the other's fence, with the epoch of the first one.
    judged(topic, 0, "b" * 16)
    assert answer(rules("diff", "-o", "json"))["partitions"][0]["program"] == program


def test_a_diff_without_a_set_in_force_shows_all_rules_as_added(rules: Callable[..., Result]) -> None:
    shown = rules("diff", a=NO_BYPASS)
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0] == "added: no-bypass"
    assert "no rule set is in force" in shown.stdout.splitlines()


def test_a_diff_says_that_the_newest_set_is_refused(rules: Callable[..., Result], topic: RulesTopic) -> None:
    topic.write(broken(named("two")))
    shown = rules("diff", a=NO_BYPASS)
    assert "but this release refuses it:\ntwo.yaml:5:13: error:" in shown.stdout


def test_where_there_is_no_journal_nobody_has_judged_anything(
    rules: Callable[..., Result], topic: RulesTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BETRACE_RULE_STATS_TOPIC", "nowhere")
    for name in ("one", "two", "three"):
        topic.write(named(name))
    applied = answer(rules("apply", "-o", "json", a=NO_BYPASS))
    assert applied["sets_deleted"] == []
    assert "there is no journal nowhere, so no worker has judged anything" in rules("diff").stdout


def test_the_program_that_is_applied_is_what_its_record_compiles_to(rules: Callable[..., Result], topic: RulesTopic) -> None:
    program = answer(rules("apply", "-o", "json", a=NO_BYPASS))["program"]
    newest = topic.log.read().newest
    assert newest is not None
    assert compiled(OfferedSet.of_record(newest)).program_id == program == newest.program
