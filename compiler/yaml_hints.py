"""What is wrong with a file that is no YAML, where the parser of YAML points elsewhere: lines outside of the text that they belong to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from compiler.rule_file_keys import EXCEPTION_KEYS, FILE_KEYS, RULE_KEYS, TEST_KEYS, names_of

if TYPE_CHECKING:
    from compiler.source import Region
    from compiler.yaml_nodes import Document

_HEADER = re.compile(r"(?P<lead> *(?:- +)*)(?P<key>[A-Za-z_]+):[ \t]*[|>][-+0-9]*[ \t]*(?:#.*)?")
_OF_YAML = re.compile(r" *(?:-(?: |\Z)|[#\]}]|\"[^\"]*\" *:|'[^']*' *:|[A-Za-z_][\w.-]* *:(?: |\Z))")
_FIRST_WORD = re.compile(r" *([a-z_]*)")
_KEYS = frozenset(names_of((*FILE_KEYS, *RULE_KEYS, *TEST_KEYS, *EXCEPTION_KEYS)))


class Outside(NamedTuple):
    """A line that was meant to belong to the text of a key, and the key."""

    region: Region
    key: str


def outside_of_text(document: Document, last: int) -> Outside | None:
    """Return the line that stands outside of the text behind the last `|` at or above a line, counted from 0, and is no YAML of its own."""
    header = header_line = None
    for number in range(last, -1, -1):
        header, header_line = _HEADER.fullmatch(document.line(number)), number
        if header is not None:
            break
    if header is None or header_line is None:
        return None
    inside, is_first = len(header["lead"]) + 1, True
    for number in range(header_line + 1, last + 1):
        line = document.line(number)
        depth = len(line) - len(line.lstrip(" "))
        if depth == len(line):
            continue
        if depth < inside:
            start = document.line_starts[number]
            is_outside = not _OF_YAML.match(line) and _FIRST_WORD.match(line)[1] not in _KEYS  # type: ignore[index]  # it always matches
            return Outside(document.region(start + depth, start + len(line)), header["key"]) if is_outside else None
        if is_first:
            # The first line says how deep the text stands.
            inside, is_first = depth, False
    return None
