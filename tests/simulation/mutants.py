"""The protocol without one of its lines, again and again: each time the simulation must see it.

The first fifteen are the lines without which an explicit-state model of the protocol fails; the next are the faults of simpler protocols.
A line that changed is found by `mutated`, which wants each text exactly once: the table follows the code.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """`before` stands once in the source of `module`; with `after` in its place some seed of `profile` fails, among the first so many."""

    name: str
    module: str
    before: str
    after: str
    profile: str
    seeds_max: int = 400
    engine: str = "reference"


_OWNER = "processor.partition_owner"
_PARTITION = "processor.partition"
_CHECKPOINT = "processor.checkpoint"
_RECOVERY = "processor.recovery"
_HANDLER = "processor.handler"
_OWNED = "processor.owned"
_SHEDDING = "processor.shedding"
_STORE = "tests.doubles.store"
_OBEYED_AGAIN = """            self.position = max(self.position, mark.position)
            self._obey(mark)
"""
_APPEND = "acks = journal.append([(one.owner.key, value) for one, value in zip(news, values, strict=True)]) if news else []"

MUTANTS = (
    Mutant(  # recovery decides anew
        "marks",
        _RECOVERY,
        "for placed in history.records[behind:] for mark in placed.record.marks]",
        "for placed in history.records[-1:] for mark in placed.record.marks[-1:]]",
        "late",
    ),
    Mutant(
        "evict",
        _OWNER,
        "            self.marks.append(mark)",
        '            self.marks.append(mark.model_copy(update={"evict_before": None}))',
        "evict",
    ),
    Mutant(  # a replay opens traces with today's program
        "program",
        _OWNER,
        "self.traces.judge_by(self._required(mark.program))",
        "self.traces.judge_by(self._required(self._programs.current.id))",
        "rules",
    ),
    Mutant(  # a replay reckons ages itself
        "cut",
        _OWNER,
        _OBEYED_AGAIN,
        _OBEYED_AGAIN.replace("(mark)", '(mark.model_copy(update={"cut": tuple(self.traces.overdue(mark.time_ns))}))'),
        "cut",
    ),
    Mutant("fence", _HANDLER, "fence = encode(Fence(worker=self._settings.worker))", 'fence = b"{}"', "zombie"),
    Mutant("ack", _CHECKPOINT, "    if offset == expected:\n", "    if offset >= expected:\n", "zombie"),
    Mutant(  # said before it is in the journal
        "order",
        _CHECKPOINT,
        f"    {_APPEND}\n",
        "    for one in news:\n        for record in one.owner.said:\n            publisher.violation(record)\n"
        f"    publisher.flush()\n    {_APPEND}\n",
        "plain",
    ),
    Mutant("resay", _OWNER, "self.again, self.said = self.said, []", "self.again, self.said = [], []", "plain"),
    Mutant(  # what a replay counted is counted again
        "recount",
        _OWNER,
        "self.again, self.said = self.said, []\n        self.ledger.clear()\n",
        "self.again, self.said = self.said, []\n",
        "plain",
    ),
    Mutant(  # the low watermark over open traces only
        "openonly",
        _PARTITION,
        "next((trace.first_offset for trace in self.traces.values()), None)",
        "next((trace.first_offset for trace in self.traces.values() if trace.close_reason is None), None)",
        "late",
    ),
    Mutant(  # the rebuild offset is that after the record
        "lowafter", _OWNER, "rebuild_offset=self.tail.rebuild_offset,", "rebuild_offset=self.low_watermark,", "forget"
    ),
    Mutant(
        "base",
        _STORE,
        "if delta.base is not None and (there is None or there.label != delta.base):",
        "if delta.base is not None and False:",
        "store",
    ),
    Mutant(  # late records of an evicted trace do not move its time
        "marker",
        _PARTITION,
        "        trace.last_record_ns = max(trace.last_record_ns, at_ns)",
        "        if trace.handle != NO_HANDLE:\n            trace.last_record_ns = max(trace.last_record_ns, at_ns)",
        "evict",
    ),
    Mutant(
        "margin",
        "processor.closing",
        "else self.closed_retention_ns + self.timestamp_skew_max_ns + 1",
        "else self.closed_retention_ns + 1",
        "forget",
    ),
    Mutant(  # an early violation is not said again at the close
        "body", "processor.judging", "stood and violated and digest == last.digest:", "stood and violated:", "plain"
    ),
    Mutant(  # a state of the store is taken for the newest
        "counts twice",
        _RECOVERY,
        "    marks = [ReplayedMark(",
        "    marks = [] if label is not None else [ReplayedMark(",
        "plain",
    ),
    Mutant(  # a mark of the wall clock is not written down
        "wall clock",
        _OWNER,
        "            self.marks.append(mark)",
        "            if mark.program or mark.limits or mark.position != self.first_unwritten:\n                self.marks.append(mark)",
        "plain",
    ),
    Mutant(  # a replay reads all input at once
        "chunks",
        _OWNER,
        "bisect_left(records.offsets, mark.position, done)",
        "bisect_left(records.offsets, self._replay[-1].mark.position, done)",
        "late",
    ),
    Mutant(  # closed traces are not kept in the store
        "phantom",
        "processor.snapshot",
        "if trace is not None:\n                bucket",
        "if trace is not None and trace.close_reason is None:\n                bucket",
        "late",
    ),
    Mutant(  # an emptied store takes a change for the whole
        "wipe", _STORE, "(there is None or there.label != delta.base)", "(there is not None and there.label != delta.base)", "store"
    ),
    Mutant("fail-over", _STORE, "there.label != delta.base", "there.label > delta.base", "fail-over"),
    Mutant(  # a new owner is silent until its first record
        "suppress",
        _OWNER,
        "if said.record is not None and self.tail is not None:",
        "if said.record is not None and self.tail is not None and (self.is_replaying or self.tail.next_offset > self.tail.epoch + 1):",
        "plain",
    ),
    Mutant(  # any state of the store will do
        "old label",
        _RECOVERY,
        "placed.offset == label.offset and placed.hash == label.hash",
        "placed.offset >= label.offset",
        "store",
    ),
    Mutant("zombie counts", "topics.journal", "elif entry.epoch == epoch:", "else:", "zombie"),
    Mutant("zombie is the last", _RECOVERY, "if any(since < fence < offset for fence in fences):", "if False:", "zombie"),
    Mutant(  # said without a look at where the record stands
        "zombie says", _CHECKPOINT, "            fenced.append(one)\n            continue\n", "            fenced.append(one)\n", "zombie"
    ),
    Mutant(  # the store is written before the journal
        "hand-over",
        _HANDLER,
        "            fenced = write_down(",
        "            if self._store is not None and not self._store.is_writing():\n"
        "                self._store.write([one for one in owned if one.owner.has_news and one.owner.tail.previous])\n"
        "            fenced = write_down(",
        "plain",
    ),
    Mutant(  # a known trace goes to the program in force
        "two programs",
        "processor.routing",
        "(self._current, arrived_ns) if trace is None or gone else (trace.judging, trace.last_record_ns)",
        "(self._current, arrived_ns)",
        "rules",
    ),
    Mutant(  # evictions are not repeated
        "eviction",
        _OWNER,
        _OBEYED_AGAIN,
        _OBEYED_AGAIN.replace("(mark)", '(mark.model_copy(update={"evict_before": None}))'),
        "evict",
    ),
    Mutant(  # committed before it is said
        "unflushed", _CHECKPOINT, "    publisher.flush()\n    return fenced\n", "    return fenced\n", "plain"
    ),
    Mutant("redelivered", "processor.reference_traces", "            redelivered += kept == span\n", "            new += 1\n", "redeliver"),
    Mutant(  # a stamp that was moved back is not moved back again
        "clamp",
        _OWNER,
        "self._take(records[done:behind], mark.clamp_ns)",
        "self._take(records[done:behind], None)",
        "skew",
    ),
    Mutant(  # a replay obeys the limits of its own settings
        "limits",
        _OWNER,
        "self.traces.limit_by(policy_of(mark.limits))",
        "self.traces.limit_by(self._settings.policy)",
        "policy",
    ),
    Mutant(  # a replay sheds nothing
        "shed level",
        _OWNER,
        _OBEYED_AGAIN,
        _OBEYED_AGAIN.replace("(mark)", '(mark.model_copy(update={"shed_level": None}))'),
        "shed",
    ),
    Mutant(  # a recovery without the store begins with the level of a fresh partition
        "shed standing", _OWNER, "self.traces.shedding.level = standing.shed_level", "pass", "shed"
    ),
    Mutant(  # the rest of a trace whose beginning was judged is shed
        "shed from the middle", _SHEDDING, "if trace.first_offset < self.marked:", "if False:", "shed"
    ),
    Mutant(  # the rest of a trace whose beginning was shed is judged
        "judged from the middle",
        _PARTITION,
        "        trace.last_record_ns = max(trace.last_record_ns, arrived_ns)\n        self._note(trace)\n",
        "        trace.last_record_ns = max(trace.last_record_ns, arrived_ns)\n        self._forget(trace)\n        self._note(trace)\n",
        "shed",
    ),
    Mutant("shed uncounted", _PARTITION, "        self.ledger.traces_shed += is_new\n", "", "shed"),
    Mutant("evicted uncounted", _PARTITION, "        self.ledger.traces_evicted += len(older)\n", "", "evict"),
    Mutant("lost uncounted", _PARTITION, "            self.ledger.traces_state_lost += 1\n", "", "loss"),
    Mutant(  # what is shed between records is shed behind them all
        "shed behind", _PARTITION, "while waiting and waiting[0].before <= touch.record:", "while False:", "shed"
    ),
    Mutant(  # what is shed is decided for a whole chunk beforehand
        "shed beforehand",
        _SHEDDING,
        "if may_displace and first < index:",
        "if False:",
        "shed-unkeyed",
    ),
    Mutant(  # what is shed is not told apart from what began under another key
        "shed in halves",
        _SHEDDING,
        "            if trace.first_offset < self.marked:\n                return False\n",
        "            return False\n",
        "shed-unkeyed",
    ),
    Mutant(  # a trace that is forgotten stays in the store
        "forgotten",
        "processor.snapshot",
        "if was is not None and was not in passed:",
        "if trace is not None and was is not None and was not in passed:",
        "store",
    ),
    Mutant(  # a trace that was forgotten comes back with the bucket that it lies in
        "forgotten in time",
        "processor.snapshot",
        "if version == _VERSION and reason and over_ns is not None and last <= over_ns:",
        "if False:",
        "store",
    ),
    Mutant(  # one that was cut does
        "cut in time", _PARTITION, "            self._forget(cut)\n", "            self._forget(cut, in_time=True)\n", "store"
    ),
    Mutant(  # what is forgotten by new limits is taken for forgotten by the old ones
        "in time by others",
        _PARTITION,
        "        self.policy = policy\n        self.forgotten_until_ns = -1\n",
        "        self.policy = policy\n",
        "policy",
    ),
    Mutant(  # a trace closes in the store with the spans that it had there
        "grown and closed",
        _PARTITION,
        "            self.changed[trace_id] = True\n",
        "            self.changed.setdefault(trace_id, False)\n",
        "late",
    ),
    Mutant(  # what changes while a write is under way counts as written with it
        "meanwhile",
        "processor.snapshot",
        "            self._lie(bucket, states)\n        self._sent = {}\n",
        "            self._lie(bucket, states)\n        self._sent = {}\n        self._changed.clear()\n",
        "store",
    ),
    Mutant(  # what a write in vain should have brought is not brought again
        "in vain",
        "processor.snapshot",
        "meanwhile, self._traces.changed = self._changed, self._sent",
        "meanwhile = dict[str, bool]()",
        "store",
    ),
    Mutant(  # whose journal and input are gone begins as if nothing had been
        "no journal", _OWNED, "is_loss = where.committed is not None or where.first > 0", "is_loss = False", "loss"
    ),
    Mutant(  # a journal without its beginning is taken for a whole one
        "journal gone", _RECOVERY, "is_whole=bool(records) and begin == max(wanted, 0)", "is_whole=bool(records)", "loss"
    ),
    Mutant("input gone", _OWNED, 'return "input_gone" if where.first > replay.start else None', "return None", "loss"),
    Mutant(  # input is deleted under a worker that lags behind
        "lag", _HANDLER, "if self._is_input_gone(one.owner, position - len(records)):", "if False:", "loss"
    ),
    Mutant(  # a loss is over when the next record comes
        "lost until",
        _OWNER,
        "time_ns + (self._settings.policy.closed_retention_ns or 0) + self._settings.policy.timestamp_skew_max_ns",
        "time_ns",
        "loss",
    ),
    Mutant(  # what may have begun earlier is judged as if it had not
        "guess", "processor.judging", " = _INCONCLUSIVE * len(codes) if trace.state_lost else codes", " = codes", "loss"
    ),
    Mutant(  # a loss that was none
        "false alarm", _OWNED, 'return "input_gone" if where.first > replay.start else None', 'return "input_gone"', "plain"
    ),
    Mutant(
        "program gone",
        _OWNED,
        "if any(owner.judging(program_id) is None for program_id in replay.program_ids):",
        "if False:",
        "loss",
    ),
    Mutant(  # a replay does not close what was drained
        "drain",
        _OWNER,
        "            self.marks.append(mark)",
        '            self.marks.append(mark.model_copy(update={"drain": False}))',
        "drain",
    ),
    Mutant(  # what relieves the memory is not written down
        "relief",
        _HANDLER,
        "                one.owner.evict(offset)\n                one.owner.mark(0)\n",
        "                one.owner.evict(offset)\n                one.owner.mark(0)\n                one.owner.marks.pop()\n",
        "memory",
    ),
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
