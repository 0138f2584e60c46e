"""Policies of the tail sampling processor become rules about the traces that they keep; what says how many is told."""

from __future__ import annotations

from functools import partial

import pytest

from compiler import SourceFile
from compiler.foreign.drafts import Aside, Draft, Refusal, UnreadableError
from compiler.foreign.tail_sampling import tail_sampling_items
from tests.compiler.imported import Imported, imported

SATISFIED, VIOLATED, EXCUSED = "satisfied", "violated", "excused"


def read(content: str, polarity: str = "violation") -> Imported:
    return imported(partial(tail_sampling_items, polarity=polarity), content)


def policy(kind: str, of: str) -> str:
    return f"[{{name: p, type: {kind}, {kind}: {of}}}]"


def ottl(condition: str, kind: str = "span") -> str:
    return f"- name: p\n  type: ottl_condition\n  ottl_condition:\n    {kind}:\n      - |-\n        {condition}\n"


SLOW = "{name: a, type: latency, latency: {threshold_ms: 5000}}"
BOOLEAN = "{name: b, type: boolean_attribute, boolean_attribute: {key: k, value: true}}"
HAS_K = "span.where(span.k == true or resource.k == true)"
SHARE = "{name: c, type: probabilistic, probabilistic: {sampling_percentage: 10}}"


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        (policy("latency", "{threshold_ms: 5000}"), "trace:duration >= 5s"),
        (policy("latency", "{threshold_ms: 1, upper_threshold_ms: 2000}"), "trace:duration >= 2ms and trace:duration < 2.001s"),
        (policy("span_count", "{min_spans: 2}"), "trace:spanCount >= 2"),
        (policy("span_count", "{min_spans: 2, max_spans: 9}"), "trace:spanCount >= 2 and trace:spanCount <= 9"),
        (policy("status_code", "{status_codes: [ERROR]}"), "span.where(span:status == error)"),
        (policy("status_code", "{status_codes: [ERROR, UNSET]}"), "span.where(span:status == error or span:status == unset)"),
        (policy("boolean_attribute", "{key: a.b, value: false}"), "span.where(span.a.b == false or resource.a.b == false)"),
        (policy("numeric_attribute", "{key: n, min_value: 5}"), "span.where(span.n >= 5 or resource.n >= 5)"),
        (
            policy("numeric_attribute", "{key: n, min_value: -5, max_value: 9, invert_match: true}"),
            "not span.where(span.n >= -5 and span.n <= 9 or resource.n >= -5 and resource.n <= 9)",
        ),
        (policy("string_attribute", "{key: k, values: [a, 1, '']}"), 'span.where(span.k in ["a", "1"] or resource.k in ["a", "1"])'),
        (
            policy("string_attribute", "{key: x-y, values: ['a|b', c], enabled_regex_matching: true}"),
            'span.where(span."x-y" matches "a|b" or span."x-y" matches "c" or resource."x-y" matches "a|b" or resource."x-y" matches "c")',
        ),
        (policy("and", f"{{and_sub_policy: [{SLOW}, {BOOLEAN}]}}"), f"trace:duration >= 5s and {HAS_K}"),
        (policy("and", f"{{and_sub_policy: [{SLOW}, {SHARE}]}}"), "trace:duration >= 5s"),
        (policy("not", f"{{not_sub_policy: {BOOLEAN}}}"), f"not {HAS_K}"),
        (policy("composite", f"{{composite_sub_policy: [{SLOW}, {BOOLEAN}, {SHARE}]}}"), f"trace:duration >= 5s or {HAS_K}"),
        (policy("composite", f"{{policy_order: [b], composite_sub_policy: [{SLOW}, {BOOLEAN}]}}"), HAS_K),
        (ottl('attributes["a"] == "x" or resource.attributes["b.c"] > -1'), 'span.where(span.a == "x" or resource.b.c > -1)'),
        (ottl('attributes["a"] != 1'), "span.where((span.a missing or span.a != 1))"),
        (ottl('not (attributes["a"] != 1 or attributes["b"] < 2)'), "span.where(span.a == 1 and (span.b missing or not (span.b < 2)))"),
        (ottl('attributes["a"] == nil and span.attributes["b"] != nil'), "span.where(span.a missing and span.b exists)"),
        (ottl("status.code == STATUS_CODE_ERROR and kind != SPAN_KIND_SERVER"), "span.where(span:status == error and span:kind != server)"),
        (ottl("status.code == 2 and not IsRootSpan()"), "span.where(span:status == error and span:parentID exists)"),
        (ottl('name == "x" and instrumentation_scope.name == "y"'), 'span.where(span:name == "x" and instrumentation:name == "y")'),
        (ottl('IsMatch(attributes["u"], "^a.b")'), 'span.where(span.u matches "^a.b")'),
        (ottl('not IsMatch(attributes["u"], "a")'), 'span.where((span.u missing or span.u not matches "a"))'),
        (ottl('end_time - start_time > Duration("1.5s")'), "span.where(span:duration > 1.5s)"),
        (ottl("end_time_unix_nano - start_time_unix_nano >= 1000000"), "span.where(span:duration >= 1ms)"),
        (
            ottl('name == "e" and attributes["x"] == true and span.attributes["y"] == 1', "spanevent"),
            'span.where(event(event:name == "e" and x == true and span.y == 1))',
        ),
    ],
)
def test_a_policy_becomes_a_rule_that_forbids_what_it_keeps(content: str, condition: str) -> None:
    found = read(content)
    # What must not be absent must be there.
    assert found.rules == [
        f"always {{ {condition.removeprefix('not ')} }}" if condition.startswith("not ") else f"never  {{ {condition} }}"
    ]
    assert "    mode: shadow\n" in found.text
    assert "the tail sampling processor" in found.text
    assert read(content, "invariant").rules == [f"always {{ {condition} }}"]


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        ("[{name: p, type: always_sample}]", (1, 2), "how many traces are kept"),
        ("[{name: p, type: probabilistic, probabilistic: {}}]", (1, 2), "how many traces are kept"),
        ("[{name: p, type: rate_limiting}]", (1, 2), "how many traces are kept"),
        ("[{name: p, type: bytes_limiting}]", (1, 2), "how many traces are kept"),
        (policy("trace_state", "{key: k, values: [a]}"), (1, 2), "`trace_state` has no equivalent"),
        (policy("and", f"{{and_sub_policy: [{SLOW}, {{name: x, type: trace_state}}]}}"), (1, 103), "`trace_state` has no equivalent"),
        (policy("and", f"{{and_sub_policy: [{SHARE}]}}"), (1, 46), "how many traces are kept"),
        (policy("and", "{}"), (1, 28), "has no `and_sub_policy`"),
        ("[{name: p, type: latency}]", (1, 2), "has no `latency`"),
        ("[{name: p}]", (1, 2), "has no `type`"),
        ("[text]", (1, 2), "a policy is a mapping"),
        (policy("latency", "{threshold_ms: soon}"), (1, 51), "a whole number"),
        (policy("numeric_attribute", "{key: k}"), (1, 56), "neither `min_value` nor"),
        (policy("string_attribute", "{key: k, values: ['']}"), (1, 54), "has no `values`"),
        (policy("string_attribute", "{values: [a]}"), (1, 54), "has no `key`"),
        (policy("string_attribute", "{key: k, values: ['('], enabled_regex_matching: true}"), (1, 3), "as a rule it is refused"),
        (policy("boolean_attribute", "{key: k, value: 1}"), (1, 72), "true or false"),
        (policy("status_code", "{status_codes: [BAD]}"), (1, 44), "a list of OK"),
        (ottl('attributes["a"]["b"] == 1'), (6, 24), "inside of an attribute"),
        (ottl('Concat(["a"], "b") == "ab"'), (6, 9), "function `Concat`"),
        (ottl('attributes["a"] == attributes["b"]'), (6, 28), "expected a string"),
        (ottl('trace_state["a"] == "b"'), (6, 9), "has no equivalent"),
        (ottl("status.code == STATUS_CODE_BAD"), (6, 24), "is no status"),
        (ottl('name == nil and attributes["a"] == 1'), (6, 14), "only an attribute is nil"),
        (ottl("start_time > 5"), (6, 9), "has no equivalent"),
        (ottl('spanevent.name == "x"'), (6, 9), "cannot name an event"),
        (ottl('attributes["a"] == 1 extra'), (6, 30), "expected the end"),
        (ottl("(" * 5000), (6, 59), "nested deeper"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(content: str, place: tuple[int, int], said: str) -> None:
    found = read(content)
    assert found.rules == []
    assert found.places == [place]
    assert said in found.notes[0]


CONFIG = f"""
receivers: {{otlp: {{}}}}
processors:
  batch: {{}}
  tail_sampling:
    decision_wait: 10s
    policies:
      - {SLOW}
      - name: health
        type: drop
        drop:
          drop_sub_policy:
            - {{name: x, type: string_attribute, string_attribute: {{key: url.path, values: [/health]}}}}
  tail_sampling/more:
    policies:
      - {BOOLEAN}
"""


def test_what_is_dropped_or_says_how_many_are_kept_needs_no_rule_of_its_own() -> None:
    found = read(CONFIG + f"      - {SHARE}\n")
    assert [type(item) for item in found.items] == [Draft, Aside, Draft, Aside]
    assert [item.what for item in found.items if isinstance(item, Aside)] == ["policy `health` (drop)", "policy `c` (probabilistic)"]
    assert "it says which traces are of no interest: an exception of each rule" in found.notes
    assert "`probabilistic` says how many traces are kept, not which: no rule" in found.notes
    assert found.text.count("  # NO RULE OF ITS OWN, ") == 2
    assert "NOT IMPORTED" not in found.text


def test_what_cannot_be_dropped_is_not_imported() -> None:
    found = read("[{name: d, type: drop, drop: {drop_sub_policy: [{name: x, type: trace_state}]}}]")
    assert [type(item) for item in found.items] == [Refusal]


def test_a_whole_configuration_is_read_and_what_it_drops_is_excused() -> None:
    found = read(CONFIG)
    assert found.rules == ["never  { trace:duration >= 5s }", f"never  {{ {HAS_K} }}"]
    assert [note for note in found.notes if "drops" in note] == ["what the policy `health` drops is excused"] * 2
    assert found.text.count("    exceptions:\n") == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("receivers: {}\n", "there are no policies"),
        ("text", "there are no policies"),
        ("", "says nothing"),
        ("policies: [", "no YAML"),
        ("policies: &a [*a]", "anchor"),
        ("a: 1\n---\nb: 2\n", "one document"),
        ("[" * 5000, "nested deeper"),
        ("\0", "U\\+0000"),
    ],
)
def test_a_file_without_policies_ends_with_a_sentence(content: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        list(tail_sampling_items(SourceFile("theirs", content.encode()), "violation"))


@pytest.mark.parametrize(
    ("content", "traces"),
    [
        (policy("latency", "{threshold_ms: 5}"), {"a  0ms..5ms": VIOLATED, "a  0ms..4999us": SATISFIED}),
        (
            policy("latency", "{threshold_ms: 5, upper_threshold_ms: 9}"),
            {"a  0ms..5ms": SATISFIED, "a  0ms..6ms": VIOLATED, "a  0us..9999us": VIOLATED, "a  0ms..10ms": SATISFIED},
        ),
        (
            policy("numeric_attribute", "{key: n, min_value: 5, max_value: 9}"),
            {"a  0ms..1ms  n=4": SATISFIED, "a  0ms..1ms  n=9": VIOLATED, "a  0ms..1ms  resource.n=5 n=1": VIOLATED},
        ),
        (
            policy("string_attribute", "{key: k, values: [x], invert_match: true}"),
            {"a  0ms..1ms  k=x": SATISFIED, "a  0ms..1ms": VIOLATED, "a  0ms..1ms  k=y\n  b  0ms..1ms  k=x": SATISFIED},
        ),
        # Two policies of an `and` may hold of two spans.
        (
            policy("and", f"{{and_sub_policy: [{BOOLEAN}, {{name: e, type: status_code, status_code: {{status_codes: [ERROR]}}}}]}}"),
            {"a  0ms..1ms  k=true\n  b  0ms..1ms  error": VIOLATED, "a  0ms..1ms  k=true": SATISFIED},
        ),
        # In OTTL an absent attribute differs from every value.
        (ottl('attributes["a"] != 1'), {"a  0ms..1ms": VIOLATED, "a  0ms..1ms  a=1": SATISFIED}),
        (ottl('not (attributes["a"] > 1)'), {"a  0ms..1ms": VIOLATED, "a  0ms..1ms  a=2": SATISFIED}),
        (ottl('attributes["a"] == nil', "spanevent"), {"a  0ms..1ms  event(e)": VIOLATED, "a  0ms..1ms": SATISFIED}),
        (
            f"- {SLOW}\n- name: d\n  type: drop\n  drop: {{drop_sub_policy: [{BOOLEAN}]}}\n",
            {"a  0s..6s": VIOLATED, "a  0s..6s  k=true": EXCUSED},
        ),
    ],
)
def test_traces_are_kept_as_the_policy_says(content: str, traces: dict[str, str]) -> None:
    found = read(content)
    text = "\n".join(line for line in found.text.splitlines() if not line.startswith("  #"))
    assert Imported(found.items, text).verdicts(*traces) == list(traces.values())
