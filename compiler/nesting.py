"""How deep a rule's text is nested, measured before it is parsed, so that no later pass can run out of stack.

A level is an open bracket, a `not` or minus before an operand, or the right side of an `implies`; the braces of a clause are none.
"""

from __future__ import annotations

import re

NESTING_MAX = 64

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n]+|//[^\n]*|\#[^\n]*|/\*[\s\S]*?\*/)"""
    r"""|(?P<operand>"(?:[^"\\\n]|\\.)*"|`[^`]*`|[0-9]+(?:[eE][+-])?)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_.:]*)"""
    r"""|(?P<open>[(\[])|(?P<close>[)\]])|(?P<brace>[{}])|(?P<minus>-)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


# What may begin a level, wherever it stands.
_LEVEL = re.compile(r"[(\[-]|not|implies")


class _Depth:
    """Levels open so far: closed brackets give theirs back."""

    def __init__(self) -> None:
        self.outer: list[tuple[int, int]] = []
        self.total = 0
        self.pending = 0
        self.chained = 0

    def read(self, kind: str, text: str) -> int:
        """Take one token and return the depth it stands at."""
        if kind == "open":
            self.outer.append((self.pending, self.chained))
            self.total += 1
            self.pending = self.chained = 0
        elif kind == "close" and self.outer:
            self.total -= self.pending + self.chained + 1
            self.pending, self.chained = self.outer.pop()
        elif kind == "minus" or text == "not":
            self.pending += 1
            self.total += 1
        elif text in {"and", "or", "implies"} or kind == "other":
            self.total -= self.pending
            self.pending = 0
            if text == "implies":
                self.chained += 1
                self.total += 1
        return self.total


def too_deep(text: str) -> int | None:
    """Return the offset of the first token nested deeper than NESTING_MAX, or None."""
    if len(_LEVEL.findall(text)) <= NESTING_MAX:
        return None
    depth = _Depth()
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup or "other"
        if kind == "brace":
            depth = _Depth()
        elif kind != "skip" and depth.read(kind, token[0]) > NESTING_MAX:
            return token.start()
    return None
