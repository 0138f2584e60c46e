"""The names of `let` in a rule file: where each is given and used, and what a new name changes. The compiler itself says what is a use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.compile import FileLets, read_file_lets
from compiler.editor_cursor import word_at
from compiler.editor_pieces import Piece
from compiler.editor_text import EditorText, NamedText, language_at
from compiler.lower_rule import lower_exception, lower_file_let, lower_rule
from compiler.rule_file import RuleFile, read_rule_file
from compiler.rule_file_keys import NAME
from compiler.source import Region, SourceFile
from compiler.spelling import RESERVED
from compiler.yaml_nodes import Scalar


class NoRenameError(Exception):
    """A name cannot be changed; the message says why."""


@dataclass(frozen=True, slots=True)
class NamePlace:
    """A place in the file where a name stands; line and column count from 0, in code points."""

    line: int
    column: int
    length: int


def name_at(document: EditorText, line: int, column: int) -> tuple[NamedText, NamePlace] | None:
    """Return the name of `let` that is given or used at a place, and where it stands; None where there is none."""
    place = document.place(line, column)
    if place.is_key and place.keys == ("let",):
        word, start = word_at(document.lines[line], column)
        found = next((let for let in document.file_lets if let.name == word), None)
        return None if found is None else (found, NamePlace(line, start, len(word)))
    if language_at(place) is None or place.entry is None:
        return None
    word, start = word_at(place.entry.text, place.offset)
    first = word.split(".", 1)[0]
    if not first or place.offset > start + len(first):
        return None
    for let in [*document.rule_lets(line), *document.file_lets]:
        if let.name == first:
            return let, NamePlace(line, column - (place.offset - start), len(first))
    return None


def places_of(document: EditorText, let: NamedText) -> list[NamePlace]:
    """Return where a name is given, and where it is used; NoRenameError where a rule that may use it cannot be read."""
    given = document.pieces.at(let.place[0])
    word = re.compile(rf"\b{re.escape(let.name)}\b")
    frame = _read(document.pieces.frame)
    lets = read_file_lets(frame.lets, [])
    found = []
    if given is None:
        regions = _in_lets(frame, lets, let.name)
        found += [NamePlace(document.pieces.line_of_frame(one.line - 1), one.column - 1, one.length) for one in regions]
    for piece in document.pieces.pieces:
        if (given is None or piece is given) and word.search(piece.text):
            found += [NamePlace(one.line - 2 + piece.first_line, one.column - 1, one.length) for one in _in_piece(piece, lets, let.name)]
    return found


def rename(document: EditorText, let: NamedText, name: str) -> list[NamePlace]:
    """Return the places at which a new name has to be written; NoRenameError where it cannot be."""
    if not re.fullmatch(NAME, name) or name in RESERVED or name in {"span", "root"}:
        raise NoRenameError(f"`{name}` is no name, or a word of the language")
    given = document.pieces.at(let.place[0])
    around = document.text if given is None else document.pieces.frame + given.text
    if name != let.name and re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", around):
        raise NoRenameError(f"`{name}` has a meaning in this file already")
    return places_of(document, let)


def _read(text: str) -> RuleFile:
    return read_rule_file(SourceFile("", text.encode("utf-8", "surrogatepass")))


def _in_lets(frame: RuleFile, lets: FileLets, name: str) -> Iterator[Region]:
    for entry in frame.lets:
        if entry.name.text == name:
            yield entry.name.region
        if isinstance(entry.text, Scalar):
            _, _, uses = lower_file_let(entry.text.text, entry.text.locate, entry.name.region, lets.lets)
            yield from (entry.text.locate(at[0], at[1] - at[0]) for used, at in uses.lets if used == name)


def _in_piece(piece: Piece, lets: FileLets, name: str) -> Iterator[Region]:
    read = _read(piece.as_file)
    if not read.rules:
        raise NoRenameError(f"the rule at line {piece.first_line + 1} cannot be read")
    for entry in read.rules:
        lowered = lower_rule(entry.rule.text, entry.rule.locate, lets.lets)
        if lowered.tree is None:
            raise NoRenameError(f"the rule `{entry.text.id}` cannot be read")
        given = [let.name.at for let in lowered.tree.lets if let.name.text == name]
        ats = [*given, *(at for used, at in lowered.context.uses.lets if used == name)]
        yield from (entry.rule.locate(at[0], at[1] - at[0]) for at in ats)
        for exception in entry.exceptions:
            formula, _, uses = lower_exception(exception.when.text, exception.when.locate, lets.lets)
            if formula is None:
                raise NoRenameError(f"an exception of the rule `{entry.text.id}` cannot be read")
            yield from (exception.when.locate(at[0], at[1] - at[0]) for used, at in uses.lets if used == name)
