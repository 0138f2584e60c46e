"""Records of the rules topic: a rule, a whole rule set, a deletion; bytes that never vary, and a size that fits the topic."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from topics.names import RULES
from topics.rule_records import (
    RULE_BYTES_MAX,
    RULE_SET_BYTES_MAX,
    Deleted,
    RecordSizeError,
    RuleMetadata,
    RuleRecord,
    RuleSetRecord,
    RuleSource,
    RuleState,
    read_rules_entry,
)
from topics.violation import RuleSeverity

AT = "2026-01-31T12:00:00.000000000Z"
PROGRAM = "0123456789abcdef"
TEXTS = st.text(st.characters(codec="utf-8"))
IDS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
RULE_RECORDS = st.builds(
    RuleRecord,
    id=IDS,
    version=st.integers(1, 2**63 - 1),
    state=st.sampled_from(RuleState),
    text=TEXTS.filter(bool),
    metadata=st.builds(RuleMetadata, name=TEXTS, severity=st.sampled_from(RuleSeverity), tags=st.lists(TEXTS, max_size=3).map(tuple)),
    written_at=st.just(AT),
    written_by=TEXTS,
)
RULE_SETS = st.builds(
    RuleSetRecord,
    program=st.just(PROGRAM),
    sources=st.lists(st.builds(RuleSource, name=TEXTS.filter(bool), text=TEXTS), max_size=3, unique_by=lambda it: it.name).map(tuple),
    versions=st.dictionaries(IDS, st.integers(1, 2**63 - 1), max_size=3),
    skew_tolerance_ns=st.integers(0, 10**9),
    offender_count_max=st.integers(1, 10_000),
    language_version=st.just("1"),
    written_at=st.just(AT),
)


def rule(**changed: object) -> RuleRecord:
    given_members = {"id": "pay", "version": 3, "state": "active", "text": "rules: []", "metadata": {}, "written_at": AT, **changed}
    return RuleRecord.model_validate(given_members)


def rule_set(*sources: RuleSource, **changed: object) -> RuleSetRecord:
    given_members = {"program": PROGRAM, "skew_tolerance_ns": 0, "offender_count_max": 16, "language_version": "1", "written_at": AT}
    return RuleSetRecord.model_validate({**given_members, "sources": sources, **changed})


@given(RULE_RECORDS | RULE_SETS)
def test_a_record_keeps_everything_through_its_bytes(record: RuleRecord | RuleSetRecord) -> None:
    value = record.canonical_json()
    read = read_rules_entry(record.key, value)
    assert read == record
    assert not isinstance(read, Deleted)
    assert read.canonical_json() == value


def test_the_keys_of_rules_and_rule_sets_cannot_be_confused() -> None:
    assert rule().key == b"pay"
    assert rule_set().key == b"set:0123456789abcdef"
    with pytest.raises(ValidationError):
        rule(id="set:0123456789abcdef")


def test_the_members_of_both_records_are_those_that_were_published() -> None:
    assert set(json.loads(rule().canonical_json())) == {"id", "version", "state", "text", "metadata", "written_at", "written_by"}
    expected = {"program", "sources", "versions", "skew_tolerance_ns", "offender_count_max", "language_version", "written_at"}
    assert set(json.loads(rule_set().canonical_json())) == expected | {"redaction_key_id"}


def test_a_key_without_a_value_says_that_it_is_deleted() -> None:
    assert read_rules_entry(b"pay", None) == Deleted(b"pay")


def test_a_field_of_a_later_version_is_no_error() -> None:
    value = json.dumps({**json.loads(rule().canonical_json()), "invented_later": 1}).encode()
    assert read_rules_entry(b"pay", value) == rule()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, rule().canonical_json()),
        (b"", rule().canonical_json()),
        (b"other", rule().canonical_json()),
        (b"set:0123456789abcdef", rule().canonical_json()),
        (b"set:ffffffffffffffff", rule_set().canonical_json()),
        (b"pay", rule_set().canonical_json()),
        (b"pay", b"{}"),
        (b"pay", b"\xff"),
        (b"pay", b""),
    ],
)
def test_a_record_that_is_none_or_stands_under_another_key_is_refused(key: bytes | None, value: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_rules_entry(key, value)


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 0},
        {"version": 2**63},
        {"state": "deleted"},
        {"text": ""},
        {"id": "Upper"},
        {"written_at": "2026-01-31"},
        {"text": "\udc00"},
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        rule(**changed)


@pytest.mark.parametrize(
    "changed",
    [{"program": "set:1"}, {"offender_count_max": 0}, {"skew_tolerance_ns": -1}, {"versions": {"a": 0}}, {"language_version": ""}],
    ids=str,
)
def test_a_rule_set_that_cannot_be_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        rule_set(**changed)


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="one name"):
        rule_set(RuleSource(name="a", text="1"), RuleSource(name="a", text="2"))


def test_a_record_over_its_limit_says_by_how_much() -> None:
    room = RULE_BYTES_MAX - len(rule(text="x").canonical_json()) + 1
    assert len(rule(text="x" * room).canonical_json()) == RULE_BYTES_MAX
    with pytest.raises(RecordSizeError, match=f"rule pay takes {RULE_BYTES_MAX + 1} bytes, 1 more"):
        rule(text="x" * (room + 1)).canonical_json()
    with pytest.raises(RecordSizeError, match=f"rule set {PROGRAM}"):
        rule_set(RuleSource(name="a", text="x" * RULE_SET_BYTES_MAX)).canonical_json()


def test_the_limits_leave_room_for_key_and_framing_in_the_topic() -> None:
    assert RULES.record_bytes_max is not None
    assert RULE_BYTES_MAX < RULE_SET_BYTES_MAX <= RULES.record_bytes_max - 1024
