"""The pages of the rule language follow from its grammar, its tables and its cases: a change of one of these is seen in a page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from lark import Lark

from compiler import editor_words
from docs import language_examples, language_page, reference_pages, rule_grammar
from docs.reference_pages import REFERENCE
from docs.rule_grammar import GRAMMAR, grammar_block, grammar_lines
from tests.conformance.case import FOLDER, load_cases
from tests.conformance.sentences import sentences

PAGE = (REFERENCE / "rule-language.md").read_text("utf-8")
TEXT = GRAMMAR.read_text("utf-8")
SPELLINGS = {
    "a word more": ('"contains" | "startswith"', '"contains" | "has" | "startswith"'),
    "a reserved word more": ("(?!(?:let|when|", "(?!(?:let|const|when|"),
    "an alternative less": ("     | sum PRESENCE                                 -> presence\n", ""),
    "something that may be left out": ('list: "[" (literal', 'list: "["? (literal'),
    "something that may come once only": ("let* head? clause*", "let? head? clause*"),
    "another order": ("relation: RELATION selector on? within?", "relation: RELATION selector within? on?"),
    "another regular expression": ("DIGITS: /[0-9]+/", "DIGITS: /[0-9_]+/"),
    "another end of a word": ("/(?![A-Za-z0-9_.])/", "/(?![A-Za-z0-9_])/"),
    "a production more": ("CMP: ", 'ASK: "?"\nCMP: '),
    "a name": ("WORD_END", "STOP"),
    "a remark": ("// items of one kind", "// of any items"),
    "what may stand between words": ("%ignore COMMENT\n", ""),
}


@pytest.mark.parametrize("change", SPELLINGS)
def test_whatever_changes_the_spelling_changes_the_grammar_of_the_page(change: str) -> None:
    before, after = SPELLINGS[change]
    assert before in TEXT
    assert grammar_block(TEXT.replace(before, after)) != grammar_block(TEXT)


def test_a_comment_on_a_line_of_its_own_and_a_name_of_the_tree_are_not_for_the_page() -> None:
    changed = TEXT.replace("\n// What the lexer reads.", "\n// A comment.\n// What the lexer reads.").replace("-> implies", "-> if_then")
    assert changed != TEXT
    assert grammar_block(changed) == grammar_block(TEXT)


def test_the_page_has_every_rule_and_every_terminal_of_the_parser() -> None:
    lark = Lark(TEXT, parser="lalr", start=["start", "selector", "expr"])
    named = {rule.origin.name for rule in lark.rules} | {terminal.name for terminal in lark.terminals}
    printed = set(re.findall(r"^(\w+) +=", grammar_block(), re.MULTILINE))
    # A name with underscores in front is lark's own for a repetition, and a word that stands in a rule has its name in capitals.
    anonymous = {name for name in named if name.startswith("__") or f'"{name.lower()}"' in TEXT}
    signs = {"LPAR", "RPAR", "LBRACE", "RBRACE", "LSQB", "RSQB", "COMMA", "EQUAL"}
    assert {name for name in named if name not in printed} <= anonymous | signs


@pytest.mark.parametrize(
    ("production", "lines"),
    [
        ('a: b | b ("or" b)+', ['a = b { "or" b }']),
        ("a: b | c (B b)+", ["a = b | c ( B b ) { B b }"]),
        ("a: b | b c+", ["a = b { c }"]),
        ("a: b | b c d+", ["a = b | b c d { d }"]),
        ("a: b+", ["a = b { b }"]),
        ('?a: b ("x" | c)? -> d', ['a = b [ "x" | c ]']),
        ("a: b // one\n | c  // two", [f"{'a = b':<72}  (* one *)", f"{'  | c':<72}  (* two *)"]),
        ("a: b\n | c  // two\n | d\n | e", ["a = b", f"{'  | c':<72}  (* two *)", "  | d | e"]),
        (r"A.2: /(?!(?:or|and)\s)/ /x/", [r'A = ! ( ( "or" | "and" ) /\s/ ) /x/']),
    ],
)
def test_a_production_is_printed_in_the_usual_signs(production: str, lines: list[str]) -> None:
    assert list(grammar_lines(f"{production}\n%ignore W\n"))[: len(lines)] == lines


def test_another_grammar_is_not_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "rules.lark"
    changed.write_text(TEXT.replace('"before" | ', '"before" | "meets" | '))
    monkeypatch.setattr(rule_grammar, "GRAMMAR", changed)
    assert reference_pages.run(is_check=True) == 1
    assert capsys.readouterr().out == "rule-language.md is not what the code says: run `make reference`\n"


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (language_page, "NESTING_MAX", 65),
        (language_page, "INTRINSICS", {**editor_words.INTRINSICS, "span:kind": "Its kind."}),
        (language_page, "PLACES", language_page.PLACES[1:]),
    ],
    ids=["a limit", "a sentence", "an intrinsic"],
)
def test_what_a_table_says_stands_in_the_page(monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object) -> None:
    assert language_page.language_page(PAGE) == PAGE
    monkeypatch.setattr(module, name, value)
    assert language_page.language_page(PAGE) != PAGE


def test_prose_by_hand_stays_as_it_is() -> None:
    page = PAGE.replace("Kleene logic.", "Logic of Kleene.")
    assert page != PAGE
    assert language_page.language_page(page) == page


@pytest.mark.parametrize("mark", ["limits: begin", "grammar: end", "intrinsics"])
def test_a_part_without_its_marks_is_an_error(mark: str) -> None:
    with pytest.raises(ValueError, match="the code knows"):
        language_page.language_page(PAGE.replace(f"<!-- {mark}", "<!-- other"))


CASES = {
    "a verdict": ("judge/selectors.yaml", "expect: satisfied", "expect: inconclusive"),
    "a rule": ("judge/selectors.yaml", "rule: never { payment.charge }", "rule: never { payment.refund }"),
    "a name": ("judge/selectors.yaml", "a dotted base names", "a base names"),
    "a tree": ("parse/connectives.yaml", "(rule (always (implies (or ", "(rule (always (implies (and "),
    "a diagnostic": ("check/sorts.yaml", "column: 23", "column: 22"),
    "a moment": ("stream/late-spans.yaml", "19s: violated", "18s: violated"),
}


@pytest.mark.parametrize("change", CASES)
def test_another_case_is_another_example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str) -> None:
    file, before, after = CASES[change]
    for corpus in ("parse", "check", "judge", "stream"):
        shutil.copytree(FOLDER / corpus, tmp_path / corpus)
    content = (tmp_path / file).read_text("utf-8")
    assert before in content
    (tmp_path / file).write_text(content.replace(before, after), "utf-8")
    cases = load_cases(tmp_path)
    monkeypatch.setattr(language_examples, "load_cases", lambda: cases)
    assert language_examples.examples_page() not in (REFERENCE / "rule-language-by-example.md").read_text("utf-8")


def test_every_sentence_that_a_case_proves_has_an_example() -> None:
    page = (REFERENCE / "rule-language-by-example.md").read_text("utf-8")
    cases = load_cases()
    shown = [case for case in cases if f"\n### {case.name}\n" in page or f"\n| {case.name} | " in page]
    proved, exemplified = ({label for case in some for label in case.proves} for some in (cases, shown))
    # The page begins with section 1, and shows no line ends of another system.
    said = {sentence.label for sentence in sentences() if sentence.section} - {"language.md 2, production WS"}
    assert said & proved == said & exemplified


def test_every_section_of_the_language_has_examples_and_leads_to_them() -> None:
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    examples = (REFERENCE / "rule-language-by-example.md").read_text("utf-8")
    assert titles == re.findall(r"^## (.+)$", examples, re.MULTILINE)
    assert all(f"## {title}\n\n[Examples](rule-language-by-example.md#{language_examples.anchor(title)})\n" in PAGE for title in titles)
