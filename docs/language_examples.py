"""The rule language by example: for every sentence of its page a case of the conformance suite that proves it.

Of the cases that prove a sentence the one that is shown is, where there is a choice, in a file of the section, first of all about the
sentence, short, of traces with different verdicts, and the first in its file. What one case shows of a section no other shows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from docs.case_text import parts, row
from docs.markdown import code, table
from tests.conformance.case import Case, CheckCase, JudgeCase, ParseCase, StreamCase, load_cases
from tests.conformance.sentences import PAGE, Sentence, sentences

INTRODUCTION: Final = """# The rule language by example

What the [rule language](rule-language.md) says, section by section, shown by {shown} of the {all} cases that every build runs: of each
sentence that a case can show one that proves it, under its name. What a text is read as is a tree in brackets. A verdict is followed by
what a violation names; a trace is complete where nothing else is said of how it closed. The files at the end of a section have the other
cases."""

CASES: Final = "../../tests/conformance"
# The section whose cases are texts rather than traces.
GRAMMAR: Final = 2
# A case longer than this, in characters, is shown only where no other is left.
LENGTH_MAX: Final = 700

_TITLE = re.compile(r"^## ((\d+)\. .+)$", re.MULTILINE)


def examples_page() -> str:
    """Return the page: a section for each of the language page, in its order."""
    cases, said = load_cases(), sentences()
    files = _files(cases)
    homes = {name: number for number, names in files.items() for name in names}
    shown: set[str] = set()
    sections: list[str] = []
    for title, number in _TITLE.findall(PAGE.read_text(encoding="utf-8")):
        chosen = _chosen([sentence for sentence in said if sentence.section == int(number)], cases, homes, shown)
        sections += _section(title, chosen)
        sections.append(f"More: {', '.join(f'[`{name}`]({CASES}/{name}.yaml)' for name in files.get(number, ()))}.")
    return "\n\n".join([INTRODUCTION.format(shown=len(shown), all=len(cases)), *sections])


def anchor(title: str) -> str:
    """Return the fragment by which a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _files(cases: Sequence[Case]) -> Mapping[str, Sequence[str]]:
    """Return the case files of each section: a file stands where most of its cases say that they prove something."""
    sections: dict[str, Counter[str]] = {}
    for case in cases:
        found = [label.split(",")[0].split()[-1] for label in case.proves if label.startswith("language.md ")]
        sections.setdefault(_file(case), Counter()).update(found[:1])
    files: dict[str, list[str]] = {}
    for name, counted in sections.items():
        files.setdefault(counted.most_common(1)[0][0], []).append(name)
    return files


def _chosen(said: Sequence[Sentence], cases: Sequence[Case], homes: Mapping[str, str], shown: set[str]) -> list[tuple[Sentence, Case]]:
    """Choose a case for each sentence of a section that no case chosen before it proves; `shown` are those that stand already."""
    chosen: list[tuple[Sentence, Case]] = []
    for sentence in said:
        if any(sentence.label in case.proves for _, case in chosen):
            continue
        fitting = [case for case in cases if sentence.label in case.proves and case.label not in shown and _can_be_shown(case)]
        if fitting:
            best = min(fitting, key=partial(_rank, sentence, homes))
            chosen.append((sentence, best))
            shown.add(best.label)
    return chosen


def _can_be_shown(case: Case) -> bool:
    """Say whether a page can: the line ends of a file are all of one sort."""
    return "\\r\\n" not in case.model_dump_json(include={"rule", "file"})


def _rank(sentence: Sentence, homes: Mapping[str, str], case: Case) -> tuple[bool, ...]:
    is_text = isinstance(case, ParseCase | CheckCase)
    length = len(case.model_dump_json(exclude={"name", "proves", "feature"}, exclude_none=True))
    return (
        is_text != (sentence.section == GRAMMAR),
        homes.get(_file(case)) != str(sentence.section),
        case.proves[0] != sentence.label,
        length > LENGTH_MAX,
        not _has_several_verdicts(case),
    )


def _has_several_verdicts(case: Case) -> bool:
    if isinstance(case, JudgeCase):
        return len({str(one.expect) for one in case.traces}) > 1
    return isinstance(case, StreamCase) and not isinstance(case.expect, str)


def _file(case: Case) -> str:
    return f"{case.corpus}/{case.feature}"


def _section(title: str, chosen: Sequence[tuple[Sentence, Case]]) -> Iterator[str]:
    yield f"## {title}"
    yield f"[What the language says](rule-language.md#{anchor(title)})"
    rows = {case.label: found for _, case in chosen if isinstance(case, ParseCase | CheckCase) and (found := row(case)) is not None}
    for sentence, case in chosen:
        if case.label not in rows:
            yield f"### {case.name}"
            yield f"> {_quoted(sentence)}"
            yield from parts(case)
    if rows:
        yield "### Rules, and what is said of their text"
        yield table(("what is shown", "rule", "what is said"), rows.values())


def _quoted(sentence: Sentence) -> str:
    """Return a sentence as it is quoted above its example."""
    if sentence.is_code:
        return code(re.sub(r"\s+", " ", sentence.text))
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", sentence.text) if cell.strip()]
    return " · ".join(cells) if sentence.text.startswith("|") else sentence.text
