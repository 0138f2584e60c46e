"""OTLP's protobuf messages, opened one level at a time: the only file that knows opentelemetry-proto's descriptors.

The descriptors are loaded into a pool of our own with two changes, neither of which alters the wire format: strings are bytes, because
protobuf's parser refuses a whole record for one string that is no UTF-8; and groups (resource, scope, spans) are bytes as well, so that a
span that cannot be read costs that span only, and a resource seen before need not be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, cast

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from topics.refusal import RefusalReason, RefusedError

ValueKind = Literal["string_value", "bool_value", "int_value", "double_value", "array_value", "kvlist_value", "bytes_value"]

_FILES = (common_pb2, resource_pb2, trace_pb2, trace_service_pb2)
# Repeated, so that the parts of a resource or scope sent in pieces can be joined, which is what protobuf means by merging them.
_UNOPENED = frozenset({"resource_spans", "scope_spans", "spans", "resource", "scope"})
_GROUPS = frozenset({"ExportTraceServiceRequest", "TracesData", "ResourceSpans", "ScopeSpans"})


class AnyValueMessage(Protocol):
    """AnyValue; `WhichOneof("value")` is None for a value without type."""

    string_value: bytes
    bool_value: bool
    int_value: int
    double_value: float
    bytes_value: bytes
    array_value: ArrayMessage
    kvlist_value: KeyValuesMessage

    def WhichOneof(self, oneof_group: Literal["value"], /) -> ValueKind | None:  # noqa: N802 - protobuf's own name
        """Return the name of the one field that is set."""


class ArrayMessage(Protocol):
    """ArrayValue."""

    values: Sequence[AnyValueMessage]


class KeyValueMessage(Protocol):
    """KeyValue."""

    key: bytes
    value: AnyValueMessage


class KeyValuesMessage(Protocol):
    """KeyValueList."""

    values: Sequence[KeyValueMessage]


class RequestMessage(Protocol):
    """ExportTraceServiceRequest; its groups are not opened yet."""

    resource_spans: Sequence[bytes]


class ResourceSpansMessage(Protocol):
    """ResourceSpans; `resource` holds the parts of one Resource."""

    resource: Sequence[bytes]
    scope_spans: Sequence[bytes]


class ScopeSpansMessage(Protocol):
    """ScopeSpans; `scope` holds the parts of one InstrumentationScope."""

    scope: Sequence[bytes]
    spans: Sequence[bytes]


class ResourceMessage(Protocol):
    """Resource."""

    attributes: Sequence[KeyValueMessage]


class ScopeMessage(Protocol):
    """InstrumentationScope."""

    name: bytes
    version: bytes
    attributes: Sequence[KeyValueMessage]


class EventMessage(Protocol):
    """Span.Event."""

    name: bytes
    time_unix_nano: int
    attributes: Sequence[KeyValueMessage]


class LinkMessage(Protocol):
    """Span.Link."""

    trace_id: bytes
    span_id: bytes
    attributes: Sequence[KeyValueMessage]


class StatusMessage(Protocol):
    """Status."""

    code: int
    message: bytes


class SpanMessage(Protocol):
    """Span."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: bytes
    kind: int
    start_time_unix_nano: int
    end_time_unix_nano: int
    status: StatusMessage
    attributes: Sequence[KeyValueMessage]
    events: Sequence[EventMessage]
    links: Sequence[LinkMessage]


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for module in _FILES:
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            for part in (message, *message.nested_type):
                for field in part.field:
                    _as_bytes(field, group=message.name in _GROUPS)
        pool.Add(file)
    return pool


def _as_bytes(field: FieldDescriptorProto, *, group: bool) -> None:
    if field.type == FieldDescriptorProto.TYPE_STRING:
        field.type = FieldDescriptorProto.TYPE_BYTES
    elif group and field.name in _UNOPENED:
        field.type = FieldDescriptorProto.TYPE_BYTES
        field.label = FieldDescriptorProto.LABEL_REPEATED
        field.ClearField("type_name")


def _reader(pool: DescriptorPool, name: str) -> Callable[[bytes], Message]:
    parse = GetMessageClass(pool.FindMessageTypeByName(f"opentelemetry.proto.{name}")).FromString

    def read(wire: bytes) -> Message:
        try:
            return parse(wire)
        except DecodeError as error:
            # The parser stops at 100 messages inside of each other, which only nested attribute values reach.
            deep = "MaxDepth" in str(error)
            raise RefusedError(RefusalReason.TOO_DEEP if deep else RefusalReason.MALFORMED) from None

    return read


_POOL = _pool()
_read_request = _reader(_POOL, "collector.trace.v1.ExportTraceServiceRequest")

# Each raises RefusedError on bytes that are not its message.
read_resource_spans = cast("Callable[[bytes], ResourceSpansMessage]", _reader(_POOL, "trace.v1.ResourceSpans"))
read_scope_spans = cast("Callable[[bytes], ScopeSpansMessage]", _reader(_POOL, "trace.v1.ScopeSpans"))
read_resource = cast("Callable[[bytes], ResourceMessage]", _reader(_POOL, "resource.v1.Resource"))
read_scope = cast("Callable[[bytes], ScopeMessage]", _reader(_POOL, "common.v1.InstrumentationScope"))
read_span = cast("Callable[[bytes], SpanMessage]", _reader(_POOL, "trace.v1.Span"))
read_any_value = cast("Callable[[bytes], AnyValueMessage]", _reader(_POOL, "common.v1.AnyValue"))


def read_request(wire: bytes) -> RequestMessage:
    """Return the record's groups; raises RefusedError: truncated where the last field announces more than there is, else malformed."""
    try:
        return cast("RequestMessage", _read_request(wire))
    except RefusedError as refused:
        raise RefusedError(RefusalReason.TRUNCATED if _ends_early(wire) else refused.reason) from None


def _ends_early(wire: bytes) -> bool:
    """Say whether the bytes are sound fields up to one that runs past the end."""
    at = 0
    try:
        while at < len(wire):
            at = _behind_field(wire, at)
    except IndexError:  # inside a number
        return True
    except ValueError:
        return False
    return at > len(wire)


def _behind_field(wire: bytes, at: int) -> int:
    """Return the offset behind the field at an offset; raises IndexError inside a cut number, ValueError on what is no field."""
    tag, at = _varint(wire, at)
    if not tag >> 3:
        raise ValueError("no field has the number 0")
    match tag & 7:
        case 0:
            return _varint(wire, at)[1]
        case 1:
            return at + 8
        case 2:
            length, at = _varint(wire, at)
            return at + length
        case 5:
            return at + 4
        case _:
            raise ValueError("no OTLP message has groups")


def _varint(wire: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = wire[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at
    raise ValueError("a number has at most ten bytes")
