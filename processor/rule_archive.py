"""Whole rule sets on the rules topic, by their programs: so that a worker can have again what it, or another one, judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler import LANGUAGE_VERSION
from topics.rule_records import SET_PREFIX, RecordSizeError
from topics.rules_log import NoTopicError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from topics.rule_records import RuleSetRecord
    from topics.rules_log import RulesLog


@dataclass(frozen=True, slots=True)
class RuleArchive:
    """Both methods raise LogError where the broker does not answer: nobody knows then what is there."""

    log: RulesLog

    def find(self, program_id: str) -> list[RuleSetRecord]:
        """Return the set of a program; where no key says so, those of other languages, whose programs have other ids in this one."""
        try:
            sets = [placed.record for placed in self.log.read().sets if placed.record is not None]
        except NoTopicError:
            return []
        named = [record for record in sets if record.program == program_id]
        return named or [record for record in sets if record.language_version != LANGUAGE_VERSION]

    def keep(self, program_id: str, record: Callable[[], RuleSetRecord]) -> str:
        """Write a set down unless it is there; return why it cannot be, empty where it is now."""
        try:
            key = f"{SET_PREFIX}{program_id}".encode()
            if not any(placed.key == key and placed.record is not None for placed in self.log.read().sets):
                made = record()
                self.log.write([(made.key, made.canonical_json())])
        except (NoTopicError, TooLargeError, RecordSizeError) as error:
            return str(error)
        return ""
