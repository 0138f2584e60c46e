"""Warnings say where, what and what to write instead."""

from __future__ import annotations

import json

from compiler import compile_sources
from compiler.diagnostics import WARNINGS, Code
from tests.compiler.written import source
from tests.conformance.case import CheckCase, load_cases


def test_within_before_on_is_answered_with_their_order() -> None:
    (found,) = compile_sources([source('rules: [{id: r, rule: "always { a before b within 5s on k }"}]')]).errors
    assert found.hint == "`on` stands before `within`: a before b on key within 5s"


def test_every_warning_of_the_cases_has_a_place_a_sentence_and_a_hint() -> None:
    cases = [case for case in load_cases() if isinstance(case, CheckCase) and case.today is None]
    texts = [list((case.files or {"": case.file or _file(case.rule)}).values()) for case in cases]
    found = [one for files in texts for one in compile_sources([source(text) for text in files]).diagnostics if one.code in WARNINGS]
    assert {one.code for one in found} == WARNINGS - {Code.EXPIRED_EXCEPTION}
    assert [one for one in found if not (one.message and one.hint and one.region.length >= 1)] == []


def _file(rule: str | None) -> str:
    return json.dumps({"rules": [{"id": "r", "rule": rule}]})
