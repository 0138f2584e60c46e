"""A log in memory and a worker's core on it: crashes, restarts and clocks as a test wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from processor.closing import SECOND_NS, ClosingPolicy
from processor.group_handler import Bounds
from processor.handler import Handler
from processor.keyring import NO_KEYS, Keyring
from processor.metrics import Tally
from processor.overload import ShedPolicy
from processor.partition_owner import PartitionOwner
from processor.record import PartitionKey, RecordFormat
from processor.rule_source import Program
from processor.store_beside import Aside, at_once
from processor.surroundings import CoreSettings, Surroundings
from tests.doubles.journal import MemoryJournal
from tests.doubles.reading import reread
from tests.processor.played import NEEDS_CHECK, NO_BYPASS, START_NS, rules
from tests.trace_engines import engine_for
from topics.otlp import encode_protobuf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler import RuleSet
    from processor.store import Store
    from topics.dead_letter import DeadLetter
    from topics.span import Span
    from topics.violation import Violation
    from topics.written_violation import WrittenViolation

KEY = PartitionKey("otlp_spans", 0)
PROGRAM_ID = "00000000000000aa"


@dataclass(frozen=True)
class LogRecord:
    """A record of the log (processor.record.Record)."""

    offset: int
    timestamp_ns: int | None
    key: bytes | None
    value: bytes
    topic: str = KEY.topic
    partition: int = KEY.partition
    headers: tuple[tuple[str, bytes], ...] = (("from", b"test"),)
    format: RecordFormat = "protobuf"


@dataclass
class Outbox:
    """Keeps what was published; `durable` is what a flush has confirmed."""

    sent: list[Violation] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    flush_count: int = 0
    breaks: bool = False

    def violation(self, record: WrittenViolation) -> None:
        self.sent.append(reread(record))

    def dead_letter(self, letter: DeadLetter) -> None:
        self.letters.append(letter)

    def flush(self) -> None:
        if self.breaks:
            raise ConnectionError("no acknowledgement")
        self.flush_count += 1


@dataclass
class Log:
    """One partition, what was committed of it, and a wall clock in seconds."""

    rule_set: RuleSet = field(default_factory=lambda: rules(NEEDS_CHECK, NO_BYPASS))
    policy: ClosingPolicy = field(default_factory=ClosingPolicy)
    records: list[LogRecord] = field(default_factory=list)
    committed: int | None = None
    outbox: Outbox = field(default_factory=Outbox)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    store: Store | None = None
    aside: Aside = at_once
    keyring: Keyring = NO_KEYS
    memory_max_bytes: int = 2**63
    stored_at_once_max: int = 4_096
    shed: ShedPolicy | None = field(default_factory=ShedPolicy)
    wall_s: float = 0.0
    first: int = 0
    programs: dict[str, Program] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.put_in_force(PROGRAM_ID, self.rule_set)

    def put_in_force(self, program_id: str, rule_set: RuleSet) -> None:
        """Let a program judge the traces that begin from now on; the others can still be found."""
        self.programs[program_id] = Program(program_id, rule_set, lambda: engine_for(rule_set))
        self._program_id = program_id

    @property
    def current(self) -> Program:
        """The program in force (processor.rule_source.RuleSource)."""
        return self.programs[self._program_id]

    def find(self, program_id: str) -> Program | None:
        """A program that was in force once."""
        return self.programs.get(program_id)

    def append(self, second: float | None, *spans: Span, key: bytes | None = b"") -> None:
        """Append a record with this timestamp, keyed by its first span's trace unless told otherwise."""
        timestamp_ns = None if second is None else self.at(second)
        own_key = spans[0].trace_id.encode() if key == b"" and spans else key
        self.records.append(LogRecord(len(self.records), timestamp_ns, own_key, encode_protobuf(spans)))

    @staticmethod
    def at(second: float) -> int:
        return START_NS + round(second * SECOND_NS)

    def own(self) -> Owner:
        """Assign the partition to a new worker, which starts where the last commit says."""
        return Owner(self)


class Owner:
    """A worker's core that owns the partition."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.tally = Tally()
        around = Surroundings(
            log.outbox,
            log,
            self.tally,
            journal=log.journal,
            store=log.store,
            aside=log.aside,
            clock=lambda: log.at(log.wall_s),
            bounds=lambda keys: dict.fromkeys(keys, Bounds(log.first, len(log.records))),
        )
        settings = CoreSettings(
            log.policy,
            store_interval_ns=0,
            stored_at_once_max=log.stored_at_once_max,
            keyring=log.keyring,
            memory_max_bytes=log.memory_max_bytes,
            shed=log.shed,
        )
        self.handler = Handler(settings, around)
        self.position = self.handler.assigned({KEY: log.committed})[KEY]

    @property
    def owner(self) -> PartitionOwner:
        """What the core keeps of the partition."""
        return self.handler.owned[KEY].owner

    def read(self, count: int = 1_000_000, chunk: int = 1_000_000) -> None:
        """Read on, at most so many records, in chunks."""
        records: Sequence[LogRecord] = self.log.records[self.position : self.position + count]
        for first in range(0, len(records), chunk):
            part = records[first : first + chunk]
            self.position = part[-1].offset + 1
            self.handler.chunk(KEY, part, self.position)

    def checkpoint(self) -> None:
        """Checkpoint and commit."""
        outcome = self.handler.checkpoint([KEY])
        self.log.committed = outcome.commits.get(KEY, self.log.committed)
        if outcome.retake:
            self.position = self.handler.assigned({KEY: self.log.committed})[KEY]

    def idle(self, second: float) -> None:
        """Let the wall clock come to this second with nothing new in the log."""
        self.log.wall_s = max(self.log.wall_s, second)
        self.checkpoint()
        self.checkpoint()


def believed(records: Sequence[Violation]) -> dict[str, dict[str, object]]:
    """Return what a reader believes in the end: the greatest revision of each violation that stands, whenever it was said."""
    last: dict[str, Violation] = {}
    for record in records:
        if record.id not in last or record.revision >= last[record.id].revision:
            last[record.id] = record
    standing = {key: record for key, record in last.items() if record.change != "withdrawn"}
    return {key: record.model_dump(mode="json", exclude={"revision", "change", "decided_at"}) for key, record in standing.items()}
