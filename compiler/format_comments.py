"""Hands the comments of a rule's text to the pieces of its new layout, so that each stays between the words it stood between."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.layout import Comment, Piece

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|\#[^\n]*|/\*[\s\S]*?\*/)"""
    r"""|(?P<word>"(?:[^"\\\n]|\\.)*"|`[^`]*`|[A-Za-z0-9_]+|[^\s])""",
    re.VERBOSE,
)
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_LEADING_TABS = re.compile(r"^[ \t]*\t[ \t]*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Token:
    """A word or a comment of the source."""

    text: str
    start: int
    end: int
    is_comment: bool


def comments_in(text: str) -> list[str]:
    """Return the comments of a rule's text, as they are written."""
    return [token.text for token in _tokens(text) if token.is_comment]


def place_comments(text: str, pieces: Sequence[Piece]) -> list[Comment]:
    """Give each comment of `text` to the piece before or behind it; return those that stand behind everything.

    The pieces are the words of the text in order; only brackets may be missing.
    """
    placer = _Placer(text)
    for piece in pieces:
        placer.take(piece)
    return placer.finish()


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text):
        yield _Token(found[0], found.start(), found.end(), found.lastgroup == "comment")


class _Placer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0
        self.last: Piece | None = None

    def take(self, piece: Piece) -> None:
        """Go past the words of a piece."""
        passed: list[int] = []
        start = -1
        for word in _tokens(piece.source):
            while self.tokens[self.at].is_comment or self.tokens[self.at].text != word.text:
                if self.tokens[self.at].is_comment:
                    passed.append(self.at)
                self.at += 1
            start = self.at if start < 0 else start
            self.at += 1
        for number in passed:
            self._place(number, piece)
        piece.has_blank_before = self._has_blank_before(start)
        self.last = piece

    def finish(self) -> list[Comment]:
        """Return the comments behind the last piece that are on no line of its own."""
        behind = [number for number in range(self.at, len(self.tokens)) if self.tokens[number].is_comment]
        return [self._comment(number) for number in behind if not self._trails(number)]

    def _place(self, number: int, piece: Piece) -> None:
        comment = self._comment(number)
        comment.is_inline = self._is_inline(number)
        if comment.is_inline or not self._trails(number):
            piece.leading.append(comment)

    def _trails(self, number: int) -> bool:
        """Put a comment behind the last piece if that stands on its line."""
        if self.last is None or "\n" in self.text[self._word_end(number) : self.tokens[number].start]:
            return False
        self.last.trailing.append(self._comment(number))
        return True

    def _word_end(self, number: int) -> int:
        """Return where the word before a comment ends."""
        before = number
        while before and self.tokens[before].is_comment:
            before -= 1
        return self.tokens[before].end

    def _is_inline(self, number: int) -> bool:
        token = self.tokens[number]
        return token.text.startswith("/*") and not self.tokens[number + 1].is_comment and "\n" not in self._behind(number)

    def _behind(self, number: int) -> str:
        return self.text[self.tokens[number].end : self.tokens[number + 1].start]

    def _has_blank_before(self, number: int) -> bool:
        before = self.tokens[number - 1].end if number else 0
        return _BLANK_LINE.search(self.text, before, self.tokens[number].start) is not None

    def _comment(self, number: int) -> Comment:
        # What a rule file cannot hold: a lone CR, and a tab that indents a line.
        shown = "\n".join(line.rstrip() for line in self.tokens[number].text.split("\n")).replace("\r", " ")
        tabless = _LEADING_TABS.sub(lambda blanks: blanks[0].expandtabs(4), shown)
        return Comment(tabless, has_blank_before=self._has_blank_before(number))
