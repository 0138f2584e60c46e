"""The reference page of every word: the keys of a rule file, and the words of rules and of traces, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from compiler.editor_words import CALLS, KEYWORDS, METHODS, NOTATION, VERDICTS
from compiler.rule_file_keys import EXAMPLE_KEYS, EXAMPLE_SPAN_KEYS, EXCEPTION_KEYS, FILE_KEYS, RULE_KEYS, TEST_KEYS, Key, Shape
from docs.markdown import table

INTRODUCTION: Final = """# Words of rules and rule files

Every key of a rule file and every word of a rule in a sentence, as an [editor](../how-to/use-an-editor.md) shows them. What they mean
exactly is said by the [rule language](rule-language.md); the intrinsics stand in its
[section 4](rule-language.md#4-attributes-intrinsics-values)."""

KEYS: Final[tuple[tuple[str, tuple[Key, ...]], ...]] = (
    ("Keys of a rule file", FILE_KEYS),
    ("Keys of a rule", RULE_KEYS),
    ("Keys of an exception", EXCEPTION_KEYS),
    ("Keys of a test", TEST_KEYS),
    ("Keys of `example_violation`", EXAMPLE_KEYS),
    ("Keys of a span of `example_violation`", EXAMPLE_SPAN_KEYS),
)
WORDS: Final[tuple[tuple[str, Mapping[str, str]], ...]] = (
    ("Words of a rule", KEYWORDS),
    ("Behind the dot of a selector, before a bracket", METHODS),
    ("Before a bracket", CALLS),
    ("Verdicts", VERDICTS),
    ("Words of a trace", NOTATION),
)

SPOKEN: Final[Mapping[Shape, str]] = {
    Shape.ID: "an id",
    Shape.TEXT: "text",
    Shape.FLAG: "`true` or `false`",
    Shape.CHOICE: "a word",
    Shape.TEXTS: "a list of texts",
    Shape.DATE: "a date, `YYYY-MM-DD`",
    Shape.RULE: "the text of a rule",
    Shape.FORMULA: "a formula",
    Shape.TRACE: "a trace",
    Shape.EXPECTATION: "a verdict, or one by moment",
    Shape.LETS: "names with selectors and lists",
    Shape.REDACTIONS: "attributes with words",
    Shape.ATTRIBUTES: "attributes with values",
    Shape.RULES: "a list of rules",
    Shape.EXCEPTIONS: "a list of exceptions",
    Shape.TESTS: "a list of tests",
    Shape.EXAMPLE: "an example",
    Shape.EXAMPLE_SPANS: "a list of spans",
}


def words_page() -> str:
    """Return the page: the keys by what they are of, then the words by where they stand."""
    return "\n\n".join([INTRODUCTION, *_keys(), *_words()])


def _keys() -> Iterator[str]:
    for title, keys in KEYS:
        yield f"## {title}"
        yield table(("key", "value", "default", "meaning"), [(f"`{key.name}`", _value(key), _default(key), key.meaning) for key in keys])


def _value(key: Key) -> str:
    return ", ".join(f"`{word}`" for word in key.choices) or SPOKEN[key.shape]


def _default(key: Key) -> str:
    if key.is_required:
        return "required"
    if key.default is None:
        return ""
    return f"`{str(key.default).lower() if isinstance(key.default, bool) else key.default}`"


def _words() -> Iterator[str]:
    for title, words in WORDS:
        yield f"## {title}"
        yield table(("word", "meaning"), [(f"`{word}`", meaning) for word, meaning in words.items()])
