"""The limits of section 2, and that no text whatever makes the compiler raise. Texts too big for a case file are made here."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler import Code, Compilation, SourceFile, compile_sources

RULE_BYTES_MAX = 64 * 1024
LIST_ITEMS_MAX = 10_000
REFUSED_WITHIN_S = 5


def compiled(rule: str) -> Compilation:
    """Compile one rule, its text in a block of its own."""
    lines = "".join(f"      {line}\n" for line in rule.split("\n"))
    return compile_sources([SourceFile("rules.yaml", f"rules:\n  - id: one\n    rule: |-\n{lines}".encode())])


def codes(compilation: Compilation) -> list[Code]:
    return [found.code for found in compilation.diagnostics if found.code is not Code.NO_TESTS]


def in_parentheses(depth: int) -> str:
    return f"always {{ {'(' * depth}checkout{')' * depth} }}"


def not_repeated(depth: int) -> str:
    return f"always {{ {'not ' * depth}checkout }}"


def minus_repeated(depth: int) -> str:
    return f"always {{ a.where({'- ' * (depth - 1)}x > 1) }}"


def implied(depth: int) -> str:
    return f"always {{ {' implies '.join(f's{number}' for number in range(depth + 1))} }}"


def functions_nested(depth: int) -> str:
    return f"always {{ a.where({'abs(' * (depth - 1)}x{')' * (depth - 1)} > 1) }}"


NESTINGS = [in_parentheses, not_repeated, minus_repeated, implied, functions_nested]


@pytest.mark.parametrize("nested", NESTINGS)
def test_a_rule_may_be_nested_sixty_four_deep(nested: object) -> None:
    assert callable(nested)
    assert codes(compiled(nested(64))) == []


@pytest.mark.parametrize("nested", NESTINGS)
def test_a_rule_nested_sixty_five_deep_is_too_deep(nested: object) -> None:
    assert callable(nested)
    assert codes(compiled(nested(65))) == [Code.TOO_DEEP]


@pytest.mark.parametrize("nested", NESTINGS)
def test_a_rule_nested_a_few_thousand_deep_is_refused_at_once(nested: object) -> None:
    assert callable(nested)
    began = time.monotonic()
    assert codes(compiled(nested(4_000))) == [Code.TOO_DEEP]
    assert time.monotonic() - began < REFUSED_WITHIN_S


def test_connectives_side_by_side_are_no_nesting() -> None:
    assert codes(compiled(f"always {{ {' and '.join(f's{number}' for number in range(1000))} }}")) == []


def test_closed_parentheses_do_not_add_up() -> None:
    assert codes(compiled(f"always {{ {' or '.join(f'(s{number})' for number in range(100))} }}")) == []


def test_parentheses_in_strings_and_comments_are_no_nesting() -> None:
    assert codes(compiled(f'always {{ a.where(x == "{"(" * 100}") }} // {"(" * 100}')) == []


def test_a_list_may_have_ten_thousand_items() -> None:
    items = ",".join(str(number) for number in range(LIST_ITEMS_MAX))
    assert codes(compiled(f"never {{ a.where(x in [{items}]) }}")) == []


def test_a_list_of_more_than_ten_thousand_items_is_too_large() -> None:
    items = ",".join(str(number) for number in range(LIST_ITEMS_MAX + 1))
    assert codes(compiled(f"never {{ a.where(x in [{items}]) }}")) == [Code.TOO_LARGE]


def test_a_list_of_let_has_the_same_limit() -> None:
    items = ",".join(str(number) for number in range(LIST_ITEMS_MAX + 1))
    assert codes(compiled(f"let n = [{items}]\nnever {{ a.where(x in n) }}")) == [Code.TOO_LARGE]


def test_a_list_of_the_file_has_the_same_limit() -> None:
    items = ",".join(str(number) for number in range(LIST_ITEMS_MAX + 1))
    text = f"let:\n  n: [{items}]\nrules:\n  - id: one\n    rule: 'never {{ a.where(x in n) }}'\n"
    assert Code.TOO_LARGE in codes(compile_sources([SourceFile("rules.yaml", text.encode())]))


def test_a_rule_may_have_sixty_four_kibibytes() -> None:
    rule = "never { a } //"
    assert codes(compiled(rule + "x" * (RULE_BYTES_MAX - len(rule)))) == []


def test_a_rule_of_one_byte_more_is_too_large() -> None:
    rule = "never { a } //"
    assert codes(compiled(rule + "x" * (RULE_BYTES_MAX - len(rule) + 1))) == [Code.TOO_LARGE]


def test_the_size_of_a_rule_is_counted_in_bytes() -> None:
    rule = "never { a } //"
    assert codes(compiled(rule + "é" * (RULE_BYTES_MAX // 2))) == [Code.TOO_LARGE]


def test_a_rule_of_a_megabyte_is_refused_at_once() -> None:
    began = time.monotonic()
    assert codes(compiled("never { " + "a and " * 180_000 + "a }")) == [Code.TOO_LARGE]
    assert time.monotonic() - began < REFUSED_WITHIN_S


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        (b"rules:\n  - id: one\n    rule: never { \xff }\n", 3, 19),
        (b"rules:\n  - id: one\n    rule: never { \x00 }\n", 3, 19),
        (b"rules:\n  - id: one\n    rule: never { \x07 }\n", 3, 19),
        ("rules:\n  - id: é\n    rule: ".encode() + b"never { \xc3\x28 }\n", 3, 19),
        (b"rules:\n  - id: one\n    rule: never { \xed\xa0\x80 }\n", 3, 19),
    ],
)
def test_bytes_that_are_no_text_are_shown_in_their_place(content: bytes, line: int, column: int) -> None:
    found = compile_sources([SourceFile("rules.yaml", content)]).errors[0]
    assert (found.code, found.region.line, found.region.column) == (Code.SYNTAX, line, column)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"null",
        b"[" * 10_000,
        b"{a: " * 10_000,
        b"- " * 10_000,
        b"a: &a [x]\n" + b"\n".join(b"b%d: &b%d [*a, *a]" % (number, number) for number in range(40)),
        b"rules: " + b"9" * 100_000,
        b"\xff\xfe" + "rules: []".encode("utf-16-le"),
        b"%YAML 3.7\n---\nrules: []\n",
        b"rules: !!python/object/apply:os.system [ls]",
        b"? [a, b]\n: c\n",
        b"rules:\n\t- id: one\n",
    ],
)
def test_a_hostile_file_is_refused_at_once_with_a_diagnostic(content: bytes) -> None:
    began = time.monotonic()
    compilation = compile_sources([SourceFile("rules.yaml", content)])
    assert compilation.rule_set is None
    assert compilation.errors
    assert time.monotonic() - began < REFUSED_WITHIN_S


def test_a_pattern_that_would_explode_elsewhere_compiles() -> None:
    assert codes(compiled("never { a.where(x matches `^(a+)+$`) }")) == []


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_compiler_raise(content: bytes) -> None:
    compilation = compile_sources([SourceFile("rules.yaml", content)])
    assert (compilation.rule_set is None) == bool(compilation.errors)


WORD_LIST = (
    "always never when for each let as { } ( ) [ ] , . = == != < <= > >= + - * / not and or implies some every in matches contains"
    " startswith exists missing before after during under child of sibling within on by count( sum( max( event( link( lower( length("
    ' abs( span root a a.b p p.x span:duration trace:duration span:nope 5 2.5 5s -1 true false "x" `y` .where( .all( .none( # //'
)
WORDS = st.sampled_from(WORD_LIST.split())


@settings(deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_no_sequence_of_words_makes_the_compiler_raise(text: str) -> None:
    compilation = compiled(text)
    assert (compilation.rule_set is None) == bool(compilation.errors)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_no_condition_of_words_makes_the_compiler_raise(text: str) -> None:
    compilation = compiled(f"let l = [x, y]\nfor each a as p\nalways {{ {text} }}")
    assert (compilation.rule_set is None) == bool(compilation.errors)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_inside_a_rule_makes_the_compiler_raise(text: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    compilation = compile_sources([SourceFile("rules.yaml", b"rules:\n  - id: one\n    rule: |\n      never { " + encoded + b" }\n")])
    assert (compilation.rule_set is None) == bool(compilation.errors)


def test_names_that_build_on_each_other_do_not_nest() -> None:
    lets = ["let l0 = a", *(f"let l{number} = l{number - 1}.where(k == {number})" for number in range(1, 1_500))]
    assert codes(compiled("\n".join([*lets, "always { l1499 }"]))) == []


@pytest.mark.parametrize(("count", "found"), [(1_000, []), (1_001, [Code.TOO_LARGE])])
def test_a_name_stands_for_at_most_4000_conditions_with_those_of_the_names_it_builds_on(count: int, found: list[Code]) -> None:
    below, above = (".where(k)" * number for number in (3_000, count))
    assert codes(compiled(f"let x = a{below}\nlet y = x{above}\nalways {{ y }}")) == found
