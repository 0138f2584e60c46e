"""Read the YAML of case files strictly: YAML 1.2 core schema, no duplicate keys.

`NO` stays a string and `2026-01-31` a string, as in rule files, so that a case says what it seems to say.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path


class CaseFileError(ValueError):
    """A case file that is not understood: the run stops, since a case that is not understood must not be green."""


class _CoreLoader(yaml.CSafeLoader):
    """The core schema of YAML 1.2, whose words are fewer than those PyYAML knows."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own class attribute


def _int(loader: _CoreLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)


def _float(loader: _CoreLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    special = {".nan": math.nan, ".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf}
    return special[text] if text in special else float(text)


def _mapping(loader: _CoreLoader, node: yaml.MappingNode) -> dict[object, object]:
    found: dict[object, object] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            message = f"line {key_node.start_mark.line + 1}: key {key!r} twice"
            raise CaseFileError(message)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_WORDS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.0123456789")),
}
for _word, (_pattern, _first) in _WORDS.items():
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_word}", re.compile(rf"(?:{_pattern})\Z"), _first)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _int)
_CoreLoader.add_constructor("tag:yaml.org,2002:float", _float)
_CoreLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_case_yaml(path: Path) -> object:
    """Return the one document of a file; CaseFileError names the file and the line of whatever is not understood."""
    try:
        with path.open("rb") as stream:
            return yaml.load(stream, Loader=_CoreLoader)  # noqa: S506 - a subclass of the safe loader
    except (CaseFileError, yaml.YAMLError) as error:
        message = f"{path}: {error}"
        raise CaseFileError(message) from error
