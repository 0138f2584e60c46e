"""The LuaJIT engine behind the flow: records go to the program as they are, evidence is read back from captured rows.

What the program's decoder takes for odd (a form that no sender writes, or no OTLP at all) is decoded by topics.otlp, which refuses what
must be refused, and given to the program in its usual form. So are records in JSON.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from compiler import ir
from compiler.captured_trace import TraceTotals
from compiler.engine_layout import ANY_CLASS, ELEMENT_TAGS, column_of
from compiler.engine_program import compile_program
from compiler.values import text_bytes
from compiler.verdict import Closing
from processor.captured_rows import RowReader
from processor.lua_batch import LuaBatch, policy_numbers, touches_of
from processor.lua_engine import BYTES_OFFSET, MEMORY_MAX_BYTES, LuaProgram
from processor.lua_evidence import Explainer, KeptTrace
from processor.trace_engine import Asked, Taken, TraceFacts, moved
from processor.trace_states import Seal
from topics.otlp import Format, decode, encode_protobuf
from topics.refusal import RefusalReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.outlines import Remembered
    from compiler.read_names import Read
    from compiler.rule_set import RuleSet
    from compiler.verdict import Judgement
    from processor.trace_engine import Batch, TakePolicy, Touch

_TIMES = struct.Struct("<qq")
# A question is three numbers of 64 bits.
_ASKED_SIZE = 24
_CLOSINGS = {Closing.OPEN: 0, Closing.INCOMPLETE: 1, Closing.COMPLETE: 2}
_DONE, _MORE, _ODD, _TOO_MANY = range(4)
# Spans of one record given to the program at a time, where they had to be written anew.
_SPANS_AT_ONCE = 1_000
# Where states are written before they leave: about what a processor's cache holds; a state that is larger gets a place of its own.
_ROOM_SIZE = 256 * 1024
_KNOWN = 2
# Of how many sets of services it is remembered which they are.
_SERVICES_MAX = 1024


class LuaTraceEngine:
    """Judges by a program of the rule set (processor.trace_engine.TraceEngine).

    `skew_tolerance_ns` widens time relations; `offender_count_max` bounds the offenders named. The rest is LuaProgram's.
    """

    def __init__(
        self,
        rule_set: RuleSet,
        skew_tolerance_ns: int = 0,
        offender_count_max: int = 16,
        *,
        jit: bool = True,
        collect_eagerly: bool = False,
        memory_max_bytes: int = MEMORY_MAX_BYTES,
    ) -> None:
        self.rule_set = rule_set
        self._skew_tolerance_ns = skew_tolerance_ns
        self._offender_count_max = offender_count_max
        self._rules = rule_set.enabled
        self.program = LuaProgram(
            compile_program(rule_set),
            skew_tolerance_ns,
            jit=jit,
            collect_eagerly=collect_eagerly,
            memory_max_bytes=memory_max_bytes,
        )
        self._layout = self.program.program.layout
        self._reader = RowReader(self._layout, lambda place: _text(self.program.pooled(place)))
        # By the index of a rule that was explained before.
        self._explainers: dict[int, Explainer] = {}
        self._remembered: Remembered = {}
        self._seal = Seal(self.layout)
        self._room = array("B", bytes(_ROOM_SIZE))
        # Of the trace asked about last: who asks for one rule's evidence often asks for another's.
        self._read_back: KeptTrace | None = None

    def take(self, partition: int, batch: Batch, policy: TakePolicy) -> Taken:
        """Decode some records of a partition, in their order, and take in their spans; never raises for what they hold."""
        self._changes()
        taken, given = Taken([], {}, []), LuaBatch(batch)
        at = 0
        while at < len(given):
            behind = given.usual_until(at)
            if at < behind:
                at = self._take_some(partition, given, at, behind, policy, taken)
            if at < len(given):
                self._take_odd(partition, given, at, policy, taken)
                at += 1
        return taken

    def judge(self, asked: Sequence[Asked]) -> list[bytes]:
        """Return for each trace asked one byte per enabled rule: the index of its verdict in VERDICTS."""
        if not asked:
            return []
        handles, closings, opened_ns = zip(*asked, strict=True)
        numbers = array("q", bytes(_ASKED_SIZE * len(asked)))
        numbers[0::3] = array("q", handles)
        numbers[1::3] = array("q", map(_CLOSINGS.__getitem__, closings))
        numbers[2::3] = array("q", [-1 if at_ns is None else at_ns for at_ns in opened_ns])
        codes = self.program.judge(numbers.buffer_info()[0], len(asked))
        width = len(self._rules)
        return [codes[start : start + width] for start in range(0, width * len(asked), width)] if width else [b""] * len(asked)

    def explain(self, asked: Asked, rule_index: int) -> Judgement:
        """Return the verdict of one enabled rule with its evidence."""
        explainer = self._explainers.get(rule_index)
        if explainer is None:
            explainer = self._explainers[rule_index] = Explainer(
                self._rules[rule_index], self._layout, self._remembered, self._skew_tolerance_ns, self._offender_count_max
            )
        return explainer.judgement(asked, self._kept(asked.handle))

    def facts(self, handle: int) -> TraceFacts:
        """Return what there is to say of a trace itself."""
        totals = self._kept(handle).totals
        return TraceFacts(
            totals.root_name,
            totals.root_service or None,
            totals.services,
            totals.first_start_ns,
            totals.last_end_ns,
            totals.span_count,
            totals.orphan_count,
        )

    def drop_many(self, handles: Sequence[int]) -> None:
        """Forget traces; their handles may be used again."""
        self._changes()
        numbers = array("q", handles)
        self.program.drop_many(numbers.buffer_info()[0], len(numbers))

    # ---- names that occur -----------------------------------------------------------------------------------------------------------

    def watch(self, reads: Sequence[Read]) -> None:
        """Look in all spans that are kept from now on for names that the rules read; called once at most."""
        for read in reads:
            base, column = read.base, None if read.attribute is None else column_of(read.attribute)
            class_id = self._layout.class_ids[base.name] if isinstance(base, ir.Named) else ANY_CLASS
            self.program.watch(
                class_id,
                0 if column is None else self._layout.columns[column],
                isinstance(base, ir.Root),
                ELEMENT_TAGS.get(read.element, 0),
                text_bytes(read.name),
            )

    def occurred(self) -> list[bool]:
        """Return of each name that is looked for whether it has occurred."""
        return [byte == 1 for byte in self.program.occurred()]

    # ---- traces that move -----------------------------------------------------------------------------------------------------------

    @property
    def layout(self) -> bytes:
        """The program's fingerprint."""
        return self.program.program.fingerprint

    @property
    def memory_bytes(self) -> int:
        """What traces take, and what is in use of Lua's heap: texts, and the program itself. Garbage does not count."""
        return self.program.held()

    def export_many(self, handles: Sequence[int]) -> list[bytes]:
        """Return the states of some traces, for engines of the same layout."""
        numbers, ends = array("q", handles), array("q", bytes(8 * len(handles)))
        states: list[bytes] = []
        room = self._room
        while len(states) < len(numbers):
            place = room.buffer_info()
            first = len(states)
            behind = self.program.export_many(numbers.buffer_info()[0], first, len(numbers), *place, ends.buffer_info()[0])
            states += self._seal.sealed(memoryview(room), ends[first:behind])
            if behind == first:
                room = array("B", bytes(2 * len(room)))
        return states

    def load_many(self, partition: int, states: Sequence[bytes]) -> list[int]:
        """Take in traces that were exported and return their handles; raises ValueError, and takes in none, where one cannot be."""
        self._seal.check(states)
        self._changes()
        addresses, sizes = array("Q", map(id, states)), array("q", map(len, states))
        handles = array("q", bytes(8 * len(states)))
        pointers = (addresses.buffer_info()[0], sizes.buffer_info()[0])
        why = self.program.load_many(partition, *pointers, BYTES_OFFSET, len(states), handles.buffer_info()[0])
        if why:
            raise ValueError("a trace is there already" if why == _KNOWN else "a state is damaged")
        return handles.tolist()

    # ---- taking in ------------------------------------------------------------------------------------------------------------------

    def _take_some(self, partition: int, given: LuaBatch, first: int, behind: int, policy: TakePolicy, taken: Taken) -> int:
        """Give records in protobuf to the program; return the index of the first that it found odd, or the one behind the last."""
        at, why = first, _MORE
        while why == _MORE:
            at, why, sums, apart = self.program.take(*given.numbers, at, behind, partition, *policy_numbers(policy), BYTES_OFFSET)
            taken.touches.extend(touches_of(sums))
            if apart:
                taken.apart.extend(array("i", apart))
        return at

    @staticmethod
    def _usual(value: bytes, record_format: Format) -> tuple[Mapping[RefusalReason, int], list[tuple[int, bytes]]]:
        """Decode a record here; return what was refused and the rest in its usual form, a part behind the place of its first span."""
        decoded = decode(value, record_format)
        starts = range(0, len(decoded.spans), _SPANS_AT_ONCE)
        return decoded.refused, [(start, encode_protobuf(decoded.spans[start : start + _SPANS_AT_ONCE])) for start in starts]

    def _take_odd(self, partition: int, given: LuaBatch, index: int, policy: TakePolicy, taken: Taken) -> None:
        """Count what of a record is refused, give the rest in its usual form to the program."""
        batch = given.batch
        refusals, usual = self._usual(batch.values[index], batch.formats[index])
        refused = Counter(refusals)
        brought: list[Touch] = []
        for start, value in usual:
            part = Taken([], {}, [])
            if self._take_some(partition, given.only(index, value), 0, 1, policy, part) == 0:
                refused[RefusalReason.MALFORMED] += 1
            brought += moved(part.touches, [index], [start])
        if batch.is_keyed and any(touch.trace_id.encode("ascii") != batch.keys[index] for touch in brought):
            taken.apart.append(index)
            brought = [touch._replace(apart_order=touch.order) for touch in brought]
        taken.touches.extend(brought)
        if refused:
            taken.refused[index] = refused

    # ---- reading back ---------------------------------------------------------------------------------------------------------------

    def _changes(self) -> None:
        """Let nothing stand that was read back: the program is about to change."""
        self._read_back = None
        self._reader.changed()

    def _kept(self, handle: int) -> KeptTrace:
        """Return what there is of a trace, which is asked for again and again until its records go on."""
        if self._read_back is None or self._read_back.handle != handle:
            self._read_back = KeptTrace(self.program, self._reader, handle, self._totals(handle))
        return self._read_back

    def _totals(self, handle: int) -> TraceTotals:
        trace_id, services, root_name, root_service, span_count, orphan_count, root_count, times = self.program.facts(handle)
        first_start_ns, last_end_ns = _TIMES.unpack(times)
        return TraceTotals(
            trace_id.hex(),
            span_count,
            _services(services),
            first_start_ns if last_end_ns else None,
            last_end_ns or None,
            None if root_name is False else _text(root_name),
            None if root_service is False else _text(root_service),
            root_count,
            orphan_count,
        )


@lru_cache(_SERVICES_MAX)
def _services(wire: bytes) -> tuple[str, ...]:
    """Return the texts that stand behind their lengths in four bytes, sorted. Most traces are of services that others are of."""
    found, at = [], 0
    while at < len(wire):
        behind = at + 4 + int.from_bytes(wire[at : at + 4], "little")
        found.append(_text(wire[at + 4 : behind]))
        at = behind
    return tuple(sorted(found))


def _text(found: bytes) -> str:
    return found.decode("utf-8", "surrogateescape")
