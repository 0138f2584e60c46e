"""Cases of `stream/` as a worker meets them: what arrives at which moment, and what is to be said by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.notation import TRACE_ID
from processor.closing import SECOND_NS, ClosingPolicy
from processor.notation_spans import spans_of
from tests.conformance.run_judge import compiled
from tests.conformance.run_stream import with_test

if TYPE_CHECKING:
    from compiler import RuleSet
    from tests.conformance.case import StreamCase
    from topics.span import Span

# The settings of a timed test: the worker's own defaults, early verdicts on.
POLICY = ClosingPolicy(early_verdicts=True)
# So long after its last arrival a trace of the cases has closed by itself.
_CLOSED_NS = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Timed:
    """A case. `arrivals`: every moment, in nanoseconds from its beginning, with what arrives then; `expected`: words by rule and moment."""

    case: StreamCase
    entries: tuple[dict[str, object], ...]
    rule_set: RuleSet
    arrivals: Mapping[int, tuple[Span, ...]]
    expected: Mapping[str, Mapping[int, str]]


def timed(case: StreamCase, *, prefix: str = "", trace_id: str = TRACE_ID) -> Timed:
    """Read a case; a prefix tells its rules from those of other cases.

    In a test exceptions are in force whatever their last day; on a worker they are if they have none.
    """
    assert case.close is None, "a worker closes by time"
    named = [(str(entry["id"]), _lasting({**entry, "id": f"{prefix}{entry['id']}"})) for entry in case.entries()]
    rule_set = compiled(case.let, [{**with_test(case, {**entry, "id": own}), "id": entry["id"]} for own, entry in named])
    assert not isinstance(rule_set, list), rule_set
    tests = {rule.id: rule.tests[0] for rule in rule_set.rules}
    lines = next(iter(tests.values())).trace.lines
    arrivals: dict[int, list[Span]] = {}
    for line, span in zip(lines, spans_of(lines, trace_id), strict=True):
        arrivals.setdefault(line.arrives_ns, []).append(span)
    last_ns = max(arrivals) + _CLOSED_NS
    expected = {rule: test.expect if isinstance(test.expect, Mapping) else {last_ns: test.expect} for rule, test in tests.items()}
    for moment in {moment for words in expected.values() for moment in words}:
        arrivals.setdefault(moment, [])
    return Timed(
        case,
        tuple(entry for _, entry in named),
        rule_set,
        {moment: tuple(arrivals[moment]) for moment in sorted(arrivals)},
        expected,
    )


def _lasting(entry: dict[str, object]) -> dict[str, object]:
    exceptions = entry.get("exceptions")
    if not isinstance(exceptions, list):
        return entry
    return {**entry, "exceptions": [{key: value for key, value in one.items() if key != "expires"} for one in exceptions]}
