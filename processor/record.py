"""What the flow reads: records, whatever brought them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

RecordFormat = Literal["protobuf", "json"]


class PartitionKey(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Record(Protocol):
    """One record of OTLP: where it stands, when it was appended, what it holds."""

    @property
    def topic(self) -> str:
        """The topic, or the file, it was read from."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its offset in the partition."""

    @property
    def timestamp_ns(self) -> int | None:
        """Its timestamp in unix nanoseconds; None where it has none."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | str | None]]:
        """Its headers."""

    @property
    def value(self) -> bytes:
        """An ExportTraceServiceRequest."""

    @property
    def format(self) -> RecordFormat:
        """How the value is encoded."""
