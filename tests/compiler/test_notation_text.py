"""A trace written as a test trace is read as the trace it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler import TraceView
from compiler.notation_text import NotationWriter
from compiler.trace import has_times
from tests.conformance.case import JudgeCase, load_cases
from tests.conformance.run_judge import compiled, view_of

if TYPE_CHECKING:
    from compiler import Span

CASES = [case for case in load_cases() if isinstance(case, JudgeCase)]


def said(view: TraceView) -> list[tuple[object, ...]]:
    """What the notation says of each span, in order of the tree: all but ids, and times that cannot be used."""
    start_ns = view.first_start_ns or 0
    return [(depth, *_of_span(span, start_ns), view.is_orphan(span)) for span, depth in view.tree]


def _of_span(span: Span, start_ns: int) -> tuple[object, ...]:
    timed = has_times(span)
    events = [(event.name, event.time_ns - span.start_ns if timed else 0, event.attributes) for event in span.events]
    links = [(link.trace_id, link.span_id, link.attributes) for link in span.links]
    times = (span.start_ns - start_ns, span.end_ns - start_ns) if timed else ()
    scope = (span.scope.name, span.scope.version, span.scope.attributes)
    return (span.name, *times, span.kind, span.status, span.status_message, span.attributes, span.resource.attributes, scope, events, links)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_what_is_written_is_read_as_it_was(case: JudgeCase) -> None:
    rule_set = compiled(case.let, case.entries())
    assert not isinstance(rule_set, list)
    for expectation in case.traces:
        view = view_of(expectation.trace)
        assert isinstance(view, TraceView)
        writer = NotationWriter()
        again = view_of(writer.text(view))
        assert isinstance(again, TraceView), again
        if writer.left_out == 0:
            assert said(again) == said(view)
