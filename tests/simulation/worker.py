"""One worker's life: the production core with everything it is given from outside, each of whose effects may be met by a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processor.closing import ClosingPolicy
from processor.group_handler import Bounds
from processor.handler import Handler
from processor.journal import Ack, JournalError
from processor.metrics import Silent
from processor.record import PartitionKey
from processor.surroundings import CoreSettings, Surroundings
from tests.doubles.later import Later
from tests.doubles.reading import reread
from tests.simulation.broker import Broker
from tests.simulation.faults import Answer, Died, Fault, Points, Standing
from tests.simulation.programs import SharedRules
from tests.simulation.state import TraceState, traces_of
from tests.simulation.stores import FailingStore, StoreOf
from topics.dead_letter import DeadLetter
from topics.violation import Violation
from topics.written_violation import WrittenViolation

_LOOKS_MAX = 4


class NoAnswerError(Exception):
    """What a publisher raises that could not deliver."""


@dataclass
class JournalOf:
    """The journal as one worker reaches it (processor.journal.Journal)."""

    broker: Broker
    points: Points

    def append(self, entries: Sequence[tuple[PartitionKey, bytes]]) -> list[Ack]:
        acks: list[Ack] = []
        lost = False
        for key, value in entries:
            name = "append" if value.startswith(b'{"counts"') else "fence"
            answer = self.points.at(f"{name}.before")
            if answer is Answer.REFUSED:
                raise JournalError("refused")
            lost = lost or answer is Answer.LOST
            acks += self.broker.journal.append([(key, value)])
            self.points.at(f"{name}.after")
        if lost:
            raise JournalError("no answer")
        return acks

    def read(self, key: PartitionKey, begin: int, end: int) -> list[tuple[int, bytes]]:
        return self.broker.journal.read(key, begin, end)

    def first_offset(self, key: PartitionKey) -> int:
        return self.broker.journal.first_offset(key)


@dataclass
class PublisherOf:
    """The producer of one worker (processor.checkpoint.Publisher). `is_eager`: what is sent arrives at once; else with the flush."""

    broker: Broker
    points: Points
    is_eager: bool
    waiting: list[Violation | DeadLetter] = field(default_factory=list)

    def violation(self, record: WrittenViolation) -> None:
        self._send(reread(record))

    def dead_letter(self, letter: DeadLetter) -> None:
        self._send(letter)

    def _send(self, record: Violation | DeadLetter) -> None:
        self.waiting.append(record)
        if self.is_eager:
            self._deliver()

    def _deliver(self) -> None:
        while self.waiting:
            self.points.at("publish.before")
            record = self.waiting.pop(0)
            if isinstance(record, Violation):
                self.broker.deliver(record)
            else:
                self.broker.letters.append(record)
            self.points.at("publish.after")

    def flush(self) -> None:
        answer = self.points.at("flush.before")
        if answer is Answer.REFUSED:
            raise NoAnswerError("refused")
        self._deliver()
        self.points.at("flush.after")
        if answer is Answer.LOST:
            raise NoAnswerError("no answer")


class Seen(NamedTuple):
    """The state of a partition in a worker, when all it had decided stood in the journal: behind the record at `offset`."""

    key: PartitionKey
    generation: int
    offset: int
    position: int
    time_ns: int
    traces: dict[str, TraceState]


class Worker:
    """A process from its start to its end. `clock_offset_ns`: how far its clock is ahead of the true one."""

    def __init__(
        self, number: int, broker: Broker, store: FailingStore | None, rules: SharedRules, settings: CoreSettings, *, is_eager: bool
    ) -> None:
        self.number = number
        self.is_alive = True
        self.clock_offset_ns = 0
        self.positions: dict[PartitionKey, int] = {}
        # Where it was told that the log ends: a consumer is told once each time it comes there.
        self.ends: dict[PartitionKey, int] = {}
        # Fenced, to be taken anew: nothing is read of them until then.
        self.retake: set[PartitionKey] = set()
        self.standing: Standing | None = None
        self.seen: list[Seen] = []
        self.points = Points()
        # What it asks of the store is done at once, or some checkpoints later.
        self.later = Later(number % _LOOKS_MAX)
        self._broker = broker
        journal, publisher = JournalOf(broker, self.points), PublisherOf(broker, self.points, is_eager)
        around = Surroundings(
            publisher=publisher,
            rules=rules,
            metrics=Silent(),
            journal=journal,
            store=None if store is None else StoreOf(store, self.points),
            aside=self.later,
            clock=lambda: broker.now_ns + self.clock_offset_ns,
            bounds=self._bounds,
        )
        self.settings = settings
        self.handler = Handler(settings, around)

    @property
    def policy(self) -> ClosingPolicy:
        return self.settings.policy

    @property
    def is_free(self) -> bool:
        """Whether it can be called: alive, and no call left standing."""
        return self.is_alive and self.standing is None

    @property
    def owned(self) -> set[PartitionKey]:
        """What it believes to own."""
        return set(self.positions)

    # ---- the calls of the group -----------------------------------------------------------------------------------------------------

    def take(self, keys: Iterable[PartitionKey]) -> None:
        """Own partitions, for the first time or anew."""
        wanted = sorted(keys)
        committed = {key: self._broker.committed.get(key) for key in wanted}
        starts = self.handler.assigned(committed)
        for key in wanted:
            self.positions[key] = starts.get(key, self._broker.logs[key].first)
            self.ends.pop(key, None)
            self.retake.discard(key)
        self.points.at("taken")

    def has_more(self, key: PartitionKey) -> bool:
        """Whether there is anything to be read or to be told of a partition."""
        return key in self.owned - self.retake and self.ends.get(key) != self._broker.logs[key].end

    def poll(self, key: PartitionKey, count: int) -> None:
        """Read up to so many records, or learn that the log has no more."""
        log = self._broker.logs[key]
        records = log.read(self.positions[key], count)
        position = records[-1].offset + 1 if len(records) == count else log.end
        if position == log.end:
            self.ends[key] = log.end
        self.positions[key] = position = max(position, self.positions[key])
        self.points.at("chunk.before")
        self.handler.chunk(key, records, position)
        self.points.at("chunk.after")

    def checkpoint(self) -> None:
        """Make durable what was done, commit."""
        done = self.handler.checkpoint(sorted(self.owned - self.retake))
        self.retake |= set(done.retake)
        self._commit(done.commits)

    def hand_over(self, keys: Iterable[PartitionKey], *, drains: bool = False) -> None:
        """Give partitions up in good order. `drains`: the input has ended, so all that is open is closed."""
        own = sorted(set(keys) & self.owned)
        if drains:
            self.handler.drain()
        done = self.handler.checkpoint([key for key in own if key not in self.retake], handing_over=True)
        # Others may have to be taken anew; those that are given up are discarded below.
        self.retake |= set(done.retake)
        self._commit(done.commits)
        self._drop(own, lost=False)

    def lose(self, keys: Iterable[PartitionKey]) -> None:
        """Learn that partitions are another worker's."""
        self._drop(sorted(set(keys) & self.owned), lost=True)

    def _drop(self, keys: Sequence[PartitionKey], *, lost: bool) -> None:
        self.handler.released(keys, lost=lost)
        for key in keys:
            del self.positions[key]
            self.retake.discard(key)

    def _commit(self, commits: Mapping[PartitionKey, int]) -> None:
        for key, offset in sorted(commits.items()):
            answer = self.points.at("commit.before")
            if self._broker.owners.get(key) == self.number and answer is not Answer.REFUSED:
                self._broker.committed[key] = offset
            self.points.at("commit.after")

    def _bounds(self, keys: Sequence[PartitionKey]) -> dict[PartitionKey, Bounds]:
        return {} if self.points.at("bounds") is not None else self._broker.bounds(keys)

    # ---- how a call ends ------------------------------------------------------------------------------------------------------------

    def call(self, body: Callable[[], None], fault: Fault | None = None) -> None:
        """Make a call that a fault may meet: afterwards it is done, or left standing, or the worker is dead."""
        self.points.passed.clear()
        if fault is not None and fault.answer is Answer.PAUSE:
            self.standing = Standing(body)
            self.resume(fault)
            return
        self.points.arm(fault)
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - as in a call left standing
            self._ended(error)
        else:
            self._ended(None)

    def resume(self, fault: Fault | None = None) -> None:
        """Go on with the call that was left standing."""
        assert self.standing is not None
        self.points.arm(fault, self.standing)
        if self.standing.go_on():
            error, self.standing = self.standing.error, None
            self._ended(error)

    def crash(self) -> None:
        """End without a word, be it in mid-call."""
        self.is_alive = False
        if self.standing is not None:
            self.standing.kill()
            self.standing = None

    def _ended(self, error: BaseException | None) -> None:
        if isinstance(error, Died | JournalError | NoAnswerError):
            self.is_alive = False
        elif error is not None:
            raise error
        else:
            self._look()

    def _look(self) -> None:
        """Note how the partitions stand of which everything is in the journal."""
        for key in self.positions:
            one = self.handler.owned.get(key)
            if one is None or one.owner.is_replaying or one.owner.has_news or one.owner.tail is None or one.owner.tail.previous is None:
                continue
            offset = one.owner.tail.previous.offset
            generation = len(self._broker.journals_before[key])
            self.seen.append(Seen(key, generation, offset, one.owner.position, one.owner.time.now_ns, traces_of(one.owner.traces)))
