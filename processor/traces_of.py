"""The traces of some files as they are, unjudged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from compiler.trace import TraceView
from processor.inputs import RefusedInput, read_inputs
from topics.otlp import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topics.span import Span


def traces_of(paths: Sequence[str], prefix: str = "") -> tuple[dict[str, TraceView], Counter[str]]:
    """Return the traces whose ids begin with a prefix, by id, each assembled over all files; and how much was refused, by reason."""
    refused: Counter[str] = Counter()
    spans: dict[str, list[Span]] = {}
    for item in read_inputs(paths):
        if isinstance(item, RefusedInput):
            refused[item.reason] += 1
            continue
        decoded = decode(item.value, item.format)
        refused.update(decoded.refused)
        for span in decoded.spans:
            if span.trace_id.startswith(prefix):
                spans.setdefault(span.trace_id, []).append(span)
    return {trace_id: TraceView(found) for trace_id, found in spans.items()}, refused
