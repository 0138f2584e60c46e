"""First drafts of rule files: of a name, and of a trace that something is to be learnt from."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Container, Sequence

from compiler.ir import Named
from compiler.ir_text import Writer, quoted
from compiler.judge import judge
from compiler.notation_line import STATUSES
from compiler.notation_text import NotationWriter, utf8
from compiler.report import RuleReport
from compiler.rule_set import Rule
from compiler.trace import Span, TraceView
from compiler.verdict import Closing, Verdict
from compiler.yaml_text import quoted_scalar, sayable

# Where the tests of a rule stand in its file.
_TESTS_MARGIN = " " * 6
_NO_ID = re.compile(r"[^a-z0-9]+")
_ID_LENGTH_MAX = 80
# What instrumentations add to every span, whatever happens.
_NOISE = ("telemetry.", "network.", "client.", "server.", "user_agent.", "host.", "os.", "process.", "container.", "thread.", "code.")
_NOISY = frozenset({"scope", "instrumentation:version", "service.instance.id", "url.scheme", "url.full", "asgi.event.type"})
_EMPTY = """rules:
  - id: {id}
    name: {name}
    description: >
      What went wrong once, and how this rule would have shown it.
    severity: medium
    owner: ""
    rule: |
      // Traces that it is about; of all others it says nothing.
      when   {{ charge.where(amount > 1000) }}
      // What must be so in each of them.
      always {{ check before charge }}
    tests:
      - name: without a check it is violated
        trace: |
          checkout  0ms..90ms  service=shop
            charge  10ms..31ms  amount=5000
        expect: violated
        offenders: [charge]
      - name: a check that comes too late is none
        trace: |
          checkout  0ms..90ms  service=shop
            charge  10ms..31ms  amount=5000
            check  40ms..50ms
        expect: violated
      - name: a check before it is fine
        trace: |
          checkout  0ms..90ms  service=shop
            check  1ms..5ms
            charge  10ms..31ms  amount=5000
        expect: satisfied
      - name: what is not large does not concern it
        trace: |
          checkout  0ms..90ms  service=shop
            charge  10ms..31ms  amount=1000
        expect: not_applicable
"""


def rule_id_of(name: str) -> str:
    """Return the id that a name gives: `GET /cart` is `get-cart`; empty where it has no letter or digit."""
    return _NO_ID.sub("-", name.lower()).strip("-")[:_ID_LENGTH_MAX].strip("-")


def empty_rule_file(name: str) -> str:
    """Return a rule file with one rule to be rewritten, all of whose tests pass."""
    return _EMPTY.format(id=rule_id_of(name), name=quoted_scalar(name))


def rule_file_of(view: TraceView, writer: NotationWriter) -> str:
    """Return a rule file with a draft of a rule that speaks of a trace, and this trace as its first test, which expects a violation.

    Where a span failed, the rule says that it must not; else that the trace holds what it ended with, and its test fails: a guess that
    passes would be kept. It is named a DRAFT and stands in mode shadow: put in force as it is, it alerts nobody.
    """
    root = view.roots[0] if view.roots else view.spans[0]
    depths = {span.span_id: depth for span, depth in view.tree}
    failed = [span for span in view.spans if span.status == STATUSES["error"]]
    when = _selector(root)
    if failed:
        # What failed first in the depth of the trace is nearer to the cause than its callers.
        cause = max(failed, key=lambda span: (depths[span.span_id], -span.start_ns))
        what, clause = f"{cause.name} fails", f"never  {{ {_selector(cause)}.where(span:status == error) }}"
        why = "the guess is the span that failed; what had to be so instead?"
        offenders = [span.name for span in failed if span.name == cause.name]
    else:
        last = max(view.spans, key=lambda span: (depths[span.span_id], span.start_ns))
        what, clause = f"it comes to {last.name}", f"always {{ {_selector(last)} }}"
        why = "no span failed, so the guess finds nothing wrong, and its test fails."
        offenders = []
    title = f"DRAFT {root.name}: {what}"
    lines = [
        "rules:",
        f"  - id: {rule_id_of(title) or 'rule'}",
        f"    name: {quoted_scalar(title)}",
        "    description: >",
        "      What went wrong, and how this rule would have shown it.",
        "    severity: medium",
        "    mode: shadow",
        "    rule: |",
        f"      // DRAFT, guessed from one trace: {why}",
        "      // Say what must be so in every trace like it, then rename the rule.",
        f"      when   {{ {when} }}",
        f"      {clause}",
        "    tests:",
        _test(f"trace {view.trace_id}", writer.text(view), Verdict.VIOLATED, offenders),
    ]
    return "\n".join(lines) + "\n"


def test_of(rule: Rule, view: TraceView, writer: NotationWriter, name: str) -> str:
    """Return a trace as a further test of a rule, which passes where nothing is left out: an entry of its `tests`, indented as there.

    The writer keeps what the rule reads or shows (`demanded_keys`); what it says of the trace when complete is what the test expects.
    """
    found = judge(rule, view, Closing.COMPLETE, opened_ns=None)
    offenders = [span.name for span in found.offenders] if len(found.offenders) == found.offender_count else []
    return _test(name, writer.text(view), found.verdict, offenders) + "\n"


def _selector(span: Span) -> str:
    return Writer().base(Named(utf8(span.name)))


def demanded_keys(report: RuleReport) -> Container[str]:
    """Return the attributes and other parts of a span that a rule reads or shows."""
    words = {field.removesuffix(" (evidence)") for field in report.demand}
    keys = {word.rpartition("attribute ")[2] for word in words}
    return keys | ({"scope"} if "instrumentation:name" in words else set())


class Telling:
    """The attributes that tell what happened in a trace: all but those that instrumentations add to every span."""

    def __contains__(self, key: object) -> bool:
        """Whether an attribute is one of them."""
        return isinstance(key, str) and key not in _NOISY and not key.startswith(_NOISE)


def _test(name: str, trace: str, expect: str, offenders: Sequence[str]) -> str:
    lines = [f"- name: {quoted_scalar(name)}", "  trace: |", textwrap.indent(trace, "    "), f"  expect: {expect}"]
    # Where a name cannot stand in YAML, not even escaped, the verdict alone is expected.
    if offenders and all(sayable(name) == name for name in offenders):
        lines.append(f"  offenders: [{', '.join(map(quoted, offenders))}]")
    return textwrap.indent("\n".join(lines), _TESTS_MARGIN)
