"""What could be written at a place of a rule file: keys and their words, words of the rule language, names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from compiler.editor_cursor import Cursor, cursor_at
from compiler.editor_place import TABLES, Place, key_of
from compiler.editor_text import EditorText, Vocabulary, language_at
from compiler.editor_words import CALLS, INTRINSICS, KEYWORDS, METHODS, NOTATION, VERDICTS
from compiler.kinds import ELEMENT_INTRINSICS, KIND_NAMES, SPAN_INTRINSICS, STATUS_NAMES, TRACE_INTRINSICS
from compiler.rule_file_keys import REDACTIONS, Key, Shape
from compiler.semconv import conventions

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_LAST_WORD = re.compile(r"[^\s\[\],{}]*\Z")
_BLOCK_SHAPES = frozenset({Shape.RULE, Shape.TRACE})
_NESTED_SHAPES = frozenset({Shape.LETS, Shape.RULES, Shape.EXCEPTIONS, Shape.TESTS, Shape.REDACTIONS, Shape.EXAMPLE, Shape.EXAMPLE_SPANS})
# Words that a terminal of the grammar stands for; others that are one keyword are named like it.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "CLAUSE": ("always", "never"),
    "QUANTIFIER": ("some", "every"),
    "PRESENCE": ("exists", "missing"),
    "BOOL": ("true", "false"),
    "WORD": ("contains", "startswith", "endswith", "matches"),
    "RELATION": ("before", "after", "during", "overlaps", "under", "child of", "sibling of"),
    "AGGREGATE": ("count", "sum", "avg", "min", "max", "distinct"),
    "FUNCTION": ("lower", "length", "number", "abs"),
    "ELEMENT": ("event", "link"),
} | {word.upper(): (word,) for word in ("let", "when", "for", "each", "as", "implies", "or", "and", "not", "in", "by", "on", "within")}
_CALLED = frozenset({"AGGREGATE", "FUNCTION", "ELEMENT"})
# What only a formula, and what only a predicate can have.
_OF_FORMULAS = frozenset({"AGGREGATE", "QUANTIFIER", "RELATION"})
_OF_PREDICATES = frozenset({"FUNCTION", "ELEMENT"})


@dataclass(frozen=True, slots=True)
class Completion:
    """Something that could be written: `text` in place of the `replaced` code points before the cursor.

    `kind` is key, value, keyword, function, method, intrinsic, let, span or attribute; `rank` puts what is nearest first.
    """

    label: str
    kind: str
    text: str
    replaced: int
    about: str = ""
    rank: int = 0


def _nothing(_key: str) -> Iterable[str]:
    return ()


def complete(document: EditorText, line: int, column: int, known: Callable[[str], Iterable[str]] = _nothing) -> list[Completion]:
    """Return what could be written at a place; never raises.

    `known` gives the values that a list key has in other rules: `controls`, `tags`.
    """
    place = document.place(line, column)
    if place.is_key:
        return list(_keys(place))
    start = language_at(place)
    if start is not None and place.entry is not None:
        cursor = cursor_at(place.entry.text, place.offset, start)
        return [] if cursor.in_comment or cursor.in_string else _unique(_language(document, line, cursor, start))
    if place.shape is Shape.TRACE:
        return list(_trace(place, document.vocabulary(line)))
    return list(_values(place, document.vocabulary(line), known))


def _unique(found: Iterable[Completion]) -> list[Completion]:
    """Keep the nearest of those that look the same."""
    nearest = sorted(found, key=lambda one: one.rank)
    return list({(one.label, one.replaced): one for one in reversed(nearest)}.values())[::-1]


# ---- YAML ---------------------------------------------------------------------------------------------------------------------------


def _keys(place: Place) -> Iterator[Completion]:
    for rank, key in enumerate(TABLES.get(place.keys, ())):
        if key.name not in place.siblings and not key.instead:
            yield Completion(key.name, "key", f"{key.name}:{_opening(key)}", len(place.written), key.meaning, rank)


def _opening(key: Key) -> str:
    if key.shape in _BLOCK_SHAPES:
        return " |"
    return "" if key.shape in _NESTED_SHAPES else " "


def _values(place: Place, vocabulary: Vocabulary, known: Callable[[str], Iterable[str]]) -> Iterator[Completion]:
    last = _LAST_WORD.search(place.written)
    replaced = 0 if last is None else len(last[0].lstrip("\"'"))
    for word, about in _words_of(place, vocabulary, known):
        yield Completion(word, "value", word, replaced, about)


def _words_of(place: Place, vocabulary: Vocabulary, known: Callable[[str], Iterable[str]]) -> Iterator[tuple[str, str]]:
    key = key_of(place.keys)
    name = place.keys[-1] if place.keys else ""
    match place.shape:
        case Shape.CHOICE if key is not None:
            yield from ((word, "the default" if word == key.default else "") for word in key.choices)
        case Shape.FLAG:
            yield from (("true", ""), ("false", ""))
        case Shape.EXPECTATION:
            yield from ((word, about) for word, about in VERDICTS.items() if word != "unknown")
        case Shape.REDACTIONS if len(place.keys) > len(("rules", "redact")):
            yield from ((word, "") for word in REDACTIONS)
        case Shape.TEXTS if name == "evidence":
            yield from ((word, "") for word in sorted(vocabulary.values))
            yield from ((one.key, one.brief) for one in conventions().values())
        case Shape.TEXTS if name == "offenders":
            yield from ((word, "") for word in sorted(vocabulary.spans))
        case Shape.TEXTS:
            yield from ((word, "") for word in sorted(known(name)))
    if place.keys[:2] == ("rules", "tests") and place.keys[-2:-1] == ("expect",):
        yield from VERDICTS.items()


# ---- the rule language --------------------------------------------------------------------------------------------------------------


def _language(document: EditorText, line: int, cursor: Cursor, start: str) -> Iterator[Completion]:
    vocabulary = document.vocabulary(line)
    compared = list(_compared(cursor, vocabulary))
    if compared:
        yield from compared
        return
    whole = len(cursor.word)
    head, dot, tail = cursor.word.rpartition(".")
    if cursor.after_dot or dot:
        yield from (Completion(word, "method", f"{word}(", len(tail), about) for word, about in METHODS.items())
    if cursor.after_dot:
        yield from _attributes(vocabulary, len(tail))
        return
    if not dot:
        yield from _keywords(cursor, whole)
    if "INTRINSIC" in cursor.expected:
        yield from _intrinsics(cursor, whole, head)
    if "PATH" not in cursor.expected:
        return
    if cursor.in_predicate or cursor.in_keys:
        yield from _attributes(vocabulary, whole)
    else:
        yield from _spans(document, line, cursor, vocabulary)
    if start == "start" or not cursor.in_predicate:
        yield from (Completion(word, "keyword", word, whole, KEYWORDS[word], 5) for word in ("span", "root") if not dot)


def _keywords(cursor: Cursor, replaced: int) -> Iterator[Completion]:
    for terminal in sorted(cursor.expected & _WORDS.keys()):
        if terminal in (_OF_FORMULAS if cursor.in_predicate else _OF_PREDICATES):
            continue
        for word in _WORDS[terminal]:
            if terminal in _CALLED:
                yield Completion(word, "function", f"{word}(", replaced, CALLS[word], 3)
            else:
                about = KEYWORDS[word.split()[0]]
                yield Completion(word, "keyword", f"{word} {{" if word in {"always", "never", "when"} else word, replaced, about, 1)


def _intrinsics(cursor: Cursor, replaced: int, head: str) -> Iterator[Completion]:
    """Offer the intrinsics of the place; behind a dotted prefix, as in `payment.span:duration`, those of spans."""
    prefix = f"{head}." if head else ""
    known = list(SPAN_INTRINSICS)
    if not head:
        known += (
            list(TRACE_INTRINSICS) if not cursor.in_predicate else [n for n in ELEMENT_INTRINSICS if n.startswith(f"{cursor.element}:")]
        )
    yield from (Completion(f"{prefix}{name}", "intrinsic", f"{prefix}{name}", replaced, INTRINSICS[name], 4) for name in known)


def _attributes(vocabulary: Vocabulary, replaced: int) -> Iterator[Completion]:
    known = conventions()
    for key in sorted(vocabulary.values):
        yield Completion(key, "attribute", _named(key), replaced, known[key].brief if key in known else "", 0)
    yield from (Completion(one.key, "attribute", _named(one.key), replaced, one.brief, 8) for one in known.values())


def _spans(document: EditorText, line: int, cursor: Cursor, vocabulary: Vocabulary) -> Iterator[Completion]:
    whole = len(cursor.word)
    for let in [*document.rule_lets(line), *document.file_lets]:
        yield Completion(let.name, "let", let.name, whole, f"`{let.text}`", 0)
    for name, keys in sorted(vocabulary.spans.items()):
        yield Completion(name, "span", _named(name), whole, "a span of the tests", 2)
        if cursor.word.startswith(f"{name}."):
            yield from (Completion(f"{name}.{key}", "attribute", f"{name}.{_named(key)}", whole, "", 0) for key in sorted(keys))


def _compared(cursor: Cursor, vocabulary: Vocabulary) -> Iterator[Completion]:
    """Offer the values that an attribute has in the tests, or may have by the conventions; those of kind and status."""
    name, whole = cursor.compared, len(cursor.word)
    if name.endswith(("span:kind", "span:status")):
        words: Iterable[str] = KIND_NAMES if name.endswith("kind") else STATUS_NAMES
        yield from (Completion(word, "value", word, whole) for word in words)
        return
    # In a direct comparison the key is the end of the name.
    for key in [name, *(name[at.end() :] for at in re.finditer(r"\.", name))]:
        found = [*sorted(vocabulary.values.get(key, ())), *(conventions()[key].values if key in conventions() else ())]
        if found:
            yield from (Completion(word, "value", _value(word), whole) for word in found)
            return


def _named(name: str) -> str:
    """Return a name as the language writes it: quoted where it has other signs than a name, or begins with a word of the language."""
    first = name.split(".", 1)[0]
    return name if _PLAIN.fullmatch(name) and first not in KEYWORDS else f'"{name}"'


def _value(text: str) -> str:
    is_literal = text in {"true", "false"} or re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", text)
    return text if is_literal or ("." not in text and _named(text) == text) else f'"{text}"'


# ---- the test notation --------------------------------------------------------------------------------------------------------------


def _trace(place: Place, vocabulary: Vocabulary) -> Iterator[Completion]:
    words = place.written.split(" ")
    word = words[-1]
    if len([one for one in words if one]) <= (1 if word else 0):
        yield from (Completion(name, "span", _quoted(name), len(word), "a span of the tests") for name in sorted(vocabulary.spans))
        return
    key, sign, value = word.partition("=")
    if sign:
        values = {"kind": KIND_NAMES, "status": STATUS_NAMES}.get(key) or sorted(vocabulary.values.get(key, ()))
        yield from (Completion(one, "value", _quoted(one), len(value)) for one in values)
    elif len([one for one in words if one]) > (2 if word else 1):
        for name, about in NOTATION.items():
            ending = "" if name in {"error", "orphan"} else "(" if name in {"event", "link"} else "="
            yield Completion(name, "keyword", f"{name}{ending}", len(word), about, 1)
        yield from (Completion(one, "attribute", f"{one}=", len(word)) for one in sorted(vocabulary.values) if _PLAIN.fullmatch(one))


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text
