"""Rules of the original BeTrace say here what their text says, in every dialect; what they cannot say is told with its place."""

from __future__ import annotations

from functools import partial

import pytest

from compiler.foreign.betrace_file import NoPolarityError, betrace_items
from compiler.foreign.drafts import Refusal
from tests.compiler.imported import Imported, imported

SATISFIED, VIOLATED, NOT_APPLICABLE = "satisfied", "violated", "not_applicable"


def read(content: str, polarity: str | None = "violation") -> Imported:
    return imported(partial(betrace_items, polarity=polarity), content)


@pytest.mark.parametrize(
    ("original", "rule"),
    [
        ("when { a } always { b } never { c }", "when   { a }\nalways { b }\nnever  { c }"),
        ("never { c } always { b }", "always { b }\nnever  { c }"),
        ("when { a and b or not (c or d) } never { e }", "when   { a and b or not (c or d) }\nnever  { e }"),
        ("when { a.where(x > 1).where(y == z) } always { b }", 'when   { a.where(x > 1).where(y == "z") }\nalways { b }'),
        ('when { a.where("x.y" == true) } always { b }', "when   { a.where(x.y == true) }\nalways { b }"),
        ("when { a.where(x.y == false) } always { b }", "when   { a.where(x.y == false) }\nalways { b }"),
        ("when { payment.charge.amount > 1000 } always { b }", "when   { payment.charge.where(amount > 1000) }\nalways { b }"),
        ('when { a.b matches "x+" } always { c.d in [e, "F"] }', 'when   { a.where(b matches "x+") }\nalways { c.where(d in ["e", "F"]) }'),
        ("when { a.where(depth > max_capacity) } always { b }", "when   { a.where(depth > max_capacity) }\nalways { b }"),
        ("when { a.where(k == user.k) } always { b }", "when   { a.where(k == user.k) }\nalways { b }"),
        ("when { a.where(not ok and (x or y)) } always { b }", "when   { a.where(not ok and (x or y)) }\nalways { b }"),
        ("when { count(a) >= 2 } always { count(a) == count(b) }", "when   { count(a) >= 2 }\nalways { count(a) == count(b) }"),
        ("when { count(a.where(x > 1)) > 1.5 } always { b }", "when   { count(a.where(x > 1)) > 1.5 }\nalways { b }"),
        ('when { a.where(p matches ".*\\\\.(js|css)") } never { b }', 'when   { a.where(p matches ".*\\\\.(js|css)") }\nnever  { b }'),
        ('when { a.where(p matches "\\d+\\") } never { b }', None),
        ('when { a.where(s contains "x\\") } never { b }', 'when   { a.where(s contains "x\\\\") }\nnever  { b }'),
        ("when {\n  a\n}\nalways {\n  b\n}", "when   { a }\nalways { b }"),
        ("when { a.where(s contains pii) } always { root.in }", 'when   { a.where(s contains "pii") }\nalways { "root.in" }'),
        ("when { a.where(x == -5) } always { b }", "when   { a.where(x == -5) }\nalways { b }"),
    ],
)
def test_clauses_say_what_they_say(original: str, rule: str | None) -> None:
    assert read(original, None).rules == ([] if rule is None else [rule])


@pytest.mark.parametrize(
    ("original", "violation", "invariant"),
    [
        ("trace.has(a)", "never  { a }", "always { a }"),
        ("not trace.has(a)", "always { a }", "always { not a }"),
        ("trace.has(a) and trace.has(b)", "never  { a and b }", "when   { a }\nalways { b }"),
        ("trace.has(a) and not trace.has(b)", "when   { a }\nalways { b }", "when   { a }\nalways { not b }"),
        (
            "trace.has(a) and not trace.has(b) and not trace.has(c)",
            "when   { a }\nalways { b or c }",
            "when   { a }\nalways { not b and not c }",
        ),
        ("trace.has(a) or not trace.has(b)", "never  { a or not b }", "always { a or not b }"),
        ("trace.count(a.b) > 3", "never  { count(a.b) > 3 }", "always { count(a.b) > 3 }"),
        ("trace.count(a).where(s == t) > 3", 'never  { count(a.where(s == "t")) > 3 }', 'always { count(a.where(s == "t")) > 3 }'),
        ("trace.count(a) != trace.count(b)", "never  { count(a) != count(b) }", "always { count(a) != count(b) }"),
        ("trace.has(a).where(s not in [x, y])", 'never  { a.where(s not in ["x", "y"]) }', 'always { a.where(s not in ["x", "y"]) }'),
        ('trace.has(a).where(p matches "\\\\.js\\n")', 'never  { a.where(p matches "\\\\.js\\n") }', None),
        ('span.status == "ERROR"', "never  { span.where(span:status == error) }", "always { span.all(span:status == error) }"),
        (
            'span.name == "x" and trace.has(span.attributes["k"] > 5 and span.service_name == "s")',
            'never  { span.where(span:name == "x") and span.where(span.k > 5 and resource.service.name == "s") }',
            'always { span.all(span:name == "x") and span.where(span.k > 5 and resource.service.name == "s") }',
        ),
        (
            'not span.status == "OK" or span.duration > 1s or trace.has(x)',
            "never  { span.where(not span:status == ok or span:duration > 1s) or x }",
            "always { span.all(not span:status == ok or span:duration > 1s) or x }",
        ),
    ],
)
def test_a_condition_means_what_the_polarity_says(original: str, violation: str, invariant: str | None) -> None:
    assert read(original, "violation").rules == [violation]
    if invariant is not None:
        assert read(original, "invariant").rules == [invariant]


@pytest.mark.parametrize("original", ["trace.has(a)", "a and b", 'span.status == "ERROR"', "rules:\n- id: x\n  condition: trace.has(a)\n"])
def test_a_condition_without_clauses_is_refused_where_nobody_says_its_polarity(original: str) -> None:
    with pytest.raises(NoPolarityError, match=r"theirs:[13]:1?[0-9]?.*--polarity"):
        read(original, None)


@pytest.mark.parametrize(
    ("original", "said"),
    [
        ("when { a } always { b.where(x == false) }", "the original read `false` as `true`"),
        ("when { a.b > 1 } always { c }", "looked for a span named `a.b`"),
        ('when { a.where(x in ["US"]) } always { c }', "quoted items never matched"),
        ("when { a.where(x > y) } always { c }", "here it is the attribute `y`"),
        ("when { a.where(x < 5) } always { c }", "where the attribute is absent"),
        ("when { a.where(not x) } always { c }", "where the attribute is absent"),
        ('when { a.where(x matches "a\\\\.b") } always { c }', "no escapes"),
        ("when { a.where(duration > 5) } always { c }", "`span:duration`"),
        ("always { c } when { a }", "refused clauses in another order"),
        ("always { c }", "refused a rule without `when`"),
        ("when { a.where(x.y == 1) } always { c }", "refused the dotted attribute"),
        ("trace.has(a) and trace.has(b) or trace.has(c)", "`and` binds tighter"),
        ("trace.has(a) and trace.count(b) > 1", None),
    ],
)
def test_where_the_original_did_not_do_what_it_says_the_text_counts_and_it_is_told(original: str, said: str | None) -> None:
    found = read(original)
    assert len(found.rules) == 1
    assert found.notes == [] if said is None else any(said in note for note in found.notes)
    assert all(note.split()[-1] in found.text for note in found.notes)


@pytest.mark.parametrize(
    ("original", "column", "said"),
    [
        ("when { payment > 0 } always { b }", 8, "which attribute of it is compared"),
        ("when { a } ", 1, "neither `always` nor `never`"),
        ("when { a } always { b } always { c }", 25, "there twice"),
        ("when { a.where(not b.c) } always { d }", 20, "a span or an attribute"),
        ("when { a.where(count(b) > 1) } always { d }", 16, "speaks of the trace"),
        ("when { count(a) > many } always { d }", 19, "with a number or with another count"),
        ("when { a.where(x == null) } always { d }", 21, "is no value"),
        ("when { a.where(x > 5s) } always { d }", 20, "never a duration"),
        ("when { span.duration > 5s } always { d }", 8, "does not say which span"),
        ("when { a.where(x ~ 5) } always { d }", 18, "unexpected `~`"),
        ("when { a AND b } always { d }", 10, "unexpected `AND`"),
        ("when { a } always { b", 22, "unexpected the end"),
        ("span.duration > 1000", 17, "write one: 500ms"),
        ('span.status == "BROKEN"', 16, "is no status"),
        ('span.kind == "SERVER"', 6, "no field `span.kind`"),
        ('span.status = "ERROR"', 13, "expected `==`"),
        ('span.status == "ERROR" garbage ((', 24, "expected the end"),
        ('not (span.name == "x" and trace.has(a))', 1, "interwoven"),
        ("trace.has(s => s.name)", 11, "expected `span`"),
        ("not " * 80 + "trace.has(a)", 201, "nested deeper"),
        ("(" * 9000, 51, "nested deeper"),
        ('trace.has(a).where(p matches "(")', 1, "as a rule it is refused"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(original: str, column: int, said: str) -> None:
    found = read(original)
    assert found.rules == []
    assert [(line, at) for line, at in found.places] == [(1, column)]
    assert said in found.notes[0]
    assert "# NOT IMPORTED" in found.text


def test_an_expression_file_holds_several_named_by_the_comments_above_them() -> None:
    found = read("// Retries\ntrace.count(retry) > 3\n\n# Audit\ntrace.has(a)\n  and not trace.has(b)\ntrace.has(c)\n")
    assert found.rules == ["never  { count(retry) > 3 }", "when   { a }\nalways { b }", "never  { c }"]
    assert [line.strip() for line in found.text.splitlines() if "- id:" in line] == ["- id: retries", "- id: audit", "- id: rule-7"]


FILE = """
rules:
- id: Agent.Goal
  name: "Goal: kept"
  description: 'One.

    Two.'
  severity: WARNING
  enabled: false
  tags: [a]
  compliance_frameworks: [SOC2]
  team: x
  condition: when { plan } always { action.where(score > 0.3) }
  example_violation:
    description: it drifts
    trace:
    - span: plan
      attributes: {agent.goal: Find case law, bases: [westlaw, lexis], deep: {a: 1}}
    - span: action
      attributes: {score: 0.7, service: x}
- id: agent.goal
  expression: |
    when { a }
    always { b ) }
- just text
- {id: agent.goal, rule: "when { a } always { b }"}
- {id: none}
"""


def _first_rule(found: Imported) -> int:
    return next(number for number, line in enumerate(found.text.splitlines()) if line.startswith("  - id:"))


def test_a_rule_file_keeps_what_it_says_beside_the_text() -> None:
    found = read(FILE, None)
    assert found.text.splitlines()[_first_rule(found) : _first_rule(found) + 18] == [
        "  - id: agent-goal",
        '    name: "Goal: kept"',
        "    description: >",
        "      One. Two.",
        "    severity: medium",
        "    enabled: false",
        "    tags: [a]",
        "    controls: [SOC2]",
        "    rule: |",
        "      when   { plan }",
        "      always { action.where(score > 0.3) }",
        "    tests:",
        "      - name: it drifts",
        "        trace: |",
        '          plan    0s..1ms   agent.goal="Find case law" bases=[westlaw,lexis]',
        '          action  1ms..2ms  score=0.7 "service"=x',
        "        expect: violated",
        "",
    ]


@pytest.mark.parametrize(
    ("original", "rule"),
    [
        ("when { a } never { not b }", "when   { a }\nalways { b }"),
        ("never { not (a or b) }", "always { (a or b) }"),
        ("never { not count(a) > 3 }", "always { count(a) > 3 }"),
        ("always { a } never { not b }", "always { a }\nnever  { not b }"),
        ("never { a and not b }", "never  { a and not b }"),
    ],
)
def test_two_negations_are_none_where_that_is_the_same(original: str, rule: str) -> None:
    assert read(original, None).rules == [rule]


def test_what_a_rule_file_loses_is_told_line_by_line() -> None:
    found = read(FILE, None)
    said = [f"{note.region.line}:{note.region.column} {note.message}" for item in found.items for note in item.notes]
    assert said == [
        "12:3 a rule has no key `team`: left out",
        "8:13 severity `warning` became `medium`",
        "3:3 of the example 1 of the attributes have no notation (maps): left out",
        "13:14 the id `Agent.Goal` became `agent-goal`: ids are lower case and unique",
        "24:16 unexpected `)`; expected `}`",
        "25:3 a rule is a mapping with `id` and `condition`",
        "27:4 it has no text: no `condition`, `expression` or `rule`",
    ]
    assert [type(item) is Refusal for item in found.items] == [False, True, True, False, True]


CHARGE = "shop  0ms..90ms\n  charge  1ms..2ms  amount=5000 currency=USD ok=false"


@pytest.mark.parametrize(
    ("original", "polarity", "traces"),
    [
        # Direct comparison is of an attribute: its guide says so, its evaluator compared the number 1.
        ("when { charge.amount > 1000 } always { check }", None, {CHARGE: VIOLATED, f"{CHARGE}\n  check  3ms..4ms": SATISFIED}),
        # `false` is false, and a span without the attribute is neither.
        ("when { charge } never { charge.where(ok == false) }", None, {CHARGE: VIOLATED, "charge  0ms..1ms  ok=true": SATISFIED}),
        ("when { charge } never { charge.where(not ok) }", None, {CHARGE: VIOLATED, "charge  0ms..1ms": SATISFIED}),
        ("when { charge } never { charge.where(fee < 5) }", None, {CHARGE: SATISFIED, "charge  0ms..1ms  fee=1": VIOLATED}),
        (
            'when { charge } never { charge.where(currency in ["USD"]) }',
            None,
            {CHARGE: VIOLATED, "charge  0ms..1ms currency=EUR": SATISFIED},
        ),
        ("when { charge.where(amount > limit) } always { check }", None, {CHARGE: NOT_APPLICABLE, f"{CHARGE} limit=1": VIOLATED}),
        # `always` asks for one such span, not for all to be so.
        (
            "when { charge } always { charge.where(ok == true) }",
            None,
            {f"{CHARGE}\n  charge  3ms..4ms ok=true": SATISFIED, CHARGE: VIOLATED},
        ),
        ("trace.has(charge) and not trace.has(check)", "violation", {CHARGE: VIOLATED, "shop  0ms..1ms": NOT_APPLICABLE}),
        ("trace.has(charge) and trace.has(check)", "invariant", {CHARGE: VIOLATED, "shop  0ms..1ms": NOT_APPLICABLE}),
        ("trace.has(charge) and trace.has(check)", "violation", {CHARGE: SATISFIED, f"{CHARGE}\n  check  3ms..4ms": VIOLATED}),
        ("trace.count(charge).where(amount > 1) > 1", "violation", {CHARGE: SATISFIED, f"{CHARGE}\n  charge  1ms..2ms amount=2": VIOLATED}),
        ('span.status == "ERROR"', "violation", {CHARGE: SATISFIED, f"{CHARGE} error": VIOLATED}),
        # As an invariant a condition on a span is one on every span.
        ('span.status != "ERROR"', "invariant", {CHARGE: SATISFIED, f"{CHARGE} error": VIOLATED}),
        ('span.name == "charge" and span.status == "ERROR"', "violation", {"shop  0ms..9ms error\n  charge  1ms..2ms": SATISFIED}),
    ],
)
def test_traces_are_judged_as_the_text_says(original: str, polarity: str | None, traces: dict[str, str]) -> None:
    assert read(original, polarity).verdicts(*traces) == list(traces.values())
