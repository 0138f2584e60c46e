"""A partition's state as the store keeps it: a header; of each remembered trace its times and what was said, and the engine's own state."""

from __future__ import annotations

import struct
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from processor.closing import forgotten
from processor.open_trace import NO_HANDLE, OpenTrace, Said, by_program
from processor.store import HEAD_SIZE, OPEN, Delta, Label
from processor.trace_states import trace_id_of
from topics.journal import Standing
from topics.violation import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from processor.closing import ClosingPolicy
    from processor.judging import Judging
    from processor.partition import Partition
    from processor.record import PartitionKey
    from processor.store import Snapshot

# How many traces one step of a recovery takes: some ten milliseconds.
_RESTORED_AT_ONCE = 1_000
_MINUTE_NS = 60 * 10**9
_VERSION = 3
_NONE = -1
_REASONS = (None, *CloseReason)
_REASON_CODES = {reason: code for code, reason in enumerate(_REASONS)}
# size of the head; version, close reason, root seen, scattered, state lost, kept by an engine; program; number, first and last record,
# opened, last new span, over limit, first and last offset; how many verdicts and statements follow.
_TRACE = struct.Struct(HEAD_SIZE.format + "BB????8s8qHH")
_SAID = struct.Struct("<HI?32s")


class Header(BaseModel):
    """What a snapshot says of the whole partition; `layouts`: of each program what its engine's states look like.

    Closed traces whose time came until `forgotten_until_ns` are forgotten; their states may lie there until their bucket has passed.
    """

    model_config = ConfigDict(frozen=True)

    standing: Standing
    layouts: dict[str, str]
    forgotten_until_ns: int


class StoredTraces:
    """What the store holds of one partition, and what it does not know yet: changes become deltas, a lost base a whole state."""

    def __init__(self, traces: Partition) -> None:
        self.label: Label | None = None
        self._traces = traces
        # Where each trace's state lies.
        self._places: dict[str, int] = {}
        # Which lie in each bucket of closed ones.
        self._in_bucket: defaultdict[int, set[str]] = defaultdict(set)
        # What has changed with the write that is under way.
        self._sent: dict[str, bool] = {}
        traces.changed = {}

    def loaded(self, snapshot: Snapshot) -> None:
        """Take note that the partition was loaded from this state."""
        self.label = snapshot.label
        self._clear()
        for bucket, states in snapshot.states.items():
            self._lie(bucket, states)
        self._changed.clear()

    def delta(self, label: Label, standing: Standing, *, whole: bool = False) -> Delta:
        """Return what must be written so that the store holds the partition as it stands behind a journal record."""
        # What was forgotten in its time lies there still: where that cannot be told from what is remembered, all is written anew.
        whole = whole or self.label is None or self._traces.forgotten_until_ns < 0
        remembered, policy, places = self._traces.traces, self._traces.policy, {} if whole else self._places
        passed = frozenset() if whole else frozenset(bucket for bucket in self._in_bucket if _has_passed(bucket, standing))
        new: defaultdict[int, list[OpenTrace]] = defaultdict(list)
        closed: defaultdict[int, list[OpenTrace]] = defaultdict(list)
        gone: defaultdict[int, set[bytes]] = defaultdict(set)
        for trace_id in remembered if whole else self._changed:
            trace, was = remembered.get(trace_id), places.get(trace_id)
            if trace is not None:
                bucket = _bucket(trace, policy)
                if was == OPEN != bucket and self._is_as_stored(trace):
                    closed[bucket].append(trace)
                    continue
                new[bucket].append(trace)
                if was == bucket:
                    continue
            if was is not None and was not in passed:
                gone[was].add(bytes.fromhex(trace_id))
        return Delta(
            None if whole else self.label,
            label,
            _header(self._traces, standing).model_dump_json().encode(),
            {bucket: _by_id(some, packed(some)) for bucket, some in new.items()},
            {bucket: frozenset(some) for bucket, some in gone.items()},
            passed,
            {bucket: _by_id(some, _written(some, {})) for bucket, some in closed.items()},
        )

    def _is_as_stored(self, trace: OpenTrace) -> bool:
        """Say whether what an engine keeps of a trace is as it lies in the store."""
        return trace.handle != NO_HANDLE and not self._changed[trace.trace_id]

    def sent(self) -> None:
        """Take note that what has changed so far is under way; what changes from now on goes with the next delta."""
        self._sent, self._traces.changed = self._changed, {}

    def unwritten(self) -> None:
        """Take note that the store does not hold what was under way."""
        meanwhile, self._traces.changed = self._changed, self._sent
        for trace_id, has_grown in meanwhile.items():
            self._changed[trace_id] = has_grown or self._changed.get(trace_id, False)
        self._sent = {}

    def written(self, delta: Delta) -> None:
        """Take note that the store holds what was under way."""
        self.label = delta.label
        if delta.base is None:
            self._clear()
        for trace_id in self._sent:
            was = self._places.pop(trace_id, OPEN)
            if was != OPEN:
                self._in_bucket[was].discard(trace_id)
        for bucket in delta.passed:
            for trace_id in self._in_bucket.pop(bucket):
                del self._places[trace_id]
        for bucket, states in chain(delta.put.items(), delta.closed.items()):
            self._lie(bucket, states)
        self._sent = {}

    def _clear(self) -> None:
        self._places.clear()
        self._in_bucket.clear()

    def _lie(self, bucket: int, trace_ids: Iterable[bytes]) -> None:
        """Take note that the states of traces lie in a bucket."""
        found = [trace_id.hex() for trace_id in trace_ids]
        self._places |= dict.fromkeys(found, bucket)
        if bucket != OPEN:
            self._in_bucket[bucket].update(found)

    @property
    def change_count(self) -> int:
        """How many traces have changed since the last state that was written."""
        return len(self._changed)

    @property
    def _changed(self) -> dict[str, bool]:
        assert self._traces.changed is not None
        return self._traces.changed


def header_of(snapshot: Snapshot) -> Header | None:
    """Return a snapshot's header; None where it is not one of this version."""
    try:
        return Header.model_validate_json(snapshot.header)
    except ValueError:
        return None


def packed(traces: Sequence[OpenTrace]) -> list[bytes]:
    """Return the states of some traces."""
    states: dict[OpenTrace, bytes] = {}
    for judging, some in by_program(trace for trace in traces if trace.handle != NO_HANDLE):
        states.update(zip(some, judging.engine.export_many([trace.handle for trace in some]), strict=True))
    return _written(traces, states)


def _written(traces: Sequence[OpenTrace], states: Mapping[OpenTrace, bytes]) -> list[bytes]:
    """Return the heads of some traces, each with the state that its engine keeps, if it is given, behind it."""
    programs = {judging: bytes.fromhex(judging.program_id) for judging in {trace.judging for trace in traces}}
    return [_packed(trace, programs[trace.judging], states.get(trace, b"")) for trace in traces]


def _packed(trace: OpenTrace, program: bytes, state: bytes) -> bytes:
    verdicts, said = trace.verdicts, trace.said
    head = _TRACE.pack(
        _TRACE.size + len(verdicts) + _SAID.size * len(said),
        _VERSION,
        _REASON_CODES[trace.close_reason],
        trace.root_seen,
        trace.scattered,
        trace.state_lost,
        trace.handle != NO_HANDLE,
        program,
        trace.number,
        trace.first_record_ns,
        trace.last_record_ns,
        _NONE if trace.opened_ns is None else trace.opened_ns,
        trace.last_new_span_ns,
        _NONE if trace.over_limit_ns is None else trace.over_limit_ns,
        trace.first_offset,
        trace.last_offset,
        len(verdicts),
        len(said),
    )
    statements = said and b"".join([_SAID.pack(index, it.revision, it.stands, it.digest) for index, it in sorted(said.items())])
    return b"".join((head, verdicts, statements or b"", state))


def restore(
    snapshot: Snapshot, header: Header, traces: Partition, key: PartitionKey, judging_of: Callable[[str], Judging | None]
) -> Generator[None]:
    """Let an empty partition remember the traces of a snapshot, in steps.

    Raises ValueError where a state is damaged or of another program; the partition is to be released then.
    """
    found: list[tuple[OpenTrace, bytes | None]] = []
    until_ns, remembered_ns = header.forgotten_until_ns, traces.policy.remembered_ns
    over_ns = None if remembered_ns is None or until_ns < 0 else until_ns - remembered_ns
    states = list(chain.from_iterable(some.items() for some in snapshot.states.values()))
    for first in range(0, len(states), _RESTORED_AT_ONCE):
        some = states[first : first + _RESTORED_AT_ONCE]
        unpacked = [_unpacked(trace_id.hex(), state, key, judging_of, over_ns) for trace_id, state in some]
        found += [one for one in unpacked if one is not None]
        yield
    found.sort(key=lambda one: one[0].number)
    for first in range(0, len(found), _RESTORED_AT_ONCE):
        _remember(found[first : first + _RESTORED_AT_ONCE], traces)
        yield


def _remember(found: Iterable[tuple[OpenTrace, bytes | None]], traces: Partition) -> None:
    states: dict[Judging, list[tuple[OpenTrace, bytes]]] = {}
    for trace, state in found:
        # Before an engine has it: what is remembered is released if another state is damaged.
        traces.remember(trace)
        if state is not None:
            states.setdefault(trace.judging, []).append((trace, state))
    for judging, pairs in states.items():
        handles = judging.engine.load_many(traces.number, [state for _, state in pairs])
        for (trace, _), handle in zip(pairs, handles, strict=True):
            trace.handle = handle


def _unpacked(
    trace_id: str, state: bytes, key: PartitionKey, judging_of: Callable[[str], Judging | None], over_ns: int | None
) -> tuple[OpenTrace, bytes | None] | None:
    """Return a trace and what its engine keeps of it; None where it is forgotten: closed, its last record not later than `over_ns`."""
    try:
        size, version, reason, root, scattered, lost, kept, program, number, first, last, opened, new, over, origin, behind, codes, said = (
            _TRACE.unpack_from(state)
        )
        at = _TRACE.size + codes
        statements = {index: Said(revision, digest, stands) for index, revision, stands, digest in _SAID.iter_unpack(state[at:size])}
    except struct.error as error:
        raise ValueError(f"the state of trace {trace_id} is cut short") from error
    if version == _VERSION and reason and over_ns is not None and last <= over_ns:
        # Maybe the last of its program.
        return None
    judging = judging_of(program.hex())
    if version != _VERSION or judging is None:
        raise ValueError(f"the state of trace {trace_id} is of version {version}, program {program.hex()}")
    if size != at + said * _SAID.size:
        raise ValueError(f"the state of trace {trace_id} has a head of another size than it says")
    trace = OpenTrace(
        trace_id,
        judging,
        NO_HANDLE,
        key,
        origin,
        number,
        first_record_ns=first,
        opened_ns=None if opened == _NONE else opened,
        last_record_ns=last,
        last_new_span_ns=new,
        last_offset=behind,
        root_seen=root,
        scattered=scattered,
        state_lost=lost,
        over_limit_ns=None if over == _NONE else over,
        close_reason=_REASONS[reason],
        verdicts=state[_TRACE.size : at],
        said=statements,
    )
    own = state[size:] if kept else None
    if own is not None and trace_id_of(own) != trace_id:
        raise ValueError(f"the state of trace {trace_id} is another one's")
    return trace, own


def _by_id(traces: Iterable[OpenTrace], states: Iterable[bytes]) -> dict[bytes, bytes]:
    return dict(zip([bytes.fromhex(trace.trace_id) for trace in traces], states, strict=True))


def _bucket(trace: OpenTrace, policy: ClosingPolicy) -> int:
    at_ns = forgotten(trace, policy)
    return OPEN if trace.close_reason is None or at_ns is None else at_ns // _MINUTE_NS


def _has_passed(bucket: int, standing: Standing) -> bool:
    return (bucket + 1) * _MINUTE_NS <= standing.time_ns


def _header(traces: Partition, standing: Standing) -> Header:
    layouts = {judging.program_id: judging.engine.layout.hex() for judging in traces.judgings}
    return Header(standing=standing, layouts=layouts, forgotten_until_ns=traces.forgotten_until_ns)


def fits(header: Header, judging_of: Callable[[str], Judging | None]) -> bool:
    """Say whether the engines there are can read the states of a snapshot, and judge what begins behind it."""
    if judging_of(header.standing.program) is None:
        return False
    layouts: Mapping[str, str] = header.layouts
    for program_id, layout in layouts.items():
        judging = judging_of(program_id)
        if judging is None or judging.engine.layout.hex() != layout:
            return False
    return True
