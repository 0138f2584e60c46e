"""The text of a rule file in an editor: cut once, and asked what stands where and which names it uses."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from compiler.editor_pieces import cut
from compiler.editor_place import Entry, Place, entries_of, lines_around, place_at
from compiler.notation_line import RESERVED_KEYS
from compiler.rule_file_keys import Shape

# How many rules around the one that is written are looked at for names.
_RULES_AROUND = 100
_SPAN_LINE = re.compile(r"[ ]*(\"(?:[^\"\\\n]|\\.)*\"|[^\s\"]+)[ ]+\S+?\.\.\S*(.*)")
_ITEM = re.compile(r"(?:^|[\s(,])([A-Za-z_][A-Za-z0-9_.:-]*)=(\"[^\"\n]*\"|\[[^\]\n]*\]|[^\s,)]*)")
_LET = re.compile(r"(?:^|[\s;])let\s+([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_LET_END = re.compile(r"(?=\b(?:let|when|for|always|never)\b)")
_SERVICE = "service.name"


@dataclass(slots=True)
class Vocabulary:
    """Names in test traces: the attributes of each span, and the values of each attribute."""

    spans: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, other: Vocabulary) -> None:
        """Take in another one's names."""
        for span, keys in other.spans.items():
            self.spans[span] |= keys
        for key, values in other.values.items():
            self.values[key] |= values


@dataclass(frozen=True, slots=True)
class NamedText:
    """A name of `let` and what it stands for, as it is written; `place` is line and column of the name in the file."""

    name: str
    text: str
    place: tuple[int, int]


class EditorText:
    """One version of a rule file's text. Lines and columns count from 0, in code points."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces = cut(text)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text, without their breaks."""
        return [line.removesuffix("\r") for line in self.text.split("\n")]

    def place(self, line: int, column: int) -> Place:
        """Return what is written at a place."""
        lines, number = lines_around(self.pieces, line)
        return place_at([one.removesuffix("\r") for one in lines], number, column)

    def entries(self, line: int) -> tuple[list[Entry], int]:
        """Return the values of the rule at a line, or else those of the frame, and how far down in the file its lines are."""
        lines, number = lines_around(self.pieces, line)
        return entries_of([one.removesuffix("\r") for one in lines]), line - number

    @cached_property
    def file_lets(self) -> list[NamedText]:
        """The names that the file gives all its rules."""
        lines = [line.removesuffix("\r") for line in self.pieces.frame.split("\n")]
        return [
            NamedText(entry.keys[1], entry.text, (self.pieces.line_of_frame(entry.line), entry.indent))
            for entry in entries_of(lines)
            if entry.keys[:1] == ("let",) and len(entry.keys) > 1 and not entry.is_item
        ]

    def rule_lets(self, line: int) -> list[NamedText]:
        """Return the names that the rule at a line gives itself."""
        found = []
        entries, down = self.entries(line)
        for entry in entries:
            if entry.keys[-1:] in {("rule",), ("condition",), ("expression",)}:
                for match in _LET.finditer(entry.text):
                    end = _LET_END.search(entry.text, match.end())
                    row, column = entry.position(match.start(1))
                    text = entry.text[match.end() : end.start() if end else len(entry.text)]
                    found.append(NamedText(match[1], text.strip(), (row + down, column)))
        return found

    def vocabulary(self, line: int) -> Vocabulary:
        """Return the names in the tests of the rule at a line, and of those around it."""
        found = Vocabulary()
        pieces = self.pieces.pieces
        here = self.pieces.at(line)
        at = pieces.index(here) if here is not None else 0
        for piece in pieces[max(0, at - _RULES_AROUND) : at + _RULES_AROUND]:
            found.add(_vocabulary(piece.as_file))
        return found


@lru_cache(maxsize=4 * _RULES_AROUND)
def _vocabulary(text: str) -> Vocabulary:
    found = Vocabulary()
    for entry in entries_of(text.split("\n")):
        if entry.keys[-2:] == ("tests", "trace"):
            _read_trace(entry.text, found)
    return found


def _read_trace(text: str, found: Vocabulary) -> None:
    for line in text.split("\n"):
        span = _SPAN_LINE.match(line)
        if span is None:
            continue
        keys = found.spans[span[1].strip('"')]
        for key, value in _ITEM.findall(span[2]):
            name = _SERVICE if key == "service" else key.removeprefix("span.")
            if key in RESERVED_KEYS and key != "service":
                continue
            keys.add(name)
            if not value.startswith("["):
                found.values[name].add(value.strip('"'))


LANGUAGE = {Shape.RULE: "start", Shape.FORMULA: "expr", Shape.LETS: "selector"}


def language_at(place: Place) -> str | None:
    """Return which part of the rule language is written at a place, by its start in the grammar; None where none is."""
    shape = place.shape
    return LANGUAGE.get(shape) if shape is not None and (shape is not Shape.LETS or len(place.keys) > 1) else None
