"""Which rules are in force, decided beside the core: rule sets are offered, compiled and refused or taken in a thread of their own.

The core asks for `current` and `find` (processor.rule_source.RuleSource) and is touched by nothing here.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from processor.garbage import uncollected
from processor.made_programs import OfferedSet, RefusedRulesError, compiled, made_program, refuse_other_key
from processor.partition_time import wall_clock_ns
from topics.log_reader import LogError
from topics.rfc3339 import format_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.engines import EngineMaker
    from processor.made_programs import Compiled, Fault
    from processor.rule_archive import RuleArchive
    from processor.rule_source import Program
    from topics.rule_records import RuleSetRecord

log = logging.getLogger(__name__)

# Programs that can be had again without asking the topic.
_PROGRAMS_MAX = 8
_RETRY_S = 1.0
_STOP_TIMEOUT_S = 10.0


class RulesStanding(NamedTuple):
    """How it stands with the rules.

    `program`: in force since `since_ns`, None as long as there is none. `refused`: why the newest set is not in force. `trouble`: why rules
    cannot be read or written down just now; it is tried again. `not_kept`: why programs of the past may not be had again after a restart.
    `refused_count` and `taken_count` count sets since the start.
    """

    program: Program | None = None
    since_ns: int = 0
    refused: tuple[Fault, ...] = ()
    trouble: str = ""
    not_kept: str = ""
    refused_count: int = 0
    taken_count: int = 0


class RulesInForce(ABC):
    """Decides on the rule sets that a thread of its own finds (`_round`); a set with a fault is refused whole, the old one stays in force.

    `archive`: where the sets of other programs are found for a replay; None: only programs of this process are. `redaction_key_id`: of the
    key there is; sets that were made for another one cannot be judged by.
    """

    def __init__(self, make_engine: EngineMaker, archive: RuleArchive | None, redaction_key_id: str) -> None:
        self._make_engine = make_engine
        self._archive = archive
        self._redaction_key_id = redaction_key_id
        self._standing = RulesStanding()
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._programs: dict[str, Program] = {}
        # What is compiled and has to be written down first, and what is in force.
        self._waiting: tuple[OfferedSet, Program] | None = None
        self._in_force: OfferedSet | None = None
        self._thread = threading.Thread(target=self._run, name="rules", daemon=True)

    # ---- for the core ---------------------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Program:
        """The program that new traces are to be judged by; wait for one before you ask."""
        program = self._standing.program
        assert program is not None, "no rules are in force yet"
        return program

    def find(self, program_id: str) -> Program | None:
        """Return a program that was in force once; None where it is gone. Raises LogError where nobody can say.

        What this process does not have any more is read from the topic and compiled: in a replay there is time for it.
        """
        found = self._programs.get(program_id)
        if found is None and self._archive is not None:
            for record in self._archive.find(program_id):
                found = self._made_again(OfferedSet.of_record(record), program_id)
                if found is not None:
                    self._remember(found)
                    break
        return found

    # ---- for whoever runs it --------------------------------------------------------------------------------------------------------

    @property
    def standing(self) -> RulesStanding:
        """How it stands now; may be asked by any thread."""
        return self._standing

    def start(self) -> None:
        """Begin to look for rules."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a set that is being compiled is compiled to its end and let go of."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def wait(self, until: Callable[[RulesStanding], bool], timeout_s: float) -> RulesStanding:
        """Return how it stands once `until` says so, or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: until(self._standing) or self._stopped.is_set(), timeout_s)
            return self._standing

    # ---- the thread -----------------------------------------------------------------------------------------------------------------

    @abstractmethod
    def _round(self) -> float:
        """Look for rules once, offer what is new; return for how many seconds there is nothing to do."""

    @abstractmethod
    def _end(self) -> None:
        """Let go of what rounds have opened."""

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                pause_s = self._round()
            except LogError as error:
                self._in_trouble(str(error))
                pause_s = _RETRY_S
            except Exception as error:
                # What the core judges by must not hang on a fault in here; it is said, and the next round is another try.
                log.exception("looking for rules failed")
                self._in_trouble(f"looking for rules failed: {type(error).__name__}: {error}")
                pause_s = _RETRY_S
            self._stopped.wait(pause_s)
        self._end()

    def _offer(self, offered: OfferedSet, *, in_place_of_refused: bool = False, keep: bool = False) -> bool:
        """Put a set in force, or refuse it; raises LogError where it has to be written down first and cannot be just now.

        `in_place_of_refused`: it is an older one, that the newest is refused stays known. Return whether it is in force.
        """
        try:
            program = self._compiled(offered)
        except RefusedRulesError as error:
            if not in_place_of_refused:
                self._refuse(error.faults)
            return False
        not_kept = self._kept(offered, program.id) if keep else ""
        self._waiting, self._in_force = None, offered
        was = self._standing
        is_new = was.program is None or was.program.id != program.id
        self._remember(program)
        self._stand(
            was._replace(
                program=program,
                since_ns=wall_clock_ns() if is_new else was.since_ns,
                refused=was.refused if in_place_of_refused else (),
                trouble="",
                not_kept=not_kept,
                taken_count=was.taken_count + is_new,
            )
        )
        if is_new:
            log.info("program %s is in force: %d rules are enabled", program.id, len(program.rule_set.enabled))
        return True

    def _compiled(self, offered: OfferedSet) -> Program:
        if self._waiting is not None and self._waiting[0] == offered:
            return self._waiting[1]
        with uncollected():
            found = compiled(offered, today_ns=wall_clock_ns())
            now = self._standing.program
            if now is not None and now.id == found.program_id:
                return now
            refuse_other_key(found, offered, self._redaction_key_id)
            _warn(found)
            program = made_program(found, offered.judged_with, self._make_engine)
        self._waiting = (offered, program)
        return program

    def _keep_again(self) -> None:
        """Try once more to write down what is in force."""
        standing = self._standing
        if standing.not_kept and standing.program is not None and self._in_force is not None:
            self._stand(standing._replace(not_kept=self._kept(self._in_force, standing.program.id)))

    def _kept(self, offered: OfferedSet, program_id: str) -> str:
        if self._archive is None:
            return "there is no rules topic to write them to"
        not_kept = self._archive.keep(program_id, lambda: self._record(offered, program_id, format_ns(wall_clock_ns())))
        if not_kept and not_kept != self._standing.not_kept:
            log.warning("program %s is not kept: %s", program_id, not_kept)
        return not_kept

    def _record(self, offered: OfferedSet, program_id: str, written_at: str) -> RuleSetRecord:
        return offered.record(program_id, written_at)

    def _refuse(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            log.error("the newest rules are refused%s: %s", f", rule {fault.rule}" if fault.rule else "", fault.text)
        was = self._standing
        self._stand(was._replace(refused=tuple(faults), trouble="", refused_count=was.refused_count + 1))

    def _in_trouble(self, text: str) -> None:
        if text != self._standing.trouble:
            if text:
                log.warning("%s", text)
            self._stand(self._standing._replace(trouble=text))

    def _stand(self, standing: RulesStanding) -> None:
        with self._changed:
            self._standing = standing
            self._changed.notify_all()

    # ---- programs -------------------------------------------------------------------------------------------------------------------

    def _made_again(self, offered: OfferedSet, program_id: str) -> Program | None:
        try:
            found = compiled(offered)
            if found.program_id != program_id:
                return None
            refuse_other_key(found, offered, self._redaction_key_id)
            return made_program(found, offered.judged_with, self._make_engine)
        except RefusedRulesError as error:
            log.warning("program %s cannot be made again: %s", program_id, error)
            return None

    def _remember(self, program: Program) -> None:
        """Keep a program, and of the others those that were used last; both threads do this."""
        with self._changed:
            self._programs.pop(program.id, None)
            self._programs[program.id] = program
            now = self._standing.program
            others = [program_id for program_id in self._programs if program_id != program.id and (now is None or program_id != now.id)]
            for program_id in others[: max(0, len(self._programs) - _PROGRAMS_MAX)]:
                del self._programs[program_id]


def _warn(found: Compiled) -> None:
    if found.warnings:
        counts = ", ".join(f"{count} {code}" for code, count in sorted(found.warnings.items()))
        log.warning("program %s has warnings, `betrace rules check` shows them: %s", found.program_id, counts)
