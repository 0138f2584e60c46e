"""The published JSON Schemas, by name: docs/reference/NAME.schema.json is each of them, `betrace topics schema NAME` prints one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from topics.dead_letter import dead_letter_headers_schema
from topics.journal import journal_schema
from topics.rule_records import rule_schema, rule_set_schema
from topics.violation import violation_schema

SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "dead-letter-headers": dead_letter_headers_schema,
    "journal": journal_schema,
    "rule": rule_schema,
    "rule-set": rule_set_schema,
    "violation": violation_schema,
}


def schema_text(name: str) -> str:
    """Return a schema as it is published; raises KeyError for a name that is none of SCHEMAS."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False)


def schema_file(name: str) -> str:
    """Return the name of the file a schema is published in."""
    return f"{name}.schema.json"
