"""The published schemas: the files are those of the code, and each accepts what is written and refuses what is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.topics.records import violation
from tests.topics.test_rule_records import rule, rule_set
from topics.dead_letter import DeadLetter
from topics.journal import Checkpoint, Fence, Limits, Mark, RuleCounts, Standing, encode
from topics.rule_records import RuleSource
from topics.schemas import SCHEMAS, schema_file, schema_text

REFERENCE = Path(__file__).parents[2] / "docs/reference"
LIMITS = Limits(
    root_grace_ns=1,
    idle_timeout_ns=None,
    max_age_ns=3,
    closed_retention_ns=4,
    timestamp_skew_max_ns=5,
    span_count_max=6,
    early_verdicts=True,
)
CHECKPOINT = Checkpoint(
    epoch=1,
    marks=(Mark(position=7, time_ns=8, cut=("ab" * 16,), program="0" * 16, limits=LIMITS),),
    counts=(RuleCounts(rule="pay", version="1", violated=1, satisfied=-1),),
    standing=Standing(position=7, time_ns=8, program="0" * 16, limits=LIMITS),
    rebuild_offset=0,
    journal_from=-1,
    first_offset=0,
    last_offset=6,
)
LETTER = DeadLetter("malformed", "otlp_spans", 3, 17, b"k", b"v", (("content-type", b"x"), ("none", None)), "d\xe9tail")


def headers_of(letter: DeadLetter) -> dict[str, str | None]:
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in letter.record_headers()}


WRITTEN: dict[str, list[Any]] = {
    "violation": [json.loads(violation().canonical_json())],
    "journal": [json.loads(encode(Fence(worker="w"))), json.loads(encode(CHECKPOINT))],
    "rule": [json.loads(rule().canonical_json())],
    "rule-set": [json.loads(rule_set(RuleSource(name="a", text="b"), versions={"pay": 2}).canonical_json())],
    "dead-letter-headers": [headers_of(LETTER)],
}


def test_every_schema_has_an_example_here() -> None:
    assert WRITTEN.keys() == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_file_is_that_of_the_code(name: str) -> None:
    assert (REFERENCE / schema_file(name)).read_text(encoding="utf-8") == schema_text(name) + "\n", "make reference"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_sound_and_has_a_name_of_its_own(name: str) -> None:
    schema = SCHEMAS[name]()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:betrace:schema:{name}"
    assert schema["title"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_accepts_what_is_written(name: str) -> None:
    for written in WRITTEN[name]:
        jsonschema.Draft202012Validator(SCHEMAS[name]()).validate(written)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("rule", {"version": 0}),
        ("rule", {"state": "deleted"}),
        ("rule-set", {"program": "x"}),
        ("rule-set", {"versions": {"pay": 0}}),
        ("dead-letter-headers", {"betrace_dead_offset": "x"}),
        ("dead-letter-headers", {"betrace_dead_reason": None}),
    ],
    ids=str,
)
def test_a_schema_refuses_what_is_broken(name: str, broken: dict[str, object]) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMAS[name]())
    assert not validator.is_valid({**WRITTEN[name][-1], **broken})
    for missing in SCHEMAS[name]()["required"]:
        assert not validator.is_valid({key: value for key, value in WRITTEN[name][-1].items() if key != missing})
