"""What an engine is compared with, over the same bytes in the same run; none of these judges anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from loadtest.decode_only import Batch, DecodeOnly
from loadtest.demand import Demand


class Comparison(Protocol):
    """Something that reads records, ready to run."""

    name: str

    def run(self) -> int:
        """Read all records once; return how many spans they hold."""


class CParser:
    """The physical limit: a C parser that decodes what the rules read."""

    name = "C parser"

    def __init__(self, records: Sequence[bytes], demand: Demand) -> None:
        self._decoder, self._batch = DecodeOnly(demand), Batch(records)

    def run(self) -> int:
        """Decode the records."""
        return self._decoder.run(self._batch)


@dataclass(slots=True)
class UpbWalk:
    """What Python users would write: protobuf's own parser, then a walk over the wanted attributes."""

    records: Sequence[bytes]
    demand: Demand
    name: str = "upb walk"

    def run(self) -> int:
        """Parse the records and look at what the rules would."""
        wanted = frozenset(self.demand.keys)
        parse, count = ExportTraceServiceRequest.FromString, 0
        for record in self.records:
            for group in parse(record).resource_spans:
                for scope in group.scope_spans:
                    for span in scope.spans:
                        _walk(span, wanted)
                        count += 1
        return count


def _walk(span: Span, wanted: frozenset[str]) -> tuple[object, ...]:
    found = {}
    for pair in span.attributes:
        if pair.key in wanted:
            value = pair.value
            kind = value.WhichOneof("value")
            found[pair.key] = getattr(value, kind) if kind else None
    ids = span.trace_id, span.span_id, span.parent_span_id
    return *ids, span.name, span.kind, span.start_time_unix_nano, span.end_time_unix_nano, span.status.code, found
