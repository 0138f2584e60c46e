"""Rules from a directory or a file that is watched: what it says comes into force without a restart."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from processor.made_programs import Fault, JudgedWith, OfferedSet
from processor.rule_directory import read_sources, relative_sources
from processor.rules_in_force import RulesInForce

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.source import SourceFile
    from processor.engines import EngineMaker
    from processor.rule_archive import RuleArchive
    from topics.rule_records import RuleSetRecord

_FIRST_S = 0.1
_KEEP_AGAIN_S = 60.0


class RuleWatch(RulesInForce):
    """Watches a path by its content, every `interval_s`; two looks must find the same, so that nothing half-written is taken.

    A set is written to the archive before it comes into force, so that whoever replays what it judged can have it.
    """

    def __init__(
        self, path: Path, judged_with: JudgedWith, make_engine: EngineMaker, archive: RuleArchive | None, *, interval_s: float = 1.0
    ) -> None:
        super().__init__(make_engine, archive, judged_with.redaction_key_id)
        self._path = path
        self._judged_with = judged_with
        self._interval_s = interval_s
        self._seen: tuple[SourceFile, ...] | str = ""
        self._decided: tuple[SourceFile, ...] | str = ""
        self._kept_at_s = 0.0

    def _round(self) -> float:
        found = self._read()
        if found != self._seen:
            self._seen = found
        elif found != self._decided:
            self._decide(found)
        elif self.standing.not_kept and time.monotonic() - self._kept_at_s > _KEEP_AGAIN_S:
            self._kept_at_s = time.monotonic()
            self._keep_again()
        return self._interval_s if self._decided else min(self._interval_s, _FIRST_S)

    def _end(self) -> None:
        """Nothing is open between two rounds."""

    def _decide(self, found: tuple[SourceFile, ...] | str) -> None:
        # Until it is decided nothing is: should it have to be tried again, the way back is a change as well.
        self._decided = ""
        if isinstance(found, str):
            self._refuse([Fault("", found)])
        else:
            self._kept_at_s = time.monotonic()
            self._offer(OfferedSet(found, self._judged_with), keep=True)
        self._decided = found

    def _read(self) -> tuple[SourceFile, ...] | str:
        """Return the files, or why there are none."""
        try:
            return tuple(read_sources(self._path)) or f"there is no rule file (.yaml, .yml) in {self._path}"
        except OSError as error:
            return f"{error.filename or self._path} cannot be read: {error.strerror or error}"

    def _record(self, offered: OfferedSet, program_id: str, written_at: str) -> RuleSetRecord:
        """The topic knows the files by names that do not tell where this machine has them."""
        return replace(offered, sources=relative_sources(offered.sources, self._path)).record(program_id, written_at)
