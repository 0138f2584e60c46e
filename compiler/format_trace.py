"""Test traces in their canonical form: two spaces a level, names, times and items in columns (rule-language.md section 10).

Words stay as they are written, and so do blank lines: by the number of its line a span has its id.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from compiler.notation import Located, trace_words
from compiler.notation_line import RESERVED_KEYS
from compiler.yaml_nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from compiler.yaml_comments import Held

_INDENT = 2
_BETWEEN = "  "
_PLAIN_TEXT = re.compile(r"(?!(?:true|false)$)[A-Za-z_][A-Za-z0-9_./-]*")
_PLAIN_KEY = re.compile(r"(?!(?:span|resource|scope)\.)[A-Za-z_][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")


def format_trace(text: Located) -> list[str]:
    """Return the lines of a trace without mistakes."""
    traced = trace_words(text)
    rows = [(" " * (_INDENT * line.depth) + line.words[0], line.words[1], " ".join(line.words[2:])) for line in traced]
    lines = [""] * max(line.number for line in traced)
    for line, shown in zip(traced, _columns(rows), strict=True):
        lines[line.number - 1] = shown
    return lines


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    names = max((len(name) for name, _, _ in rows), default=0)
    times = max((len(time) for _, time, _ in rows), default=0)
    return [_BETWEEN.join((name.ljust(names), time.ljust(times), items)).rstrip() for name, time, items in rows]


def example_trace(spans: Held) -> list[str] | None:
    """Return the spans of BeTrace's `example_violation` as a trace; None where it holds a value that a trace cannot say."""
    rows = []
    for number, slot in enumerate(spans.slots):
        span = slot.value
        assert not isinstance(span, Scalar)
        name = span.get("span")
        attributes = span.get("attributes")
        assert name is not None
        assert isinstance(name.value, Scalar)
        pairs = [] if attributes is None or isinstance(attributes.value, Scalar) else _pairs(attributes.value)
        if pairs is None:
            return None
        rows.append((_text(name.value.text), f"{number}ms..{number + 1}ms", " ".join(pairs)))
    return _columns(rows)


def _pairs(attributes: Held) -> list[str] | None:
    node = attributes.node
    assert isinstance(node, Mapping)
    pairs = []
    for key, value in node.entries:
        shown = _value(value)
        if shown is None:
            return None
        pairs.append(f"{_key(key.text)}={shown}")
    return pairs


def _value(node: Node) -> str | None:
    if isinstance(node, Sequence):
        items = [_value(item) if isinstance(item, Scalar) else None for item in node.items]
        return None if None in items else f"[{','.join(map(str, items))}]"
    if not isinstance(node, Scalar) or node.value is None:
        return None
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    shown = repr(value)
    return shown if _NUMBER.fullmatch(shown) else None


def _text(text: str) -> str:
    return text if _PLAIN_TEXT.fullmatch(text) else json.dumps(text)


def _key(text: str) -> str:
    return text if _PLAIN_KEY.fullmatch(text) and text not in RESERVED_KEYS else json.dumps(text)
