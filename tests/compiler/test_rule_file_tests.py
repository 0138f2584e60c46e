"""The tests of rule files: what they expect, and BeTrace's example violations."""

from __future__ import annotations

import pytest

from compiler.rule_file import read_rule_file
from compiler.rule_set import RuleTest
from tests.compiler.written import at, places, source

BEFORE = "rules:\n  - id: one\n    rule: never { a }\n"


def read(lines: str) -> tuple[tuple[RuleTest, ...], list[str]]:
    """Read the tests of a rule whose last lines these are; return them and what is wrong."""
    text = BEFORE + "".join(f"    {line}\n" for line in lines.split("\n"))
    file = read_rule_file(source(text))
    return file.rules[0].tests, places(file.diagnostics)


def test_a_test_is_read_with_all_it_says() -> None:
    trace = '"a 0ms..1ms\\n`b c` 0ms..1ms"'
    (test,), wrong = read(f"tests:\n  - {{name: n, trace: {trace}, expect: excused, offenders: [a, 'b c'], close: evicted}}")
    assert wrong == []
    assert (test.name, test.expect, test.offenders, test.close, test.is_timed) == ("n", "excused", ("a", "b c"), "evicted", False)
    assert [line.name for line in test.trace.lines] == ["a", "b c"]
    assert (test.region.line, test.region.column) == (5, 16)


def test_a_test_drains_its_input_and_says_nothing_of_offenders_unless_told() -> None:
    tests, _ = read("tests:\n  - {trace: a 0ms..1ms, expect: satisfied}\n  - {trace: a 0ms..1ms, expect: violated, offenders: []}")
    assert [(test.name, test.close, test.offenders) for test in tests] == [("test 1", "drained", None), ("test 2", "drained", ())]


def test_moments_make_a_test_timed_and_stand_in_order() -> None:
    (test,), wrong = read("tests: [{trace: a 0ms..1ms, expect: {31s: violated, 1500ms: unknown}}]")
    assert wrong == []
    assert test.expect == {1_500_000_000: "unknown", 31_000_000_000: "violated"}
    assert isinstance(test.expect, dict)
    assert list(test.expect) == sorted(test.expect)
    assert test.is_timed


def test_arrivals_make_a_test_timed() -> None:
    (test,), _ = read("tests: [{trace: a 0ms..1ms arrives=1s, expect: violated}]")
    assert test.is_timed


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("{trace: a 0ms..1ms}", ["missing-key 4:14+5"]),
        ("{expect: violated}", ["missing-key 4:14+6"]),
        ("{trace: a 0ms..1ms, expect: unknown}", ["bad-value 4:41+7"]),
        ("{trace: a 0ms..1ms, expect: Violated}", ["bad-value 4:41+8"]),
        ("{trace: a 0ms..1ms, expect: [violated]}", ["bad-value 4:41+10"]),
        ("{trace: a 0ms..1ms, expect: {}}", ["bad-value 4:41+2"]),
        ("{trace: a 0ms..1ms, expect: {12: unknown}}", ["bad-value 4:42+2"]),
        ("{trace: a 0ms..1ms, expect: {-1s: unknown}}", ["bad-value 4:42+3"]),
        ("{trace: a 0ms..1ms, expect: {1s: later}}", ["bad-value 4:46+5"]),
        ("{trace: a 0ms..1ms, expect: {1s: unknown, 1000ms: unknown}}", ["duplicate-key 4:55+6"]),
        ("{trace: a 0ms..1ms, expect: violated, close: open}", ["bad-value 4:58+4"]),
        ("{trace: a 0ms..1ms, expect: violated, offenders: a}", ["bad-value 4:62+1"]),
        ("{trace: a 0ms..1ms, expect: violated, offender: [a]}", ["unknown-key 4:51+8"]),
        ("{trace: [a], expect: violated}", ["bad-value 4:21+3"]),
        ("{trace: a, expect: violated}", ["bad-trace 4:22+1"]),
        ("{trace: '', expect: violated}", ["bad-trace 4:22+1"]),
        ("a", ["bad-value 4:13+1"]),
    ],
)
def test_a_wrong_test_is_shown_where_it_is_wrong(test: str, expected: list[str]) -> None:
    tests, wrong = read(f"tests: [{test}]")
    assert wrong == expected
    assert tests == () or expected[0].startswith(("unknown-key", "bad-value 4:58", "bad-value 4:62", "duplicate-key"))


def test_a_mistake_in_a_trace_is_shown_in_its_line_of_the_file() -> None:
    text = BEFORE + "    tests:\n      - expect: violated\n        trace: |\n          a  0ms..1ms\n            b  0ms..5  x=1\n"
    (found,) = read_rule_file(source(text)).diagnostics
    assert at(text, found.region) == "5"


def test_an_empty_list_of_tests_is_no_test() -> None:
    assert read("tests: []") == ((), ["no-tests 2:9+3"])


def test_an_example_violation_is_a_row_of_roots_of_a_millisecond() -> None:
    written = """\
example_violation:
  description: no check
  trace:
    - {span: a b}
    - {span: c, attributes: {n: 5, f: 5.0, b: true, s: '5', l: [x, ~], m: {k: v}}}"""
    (test,), wrong = read(written)
    assert wrong == []
    assert (test.name, test.expect, test.offenders, test.close) == ("no check", "violated", None, "drained")
    first, second = test.trace.lines
    assert (first.name, first.start_ns, first.end_ns, first.parent_id, first.attributes) == ("a b", 0, 1_000_000, "", {})
    assert (second.name, second.start_ns, second.end_ns, second.parent_id) == ("c", 1_000_000, 2_000_000, "")
    assert first.span_id != second.span_id
    values = {"n": 5, "f": 5.0, "b": True, "s": "5", "l": ("x", None), "m": {"k": "v"}}
    assert second.attributes == values
    assert [type(value) for value in second.attributes.values()] == [type(value) for value in values.values()]


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("[a]", ["bad-value 4:24+3"]),
        ("{description: d}", ["missing-key 4:25+11"]),
        ("{trace: []}", ["bad-trace 4:32+2"]),
        ("{trace: a 0ms..1ms}", ["bad-value 4:32+10"]),
        ("{trace: [{attributes: {}}]}", ["missing-key 4:34+10"]),
        ("{trace: [{span: a, attribute: {}}]}", ["unknown-key 4:43+9"]),
        ("{trace: [{span: a, attributes: [b]}]}", ["bad-value 4:55+3"]),
        ("{trace: [{span: a, attributes: {b: ~}}]}", ["bad-value 4:59+1"]),
        ("{trace: [{span: a, attributes: {b: 9223372036854775808}}]}", ["bad-value 4:59+19"]),
        ("{trace: [{span: a}], expect: satisfied}", ["unknown-key 4:45+6"]),
    ],
)
def test_a_wrong_example_is_shown_where_it_is_wrong(example: str, expected: list[str]) -> None:
    _, wrong = read(f"example_violation: {example}")
    assert wrong == expected


def test_tests_and_an_example_may_stand_together() -> None:
    tests, wrong = read("tests: [{trace: a 0ms..1ms, expect: violated}]\nexample_violation: {trace: [{span: a}]}")
    assert ([test.name for test in tests], wrong) == (["test 1", "example_violation"], [])
