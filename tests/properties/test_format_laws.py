"""Laws of the canonical form: what a rule file means stays, no comment is lost, and what is canonical stays as it is."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from compiler import SourceFile, compile_sources
from compiler import syntax as s
from compiler.dump import dump
from compiler.format import _format
from compiler.format_comments import comments_in
from compiler.format_rule import format_rule
from compiler.parser import parse_rule
from tests.architecture.tree import ROOT
from tests.conformance.case import CheckCase, ParseCase, load_cases
from tests.differential.made_rule_sets import rule_files as made_sets
from tests.properties.format_laws import meaning, rules_in
from tests.properties.made_layouts import files_in_another_layout, with_yaml_comments
from tests.properties.made_rules import rule_files

LAYOUTS = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None, max_examples=60)
FILES = [
    *sorted((ROOT / "library" / "rules").glob("*.yaml")),
    *sorted((ROOT / "cli" / "shop_rules").glob("*.yaml")),
    *sorted((ROOT / "tests" / "e2e").glob("*rules/*.yaml")),
]
_COMMENT = re.compile(r"# c[0-9]+\.")


def _hold(content: str) -> str:
    """Check every law on a file that compiles, and return its canonical form."""
    formatted = _format(SourceFile("a.yaml", content.encode()))
    assert meaning(rules_in(formatted)) == meaning(rules_in(content.encode()))
    assert _format(SourceFile("a.yaml", formatted)) == formatted
    return formatted.decode()


def _shown(comments: list[str]) -> Counter[str]:
    return Counter(" ".join(comment.split()) for comment in comments)


@LAYOUTS
@given(st.data())
def test_rules_mean_the_same_in_their_canonical_form_and_keep_their_comments(data: st.DataObject) -> None:
    content = data.draw(st.one_of(made_sets(), rule_files.map(bytes.decode)))
    assume(compile_sources([SourceFile("a.yaml", content.encode())]).rule_set is not None)
    written = data.draw(files_in_another_layout(content))
    assert meaning(rules_in(written.encode())) == meaning(rules_in(content.encode()))
    formatted = _hold(written)
    texts = [rule[word] for rule in json.loads(written)["rules"] for word in ("rule", "condition", "expression") if word in rule]
    assert _shown([comment for text in texts for comment in comments_in(text)]) == _shown(
        [comment for rule in rules_in(formatted.encode()) for comment in comments_in(rule.text.rule)]
    )


@LAYOUTS
@given(st.data(), st.sampled_from(FILES))
def test_the_comments_of_a_file_stay_and_so_does_what_it_means(data: st.DataObject, path: object) -> None:
    content, comments = data.draw(with_yaml_comments(ROOT.joinpath(str(path)).read_text(encoding="utf-8")))
    assert sorted(_COMMENT.findall(_hold(content))) == sorted(comments)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_rule_files_of_the_tree_are_in_their_canonical_form(path: object) -> None:
    content = ROOT.joinpath(str(path)).read_text(encoding="utf-8")
    assert _hold(content) == content, f"betrace rules format {path}"


def _conforming() -> list[str]:
    found: list[str] = []
    for case in load_cases():
        if isinstance(case, ParseCase):
            continue
        if isinstance(case, CheckCase):
            found += [*([case.file] if case.file else []), *(case.files or {}).values()]
            found += [json.dumps({"rules": [{"id": "rule", "rule": case.rule}]})] if case.rule else []
        else:
            found.append(json.dumps({**({"let": case.let} if case.let else {}), "rules": case.entries()}))
    return [content for content in found if compile_sources([SourceFile("a.yaml", content.encode())]).rule_set is not None]


@pytest.mark.slow
def test_every_rule_file_of_the_conformance_suite_keeps_its_meaning() -> None:
    files = _conforming()
    assert len(files) > 700
    for content in files:
        _hold(content)


@pytest.mark.parametrize("width", [100, 40, 1])
def test_every_text_of_the_conformance_suite_keeps_its_tree_at_any_width(width: int) -> None:
    texts = [case.rule for case in load_cases() if isinstance(case, ParseCase) and case.tree]
    trees = [(text, tree) for text in texts if isinstance(tree := parse_rule(text).tree, s.Rule) and tree.clauses]
    assert len(trees) > 100
    for text, tree in trees:
        formatted = "\n".join(format_rule(text, width))
        again = parse_rule(formatted).tree
        assert again is not None
        assert dump(again) == dump(tree)
        assert "\n".join(format_rule(formatted, width)) == formatted
