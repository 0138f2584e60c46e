"""No mutated rule file makes the formatter crash or break a law; and the fuzz test can fail."""

from __future__ import annotations

from random import Random

import pytest

from compiler import Code, Formatted, SourceFile, format_rule_file
from tests.properties.format_fuzz import hold, run
from tests.properties.mutated_rule_files import MARK, MutatedFiles

SLICE = 200


def test_the_laws_hold_of_a_slice_of_the_mutated_files() -> None:
    start = Random(0).randrange(10**6)
    counted, findings = run(0, range(start, start + SLICE))
    assert not findings, "\n".join(f"{one.number}: {one.law}\n{one.content!r}" for one in findings)
    assert min(counted["formatted"], counted["refused"]) > SLICE / 4


def test_a_number_names_one_file_and_files_are_of_many_kinds() -> None:
    files = [MutatedFiles(3).file(number) for number in range(200)]
    assert files == [MutatedFiles(3).file(number) for number in range(200)]
    assert len(set(files)) == 200
    assert sum(b"\r\n" in one for one in files) > 5
    assert sum(bool(MARK.search(one.decode("utf-8", "replace"))) for one in files) > 50


def _changed(before: bytes, after: bytes) -> Formatted:
    content = format_rule_file(SourceFile("a.yaml", CONTENT)).content
    assert content is not None
    assert before in content
    return Formatted(content.replace(before, after))


CONTENT = b"rules:\n  # qz1z\n  - id: a\n    rule: never { b.where(x == 1) }\n    tests: [{trace: c 0s..1s, expect: satisfied}]\n"


@pytest.mark.parametrize(
    ("before", "after", "law"),
    [
        (b"  # qz1z\n", b"", "comments"),
        (b"# qz1z", b"# qz1z qz1z", "comments"),
        (b"x == 1", b"x == 2", "meaning"),
        (b"expect: satisfied", b"expect: violated", "meaning"),
        (b"id: a", b"id:  a", ""),
    ],
)
def test_a_formatter_that_breaks_a_law_is_caught(before: bytes, after: bytes, law: str) -> None:
    """The last one is a text that is not canonical: formatted again it is another."""
    formats = iter([_changed(before, after), format_rule_file(SourceFile("a.yaml", CONTENT))])
    with pytest.raises(AssertionError, match=law or "formatted again"):
        hold(CONTENT, lambda _: next(formats))


def test_a_formatter_that_refuses_without_a_reason_or_formats_what_is_wrong_is_caught() -> None:
    with pytest.raises(AssertionError, match="without a word"):
        hold(CONTENT, lambda _: Formatted(None))
    with pytest.raises(AssertionError, match="in spite of errors"):
        hold(CONTENT.replace(b"never", b"newer"), lambda _: Formatted(CONTENT))
    errors = format_rule_file(SourceFile("a.yaml", CONTENT.replace(b"never", b"newer"))).errors
    assert {error.code for error in errors} != {Code.TOO_LARGE}
    with pytest.raises(AssertionError):
        hold(CONTENT, lambda _: Formatted(None, errors))
