"""The violation record: bytes that never vary, a schema that is published, text that is always fit to show."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from tests.topics.records import RECORD, record, violation
from topics.violation import (
    TEXT_LENGTH_MAX,
    Change,
    ComparedValues,
    Offender,
    Violation,
    bounded,
    canonical_json,
    json_value,
    read_violation,
    violation_id,
    violation_schema,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_a_record_keeps_everything_through_its_bytes() -> None:
    assert read_violation(violation().canonical_json()) == violation()


def test_equal_records_have_equal_bytes_whatever_the_order_of_their_keys() -> None:
    turned = dict(reversed(list(record().items())))
    assert Violation.model_validate(turned).canonical_json() == violation().canonical_json()


@given(JSON_VALUES)
def test_reading_canonical_json_and_writing_it_gives_the_same_bytes(value: JsonValue) -> None:
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


def test_a_record_without_a_key_has_no_signature_at_all() -> None:
    assert "signature" not in json.loads(violation().canonical_json())
    assert json.loads(violation(signature="ff").canonical_json())["signature"] == "ff"


def test_the_record_has_exactly_the_members_of_the_architecture() -> None:
    assert set(json.loads(violation().canonical_json())) == set(RECORD)


def test_the_published_schema_accepts_a_record_and_refuses_a_broken_one() -> None:
    validator = jsonschema.Draft202012Validator(violation_schema())
    validator.check_schema(violation_schema())
    validator.validate(json.loads(violation().canonical_json()))
    assert not validator.is_valid(record(change="invented"))
    assert not validator.is_valid({name: value for name, value in RECORD.items() if name != "trace"})


def test_a_field_from_a_later_version_is_no_error() -> None:
    assert Violation.model_validate(record(invented_later=1)) == violation()


@pytest.mark.parametrize(
    "changes",
    [
        {"change": "withdrawn"},
        {"change": "raised", "verdict": "satisfied"},
        {"change": "updated"},
        {"revision": 0},
        {"id": "no-hash"},
        {"decided_at": "2026-01-31T12:00:00Z"},
        {"trace__id": "AB" * 16},
        {"rule__severity": "urgent"},
        {"input__partition": -1},
        {"input__first_offset": 2**63},
    ],
    ids=str,
)
def test_a_record_that_contradicts_the_schema_or_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        violation(**changes)


def test_a_withdrawal_says_what_took_the_place_of_the_violation() -> None:
    assert violation(revision=2, change="withdrawn", verdict="satisfied").change is Change.WITHDRAWN


def test_the_event_id_is_the_violation_and_its_revision() -> None:
    assert violation(revision=7, change="updated").ce_id == f"{RECORD['id']}.7"


def test_the_id_depends_on_each_of_its_five_parts() -> None:
    parts = ("rule", "1", "ab" * 16, 0, 5)
    others = [("rule2", "1", "ab" * 16, 0, 5), ("rule", "2", "ab" * 16, 0, 5), ("rule", "1", "cd" * 16, 0, 5)]
    others += [("rule", "1", "ab" * 16, 1, 5), ("rule", "1", "ab" * 16, 0, 6), ("rule1", "", "ab" * 16, 0, 5)]
    ids = {violation_id(*it) for it in [parts, *others]}
    assert len(ids) == 7


def test_the_id_never_changes_between_releases() -> None:
    assert violation_id("payment-check", "0a1b2c3d4e5f", "ab" * 16, 3, 17) == "aba94674fe468ea627d24a4d5a86713f"


@pytest.mark.parametrize("name", ["caf\udce9", "\ud800", "ok \udcff\udcfe", "\u2028 \U0001f600 \x00"])
def test_text_that_is_no_unicode_is_shown_and_never_refused(name: str) -> None:
    offender = violation(trace__root_name=name).canonical_json().decode("utf-8")
    assert "\\ud" not in offender


@pytest.mark.parametrize("character", ["a", "\xe9", "\U0001f600", "\x00"])
def test_a_value_is_bounded_by_its_json(character: str) -> None:
    for length in (1, 600, 681, 682, 683, 1400, 4000, 9000):
        text = character * length
        is_within = len(json.dumps(text)) <= 2 * TEXT_LENGTH_MAX
        assert (bounded(text) == text) is is_within


def test_values_that_json_has_no_number_for_are_words() -> None:
    values = ComparedValues(text="a > b", left=float("inf"), right=float("nan"), margin=float("inf"))
    assert (values.left, values.right, values.margin) == ("Infinity", "NaN", None)


def test_a_comparison_keeps_whether_a_value_was_a_bool_an_int_or_a_float() -> None:
    compared = ComparedValues(text="a == b", left=True, right=1, margin=1.0)
    assert canonical_json(compared.model_dump(mode="json")) == b'{"left":true,"margin":1.0,"right":1,"text":"a == b"}'


def test_attributes_of_every_kind_become_json() -> None:
    value = {"bytes": b"\xff\x00", "list": (1, None, "x\udcff"), "map": {"nan": float("nan")}, "float": 1.5, "big": 2**63}
    expected = {"bytes": "/wA=", "list": [1, None, "x\ufffd"], "map": {"nan": "NaN"}, "float": 1.5, "big": 2**63}
    attributes = {name: json_value(it) for name, it in value.items()}  # type: ignore[arg-type]  # a mixed dict
    assert attributes == expected
    Offender(span_id="0" * 16, service="", name="", start_offset_ns=None, duration_ns=None, attributes=attributes)


@given(st.binary())
def test_reading_any_bytes_gives_a_record_or_a_value_error(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_violation(value)
