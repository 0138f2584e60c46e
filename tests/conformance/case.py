"""The cases of the conformance suite, and their strict loader.

A corpus is a folder; a file in it is one feature, a case one statement with one kind of expectation. Whatever is not understood
(unknown or missing keys, a name twice, a file that is not its feature, a case that expects nothing) stops the run. Formats:

- `parse/`: `rule` → `tree` (the s-expression of `compiler.dump`) or `diagnostics`.
- `check/`: `rule`, `file` or `files` (name → text) → `diagnostics` (all there are, in any order; `no-tests` counts only where listed)
  or `accepted: true`. `today` (a date) is the day of compiling.
- `judge/`: `rule` or `rules` (+ `let`), `trace` or `traces` → `expect` and exact evidence.
- `stream/`: `rule` or `rules`, a `trace` with `arrives=` → `expect` by moment.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from compiler.diagnostics import Code
from tests.conformance.case_yaml import CaseFileError, read_case_yaml

FOLDER = Path(__file__).resolve().parent

LABEL = re.compile(r"language\.md \d+, (?:sentence \d+|production [A-Za-z_]+|intrinsic [a-z]+:[A-Za-z]+)|[A-E]\d+|add \d+|2\.6 #\d+")
_MOMENT = re.compile(r"\d+(?:\.\d+)?(?:ns|us|ms|s|m|h)")

VerdictWord: TypeAlias = Literal["satisfied", "violated", "excused", "inconclusive", "not_applicable", "unknown"]
CloseWord: TypeAlias = Literal["root_ended", "idle", "max_age", "span_limit", "evicted", "shed", "drained"]
ShownValue: TypeAlias = bool | int | float | str | None


def _labels(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _known_form(label: str) -> str:
    if not LABEL.fullmatch(label):
        message = f"{label!r} is not of the form 'language.md 6, sentence 3', A7, 'add 1' or '2.6 #12'"
        raise ValueError(message)
    return label


def _date(value: object) -> object:
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


Date: TypeAlias = Annotated[dt.date, BeforeValidator(_date)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExpectedDiagnostic(_Strict):
    """A diagnostic by code and place; what the specification does not fix is left out. Lines and columns are of the text in the case."""

    code: Annotated[Code, BeforeValidator(Code)]
    line: int = Field(ge=1)
    column: int | None = Field(default=None, ge=1)
    length: int | None = Field(default=None, ge=1)
    file: str | None = None


Diagnostics: TypeAlias = Annotated[tuple[ExpectedDiagnostic, ...], Field(min_length=1, strict=False)]


class _Case(_Strict):
    corpus: ClassVar[str]

    name: str = Field(min_length=8)
    proves: Annotated[tuple[Annotated[str, AfterValidator(_known_form)], ...], BeforeValidator(_labels), Field(min_length=1, strict=False)]
    feature: str = ""

    @property
    def label(self) -> str:
        """How the case is shown: corpus, feature and name."""
        return f"{self.corpus}/{self.feature}: {self.name}"

    def _exactly_one(self, *keys: str) -> None:
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) != 1:
            message = f"exactly one of {', '.join(keys)} is due, not {given or 'none'}"
            raise ValueError(message)


class ParseCase(_Case):
    """Rule text → its tree, or diagnostics."""

    corpus: ClassVar[str] = "parse"

    rule: str
    tree: str | None = None
    diagnostics: Diagnostics | None = None

    @model_validator(mode="after")
    def _one_expectation(self) -> Self:
        self._exactly_one("tree", "diagnostics")
        return self


class CheckCase(_Case):
    """Rule text or files → accepted, or diagnostics."""

    corpus: ClassVar[str] = "check"

    rule: str | None = None
    file: str | None = None
    files: Mapping[str, str] | None = None
    today: Date | None = None
    accepted: Literal[True] | None = None
    diagnostics: Diagnostics | None = None

    @model_validator(mode="after")
    def _one_expectation(self) -> Self:
        self._exactly_one("rule", "file", "files")
        self._exactly_one("accepted", "diagnostics")
        if self.files is not None and any(found.file not in self.files for found in self.diagnostics or ()):
            message = "with files, every diagnostic names its file"
            raise ValueError(message)
        return self


class ExpectedComparison(_Strict):
    """A blamed comparison: what is left out is not compared. Durations may be written as such (`31ms`) or in nanoseconds."""

    text: str | None = None
    left: ShownValue
    right: ShownValue
    margin: int | float | str | None


class Expectation(_Strict):
    """One trace, how it closed, and what every rule says of it. Evidence keys speak of the only rule that is violated or excused."""

    trace: str
    close: CloseWord | None = None
    open: Literal[True] | None = None
    expect: VerdictWord | Mapping[str, VerdictWord]
    offenders: Annotated[tuple[str, ...] | None, Field(strict=False)] = None
    offender_count: int | None = None
    clauses: Annotated[tuple[Literal["always", "never"], ...] | None, Field(strict=False)] = None
    comparisons: Annotated[tuple[ExpectedComparison, ...] | None, Field(strict=False)] = None
    exception: str | None = None

    @model_validator(mode="after")
    def _open_or_closed(self) -> Self:
        if self.open and self.close is not None:
            message = "a trace is open or closed, not both"
            raise ValueError(message)
        words = {self.expect} if isinstance(self.expect, str) else set(self.expect.values())
        if self.open and not words <= {"violated", "unknown"}:
            message = "of an open trace only violated is said, else unknown"
            raise ValueError(message)
        if not self.open and "unknown" in words:
            message = "a closed trace is never unknown"
            raise ValueError(message)
        return self


class _RuleCase(_Case):
    rule: str | None = None
    rules: Annotated[tuple[Mapping[str, object], ...] | None, Field(strict=False)] = None
    let: Mapping[str, object] | None = None

    def entries(self) -> list[dict[str, object]]:
        """Return the entries of a rule file; the only rule of a case is called `rule` where it is given by its text."""
        return [{"id": "rule", "rule": self.rule}] if self.rule is not None else [dict(rule) for rule in self.rules or ()]


_EVIDENCE = ("trace", "close", "open", "expect", "offenders", "offender_count", "clauses", "comparisons", "exception")


class JudgeCase(_RuleCase):
    """Rules and traces → verdicts and evidence. `skew_tolerance`, `offender_count_max` and `opened` are those of the engine's call."""

    corpus: ClassVar[str] = "judge"

    traces: Annotated[tuple[Expectation, ...], Field(min_length=1, strict=False)]
    skew_tolerance: str = "0s"
    offender_count_max: int = 16
    opened: Date | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_trace_is_a_list_of_one(cls, value: object) -> object:
        if not isinstance(value, dict) or "traces" in value:
            return value
        only = {key: value[key] for key in _EVIDENCE if key in value}
        return {**{key: item for key, item in value.items() if key not in only}, "traces": [only]}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        self._exactly_one("rule", "rules")
        return self


class StreamCase(_RuleCase):
    """Rules and timed arrivals → verdicts by moment; of several rules, by rule id."""

    corpus: ClassVar[str] = "stream"

    trace: str
    close: CloseWord | None = None
    expect: VerdictWord | Mapping[str, VerdictWord | Mapping[str, VerdictWord]]
    offenders: Annotated[tuple[str, ...] | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        self._exactly_one("rule", "rules")
        return self

    def expectation_of(self, rule_id: str) -> object:
        """What a timed test of this rule expects: a verdict, or moments with verdicts."""
        if isinstance(self.expect, str) or all(_MOMENT.fullmatch(key) for key in self.expect):
            return self.expect
        return self.expect[rule_id]


Case: TypeAlias = ParseCase | CheckCase | JudgeCase | StreamCase
CORPORA: Mapping[str, type[Case]] = {"parse": ParseCase, "check": CheckCase, "judge": JudgeCase, "stream": StreamCase}


def load_file(path: Path, kind: type[Case]) -> list[Case]:
    """Return the cases of one file; CaseFileError names the file and the case that is not understood."""
    content = read_case_yaml(path)
    if not isinstance(content, dict) or set(content) != {"feature", "cases"} or not isinstance(content["cases"], list):
        message = f"{path}: a case file has exactly the keys feature and cases"
        raise CaseFileError(message)
    if content["feature"] != path.stem:
        message = f"{path}: its feature is {content['feature']!r}, its name says {path.stem!r}"
        raise CaseFileError(message)
    return list(_cases(path, kind, content["cases"]))


def _cases(path: Path, kind: type[Case], entries: list[object]) -> Iterator[Case]:
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or "feature" in entry:
            message = f"{path}: case {number} is not a mapping of a case's keys"
            raise CaseFileError(message)
        name = str(entry.get("name"))
        try:
            case = kind.model_validate({**entry, "feature": path.stem})
        except ValidationError as error:
            message = f"{path}: case {number}, {name!r}: {error}"
            raise CaseFileError(message) from error
        if name in seen:
            message = f"{path}: two cases are named {name!r}"
            raise CaseFileError(message)
        seen.add(name)
        yield case


def load_cases(folder: Path = FOLDER) -> list[Case]:
    """Return all cases of all corpora, in order of corpus, file and line."""
    stray = [path for corpus in CORPORA for path in (folder / corpus).glob("*") if path.suffix != ".yaml"]
    if stray:
        message = f"{stray[0]}: no case file (its name does not end in .yaml)"
        raise CaseFileError(message)
    return [case for corpus, kind in CORPORA.items() for path in sorted((folder / corpus).glob("*.yaml")) for case in load_file(path, kind)]
