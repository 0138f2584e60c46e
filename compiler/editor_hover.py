"""What an editor shows of the word or the rule at a place of a rule file, as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.editor_cursor import word_at
from compiler.editor_place import Place, key_of
from compiler.editor_text import EditorText, language_at
from compiler.editor_words import CALLS, INTRINSICS, KEYWORDS, METHODS, NOTATION, VERDICTS
from compiler.rule_file_keys import Shape
from compiler.semconv import conventions


@dataclass(frozen=True, slots=True)
class Hover:
    """A text in Markdown about `length` code points of a line from a column on."""

    text: str
    column: int
    length: int


def hover(document: EditorText, line: int, column: int, explained: Callable[[], str]) -> Hover | None:
    """Return what is shown at a place, None where there is nothing to say.

    `explained` says in Markdown what the rule there means; nothing where it has an error.
    """
    place = document.place(line, column)
    if place.is_key:
        return _of_key(document, place, line, column)
    entry = place.entry
    if entry is None:
        return None
    if language_at(place) is not None or place.shape is Shape.TRACE:
        word, start = word_at(entry.text, place.offset)
        about, word, start = _of_word(document, line, word, start, place)
        return Hover(about, column - (place.offset - start), len(word)) if about else None
    if place.keys in {("rules", "id"), ("rules", "name"), ("rules", "description")}:
        about = explained()
        return Hover(about, column - len(place.written), max(1, len(entry.text.split("\n", 1)[0]))) if about else None
    if place.shape is Shape.EXPECTATION and entry.text.strip() in VERDICTS:
        return Hover(VERDICTS[entry.text.strip()], column - len(place.written), len(entry.text))
    word = entry.text.strip()
    if word in conventions():
        return Hover(_convention(word), column - len(place.written), len(word))
    return None


def _of_key(document: EditorText, place: Place, line: int, column: int) -> Hover | None:
    current = document.lines[line] if line < len(document.lines) else ""
    word, start = word_at(current, column)
    key = key_of((*place.keys, word)) if word and current[start + len(word) :].lstrip().startswith(":") else None
    if key is None:
        return None
    about = key.meaning
    if key.choices:
        about += f"\n\nOne of {', '.join(f'`{one}`' for one in key.choices)}."
    if key.default is not None:
        about += f"\n\nDefault: `{str(key.default).lower()}`."
    return Hover(about, start, len(word))


def _of_word(document: EditorText, line: int, word: str, start: int, place: Place) -> tuple[str, str, int]:
    """Return what a dotted word, or the part of it at the place, is; with that part and where it begins."""
    if place.shape is Shape.TRACE:
        about = NOTATION.get(word) or (_convention(word) if word in conventions() else "")
        return about, word, start
    for part, begin in _parts(word, start, place.offset):
        about = _about(document, line, part, is_first=begin == start)
        if about:
            return about, part, begin
    return "", word, start


def _parts(word: str, start: int, offset: int) -> list[tuple[str, int]]:
    """Return what of a dotted word may have a meaning: all of it, each end of it, its first segment; as far as the place is inside."""
    found = [(word, start)]
    at = word.find(".")
    while at >= 0:
        found.append((word[at + 1 :], start + at + 1))
        at = word.find(".", at + 1)
    found.append((word.split(".", 1)[0], start))
    return [(part, begin) for part, begin in found if begin <= offset <= begin + len(part)]


def _about(document: EditorText, line: int, word: str, *, is_first: bool) -> str:
    if is_first:
        for let in [*document.rule_lets(line), *document.file_lets]:
            if let.name == word:
                return f"`{word}` stands for\n\n```betrace\n{let.text}\n```"
    if word in INTRINSICS:
        return INTRINSICS[word]
    if word in conventions():
        return _convention(word)
    known = (KEYWORDS, CALLS) if is_first else (METHODS,)
    return next((table[word] for table in known if word in table), "")


def _convention(key: str) -> str:
    found = conventions()[key]
    words = f"\n\nOne of {', '.join(f'`{one}`' for one in found.values)}." if found.values else ""
    return f"`{key}` (OpenTelemetry): {found.brief}{words}"
