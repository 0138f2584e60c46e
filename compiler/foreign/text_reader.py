"""Reads expressions of other languages token by token; what has no equivalent is raised with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

DEPTH_MAX = 50
# As long as a rule can be.
LENGTH_MAX = 64 * 1024
_SHOWN_MAX = 40


class NotMapped(Exception):  # noqa: N818  # what cannot be imported is no fault
    """Why a piece of text is not imported, and where it begins."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind (a group of the lexer, `sign`, `junk` or `end`), its text and its place."""

    kind: str
    text: str
    offset: int
    starts_line: bool = False

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + len(self.text)


def tokens_of(text: str, lexer: re.Pattern[str]) -> list[Token]:
    """Split a text by the named groups of a lexer; white space is left out, what no group matches is `junk`."""
    tokens: list[Token] = []
    at, starts_line = 0, True
    while at < len(text):
        if text[at].isspace():
            starts_line = starts_line or text[at] == "\n"
            at += 1
            continue
        found = lexer.match(text, at)
        token = Token("junk", text[at], at, starts_line) if found is None else Token(str(found.lastgroup), found[0], at, starts_line)
        tokens.append(token)
        at, starts_line = token.end, False
    return tokens


@dataclass(frozen=True, slots=True)
class Piece:
    """One of the expressions of a text: its tokens without comments, and what the comment right above says."""

    tokens: tuple[Token, ...]
    title: str

    @property
    def offset(self) -> int:
        """Where it begins."""
        return self.tokens[0].offset

    def text(self, whole: str) -> str:
        """Return it as it was written."""
        return whole[self.offset : self.tokens[-1].end]


def pieces_of(
    tokens: Sequence[Token], goes_on: Callable[[Token, Token], bool], is_next: Callable[[Token, Token, int], bool] | None = None
) -> Iterator[Piece]:
    """Walk the expressions of a text: one ends before a token that begins a line outside of brackets, unless it goes on there.

    `is_next` says of such a token inside of brackets, with the one before it and the count of open braces, whether another expression
    begins all the same: what was opened before is never closed.
    """
    piece: list[Token] = []
    depth, braces, title, next_title = 0, 0, "", ""
    for token in tokens:
        if token.kind == "comment":
            next_title = token.text.strip("/*# \t\r\n").partition("\n")[0].strip()
            continue
        if piece and token.starts_line:
            ends = not goes_on(piece[-1], token) if depth <= 0 else is_next is not None and is_next(piece[-1], token, braces)
            if ends:
                yield Piece(tuple(piece), title)
                piece, depth, braces = [], 0, 0
        if not piece:
            title, next_title = next_title, ""
        piece.append(token)
        depth += (token.text in {"(", "[", "{"}) - (token.text in {")", "]", "}"})
        braces += (token.text == "{") - (token.text == "}")
    if piece:
        yield Piece(tuple(piece), title)


class TokenReader:
    """Walks the tokens of one expression; its length and its nesting have an end."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        if tokens and tokens[-1].end - tokens[0].offset > LENGTH_MAX:
            raise NotMapped(tokens[0].offset, f"it is longer than {LENGTH_MAX} characters")
        self._tokens = tokens
        self._end = Token("end", "", tokens[-1].end if tokens else 0)
        self.at = 0
        self._depth = 0

    def peek(self, ahead: int = 0) -> Token:
        """Return a token that comes; behind the last one `end`."""
        return self._tokens[self.at + ahead] if self.at + ahead < len(self._tokens) else self._end

    def take(self) -> Token:
        """Return the next token and go on."""
        token = self.peek()
        self.at += 1
        return token

    def accept(self, *texts: str) -> Token | None:
        """Go on if the next token is one of these words or signs."""
        token = self.peek()
        return self.take() if token.kind != "string" and token.text in texts else None

    def sees(self, *texts: str) -> bool:
        """Whether the next tokens are these words or signs."""
        return all(self.peek(ahead).text == text and self.peek(ahead).kind != "string" for ahead, text in enumerate(texts))

    def expect(self, text: str) -> Token:
        """Go on over this word or sign; raises NotMapped where another stands."""
        return self.accept(text) or self.fail(f"`{text}`")

    def fail(self, expected: str) -> NoReturn:
        """Raise NotMapped: something else stands here than was expected."""
        token = self.peek()
        found = f"`{token.text[:_SHOWN_MAX]}`" if token.text else "the end"
        raise NotMapped(token.offset, f"unexpected {found}; expected {expected}")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Read something nested; raises NotMapped where it is nested too deep."""
        if self._depth == DEPTH_MAX:
            raise NotMapped(self.peek().offset, f"it is nested deeper than {DEPTH_MAX} levels")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
