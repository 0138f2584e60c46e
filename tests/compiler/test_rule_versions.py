"""Versions by counter, and what a fingerprint tells apart."""

from __future__ import annotations

import re

import pytest

from compiler import RuleSet, with_versions
from compiler.dump import dump
from compiler.lower_rule import lower_rule
from tests.compiler.test_ir_text import nowhere
from tests.conformance.case import JudgeCase, StreamCase, load_cases
from tests.meaning import without_texts
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, rules

JUDGED = [case for case in load_cases() if isinstance(case, JudgeCase | StreamCase)]
_OPERAND = re.compile(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_][A-Za-z0-9_.:]*|[0-9.]+(?:ns|us|ms|s|m|h)?')
OTHER_BYPASS = NO_BYPASS.replace("bypass }", "detour }")


def versions(rule_set: RuleSet) -> list[str]:
    return [rule.version for rule in rule_set.rules]


def test_a_counter_replaces_the_hash_of_a_rule_and_only_of_that() -> None:
    plain = rules(NEEDS_CHECK, NO_BYPASS)
    counted = with_versions(plain, {"no-bypass": 3, "gone": 7})
    assert versions(counted) == [plain.rules[0].version, "3"]
    assert counted.fingerprint != plain.fingerprint


def test_without_counters_nothing_changes() -> None:
    plain = rules(NEEDS_CHECK, NO_BYPASS)
    assert with_versions(plain, {"gone": 7}) == plain


def test_one_counter_of_two_texts_gives_two_fingerprints() -> None:
    counters = {"needs-check": 1, "no-bypass": 1}
    texts = (NO_BYPASS, OTHER_BYPASS)
    assert len({with_versions(rules(NEEDS_CHECK, text), counters).fingerprint for text in texts}) == 2


def test_two_counters_of_one_text_give_two_fingerprints() -> None:
    plain = rules(NO_BYPASS)
    assert len({with_versions(plain, {"no-bypass": count}).fingerprint for count in (1, 2)}) == 2


def test_a_disabled_rule_has_its_counter_and_no_part_in_the_fingerprint() -> None:
    disabled = rules(NEEDS_CHECK, NO_BYPASS.replace("    rule:", "    enabled: false\n    rule:"))
    counted = with_versions(disabled, {"no-bypass": 2})
    assert versions(counted) == [disabled.rules[0].version, "2"]
    assert counted.fingerprint == disabled.fingerprint


@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.label)
def test_brackets_around_an_operand_change_the_version_wherever_they_change_the_meaning(case: JudgeCase | StreamCase) -> None:
    for entry in case.entries():
        text = str(entry["rule"])
        plain = lower_rule(text, nowhere, {})
        for operand in _OPERAND.finditer(text):
            bracketed = lower_rule(f"{text[: operand.start()]}({operand[0]}){text[operand.end() :]}", nowhere, {})
            if plain.program is None or bracketed.program is None:
                continue
            assert plain.tree is not None
            assert bracketed.tree is not None
            if dump(plain.tree) == dump(bracketed.tree):
                assert without_texts(plain.program) == without_texts(bracketed.program), operand[0]
