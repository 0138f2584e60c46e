"""The rules of a directory as the API shows them: read again when a file changes; a set that does not compile replaces none."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from compiler import Severity, SourceFile, compile_sources

if TYPE_CHECKING:
    from pathlib import Path

    from compiler import Diagnostic, Rule, RuleSet

_SUFFIXES = frozenset({".yaml", ".yml"})
_DAY_NS = 86_400 * 1_000_000_000

Stamp: TypeAlias = "tuple[tuple[str, int, int], ...]"


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """The rule files at one moment.

    `rule_set` is the last that compiled, None where none has yet; `diagnostics` are of the files as they are now. `problem` says why they
    could not be read at all, else it is empty.
    """

    rule_set: RuleSet | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    is_compiled: bool = False
    problem: str = ""
    stamp: Stamp = ()
    day: int = -1

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of the last set that compiled, disabled ones too."""
        return self.rule_set.rules if self.rule_set else ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that refuse the files as they are now."""
        return tuple(it for it in self.diagnostics if it.severity is Severity.ERROR)

    def diagnostics_by_rule(self) -> dict[str, list[Diagnostic]]:
        """Return the diagnostics of each rule: those from its first line to the next rule's.

        Empty where the rules shown are not those of the files as they are now.
        """
        if not self.is_compiled:
            return {}
        ordered = sorted(self.rules, key=lambda rule: rule.region)
        starts = [(rule.region.file, rule.region.line) for rule in ordered]
        found: dict[str, list[Diagnostic]] = defaultdict(list)
        for it in self.diagnostics:
            place = bisect_right(starts, (it.region.file, it.region.line))
            if place and starts[place - 1][0] == it.region.file:
                found[ordered[place - 1].id].append(it)
        return dict(found)

    def find(self, rule_id: str) -> Rule | None:
        """Return a rule by id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)


@dataclass(slots=True)
class RuleFiles:
    """A rule file, or a directory whose .yaml and .yml files are read, hidden ones left out."""

    path: Path
    _loaded: LoadedRules | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self) -> LoadedRules:
        """Return the rules after a look at the files: they are compiled when one has changed, or the day (exceptions expire).

        While one thread compiles, others get what stood before. Never raises.
        """
        # Only the very first has to be waited for.
        if not self._lock.acquire(blocking=self._loaded is None):
            return self.loaded()
        try:
            self._loaded = self._look(self._loaded or LoadedRules())
            return self._loaded
        finally:
            self._lock.release()

    def loaded(self) -> LoadedRules:
        """Return the rules as last read, without a look at the files unless there was none."""
        return self._loaded or self.current()

    def _look(self, last: LoadedRules) -> LoadedRules:
        day = time.time_ns() // _DAY_NS
        try:
            paths = _rule_paths(self.path)
            stamp = tuple((str(path), (found := path.stat()).st_mtime_ns, found.st_size) for path in paths)
            if self._loaded is not None and not last.problem and (stamp, day) == (last.stamp, last.day):
                return last
            sources = [SourceFile(str(path), path.read_bytes()) for path in paths]
        except OSError as error:
            return LoadedRules(last.rule_set, problem=f"the rules cannot be read: {error}")
        made = compile_sources(sources, today_ns=day * _DAY_NS)
        kept = last.rule_set if made.rule_set is None else made.rule_set
        return LoadedRules(kept, made.diagnostics, made.rule_set is not None, stamp=stamp, day=day)


def _rule_paths(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    # Mounted Kubernetes volumes keep old versions in hidden directories.
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]
