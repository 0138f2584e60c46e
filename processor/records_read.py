"""Records as the flow goes through them: a column of each property, so that what is done for every record is done for all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, overload

from processor.record import PartitionKey, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.record import RecordFormat


@dataclass(slots=True)
class ReadRecords(Sequence[Record]):
    """Some records in their order. `log` is the one they are all of; None: they are of several.

    `rows` are what they came as: `record_of` makes one of them a record, when somebody asks for it.
    """

    log: PartitionKey | None
    offsets: Sequence[int]
    timestamps_ns: Sequence[int | None]
    keys: Sequence[bytes | None]
    values: Sequence[bytes]
    formats: Sequence[RecordFormat]
    rows: Sequence[Any]
    record_of: Callable[[Any], Record]

    @classmethod
    def of(cls, records: Sequence[Record]) -> ReadRecords:
        """Return records in columns; what is that already, as it is."""
        if isinstance(records, ReadRecords):
            return records
        logs = {PartitionKey(record.topic, record.partition) for record in records}
        return cls(
            logs.pop() if len(logs) == 1 else None,
            [record.offset for record in records],
            [record.timestamp_ns for record in records],
            [record.key for record in records],
            [record.value for record in records],
            [record.format for record in records],
            records,
            _itself,
        )

    def log_of(self, index: int) -> PartitionKey:
        """Return the log that a record is of."""
        if self.log is not None:
            return self.log
        record = self[index]
        return PartitionKey(record.topic, record.partition)

    def only(self, is_taken: Sequence[int]) -> ReadRecords:
        """Return those records for which a number that is not 0 stands at their place."""
        return ReadRecords(
            self.log,
            list(compress(self.offsets, is_taken)),
            list(compress(self.timestamps_ns, is_taken)),
            list(compress(self.keys, is_taken)),
            list(compress(self.values, is_taken)),
            list(compress(self.formats, is_taken)),
            list(compress(self.rows, is_taken)),
            self.record_of,
        )

    def __len__(self) -> int:
        """The number of records."""
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> ReadRecords: ...

    def __getitem__(self, index: int | slice) -> Record | ReadRecords:
        """Return one of the records, or some."""
        if not isinstance(index, slice):
            return self.record_of(self.rows[index])
        return ReadRecords(
            self.log,
            self.offsets[index],
            self.timestamps_ns[index],
            self.keys[index],
            self.values[index],
            self.formats[index],
            self.rows[index],
            self.record_of,
        )


def _itself(record: Record) -> Record:
    return record
