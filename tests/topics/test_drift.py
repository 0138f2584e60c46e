"""Drift: what differs from the table is named with its price; nothing that loses something is ever called safe."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics.drift import LOSSY_PROPERTIES, Acceptance, Change, Safety, changes, creation, diff, read_acceptance, untold
from topics.names import DAY_MS, DEAD_LETTERS, RULE_STATS, RULES, SPANS, TOPICS, VIOLATIONS, Topic

SAFE, DESTRUCTIVE, BY_HAND = Safety.SAFE, Safety.DESTRUCTIVE, Safety.BY_HAND
_RETENTIONS = st.sampled_from([-1, 1, DAY_MS, 90 * DAY_MS, 2**62])


def one(topic: Topic, word: str, wanted: str, actual: str) -> Change | None:
    found = changes(topic, {word: wanted}, {word: actual})
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("topic", "word", "wanted", "actual", "safety", "why"),
    [
        (SPANS, "partitions", "24", "12", DESTRUCTIVE, "traces that are open move"),
        (VIOLATIONS, "partitions", "24", "12", DESTRUCTIVE, "later revisions"),
        (RULE_STATS, "partitions", "24", "12", DESTRUCTIVE, "stop the workers first"),
        (DEAD_LETTERS, "partitions", "24", "12", SAFE, "one key"),
        (SPANS, "partitions", "12", "24", BY_HAND, "--partition-count 24"),
        (RULES, "partitions", "1", "3", BY_HAND, "no one order"),
        (SPANS, "replication", "3", "1", BY_HAND, "broker's own tools"),
        (SPANS, "message.timestamp.type", "LogAppendTime", "CreateTime", SAFE, "clock|time"),
        (SPANS, "cleanup.policy", "delete", "compact", DESTRUCTIVE, "also the last one of their key"),
        (RULES, "cleanup.policy", "compact", "delete", DESTRUCTIVE, "only the last record stays"),
        (RULES, "cleanup.policy", "compact", "compact,delete", SAFE, "fewer records go"),
        (SPANS, "cleanup.policy", "delete", "delete, compact", SAFE, "fewer records go"),
        (SPANS, "retention.ms", "86400000", "3600000", SAFE, "kept 1 d instead of 1 h"),
        (SPANS, "retention.ms", "86400000", "172800000", DESTRUCTIVE, "older than 1 d go"),
        (SPANS, "retention.ms", "5400000", "-1", DESTRUCTIVE, r"older than 1\.5 h go"),
        (RULES, "retention.ms", "-1", "604800000", SAFE, "kept for ever instead of 7 d"),
        (RULES, "max.message.bytes", "16777216", "1048588", SAFE, "larger records are accepted"),
    ],
)
def test_a_difference_has_a_price_and_a_sentence(topic: Topic, word: str, wanted: str, actual: str, safety: Safety, why: str) -> None:
    found = one(topic, word, wanted, actual)
    assert found is not None
    assert (found.property, found.wanted, found.actual, found.safety) == (word, wanted, actual, safety)
    assert re.search(why, found.why)


@pytest.mark.parametrize(
    ("topic", "word", "wanted", "actual"),
    [
        (RULE_STATS, "partitions", "12", "24"),
        (RULES, "max.message.bytes", "16777216", "33554432"),
        (RULES, "cleanup.policy", "compact,delete", "delete, compact"),
    ],
)
def test_more_than_is_needed_and_another_spelling_are_no_drift(topic: Topic, word: str, wanted: str, actual: str) -> None:
    assert one(topic, word, wanted, actual) is None


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_as_the_table_has_it_does_not_differ(topic: Topic) -> None:
    assert changes(topic, topic.config(), topic.config()) == ()


@given(st.sampled_from(TOPICS), _RETENTIONS, _RETENTIONS)
def test_retention_is_never_shortened_safely(topic: Topic, wanted: int, actual: int) -> None:
    found = one(topic, "retention.ms", str(wanted), str(actual))
    if found is not None and found.safety is SAFE:
        assert wanted == -1 or 0 < actual < wanted


@given(st.sampled_from(TOPICS), st.sets(st.sampled_from(["compact", "delete"]), min_size=1), st.sampled_from(["compact", "delete"]))
def test_a_policy_that_removes_records_is_never_added_safely(topic: Topic, actual: set[str], wanted: str) -> None:
    found = one(topic, "cleanup.policy", wanted, ",".join(actual))
    assert (found is None) == (actual == {wanted})
    if found is not None:
        assert (found.safety is SAFE) == (wanted in actual)


@given(st.sampled_from(TOPICS), st.integers(1, 50), st.integers(1, 50))
def test_partitions_are_never_reduced_and_only_added_safely_where_the_table_says_so(topic: Topic, wanted: int, actual: int) -> None:
    found = one(topic, "partitions", str(wanted), str(actual))
    if found is None:
        assert actual == wanted or (topic.same_partitions_as and actual > wanted)
    elif actual > wanted:
        assert found.safety is BY_HAND
    else:
        assert found.safety is (DESTRUCTIVE if topic.growth_loss else SAFE)


def test_only_dead_letters_grow_without_loss() -> None:
    assert [topic for topic in TOPICS if not topic.growth_loss] == [DEAD_LETTERS]


def test_what_the_broker_does_not_tell_is_no_difference_but_is_named() -> None:
    wanted = {"partitions": "12", "retention.ms": "5", "cleanup.policy": "delete"}
    assert changes(SPANS, wanted, {"partitions": "12"}) == ()
    assert untold(wanted, {"partitions": "12"}) == ("retention.ms", "cleanup.policy")


def test_the_diff_shows_both_sides_the_price_and_how_to_ask_for_it() -> None:
    differing = changes(
        SPANS,
        {"partitions": "12", "retention.ms": "86400000", "replication": "3"},
        {"partitions": "6", "retention.ms": "3600000", "replication": "1"},
    )
    lines = list(diff("my.spans", differing))
    assert lines[:4] == ["--- my.spans on the broker", "+++ my.spans as wanted", "-partitions = 6", "+partitions = 12"]
    assert lines[4].startswith("    destructive: traces that are open")
    assert lines[4].endswith("[--alter --accept-loss my.spans:partitions]")
    assert lines[7] == "    safe: records are kept 1 d instead of 1 h, which takes room [--alter]"
    assert lines[10] == "    by hand: replicas are moved by your broker's own tools"


def test_a_missing_topic_is_shown_as_all_new() -> None:
    assert list(creation("x", {"partitions": "12"})) == ["--- /dev/null", "+++ x as wanted", "+partitions = 12"]


@pytest.mark.parametrize("word", LOSSY_PROPERTIES)
def test_a_loss_is_accepted_by_topic_and_property(word: str) -> None:
    assert read_acceptance(f"a.b:{word}", ["a.b"]) == Acceptance("a.b", word)


@pytest.mark.parametrize("text", ["", "a.b", "a.b:", "c:partitions", "a.b:max.message.bytes", "a.b:replication", "a.b:partitions:"])
def test_a_loss_of_something_unknown_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|no topic"):
        read_acceptance(text, ["a.b"])
