"""Why an item of the input was refused: enumerated words, each a metric label, and the sentence that explains it."""

from __future__ import annotations

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a file, a record, a group of spans or one span was not taken. What else the input holds is judged."""

    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_TRACES = "not_traces"
    JAEGER_JSON = "jaeger_json"
    BAD_CAPTURE = "bad_capture"
    BAD_VALUE = "bad_value"
    SPAN_WITHOUT_TRACE_ID = "span_without_trace_id"
    SPAN_WITHOUT_SPAN_ID = "span_without_span_id"

    @property
    def meaning(self) -> str:
        """One sentence for a person."""
        return _MEANINGS[self]


_MEANINGS = {
    RefusalReason.UNREADABLE: "The file is absent or the system would not let it be read.",
    RefusalReason.TRUNCATED: "The file, line or record ends before what it announces is complete.",
    RefusalReason.MALFORMED: "The bytes are no gzip, JSON or protobuf, whichever they should be.",
    RefusalReason.TOO_LARGE: "A line, document, record (64 MiB) or span (16 MiB) is over the limit of size.",
    RefusalReason.TOO_DEEP: "An attribute value holds arrays or maps nested deeper than 32 levels.",
    RefusalReason.NOT_TRACES: "The JSON or the capture is sound, but holds no OTLP traces: logs, metrics or something else.",
    RefusalReason.JAEGER_JSON: "The JSON is Jaeger's own, which is no OTLP: fetch /api/v3/traces/ID, which is, instead of /api/traces/ID.",
    RefusalReason.BAD_CAPTURE: "The line of a capture lacks a member it needs, or one has a wrong type.",
    RefusalReason.BAD_VALUE: "A field has a wrong type or is out of range, so that what holds it cannot be taken as it was sent.",
    RefusalReason.SPAN_WITHOUT_TRACE_ID: "The span's trace id is missing, all zeros, or not 16 bytes (in JSON 32 hexadecimal digits).",
    RefusalReason.SPAN_WITHOUT_SPAN_ID: "The span's id is missing, all zeros, or not 8 bytes (in JSON 16 hexadecimal digits).",
}


class RefusedError(Exception):
    """Raised inside a decoder by what cannot be taken; it never leaves the decoders' public functions."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason)
        self.reason = reason
