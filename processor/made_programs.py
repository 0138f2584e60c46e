"""Programs made of rule texts: compiled, named, and with an engine that is ready before anybody asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from compiler import LANGUAGE_VERSION, Diagnostic, RuleSet, SourceFile, compile_sources, render, rules_at, with_versions
from processor.rule_source import Program
from topics.rule_records import RuleSetRecord, RuleSource, program_id

if TYPE_CHECKING:
    from processor.engines import EngineMaker
    from processor.trace_engine import TraceEngine


class JudgedWith(NamedTuple):
    """What is said of a trace hangs on this besides the rules: how far clocks may differ, how many offenders are named.

    `redaction_key_id` names the key that hashes the values which rules redact so; empty: none does, they are left out.
    """

    skew_tolerance_ns: int = 0
    offender_count_max: int = 16
    redaction_key_id: str = ""


@dataclass(frozen=True, slots=True)
class OfferedSet:
    """A rule set that may come into force: its files, the counters of its rules, what it is to be judged with."""

    sources: tuple[SourceFile, ...]
    judged_with: JudgedWith
    versions: Mapping[str, int] = field(default_factory=dict)
    language_version: str = LANGUAGE_VERSION

    @classmethod
    def of_record(cls, record: RuleSetRecord) -> OfferedSet:
        """Return the set of a record of the rules topic."""
        sources = tuple(SourceFile(source.name, source.text.encode()) for source in record.sources)
        judged_with = JudgedWith(record.skew_tolerance_ns, record.offender_count_max, record.redaction_key_id)
        return cls(sources, judged_with, record.versions, record.language_version)

    def record(self, program_id: str, written_at: str) -> RuleSetRecord:
        """Return the set, which compiles to this program, as a record of the rules topic."""
        return RuleSetRecord(
            program=program_id,
            sources=tuple(RuleSource(name=source.name, text=source.content.decode()) for source in self.sources),
            versions=dict(self.versions),
            skew_tolerance_ns=self.judged_with.skew_tolerance_ns,
            offender_count_max=self.judged_with.offender_count_max,
            redaction_key_id=self.judged_with.redaction_key_id,
            language_version=self.language_version,
            written_at=written_at,
        )


class Fault(NamedTuple):
    """Why a set is refused: the rule, empty where it is none's, and the reason as a person reads it, with its place."""

    rule: str
    text: str


class RefusedRulesError(Exception):
    """A rule set is refused whole, for these faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(fault.text for fault in faults))
        self.faults = tuple(faults)


class Compiled(NamedTuple):
    """A rule set that can be judged by, the id of its program, and of what the compiler warns how often, by the codes."""

    rule_set: RuleSet
    program_id: str
    warnings: Mapping[str, int]

    @property
    def hashes_values(self) -> bool:
        """Whether a rule lets out a value as its hash, so that a violation's content hangs on a key."""
        return any(how == "hash" for rule in self.rule_set.enabled for _, how in rule.text.redact)


def compiled(offered: OfferedSet, *, today_ns: int | None = None) -> Compiled:
    """Compile a set; raises RefusedRulesError where that fails, or the set is of a newer language than this one.

    A set of an older language is read by this one: its program has another id then.
    """
    if _number(offered.language_version) > _number(LANGUAGE_VERSION):
        text = f"the rules are of language version {offered.language_version}; this release reads up to {LANGUAGE_VERSION}"
        raise RefusedRulesError([Fault("", text)])
    compilation = compile_sources(offered.sources, today_ns=today_ns)
    if compilation.rule_set is None:
        raise RefusedRulesError(faults_of(compilation.errors, offered.sources))
    rule_set = with_versions(compilation.rule_set, offered.versions)
    warnings = Counter(str(found.code) for found in compilation.diagnostics)
    found = Compiled(rule_set, "", warnings)
    skew_tolerance_ns, offender_count_max, key_id = offered.judged_with
    key_id = key_id if found.hashes_values else ""
    return found._replace(program_id=program_id(rule_set.fingerprint, skew_tolerance_ns, offender_count_max, LANGUAGE_VERSION, key_id))


def faults_of(diagnostics: Sequence[Diagnostic], sources: Sequence[SourceFile]) -> list[Fault]:
    """Return diagnostics as a person reads them, each with the rule that it is about."""
    faults: list[Fault] = []
    for source in sources:
        found = [diagnostic for diagnostic in diagnostics if diagnostic.region.file == source.name]
        rules = rules_at(source, [diagnostic.region for diagnostic in found]) if found else []
        faults += [Fault(rule, render(diagnostic, source)) for rule, diagnostic in zip(rules, found, strict=True)]
    return faults


def refuse_other_key(found: Compiled, offered: OfferedSet, redaction_key_id: str) -> None:
    """Raise RefusedRulesError where the set's values are to be hashed with another key than the one there is.

    The same violation would be said with two contents, by two workers or before and after a restart.
    """
    wanted = offered.judged_with.redaction_key_id
    if found.hashes_values and wanted != redaction_key_id:
        text = f"rules redact by hash with {_named(wanted)}, this worker has {_named(redaction_key_id)} (redaction_key_file)"
        raise RefusedRulesError([Fault("", text)])


def _named(key_id: str) -> str:
    return f"key {key_id}" if key_id else "no key"


def _number(language_version: str) -> float:
    """Versions count; what is no number is of a release that does otherwise, which can only be a later one."""
    return int(language_version) if language_version.isascii() and language_version.isdigit() else float("inf")


def made_program(found: Compiled, judged_with: JudgedWith, make_engine: EngineMaker) -> Program:
    """Return the program of a compiled set, an engine of it ready; takes seconds for a thousand rules.

    Raises RefusedRulesError where no engine can be made of the rules.
    """
    try:
        engines = _Engines(found.rule_set, judged_with, make_engine)
    except Exception as error:  # whatever it is, these rules cannot be judged, and others can
        raise RefusedRulesError([Fault("", f"no engine can be made of the rules: {type(error).__name__}: {error}")]) from error
    return Program(found.program_id, found.rule_set, engines)


class _Engines:
    """Makes engines of one rule set; the first was made beforehand and is given once."""

    def __init__(self, rule_set: RuleSet, judged_with: JudgedWith, make_engine: EngineMaker) -> None:
        self._rule_set = rule_set
        self._judged_with = judged_with
        self._make_engine = make_engine
        self._ready = [self._made()]

    def __call__(self) -> TraceEngine:
        try:
            return self._ready.pop()
        except IndexError:
            return self._made()

    def _made(self) -> TraceEngine:
        return self._make_engine(self._rule_set, self._judged_with.skew_tolerance_ns, self._judged_with.offender_count_max)
