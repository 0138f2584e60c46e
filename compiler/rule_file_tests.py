"""Reads the tests of a rule: `tests` and BeTrace's `example_violation` (rule-language.md sections 1 and 10)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.diagnostics import Code
from compiler.literals import Malformed, read_duration
from compiler.notation import SpanLine, TestTrace, default_id, parse_trace
from compiler.rule_file_fields import Fields, Findings, shown
from compiler.rule_file_keys import EXAMPLE_KEYS, EXAMPLE_SPAN_KEYS, TEST_KEYS, VERDICTS, key_of, names_of
from compiler.rule_set import RuleTest
from compiler.values import INT64_MAX, INT64_MIN
from compiler.yaml_nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.trace import AttributeValue

_MILLISECOND_NS = 1_000_000
_CLOSE = key_of(TEST_KEYS, "close")


def read_tests(fields: Fields) -> tuple[tuple[RuleTest, ...], bool]:
    """Return the tests of a rule, those with mistakes left out, and whether the file has any."""
    tests = list(_read_listed(fields))
    example = fields.get("example_violation")
    if example is not None:
        tests.extend(_read_example(example, fields.findings))
    listed = fields.get("tests")
    declared = example is not None or (listed is not None and not (isinstance(listed, Sequence) and not listed.items))
    return tuple(tests), declared


def _read_listed(fields: Fields) -> Iterator[RuleTest]:
    names: set[str] = set()
    for number, mapping in enumerate(fields.mappings("tests", "a test"), 1):
        named = Fields(mapping, names_of(TEST_KEYS), fields.findings, "a test")
        test = _read_test(named, number)
        if test is None:
            continue
        if test.name in names and named.get("name") is not None:
            message = f"the rule has another test named `{shown(test.name)}`"
            fields.findings.add(Code.DOUBTFUL_TEST, test.region, message, "name each by what it shows: reports tell tests by their names")
        names.add(test.name)
        yield test


def _read_test(fields: Fields, number: int) -> RuleTest | None:
    name_node = fields.get("name")
    name = fields.text("name") or f"test {number}"
    trace = _read_trace(fields)
    expect = _read_expect(fields)
    offenders = None if fields.get("offenders") is None else fields.texts("offenders")
    close = fields.choice(_CLOSE)
    if trace is None or expect is None:
        return None
    _check_offenders(fields, trace)
    region = fields.mapping.region if name_node is None else name_node.region
    return RuleTest(name=name, trace=trace, expect=expect, offenders=offenders, close=close, region=region)


def _check_offenders(fields: Fields, trace: TestTrace) -> None:
    """Warn of offenders that are not in the trace: whatever the rule does, the test fails."""
    node = fields.get("offenders")
    names = dict.fromkeys(line.name for line in trace.lines)
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Scalar) and item.text and item.text not in names:
            message = f"no span of the test's trace is named `{shown(item.text)}`"
            hint = fields.findings.near(item.text, tuple(names)) or "an offender is named by its span"
            fields.findings.add(Code.DOUBTFUL_TEST, item.region, message, hint)


def _read_trace(fields: Fields) -> TestTrace | None:
    text = fields.required_text("trace")
    if text is None:
        return None
    trace, diagnostics = parse_trace(text)
    if diagnostics and text.style != "|" and "\n" in text.document.text[text.start : text.end]:
        diagnostics[0] = replace(diagnostics[0], hint="is `|` missing after `trace:`?")
    fields.findings.all.extend(diagnostics)
    return trace


def _read_expect(fields: Fields) -> str | dict[int, str] | None:
    node = fields.get("expect")
    if node is None:
        fields.missing("expect")
        return None
    if not isinstance(node, Mapping):
        repairs = {"unknown": "unknown is said of a moment: {12s: unknown}"}
        return fields.findings.choice(node, "`expect`", VERDICTS, repairs)
    if not node.entries:
        fields.findings.bad(node, "`expect` names no moment", "{31s: violated}")
    moments = [_read_moment(key, word, fields.findings) for key, word in node.entries]
    known = [moment for moment in moments if moment is not None]
    _check_moments(node, moments, fields.findings)
    return dict(sorted(known)) if known and len(known) == len(moments) else None


def _read_moment(key: Scalar, word: Node, findings: Findings) -> tuple[int, str] | None:
    """Return a moment in nanoseconds from the fixed instant and the verdict expected then."""
    moment = read_duration(key.text)
    verdict = findings.choice(word, "the verdict at a moment", (*VERDICTS, "unknown"))
    if isinstance(moment, Malformed):
        findings.bad(key, f"`{shown(key.text)}` is no moment", "a duration from the fixed instant: 31s")
        return None
    if moment.ns < 0:
        findings.bad(key, "a moment lies at or after the fixed instant")
        return None
    return None if verdict is None else (moment.ns, verdict)


def _check_moments(node: Mapping, moments: list[tuple[int, str] | None], findings: Findings) -> None:
    """Report moments that are written in two ways."""
    seen: set[int] = set()
    for (key, _), moment in zip(node.entries, moments, strict=True):
        if moment is not None and moment[0] in seen:
            findings.add(Code.DUPLICATE_KEY, key.region, f"the moment `{shown(key.text)}` is there twice", "keep one of them")
        if moment is not None:
            seen.add(moment[0])


def _read_example(node: Node, findings: Findings) -> list[RuleTest]:
    """Read a test that expects `violated`: span i is a root from i to i + 1 ms."""
    mapping = findings.mapping(node, "`example_violation`")
    if mapping is None:
        return []
    fields = Fields(mapping, names_of(EXAMPLE_KEYS), findings, "`example_violation`")
    name = fields.text("description") or "example_violation"
    if fields.get("trace") is None:
        fields.missing("trace")
    spans = [_read_example_span(span, index, findings) for index, span in enumerate(fields.mappings("trace", "a span"))]
    lines = tuple(span for span in spans if span is not None)
    trace = fields.get("trace")
    if isinstance(trace, Sequence) and not trace.items:
        findings.add(Code.BAD_TRACE, trace.region, "the trace has no spans")
    if not lines or len(lines) != len(spans):
        return []
    return [RuleTest(name=name, trace=TestTrace(lines), expect="violated", offenders=None, close="drained", region=mapping.region)]


def _read_example_span(mapping: Mapping, index: int, findings: Findings) -> SpanLine | None:
    fields = Fields(mapping, names_of(EXAMPLE_SPAN_KEYS), findings, "a span")
    name = fields.required_text("span")
    known = len(findings.all)
    attributes = {key.text: _attribute_value(node, findings) for key, node in fields.entries("attributes")}
    if name is None or len(findings.all) > known:
        return None
    start_ns = index * _MILLISECOND_NS
    return SpanLine(
        name=name.text,
        start_ns=start_ns,
        end_ns=start_ns + _MILLISECOND_NS,
        span_id=default_id(index + 1),
        number=index + 1,
        region=name.region,
        attributes={key: value for key, value in attributes.items() if value is not None},
    )


def _attribute_value(node: Node, findings: Findings) -> AttributeValue | None:
    """Return a value typed by YAML's core schema; an absent one is reported, but stands in a list."""
    if isinstance(node, Scalar):
        return _scalar_value(node, findings)
    if isinstance(node, Sequence):
        return tuple(None if isinstance(item, Scalar) and item.value is None else _attribute_value(item, findings) for item in node.items)
    return {key.text: _attribute_value(value, findings) for key, value in node.entries}


def _scalar_value(node: Scalar, findings: Findings) -> bool | int | float | str | None:
    value = node.value
    if value is None:
        findings.bad(node, "an attribute has a value", 'an empty text is written ""')
    elif isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        findings.bad(node, f"`{shown(node.text)}` is beyond int64", "quote it if it is a string")
    return value
