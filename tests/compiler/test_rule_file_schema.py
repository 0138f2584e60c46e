"""The JSON Schema of rule files accepts what the reader accepts, and refuses what the reader refuses for its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest

from compiler import Code, SourceFile, compile_sources, rule_file_schema_text
from compiler.rule_file_keys import EXAMPLE_KEYS, EXAMPLE_SPAN_KEYS, EXCEPTION_KEYS, FILE_KEYS, RULE_KEYS, TEST_KEYS
from compiler.rule_file_schema import rule_file_schema
from compiler.yaml_nodes import Mapping, Node, Scalar
from compiler.yaml_reader import read_yaml
from tests.architecture.tree import ROOT
from tests.cli.run import run
from tests.conformance.case import CheckCase, load_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = {Code.UNKNOWN_KEY, Code.MISSING_KEY, Code.BAD_VALUE}
# What a schema cannot see: that two texts are one moment, and which literals of YAML are none of the rule language.
BEYOND = ("is no literal of the rule language", "is beyond int64")
VALIDATOR = jsonschema.Draft7Validator(rule_file_schema())


def _value(node: Node | None) -> object:
    if node is None or isinstance(node, Scalar):
        return None if node is None else node.value
    if isinstance(node, Mapping):
        return {key.text: _value(value) for key, value in node.entries}
    return [_value(item) for item in node.items]


def _files() -> Iterator[tuple[str, str]]:
    for case in load_cases():
        if isinstance(case, CheckCase):
            for content in [case.file] if case.file is not None else [*(case.files or {}).values()]:
                yield case.name, content
    for path in (*(ROOT / "cli" / "shop_rules").glob("*.yaml"), *(ROOT / "tests" / "e2e").glob("*rules/*.yaml")):
        yield path.name, path.read_text(encoding="utf-8")


def _is_valid(content: str) -> bool:
    root, _ = read_yaml(SourceFile("a.yaml", content.encode()))
    return VALIDATOR.is_valid(_value(root))


def test_the_schema_is_sound() -> None:
    jsonschema.Draft7Validator.check_schema(rule_file_schema())


def test_every_file_that_compiles_is_valid_and_every_one_of_a_wrong_shape_is_not() -> None:
    valid = invalid = 0
    for name, content in _files():
        errors = compile_sources([SourceFile("a.yaml", content.encode())]).errors
        if not errors:
            valid += 1
            assert _is_valid(content), name
        elif any(error.code in SHAPE and not any(word in error.message for word in BEYOND) for error in errors):
            invalid += 1
            assert not _is_valid(content), name
    assert valid > 20
    assert invalid > 25


@pytest.mark.parametrize(
    "entry",
    [
        {"rule": "never { a }", "condition": "never { a }"},
        {"rule": "never { a }", "controls": ["a"], "compliance_frameworks": ["b"]},
        {"rule": "never { a }", "enabled": "yes"},
        {"rule": "never { a }", "tags": [None]},
        {"rule": "never { a }", "example_violation": {"trace": []}},
        {"rule": None},
        {},
    ],
)
def test_a_rule_of_a_wrong_shape_is_refused(entry: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid({"rules": [{"id": "a", **entry}]})


def test_every_key_has_a_meaning_and_those_of_old_say_what_to_write() -> None:
    for key in (*FILE_KEYS, *RULE_KEYS, *EXCEPTION_KEYS, *TEST_KEYS, *EXAMPLE_KEYS, *EXAMPLE_SPAN_KEYS):
        assert f'"description": "{key.meaning}"' in rule_file_schema_text()
    assert rule_file_schema_text().count('"deprecationMessage": "Write `') == 4


def test_the_published_schema_is_the_one_of_the_code_and_the_command_prints_it() -> None:
    published = (ROOT / "docs" / "reference" / "rule-file.schema.json").read_text(encoding="utf-8")
    assert published == f"{rule_file_schema_text()}\n" == run("rules", "schema").stdout
