"""Every sentence of the language page and every row of the lists behind it is proved by a case, or by a named test elsewhere."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conformance.case import FOLDER, LABEL, load_cases
from tests.conformance.case_yaml import read_case_yaml
from tests.conformance.sentences import sentences

ROOT = FOLDER.parents[1]
PROVED = {label: case.label for case in load_cases() for label in case.proves}
SENTENCES = {sentence.label: sentence.text for sentence in sentences()}


def rows() -> dict[str, str]:
    content = read_case_yaml(FOLDER / "rows.yaml")
    assert isinstance(content, dict)
    return {str(label): str(meaning) for label, meaning in content.items()}


def elsewhere() -> list[dict[str, str]]:
    content = read_case_yaml(FOLDER / "elsewhere.yaml")
    assert isinstance(content, list)
    assert all(set(entry) == {"proves", "test", "reason"} for entry in content)
    return content


def test_every_sentence_and_row_has_a_case_or_a_test_elsewhere() -> None:
    known = {**SENTENCES, **rows()}
    unproved = [label for label in known if label not in PROVED and label not in {entry["proves"] for entry in elsewhere()}]
    assert not unproved, "without a case:\n" + "\n".join(f"{label}: {known[label]}" for label in unproved)


def test_no_case_proves_what_nobody_says() -> None:
    known = {*SENTENCES, *rows()}
    unknown = [f"{case} proves {label}" for label, case in PROVED.items() if label not in known]
    assert not unknown, "\n".join(unknown)


def test_an_entry_elsewhere_speaks_of_something_known_and_only_once() -> None:
    labels = [entry["proves"] for entry in elsewhere()]
    assert set(labels) <= {*SENTENCES, *rows()}
    assert len(labels) == len(set(labels))


def test_an_entry_elsewhere_goes_when_a_case_is_there() -> None:
    assert not [entry["proves"] for entry in elsewhere() if entry["proves"] in PROVED]


def test_every_test_named_elsewhere_exists() -> None:
    missing = [entry["test"] for entry in elsewhere() if not _exists(*entry["test"].split("::"))]
    assert not missing, "\n".join(missing)


def _exists(path: str, name: str) -> bool:
    file = ROOT / path
    if not file.is_file() or Path(path).parts[0] != "tests":
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def test_the_lists_behind_the_language_are_whole() -> None:
    counts = {"A": 18, "B": 7, "C": 16, "D": 11, "E": 7, "add ": 8, "2.6 #": 29}
    expected = {f"{prefix}{number}" for prefix, count in counts.items() for number in range(1, count + 1)}
    assert set(rows()) == expected
    assert all(LABEL.fullmatch(label) for label in expected)


def test_every_section_of_the_page_is_read() -> None:
    assert {sentence.section for sentence in sentences()} == set(range(11))
