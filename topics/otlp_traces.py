"""A protobuf record taken apart by trace, on its bytes: what a rule reads of a span is not looked at, so nothing of it can be lost.

Spans stay as they were sent, byte for byte and in their order, each under its own resource and scope with all they hold, unknown fields
included. Only what has no trace to go to is refused; a damaged attribute is found by whoever judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, cast

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from topics import otlp_schema as schema
from topics.refusal import RefusalReason, RefusedError

TRACE_ID_SIZE = 16
_NO_TRACE = bytes(TRACE_ID_SIZE)
_BYTE_MAX = 0x7F
# The tags of repeated messages: field 1 of a request, field 2 of a resource's and of a scope's spans.
_REQUEST_TAG, _GROUP_TAG = b"\x0a", b"\x12"


class _Head(Protocol):
    """A span of which only the trace id is read."""

    trace_id: bytes


class _ScopeHeads(Protocol):
    spans: list[_Head]


class _ResourceHeads(Protocol):
    scope_spans: list[_ScopeHeads]


class _Heads(Protocol):
    """A request of which only the trace ids are read."""

    resource_spans: list[_ResourceHeads]


class _Group(Protocol):
    """ResourceSpans or ScopeSpans as the parser has it."""

    def ClearField(self, name: str) -> None:  # noqa: N802 - protobuf's own name
        """Empty a field."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's own name
        """Return the bytes."""


@dataclass(slots=True)
class ByTrace:
    """The parts of a record by trace id, in the order in which the traces first come, and what was refused, counted by reason."""

    parts: dict[bytes, bytes] = field(default_factory=dict)
    refused: Counter[RefusalReason] = field(default_factory=Counter)


def _read_heads() -> tuple[Callable[[bytes], _Heads], Callable[[bytes], _Head]]:
    """Return parsers of requests and spans that skip all but the trace id, several times as fast as reading it all."""
    file = FileDescriptorProto(name="betrace/heads.proto", package="betrace", syntax="proto3")
    nested = (("Request", "resource_spans", 1, "Resource"), ("Resource", "scope_spans", 2, "Scope"), ("Scope", "spans", 2, "Span"))
    file.message_type.extend(
        DescriptorProto(
            name=name,
            field=[
                FieldDescriptorProto(
                    name=member,
                    number=number,
                    label=FieldDescriptorProto.LABEL_REPEATED,
                    type=FieldDescriptorProto.TYPE_MESSAGE,
                    type_name=f".betrace.{inner}",
                )
            ],
        )
        for name, member, number, inner in nested
    )
    trace_id = FieldDescriptorProto(
        name="trace_id", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL, type=FieldDescriptorProto.TYPE_BYTES
    )
    file.message_type.add(name="Span").field.append(trace_id)
    pool = DescriptorPool()
    pool.Add(file)
    request, span = (GetMessageClass(pool.FindMessageTypeByName(f"betrace.{name}")).FromString for name in ("Request", "Span"))
    return cast("Callable[[bytes], _Heads]", request), cast("Callable[[bytes], _Head]", span)


_read_request_heads, _read_span_head = _read_heads()


def only_trace(wire: bytes) -> bytes | None:
    """Return the id of the one trace that all spans of a sound record belong to; None where it has several, none, or is damaged."""
    try:
        heads = _read_request_heads(wire)
    except DecodeError:
        return None
    found: bytes | None = None
    for resource in heads.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                if span.trace_id != found:
                    if found is not None:
                        return None
                    found = span.trace_id
    return found if found is not None and is_trace_id(found) else None


def is_trace_id(trace_id: bytes) -> bool:
    """Whether these bytes are the id of a trace: sixteen of them, not all zero."""
    return len(trace_id) == TRACE_ID_SIZE and trace_id != _NO_TRACE


def split_by_trace(wire: bytes) -> ByTrace:
    """Return a record's spans as one record for each trace; never raises.

    A record, resource or scope that cannot be opened is refused as one item, a span without a trace id as another; the rest is kept.
    """
    found = ByTrace()
    whole: dict[bytes, list[bytes]] = {}
    for group in _opened(lambda: schema.read_request(wire).resource_spans, found):
        for trace_id, part in _resource_parts(group, found).items():
            whole.setdefault(trace_id, []).append(_nested(_REQUEST_TAG, part))
    found.parts = {trace_id: b"".join(parts) for trace_id, parts in whole.items()}
    return found


def _resource_parts(wire: bytes, found: ByTrace) -> dict[bytes, bytes]:
    try:
        message = schema.read_resource_spans(wire)
    except RefusedError as error:
        found.refused[error.reason] += 1
        return {}
    parts: dict[bytes, list[bytes]] = {}
    for group in message.scope_spans:
        for trace_id, part in _scope_parts(group, found).items():
            parts.setdefault(trace_id, []).append(_nested(_GROUP_TAG, part))
    return _filled(message, "scope_spans", parts)


def _scope_parts(wire: bytes, found: ByTrace) -> dict[bytes, bytes]:
    try:
        message = schema.read_scope_spans(wire)
    except RefusedError as error:
        found.refused[error.reason] += 1
        return {}
    parts: dict[bytes, list[bytes]] = {}
    for span in message.spans:
        trace_id = _trace_of(span, found)
        if trace_id is not None:
            parts.setdefault(trace_id, []).append(_nested(_GROUP_TAG, span))
    return _filled(message, "spans", parts)


def _trace_of(span: bytes, found: ByTrace) -> bytes | None:
    try:
        trace_id = _read_span_head(span).trace_id
    except DecodeError:
        found.refused[RefusalReason.MALFORMED] += 1
        return None
    if is_trace_id(trace_id):
        return trace_id
    found.refused[RefusalReason.SPAN_WITHOUT_TRACE_ID] += 1
    return None


def _opened(read: Callable[[], Iterable[bytes]], found: ByTrace) -> Iterable[bytes]:
    try:
        return read()
    except RefusedError as error:
        found.refused[error.reason] += 1
        return ()


def _filled(message: object, member: str, parts: dict[bytes, list[bytes]]) -> dict[bytes, bytes]:
    """Return the group once for each trace: all that it holds besides `member`, then those of the trace."""
    if not parts:
        return {}
    group = cast("_Group", message)
    group.ClearField(member)
    shell = group.SerializeToString()
    return {trace_id: shell + b"".join(members) for trace_id, members in parts.items()}


def _nested(tag: bytes, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while size > _BYTE_MAX:
        length.append(size & _BYTE_MAX | 0x80)
        size >>= 7
    length.append(size)
    return tag + length + body
