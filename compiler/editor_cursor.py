"""Where in a text of the rule language a place is: the word there, the brackets around it, what could follow."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compiler.parser import words_after

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|\#[^\n]*|/\*[\s\S]*?(?:\*/|\Z))"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\Z)|`[^`]*(?:`|\Z))"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<open>[({\[])|(?P<close>[)}\]])"
)
_WORD_BEFORE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*[.:])*(?:[A-Za-z_][A-Za-z0-9_]*)?\Z")
_WORD_AFTER = re.compile(r"[A-Za-z0-9_]*(?:[.:][A-Za-z_][A-Za-z0-9_]*)*")
_LIST_OF_KEYS = re.compile(r"\b(?:by|on)\s+(?:[A-Za-z_][\w.:]*\s*,\s*)*\Z")
_COMPARED = re.compile(r"([A-Za-z_][\w.:]*)\s*(?:==|!=|<=|>=|<|>|\b(?:contains|startswith|endswith|matches)\b)\s*\"?\Z")
_LISTED = re.compile(r"([A-Za-z_][\w.:]*)\s+(?:not\s+)?in\s*\[[^\]]*\Z")
_PREDICATES = {"where", "all", "any", "none", "event", "link"}
_AGGREGATES = {"count", "sum", "avg", "min", "max", "distinct"}


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is around a place of the language: the word up to it, what the parser would take instead, and what encloses it.

    `element` is `event` or `link` inside of one; `compared` the attribute to the left of a test whose other side is written here.
    """

    word: str
    expected: frozenset[str]
    in_predicate: bool
    in_aggregate: bool
    in_string: bool
    in_comment: bool
    after_dot: bool
    in_keys: bool
    element: str
    compared: str


def cursor_at(text: str, offset: int, start: str) -> Cursor:
    """Return what is around a place of a text of the rule language; `start` as in `words_after`."""
    before = text[:offset]
    opened, last = _brackets(before)
    matched = _WORD_BEFORE.search(before)
    word = "" if matched is None else matched[0]
    head = before[: len(before) - len(word)]
    is_open = last is not None and last.end() == len(before)
    in_string = is_open and last is not None and last.lastgroup == "string" and not _is_closed(last[0])
    in_comment = is_open and last is not None and last.lastgroup == "comment" and not last[0].endswith("*/")
    after_dot = head.rstrip().endswith(").") and not in_string
    compared = _COMPARED.search(head) or _LISTED.search(head)
    return Cursor(
        word=word,
        expected=_expected(head, start, after_dot=after_dot),
        in_predicate=any(name in _PREDICATES for name in opened),
        in_aggregate=bool(opened) and opened[-1] in _AGGREGATES,
        in_string=in_string,
        in_comment=in_comment,
        after_dot=after_dot,
        in_keys=_LIST_OF_KEYS.search(head) is not None,
        element=next((name for name in reversed(opened) if name in {"event", "link"}), ""),
        compared="" if compared is None else compared[1],
    )


def _is_closed(string: str) -> bool:
    return len(string) > 1 and string[0] == string[-1] and not re.search(r"(?<!\\)(?:\\\\)*\\\"$", string)


def _brackets(before: str) -> tuple[list[str], re.Match[str] | None]:
    """Return the word before each bracket that is open, and the last token."""
    opened: list[str] = []
    word, last, end = "", None, 0
    for token in _TOKEN.finditer(before):
        last = token
        between = before[end : token.start()].strip()
        if token.lastgroup == "open":
            opened.append(word if not between else "")
        elif token.lastgroup == "close" and opened:
            opened.pop()
        word = token[0] if token.lastgroup == "word" else ""
        end = token.end()
    return opened, last


def _expected(head: str, start: str, *, after_dot: bool) -> frozenset[str]:
    """Return what could stand after a text; where that is wrong before its end, what could stand after its last block."""
    if after_dot:
        return frozenset({"METHOD", "KEY"})
    found = words_after(head, start)
    if found:
        return found
    # Only the block that is being written counts then.
    block = head.rfind("{")
    return words_after(f"always {head[block:]}") if block >= 0 else frozenset()


def word_at(text: str, offset: int) -> tuple[str, int]:
    """Return the dotted word around a place and where it begins; empty where there is none, and in strings and comments."""
    for token in _TOKEN.finditer(text):
        if token.start() <= offset < token.end() and token.lastgroup in {"comment", "string"}:
            return "", offset
    before = _WORD_BEFORE.search(text[:offset])
    start = offset if before is None else before.start()
    after = _WORD_AFTER.match(text, offset)
    return text[start : offset if after is None else after.end()], start
