"""Rules put into files that are there: the new ones mean what they did, and every line that stood there still stands."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.rule_library import library_rules
from compiler import SourceFile, SpliceError, compile_sources, format_rule_file, joined_rules, rule_texts, with_rules
from tests.compiler.test_rule_slices import FILE, LAYOUTS

NEW = """let:
  # What is late.
  late: ship.where(days > 3)
  EU: [eu-1, eu-2]
rules:
  # The new one.
  - id: new
    description: >
      Two lines
      of text.
    rule: |
      when  { late }
      never { ship.where(region in EU) }
    tests:
      - name: one
        trace: |
          a       0ms..1ms
            ship  0ms..1ms  days=4 region=eu-1
        expect: violated

  - id: other
    rule: never { bypass }
"""
BLOCKS = [name for name in LAYOUTS if not name.startswith("braces around") and name != "brackets"]


def file(text: str) -> SourceFile:
    return SourceFile("a.yaml", text.encode())


def put(before: str, added: str = NEW, *, is_replacing: bool = False) -> str:
    return with_rules(file(before), file(added), is_replacing=is_replacing).decode()


def versions(text: str) -> dict[str, str]:
    compilation = compile_sources([file(text)])
    assert compilation.rule_set is not None, compilation.errors
    return {rule.id: rule.version for rule in compilation.rule_set.rules}


def assert_only_added(before: str, after: str) -> None:
    """All lines of a file are there still, in their order, and its rules are, by their texts."""
    lines = iter(after.removeprefix("\ufeff").splitlines())
    assert all(line in lines for line in before.removeprefix("\ufeff").splitlines())
    texts = rule_texts(file(after))
    assert {rule_id: texts[rule_id] for rule_id in rule_texts(file(before))} == rule_texts(file(before))


def test_rules_stand_behind_those_that_are_there_and_names_behind_names() -> None:
    after = put(FILE)
    lets, _, rules = after.partition("\nrules:\n")
    assert lets.endswith("  whole: big.where(region in EU)\n  # What is late.\n  late: ship.where(days > 3)\n")
    assert lets.count("EU: [") == 1
    body = NEW.partition("\nrules:\n")[2]
    assert rules.endswith(f"        expect: violated\n\n{body}")
    assert_only_added(FILE, after)
    assert versions(after) == versions(FILE) | versions(NEW)


@pytest.mark.parametrize("is_ended", [True, False])
@pytest.mark.parametrize("layout", BLOCKS)
def test_every_layout_in_lines_takes_rules_and_keeps_its_own(layout: str, is_ended: bool) -> None:
    before = LAYOUTS[layout] if is_ended else LAYOUTS[layout].rstrip("\r\n")
    after = put(before)
    assert_only_added(before, after)
    assert versions(after) == versions(before) | versions(NEW)
    assert after.count("\ufeff") == before.count("\ufeff")
    assert after.count("\r\n") == (after.count("\n") if "\r" in before else 0)


@pytest.mark.parametrize("layout", BLOCKS)
def test_a_rule_is_replaced_in_its_place_and_nothing_else_is(layout: str) -> None:
    before = LAYOUTS[layout]
    after = put(before, "rules:\n  # Not mine.\n  - id: a\n    rule: always { changed }\n    # Of it.\n", is_replacing=True)
    old, new = rule_texts(file(before)), rule_texts(file(after))
    assert list(new) == list(old)
    assert new.pop("a").count("always { changed }") == 1
    assert new == {rule_id: text for rule_id, text in old.items() if rule_id != "a"}
    assert after.count("always {") == before.count("always {")


def test_the_comments_above_a_replaced_rule_and_those_behind_it_stay() -> None:
    new = "rules:\n  # Theirs.\n  - id: first\n    rule: never { late }\n"
    after = put(FILE, new, is_replacing=True)
    begin, end = FILE.index("  - id: first"), FILE.index("\n  # Before the second:")
    assert after == f"{FILE[:begin]}  - id: first\n    rule: never {{ late }}\n{FILE[end:]}"


@pytest.mark.parametrize("before", ["", "# Mine.", "# Mine.\n"])
def test_a_file_that_says_nothing_takes_all(before: str) -> None:
    assert put(before) == (f"{before.rstrip()}\n" if before else "") + NEW


@pytest.mark.parametrize("before", ["rules: []\n", "rules: [] # mine", "let: {}\nrules: [\n]\n# end\n"])
def test_empty_brackets_become_lines(before: str) -> None:
    after = put(before)
    assert versions(after) == versions(NEW)
    assert after.count("#") == before.count("#") + NEW.count("#")


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("rules: {", "the file has errors"),
        ("let:\nrules: []", "the file has errors"),
        ("rules:\n  - id: a\n    rule: never { }\n", "the file has errors"),
        ("rules:\n  - id: new\n    rule: never { mine }\n", "`new` is there already"),
        ("---\n...\n", "the file has errors"),
        (LAYOUTS["brackets"], "what it says stands in brackets; `betrace rules format`"),
        (LAYOUTS["braces around all"], "what it says stands in brackets; `betrace rules format`"),
        ("let:\n  EU: [eu-3]\nrules:\n  - id: a\n    rule: never { x.where(y in EU) }\n", "`EU` of `let` would mean something else"),
        # There `late` is the name of a span until it is one of `let`.
        ("rules:\n  - id: a\n    rule: never { late }\n", "`late` and `EU` of `let` would mean something else"),
    ],
)
def test_what_cannot_be_done_soundly_is_refused(before: str, sentence: str) -> None:
    with pytest.raises(SpliceError, match="^" + sentence.replace("(", r"\(")):
        put(before)


def test_brackets_that_are_formatted_take_rules() -> None:
    formatted = format_rule_file(file(LAYOUTS["braces around all"])).content
    assert formatted is not None
    assert versions(put(formatted.decode())) == versions(LAYOUTS["braces around all"]) | versions(NEW)


def test_one_meaning_in_another_layout_is_no_clash() -> None:
    before = "let:\n  EU:\n    - eu-1 # Ireland\n    - eu-2\nrules:\n  - id: a\n    rule: never { x.where(y in EU) }\n"
    assert versions(put(before)) == versions(before) | versions(NEW)


IDS = [one.rule.id for one in library_rules()]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True), st.data())
def test_rules_of_the_library_are_added_to_files_of_any_of_them(ids: list[str], data: st.DataObject) -> None:
    own = set(data.draw(st.lists(st.sampled_from(ids), max_size=3)))
    found = [one for one in library_rules() if one.rule.id in ids]
    sources = {one.domain: one.source for one in found}
    try:
        before, added = (joined_rules(sources.values(), part) for part in (own, set(ids) - own))
        after = put(before, added) if added else before
    except ValueError as error:
        assert "of `let`" in str(error)  # noqa: PT017  # two domains may use one name
        return
    assert_only_added(before, after)
    assert versions(after) == {one.rule.id: one.rule.version for one in found}
