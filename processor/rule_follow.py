"""Rules from the rules topic, which is followed: the newest rule set in the order of the log is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.made_programs import Fault, OfferedSet
from processor.rule_archive import RuleArchive
from processor.rules_in_force import RulesInForce
from topics.rule_records import SET_PREFIX
from topics.rules_log import contents_of

if TYPE_CHECKING:
    from processor.engines import EngineMaker
    from topics.log_reader import Logged
    from topics.rules_log import PlacedSet, RulesLog, RulesReader

_POLL_S = 0.5


class RuleFollow(RulesInForce):
    """Follows the topic, every one of its changes.

    Where the newest set is refused, the one before stays in force; in a process that has just started, the newest of those that are not
    refused comes into force. What verdicts hang on besides the rules is in the record of the set, so that all workers judge alike.
    """

    def __init__(self, log: RulesLog, make_engine: EngineMaker, redaction_key_id: str = "") -> None:
        super().__init__(make_engine, RuleArchive(log), redaction_key_id)
        self._log = log
        self._reader: RulesReader | None = None
        self._records: dict[bytes, Logged] = {}
        self._decided: PlacedSet | None = None
        self._has_changed = True

    def _round(self) -> float:
        try:
            self._follow()
        except Exception:
            self._end()
            raise
        return 0.0

    def _follow(self) -> None:
        if self._reader is None:
            self._records.clear()
            self._has_changed = True
            self._reader = self._log.follow()
        for record in self._reader.poll(_POLL_S):
            if record.key and record.key.startswith(SET_PREFIX.encode()):
                self._records[record.key] = record
                self._has_changed = True
        if self._reader.is_at_end and self._has_changed:
            self._decide()
            self._has_changed = False

    def _decide(self) -> None:
        """Put the newest set in force, unless that has been decided already."""
        sets = contents_of(list(self._records.values()), 0).sets
        if not sets:
            self._in_trouble(f"{self._log.topic} holds no rule set yet: run `betrace rules apply`")
            return
        self._in_trouble("")
        newest = sets[-1]
        if newest != self._decided:
            if not self._offered(newest) and self.standing.program is None:
                any(self._offered(placed, in_place_of_refused=True) for placed in reversed(sets[:-1]))
            self._decided = newest

    def _offered(self, placed: PlacedSet, *, in_place_of_refused: bool = False) -> bool:
        if placed.record is not None:
            return self._offer(OfferedSet.of_record(placed.record), in_place_of_refused=in_place_of_refused)
        if not in_place_of_refused:
            self._refuse([Fault("", placed.fault)])
        return False

    def _end(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
