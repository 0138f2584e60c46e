"""The traces of some files as they are, unjudged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.trace import TraceView
from processor.inputs import RefusedInput, read_inputs
from topics.otlp import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topics.span import Span


def traces_of(paths: Sequence[str], prefix: str = "") -> dict[str, TraceView]:
    """Return the traces whose ids begin with a prefix, by id, each assembled over all files; what cannot be read is left out."""
    spans: dict[str, list[Span]] = {}
    for item in read_inputs(paths):
        if not isinstance(item, RefusedInput):
            for span in decode(item.value, item.format).spans:
                if span.trace_id.startswith(prefix):
                    spans.setdefault(span.trace_id, []).append(span)
    return {trace_id: TraceView(found) for trace_id, found in spans.items()}
