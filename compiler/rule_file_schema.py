"""The JSON Schema of rule files, made of the table of their keys: what editors check and complete by.

It is of draft-07, which every YAML editor reads. A schema sees shapes only: what the rules say is checked by the compiler.
"""

from __future__ import annotations

import json
from typing import TypeAlias

from compiler.rule_file_keys import (
    DATE,
    EXAMPLE_KEYS,
    EXAMPLE_SPAN_KEYS,
    EXCEPTION_KEYS,
    FILE_KEYS,
    LIST_LENGTH_MAX,
    NAME,
    REDACTIONS,
    RULE_ID,
    RULE_KEYS,
    TEST_KEYS,
    VERDICTS,
    Key,
    Shape,
    spellings,
)

Schema: TypeAlias = dict[str, object]

_MOMENT = r"[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)"
# Any scalar that says something: what YAML takes for a number or a boolean is the text that stands there.
_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_FILLED_TEXT: Schema = {**_TEXT, "minLength": 1}


def rule_file_schema_text() -> str:
    """Return the schema as it is published."""
    return json.dumps(rule_file_schema(), indent=2, ensure_ascii=False)


def rule_file_schema() -> Schema:
    """Return the JSON Schema of a rule file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "urn:betrace:schema:rule-file",
        "title": "BeTrace rule file",
        **_mapping(FILE_KEYS),
        "definitions": {
            "rule": _mapping(RULE_KEYS),
            "exception": _mapping(EXCEPTION_KEYS),
            "test": _mapping(TEST_KEYS),
            "example": _mapping(EXAMPLE_KEYS),
            "span": _mapping(EXAMPLE_SPAN_KEYS),
            "attribute": {
                "anyOf": [
                    _TEXT,
                    {"type": "array", "items": {"anyOf": [{"type": "null"}, _of("attribute")]}},
                    {"type": "object", "additionalProperties": _of("attribute")},
                ]
            },
        },
    }


def _of(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _mapping(keys: tuple[Key, ...]) -> Schema:
    """Return the schema of a mapping: its keys and no other, of several spellings of one key at most one."""
    schema: Schema = {"type": "object", "properties": {key.name: _property(key) for key in keys}, "additionalProperties": False}
    words = {key.name: spellings(keys, key.name) for key in keys if not key.instead and key.shape is not Shape.TESTS}
    required = [key.name for key in keys if key.is_required and len(words[key.name]) == 1]
    rules: list[Schema] = []
    for key in keys:
        several = words.get(key.name, ())
        if len(several) > 1 and key.is_required:
            rules.append({"oneOf": [{"required": [word]} for word in several]})
        elif len(several) > 1:
            rules.append({"not": {"required": list(several)}})
    return {**schema, **({"required": required} if required else {}), **({"allOf": rules} if rules else {})}


def _property(key: Key) -> Schema:
    schema: Schema = {"description": key.meaning, **_shape(key)}
    if key.default is not None:
        schema["default"] = key.default
    if key.instead:
        schema["deprecationMessage"] = f"Write `{key.instead}`."
    return schema


def _shape(key: Key) -> Schema:
    lists = {Shape.RULES: "rule", Shape.EXCEPTIONS: "exception", Shape.TESTS: "test", Shape.EXAMPLE_SPANS: "span"}
    if key.shape in lists:
        least: Schema = {"minItems": 1} if key.shape is Shape.EXAMPLE_SPANS else {}
        return {"type": "array", "items": _of(lists[key.shape]), **least}
    shapes: dict[Shape, Schema] = {
        Shape.ID: {**_TEXT, "pattern": f"^{RULE_ID}$"},
        Shape.FLAG: {"type": "boolean"},
        Shape.CHOICE: {"enum": list(key.choices)},
        Shape.TEXTS: {"type": "array", "items": _FILLED_TEXT},
        Shape.DATE: {"type": "string", "pattern": f"^{DATE}$"},
        Shape.EXPECTATION: {"anyOf": [{"enum": list(VERDICTS)}, _moments()]},
        Shape.LETS: _lets(),
        Shape.REDACTIONS: {
            "type": "object",
            "propertyNames": {"minLength": 1},
            "additionalProperties": {"enum": list(REDACTIONS)},
        },
        Shape.ATTRIBUTES: {"type": "object", "additionalProperties": _of("attribute")},
        Shape.EXAMPLE: {"allOf": [_of("example")]},
    }
    return shapes.get(key.shape, _TEXT)


def _moments() -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{_MOMENT}$"},
        "additionalProperties": {"enum": [*VERDICTS, "unknown"]},
    }


def _lets() -> Schema:
    values = [{**_TEXT, "description": "A selector."}, {"type": "array", "items": _TEXT, "maxItems": LIST_LENGTH_MAX}]
    return {"type": "object", "propertyNames": {"pattern": f"^{NAME}$"}, "additionalProperties": {"anyOf": values}}
