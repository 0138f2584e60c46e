"""Rules cut out of their files: each is the same rule, in the author's words, with the lets it uses and its own comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.shop_rules import SHOP_RULES
from compiler import Region, Severity, SourceFile, compile_sources, rule_texts, rules_at

FILE = """# Rules of the shop.
let:
  # What is charged.
  big: charge.where(amount > 1000)
  checked: check

  unused: bypass   # by nobody
  EU: [eu-1, eu-2]
  whole: big.where(region in EU)

rules:
  # The first one.
  - id: first     # mine
    rule: |
      when { whole }
      # still of the first rule's text
      always { checked }
    # Of the first one, too.

  # Before the second:

  # two comments.
  - id: second
    description: >-
      Says nothing - and
      - no item.
    rule: never { bypass }
    tests:
      - name: one
        trace: |
          bypass 0ms..1ms
        expect: violated
"""
FIRST = """let:
  # What is charged.
  big: charge.where(amount > 1000)
  checked: check
  EU: [eu-1, eu-2]
  whole: big.where(region in EU)
rules:
  # The first one.
  - id: first     # mine
    rule: |
      when { whole }
      # still of the first rule's text
      always { checked }
    # Of the first one, too.
"""
LAYOUTS = {
    "dashes at the margin": "rules:\n- id: a\n  rule: always { x }\n- id: b\n  rule: |\n    never { y }\n",
    "a dash on a line of its own": "rules:\n  -\n    # - not a dash\n    id: a\n    rule: always { x }\n"
    "  - # - nor this\n    id: b\n    rule: never { y }",
    "braces behind dashes": "rules:\n  - {id: a, rule: always { x }}\n".replace("always { x }", '"always { x }"')
    + '  - {id: b,\n     rule: "never { y }"}\n# end\n',
    "brackets": 'let: {n: x, m: "n.where(a > 1)"}\nrules: [{id: a, rule: "always { m }"}, {id: b,\n rule: "never { n }"}]\n',
    "braces around all": '{let: {n: x}, rules: [{id: a, rule: "always { n }"}, {id: b, rule: "never { y }"}]}',
    "the lets behind the rules": "rules:\n  - id: a\n    rule: always { n }\n  - id: b\n    rule: never { y }\nlet:\n  n: x\n  m: y\n",
    "carriage returns": "let:\r\n  n: x\r\nrules:\r\n  - id: a\r\n    rule: |\r\n      always { n }\r\n"
    "  # c\r\n  - id: b\r\n    rule: never { y }\r\n",
    "a byte order mark": "\ufeffrules:\n  - id: a\n    rule: always { x }\n  - id: b\n    rule: never { y }\n",
    "one rule and no line break": "rules:\n  - id: a\n    rule: always { x }",
    "a document's end": "---\nrules:\n  - id: a\n    rule: always { x }\n...\n",
}


def file(text: str) -> SourceFile:
    return SourceFile("a.yaml", text.encode())


def assert_cut_well(source: SourceFile) -> None:
    whole = compile_sources([source]).rule_set
    assert whole is not None
    texts = rule_texts(source)
    assert list(texts) == [rule.id for rule in whole.rules]
    for rule in whole.rules:
        alone = compile_sources([file(texts[rule.id])])
        assert alone.rule_set is not None, (texts[rule.id], alone.errors)
        (found,) = alone.rule_set.rules
        assert (found.id, found.version, found.text) == (rule.id, rule.version, rule.text)
        assert [test.name for test in found.tests] == [test.name for test in rule.tests]
    assert rules_at(source, [rule.region for rule in whole.rules]) == list(texts)


def test_a_rule_is_cut_out_with_the_lets_it_uses_and_the_comments_that_are_its_own() -> None:
    texts = rule_texts(file(FILE))
    assert texts["first"] == FIRST
    assert texts["second"].startswith("rules:\n  # Before the second:\n\n  # two comments.\n  - id: second\n    description: >-\n")
    assert texts["second"].endswith("        expect: violated\n")
    assert_cut_well(file(FILE))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_rule_files_that_mean_the_same(layout: str) -> None:
    assert_cut_well(file(LAYOUTS[layout]))


def test_a_let_that_is_not_used_is_left_out() -> None:
    found = compile_sources([file(rule_texts(file(FILE))["first"])]).diagnostics
    assert {str(one.code) for one in found if one.severity is Severity.WARNING} == {"no-tests"}


@pytest.mark.parametrize("path", sorted(SHOP_RULES.glob("*.yaml")), ids=lambda path: Path(path).name)
def test_rules_as_people_write_them_can_be_cut(path: Path) -> None:
    assert_cut_well(SourceFile(str(path), path.read_bytes()))


@pytest.mark.parametrize(
    "text", ["", "rules", "rules: 5", "rules: [5, [6]]", "rules:\n  - 5\n  - id: [a]\n", "{", "\x00", "let: 5\nrules: []"]
)
def test_what_is_no_rule_file_gives_nothing_and_no_error(text: str) -> None:
    assert not any(rule_texts(file(text)).keys() - {""})
    assert rules_at(file(text), [Region("a.yaml", 1, 1)]) == [""]


def test_a_place_belongs_to_the_rule_that_it_stands_in() -> None:
    lines = FILE.splitlines()
    at = [1, 1 + lines.index("      # still of the first rule's text"), len(lines)]
    assert rules_at(file(FILE), [Region("a.yaml", line, 9) for line in at]) == ["", "first", "second"]
