"""What a program's id tells apart, what is refused and how, and the engine that is ready beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler import RuleSet, SourceFile
from processor.made_programs import JudgedWith, OfferedSet, RefusedRulesError, compiled, made_program
from processor.trace_engine import TraceEngine
from tests.processor.played import NEEDS_CHECK, NO_BYPASS
from tests.trace_engines import engine_for

BAD = "rules:\n  - id: fine\n    rule: always { x }\n  - id: broken\n    rule: |\n      always { x = 5 }\n"


def offered(*texts: str, **given: object) -> OfferedSet:
    sources = tuple(SourceFile(f"{number}.yaml", text.encode()) for number, text in enumerate(texts))
    made = OfferedSet(sources, JudgedWith())
    return replace(made, **given)  # type: ignore[arg-type]  # a test names the fields it changes


def program_id(of: OfferedSet) -> str:
    return compiled(of).program_id


PLAIN = offered(NEEDS_CHECK, NO_BYPASS)


@pytest.mark.parametrize(
    "other",
    [
        offered(NEEDS_CHECK),
        offered(NEEDS_CHECK, NO_BYPASS.replace("bypass }", "detour }")),
        replace(PLAIN, judged_with=JudgedWith(1, 16)),
        replace(PLAIN, judged_with=JudgedWith(0, 15)),
        replace(PLAIN, versions={"no-bypass": 1}),
    ],
    ids=["a rule less", "another rule", "another tolerance", "other offenders", "a counter"],
)
def test_all_that_verdicts_hang_on_makes_another_program(other: OfferedSet) -> None:
    assert program_id(other) != program_id(PLAIN)


def test_the_key_that_hashes_values_makes_another_program_where_a_rule_redacts_so() -> None:
    """Else a violation would be said with two contents under one id, before and after the key was changed."""
    hashing = offered(NEEDS_CHECK.replace("mask", "hash"), NO_BYPASS)
    ids = {program_id(replace(hashing, judged_with=JudgedWith(redaction_key_id=key))) for key in ("", "a" * 16, "b" * 16)}
    assert len(ids) == 3
    assert program_id(replace(PLAIN, judged_with=JudgedWith(redaction_key_id="a" * 16))) == program_id(PLAIN)


def test_layout_tests_and_file_names_make_no_other_program() -> None:
    moved = tuple(SourceFile(f"elsewhere/{source.name}", source.content + b"# a comment\n") for source in PLAIN.sources)
    assert program_id(replace(PLAIN, sources=moved)) == program_id(PLAIN)


def test_another_language_makes_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    before = program_id(PLAIN)
    monkeypatch.setattr("processor.made_programs.LANGUAGE_VERSION", "2")
    assert program_id(PLAIN) != before


def test_an_id_is_the_same_in_every_process_and_release() -> None:
    assert program_id(PLAIN) == "0d34bc57b4f6b77a"


def test_a_set_is_refused_whole_and_names_the_rule_and_the_place() -> None:
    with pytest.raises(RefusedRulesError) as refused:
        compiled(offered(NO_BYPASS, BAD))
    (fault,) = refused.value.faults
    assert fault.rule == "broken"
    assert fault.text.startswith("1.yaml:6:18: error: unexpected `=`")
    assert "always { x = 5 }" in fault.text


@pytest.mark.parametrize("version", ["2", "10", "1.1", "next", "²"])
def test_a_set_of_a_newer_language_is_refused(version: str) -> None:
    with pytest.raises(RefusedRulesError, match=f"language version {version}; this release reads up to 1"):
        compiled(replace(PLAIN, language_version=version))


def test_a_set_of_an_older_language_is_read_by_this_one() -> None:
    assert program_id(replace(PLAIN, language_version="0")) == program_id(PLAIN)


def test_a_set_comes_back_from_its_record() -> None:
    given = replace(PLAIN, versions={"no-bypass": 3}, judged_with=JudgedWith(5, 7, "a" * 16))
    record = given.record(program_id(given), "2026-01-01T00:00:00.000000000Z")
    assert OfferedSet.of_record(record) == given


def test_warnings_are_counted_by_their_codes() -> None:
    assert compiled(PLAIN).warnings == {"no-tests": 2}


def test_an_engine_is_ready_before_it_is_asked_for_and_given_once() -> None:
    made: list[TraceEngine] = []

    def make(rule_set: RuleSet, skew_tolerance_ns: int, offender_count_max: int) -> TraceEngine:
        assert (skew_tolerance_ns, offender_count_max) == (5, 7)
        made.append(engine_for(rule_set))
        return made[-1]

    program = made_program(compiled(PLAIN), JudgedWith(5, 7), make)
    assert len(made) == 1
    assert program.make_engine() is made[0]
    assert len(made) == 1
    assert program.make_engine() is made[1]


def test_rules_that_no_engine_can_be_made_of_are_refused() -> None:
    def make(_rule_set: RuleSet, _skew_tolerance_ns: int, _offender_count_max: int) -> TraceEngine:
        raise MemoryError("too many")

    with pytest.raises(RefusedRulesError, match="no engine can be made of the rules: MemoryError: too many"):
        made_program(compiled(PLAIN), JudgedWith(), make)
