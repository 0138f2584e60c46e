"""The loader of cases stops at whatever it does not understand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.case import CheckCase, JudgeCase, ParseCase, StreamCase, load_file
from tests.conformance.case_yaml import CaseFileError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.case import Case

PARSED = "name: a case of parse, proves: A1, rule: r, tree: (x)"
CHECKED = "name: a case of check, proves: A1, rule: r, accepted: true"
JUDGED = "name: a case of judge, proves: A1, rule: r, trace: t, expect: violated"


def load(folder: Path, kind: type[Case], *cases: str, feature: str = "words", extra: str = "") -> list[Case]:
    path = folder / "words.yaml"
    path.write_text(f"feature: {feature}\ncases:\n" + "".join(f"  - {{{case}}}\n" for case in cases) + extra, encoding="utf-8")
    return load_file(path, kind)


def test_well_formed_cases_of_every_corpus_are_loaded(tmp_path: Path) -> None:
    assert load(tmp_path, ParseCase, PARSED)[0].feature == "words"
    assert load(tmp_path, CheckCase, CHECKED)
    assert load(tmp_path, JudgeCase, JUDGED)
    assert load(tmp_path, StreamCase, JUDGED)


@pytest.mark.parametrize(
    ("kind", "case", "complaint"),
    [
        (ParseCase, f"{PARSED}, colour: red", "colour"),
        (ParseCase, "name: a case of parse, proves: A1, rule: r", "exactly one of tree, diagnostics"),
        (ParseCase, f"{PARSED}, diagnostics: [{{code: syntax, line: 1}}]", "exactly one of tree, diagnostics"),
        (ParseCase, "name: a case of parse, proves: A1, rule: r, diagnostics: []", "at least 1 item"),
        (ParseCase, "name: a case of parse, proves: A1, tree: (x)", "Field required"),
        (ParseCase, "name: a case of parse, rule: r, tree: (x)", "Field required"),
        (ParseCase, "name: a case of parse, proves: Z9, rule: r, tree: (x)", "is not of the form"),
        (ParseCase, "name: a case of parse, proves: [], rule: r, tree: (x)", "at least 1 item"),
        (ParseCase, "name: short, proves: A1, rule: r, tree: (x)", "at least 8 characters"),
        (ParseCase, "name: a case of parse, proves: A1, rule: 5, tree: (x)", "valid string"),
        (ParseCase, f"{PARSED}, feature: words", "not a mapping of a case's keys"),
        (CheckCase, f"{CHECKED}, file: f", "exactly one of rule, file, files"),
        (CheckCase, "name: a case of check, proves: A1, accepted: true", "exactly one of rule, file, files"),
        (CheckCase, "name: a case of check, proves: A1, rule: r", "exactly one of accepted, diagnostics"),
        (CheckCase, "name: a case of check, proves: A1, rule: r, accepted: false", "accepted"),
        (CheckCase, "name: a case of check, proves: A1, rule: r, diagnostics: [{code: nonsense, line: 1}]", "nonsense"),
        (CheckCase, "name: a case of check, proves: A1, rule: r, diagnostics: [{code: syntax}]", "Field required"),
        (CheckCase, "name: a case of check, proves: A1, files: {a: b}, diagnostics: [{code: syntax, line: 1}]", "names its file"),
        (JudgeCase, "name: a case of judge, proves: A1, rule: r, trace: t", "Field required"),
        (JudgeCase, "name: a case of judge, proves: A1, rule: r, traces: []", "at least 1 item"),
        (JudgeCase, f"{JUDGED}, rules: [{{id: a}}]", "exactly one of rule, rules"),
        (JudgeCase, f"{JUDGED}, open: true, close: idle", "not both"),
        (JudgeCase, "name: a case of judge, proves: A1, rule: r, trace: t, expect: broken", "expect"),
        (JudgeCase, "name: a case of judge, proves: A1, rule: r, trace: t, expect: unknown", "a closed trace is never unknown"),
        (JudgeCase, "name: a case of judge, proves: A1, rule: r, trace: t, expect: satisfied, open: true", "only violated is said"),
        (JudgeCase, "name: a case of judge, proves: A1, rule: r, expect: violated, traces: [{trace: t, expect: violated}]", "expect"),
        (StreamCase, f"{JUDGED}, policy: {{}}", "policy"),
    ],
)
def test_a_case_that_is_not_understood_stops_the_run(tmp_path: Path, kind: type[Case], case: str, complaint: str) -> None:
    with pytest.raises(CaseFileError, match=complaint):
        load(tmp_path, kind, case)


def test_two_cases_of_a_file_with_one_name_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="two cases are named"):
        load(tmp_path, ParseCase, PARSED, PARSED)


def test_a_file_that_is_not_its_feature_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="its name says 'words'"):
        load(tmp_path, ParseCase, PARSED, feature="phrases")


def test_an_unknown_key_of_a_file_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="exactly the keys"):
        load(tmp_path, ParseCase, PARSED, extra="skip: true\n")


def test_a_key_written_twice_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="'rule' twice"):
        load(tmp_path, ParseCase, f"{PARSED}, rule: again")


def test_words_of_yaml_1_1_stay_words(tmp_path: Path) -> None:
    case = load(tmp_path, ParseCase, "name: a case of parse, proves: A1, rule: NO, tree: 2026-01-31")[0]
    assert isinstance(case, ParseCase)
    assert (case.rule, case.tree) == ("NO", "2026-01-31")
