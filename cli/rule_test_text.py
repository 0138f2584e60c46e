"""Outcomes of rule tests as text, with what differs, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cli.amounts import duration_text
from cli.shown_text import some_lines
from cli.why_text import why_json, why_text
from processor.rule_tests import RuleTestOutcome


def outcome_text(outcome: RuleTestOutcome) -> str:
    """Return what a failed test expected and what it got, line beside line."""
    lines = [f"FAILED  {outcome.rule.id}: {outcome.test.name}", f"  at {outcome.test.region}"]
    lines += _verdict_lines(outcome)
    if not outcome.offenders_as_expected:
        lines += _offender_lines(outcome.test.offenders or (), outcome.offenders)
    if (why := outcome.why()) is not None:
        lines += ["  why:", *(f"    {line}" for line in why_text(why, outcome.rule, outcome.view).plain.splitlines())]
    return some_lines("\n".join(lines))


def _verdict_lines(outcome: RuleTestOutcome) -> list[str]:
    expect, actual = outcome.test.expect, outcome.actual
    if isinstance(expect, Mapping) and isinstance(actual, Mapping):
        return [line for moment in sorted(expect) for line in _line(f"at {duration_text(moment)}", expect[moment], actual[moment])]
    return _line("verdict", str(expect), str(actual))


def _line(what: str, expected: str, actual: str) -> list[str]:
    if expected == actual:
        return [f"    {what}: {actual}"]
    return [f"  - {what}: expected {expected}", f"  + {what}: got      {actual}"]


def _offender_lines(expected: Sequence[str], actual: Sequence[str]) -> list[str]:
    named = [f"  - offenders: expected {_names(expected)}", f"  + offenders: got      {_names(actual)}"]
    missing = [name for name in expected if name not in actual]
    extra = [name for name in actual if name not in expected]
    if missing:
        named.append(f"    missing: {_names(missing)}")
    if extra:
        named.append(f"    not expected: {_names(extra)}")
    return named


def _names(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"


def outcome_json(outcome: RuleTestOutcome) -> dict[str, object]:
    """Return an outcome as a JSON object; moments are nanoseconds."""
    return {
        "rule": outcome.rule.id,
        "test": outcome.test.name,
        "passed": outcome.passed,
        "file": outcome.test.region.file,
        "line": outcome.test.region.line,
        "expected": _words(outcome.test.expect),
        "actual": _words(outcome.actual),
        "expected_offenders": None if outcome.test.offenders is None else list(outcome.test.offenders),
        "actual_offenders": list(outcome.offenders),
        "why": _why(outcome),
    }


def _words(words: str | Mapping[int, str]) -> object:
    return words if isinstance(words, str) else {str(moment): word for moment, word in words.items()}


def _why(outcome: RuleTestOutcome) -> dict[str, object] | None:
    """Return why a failed test got what it got."""
    why = None if outcome.passed else outcome.why()
    return None if why is None else why_json(why, outcome.view)
