"""Scalars as a formatted YAML file has them: plain where the core schema of YAML 1.2 reads the same text, else quoted or in a block."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from compiler.ir_text import quoted
from compiler.yaml_nodes import Scalar, core_value
from compiler.yaml_reader import FORBIDDEN

WIDTH = 100

_INDICATORS = frozenset("-?:,[]{}#&*!|>'\"%@`")
_BEFORE_BLANK = frozenset("-?:")
_IN_FLOW = re.compile(r"[,\[\]{}:]")
_NOT_PLAIN = re.compile(r": |:$| #|^---|^\.\.\.|^[ \t]|[ \t]$|[\n\t\r]")
_HEADER = re.compile(r"([|>])([-+0-9]*)")


def one_line_scalar(text: str, *, in_flow: bool = False) -> str:
    """Return a text as a scalar on one line.

    In a flow collection a text with a colon is quoted: people, and readers of YAML 1.1, may take it for a pair.
    """
    if _is_plain(text) and not (in_flow and _IN_FLOW.search(text)):
        return text
    if not FORBIDDEN.search(text) and not re.search(r"[\n\t\r']", text) and re.search(r'["\\]', text):
        return f"'{text}'"
    return FORBIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def sayable(text: str) -> str:
    """Return a text with U+FFFD for what a name or a sentence of a rule file may not hold, not even escaped, and for what is not seen."""
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "\ufffd" for mark in text)


def quoted_scalar(text: str) -> str:
    """Return a name or a sentence as a scalar in quotes."""
    return quoted(sayable(text))


def _is_plain(text: str) -> bool:
    if _NOT_PLAIN.search(text) or FORBIDDEN.search(text) or not isinstance(core_value(text), str):
        return False
    return text[0] not in _INDICATORS or (text[0] in _BEFORE_BLANK and text[1:2] not in {"", " "})


def block_or_quoted(lines: Sequence[str], indent: int) -> list[str]:
    """Return lines as a literal block scalar, header first; in quotes where a block cannot hold them."""
    if any(FORBIDDEN.search(line) or "\r" in line for line in lines):
        return [one_line_scalar("".join(f"{line}\n" for line in lines))]
    return ["|", *(f"{' ' * indent}{line}".rstrip() for line in lines)]


def text_scalar(scalar: Scalar, column: int, indent: int) -> list[str]:
    """Return a text of one or more lines; a block scalar stays as it is written, a text beyond the width is folded into one."""
    if scalar.style in {"|", ">"} and (kept := _kept_block(scalar, indent)):
        return kept
    return folded_scalar(scalar.text, column, indent)


def folded_scalar(text: str, column: int, indent: int) -> list[str]:
    """Return a text on one line from a column on, or folded where it is beyond the width."""
    written = one_line_scalar(text)
    if column + len(written) <= WIDTH or not _folds(text):
        return [written]
    return [">-", *_folded(text.split(" "), indent)]


def _kept_block(scalar: Scalar, indent: int) -> list[str]:
    """Return the lines of a block scalar at another indentation; nothing where that could change its text."""
    document = scalar.document
    header = _HEADER.match(document.text, scalar.start)
    assert header is not None
    keeps_end = "+" in header[2]
    if re.search("[0-9]", header[2]) or not scalar.text.strip("\n") or (keeps_end and scalar.text.endswith("\n\n")):
        return []
    first = document.region(scalar.start, scalar.start + 1).line
    last = document.region(scalar.end, scalar.end + 1).line - 1
    lines = [document.line(number) for number in range(first, min(last + 1, len(document.line_starts)))]
    depth = next(len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" "))
    while not lines[-1].strip(" ") or len(lines[-1]) - len(lines[-1].lstrip(" ")) < depth:
        lines.pop()
    shown = [f"{' ' * indent}{line[depth:]}" if line[depth:] else "" for line in lines]
    return [header[1] + ("" if keeps_end else header[2]), *shown]


def _folds(text: str) -> bool:
    """Say whether a text can be folded at its blanks: each is single and between words."""
    return not FORBIDDEN.search(text) and not re.search(r"[\n\t\r]|^ | $|  ", text) and " " in text


def _folded(words: Sequence[str], indent: int) -> list[str]:
    return fill(words, " " * indent, " " * indent)


def fill(words: Sequence[str], first: str, other: str) -> list[str]:
    """Put words on lines, as many on each as fit; the first line begins with `first`, the others with `other`."""
    lines = [first]
    is_new = True
    for word in words:
        if not is_new and len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append(other)
            is_new = True
        lines[-1] += word if is_new else f" {word}"
        is_new = False
    return lines
