"""A case of the conformance suite as Markdown: its rule, its traces with what is said of them, or the diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

import yaml

from docs.markdown import block, code, table
from tests.conformance.case import (
    Case,
    CheckCase,
    Diagnostics,
    Expectation,
    ExpectedComparison,
    JudgeCase,
    ParseCase,
    StreamCase,
)

# Of a case with more traces so many are shown, with as many different verdicts as they can have.
TRACES_MAX = 4


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are written by hand."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represented)


def row(case: ParseCase | CheckCase) -> tuple[str, str, str] | None:
    """Return a case that is short enough as the row of a table: its name, its rule, what is said of it."""
    text = case.rule
    if text is None or "\n" in text:
        return None
    return case.name, code(text), _said(case)


def parts(case: Case) -> Iterator[str]:
    """Yield the paragraphs of a case, without its name."""
    match case:
        case ParseCase():
            yield block(case.rule, "rule")
            yield _sentence(_said(case))
        case CheckCase():
            yield from _sources(case)
            yield _sentence(_said(case))
        case JudgeCase():
            yield _rules(case)
            yield from _settings(case)
            yield from _traces(case)
        case StreamCase():
            yield _rules(case)
            yield block(case.trace, "text")
            yield _timed(case)
        case _:
            assert_never(case)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _sources(case: CheckCase) -> Iterator[str]:
    if case.rule is not None:
        yield block(case.rule, "rule")
    elif case.file is not None:
        yield block(case.file, "yaml")
    for name, text in (case.files or {}).items():
        yield f"`{name}`:"
        yield block(text, "yaml")


def _said(case: ParseCase | CheckCase) -> str:
    if case.diagnostics:
        return _diagnostics(case.diagnostics)
    return f"read as {code(' '.join(case.tree.split()))}" if isinstance(case, ParseCase) and case.tree else "accepted"


def _diagnostics(found: Diagnostics) -> str:
    places: dict[str, list[str]] = {}
    for one in found:
        column = f" column {one.column}" if one.column else ""
        places.setdefault(one.code, []).append(f"line {one.line}{column}{f' of `{one.file}`' if one.file else ''}")
    return "; ".join(f"[`{word}`](diagnostics/{word}.md) in {', '.join(where)}" for word, where in places.items())


def _rules(case: JudgeCase | StreamCase) -> str:
    """Return the rules: their text alone, or the entries of a rule file where they say more."""
    entries = case.entries()
    if case.let is None and all(entry.keys() == {"id", "rule"} for entry in entries):
        names = ["" if len(entries) == 1 else f"# {entry['id']}\n" for entry in entries]
        return block("\n".join(f"{name}{str(entry['rule']).rstrip()}" for name, entry in zip(names, entries, strict=True)), "rule")
    file = {**({"let": dict(case.let)} if case.let else {}), "rules": [dict(entry) for entry in entries]}
    return block(yaml.dump(file, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=130), "yaml")


def _settings(case: JudgeCase) -> Iterator[str]:
    if case.skew_tolerance != "0s":
        yield f"With `skew_tolerance` {case.skew_tolerance}:"
    if case.offender_count_max != type(case).model_fields["offender_count_max"].default:
        yield f"With `offender_count_max` {case.offender_count_max}:"
    if case.opened is not None:
        yield f"Of a trace that opened on {case.opened}:"


def _traces(case: JudgeCase) -> Iterator[str]:
    shown = _shown(case.traces)
    if all("\n" not in one.trace.rstrip() for one in shown):
        yield table(("trace", "verdict"), [(code(one.trace.rstrip()), _verdict(one)) for one in shown])
    else:
        for one in shown:
            yield block(one.trace, "text")
            yield _sentence(_verdict(one))
    if len(case.traces) > len(shown):
        yield f"Further traces of the case: {len(case.traces) - len(shown)}."


def _shown(traces: Sequence[Expectation]) -> Sequence[Expectation]:
    """Return the first trace of each verdict and the first of the others, in their order."""
    first = {str(one.expect): number for number, one in reversed(list(enumerate(traces)))}
    others = [number for number in range(len(traces)) if number not in first.values()]
    return [traces[number] for number in sorted([*sorted(first.values()), *others][:TRACES_MAX])]


def _verdict(one: Expectation) -> str:
    """Return what is said of a trace, and why."""
    when = "still open: " if one.open else f"closed by `{one.close}`: " if one.close else ""
    evidence = [
        *([f"offenders {', '.join(code(name) for name in one.offenders)}"] if one.offenders else []),
        *([f"{one.offender_count} in all"] if one.offender_count is not None else []),
        *([f"by {' and '.join(f'`{clause}`' for clause in one.clauses)}"] if one.clauses else []),
        *(_comparison(comparison) for comparison in one.comparisons or ()),
        *([f"by the exception `{one.exception}`"] if one.exception else []),
    ]
    return when + "; ".join([_words(one.expect), *evidence])


def _comparison(found: ExpectedComparison) -> str:
    said = f"{code(found.text)}: " if found.text else ""
    return f"{said}left {found.left}, right {found.right}, margin {found.margin}"


def _words(expect: str | Mapping[str, str]) -> str:
    return f"**{expect}**" if isinstance(expect, str) else ", ".join(f"`{name}` **{word}**" for name, word in expect.items())


def _timed(case: StreamCase) -> str:
    close = f" The trace is closed by `{case.close}`." if case.close else ""
    offenders = f" Offenders: {', '.join(code(name) for name in case.offenders)}." if case.offenders else ""
    if isinstance(case.expect, str):
        return f"Said last: **{case.expect}**.{offenders}{close}"
    said = (f"{name}: {_words(word)}" for name, word in case.expect.items())
    return f"Said by then: {'; '.join(said)}.{offenders}{close}"
