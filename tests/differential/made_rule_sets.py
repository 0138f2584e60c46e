"""Rule files of several rules at random: those of the property tests, and some that press on how an engine stores names and constants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from string import Formatter

from hypothesis import strategies as st

from tests.differential.example import compiled_file
from tests.properties.made_rules import formulas, rule_texts
from tests.properties.made_spans import KEYS

# Names that differ little: in the middle alone, or equal in length and ends.
NEAR_NAMES = (
    *("ap-south-1", "ap-north-1", "ap-mouth-1", "aa-south-1", "payment.charge", "payment.change"),
    *("payment", "pay", "ab", "ba", "a", "b"),
)
NEAR_KEYS = ("ap-south-1", "ap-north-1", "ap-mouth-1", "payment.charge", "ab", "a", "\u00e9", "k", "v")
# Around the lengths that one byte can say, not ASCII, with NUL, with a letter whose lower case is longer.
NEAR = (
    *NEAR_NAMES,
    "x" * 127,
    "x" * 128,
    "x" * 126 + "yx",
    "\u00e9",
    "e",
    "a\0",
    "\0a",
    "k.v",
    "0",
    "1.0",
    "true",
    "\u017f",
    "K",
    "\u0130",
)
_PATTERNS = (
    *("^ap-", "outh-1$", "^ap-south-1$", "(?i)^AP-", "^(ap|aa)-.outh", "x{100}", ".", "^$"),
    *("[^a-z]", "\u00e9", "a|b", "^.{1,2}$", "y.$"),
)
_NUMBERS = (
    *("0", "1", "2", "1.5", "-1", "0.1", "9007199254740992", "9007199254740993", "9223372036854775807", "-9223372036854775807", "1e308"),
)
_EVIDENCE = (*KEYS, "service.name", "resource.k", "span.v", "ap-south-1")

# A part of a form is named by its kind; a digit behind it makes another of that kind.
_TESTS = (
    *("{key} {cmp} {constant}", "{key} {cmp} {number}", "{key} {cmp} {number}", "{key} in [{number}, {number1}]"),
    *("{key} in [{list}]", "{key} not in [1, 2.5, {list}]", "{key} matches {pattern}", "{key} {affix} {constant}", "{key} == {key1}"),
    *("span:name {cmp} {constant}", "span:name matches {pattern}", "span:name in [{list}]", "resource.service.name {cmp} {constant}"),
    *("instrumentation:version {cmp} {constant}", "scope.k {cmp} {constant}", "event(k {cmp} {constant} or event:name == {constant1})"),
    *("event(v matches {pattern} and event:timeSinceStart >= 0ms)", 'link(link:spanID == "0000000000000002" or k exists)'),
    *("length({key}) {cmp} length({key1})", "lower({key}) {cmp} lower({constant})", "number({key}) {cmp} abs(number({key1}))"),
    *("span:endTime - span:startTime {cmp} span:duration", "span:startTime + 1ms {cmp} span:endTime"),
    *("{key} * 2 + 1 {cmp} {key1} / 3 - 1", "-{key} {cmp} -{key1}"),
)
_RULES = (
    *["{clause} {{ {base} {order} {base1}{limit} }}"] * 4,
    "{clause} {{ count({base} {order} {base1}{limit}) {cmp} {count} }}",
    "for each {base} as p\n{clause} {{ {base1} {order} p{limit} }}",
    "{clause} {{ {base} {relation} {base1}.where({predicate}) on {key} }}",
    "for each {base} as p\nalways {{ {base1}.where({key} == p.{key}) {relation} p }}",
    "for each {base}.where({predicate}) as p\nwhen {{ {base1} }}\nnever {{ count({base2}.where({key} == p.{key1} and {test})) > 1 }}",
    "{clause} {{ {base}.where({predicate}) }}",
    "always {{ {base}.all({predicate}) }}",
    "never {{ count({base}.where({predicate})) {cmp} {count} }}",
    "{clause} {{ {reduction}({base}.where({predicate}).{key}) {cmp} {number} }}",
    "{clause} {{ {reduction}({base}.{key}) {cmp} {number} }}",
    "{clause} {{ every {reduction}({base}.{key} by span:name) {cmp} {number} }}",
    "{clause} {{ some count({base}.where({predicate}) by {key}) {cmp} {count} }}",
)


@cache
def _part(kind: str) -> st.SearchStrategy[str]:
    words = {
        "cmp": ("==", "!=", "<", "<=", ">", ">="),
        "affix": ("contains", "startswith", "endswith"),
        "order": ("before", "after", "during", "overlaps"),
        "relation": ("before", "after", "during", "overlaps", "under", "child of", "sibling of"),
        "limit": ("", "", "", " on k", " on span:name"),
        "clause": ("always", "never"),
        "reduction": ("sum", "avg", "min", "max", "distinct"),
        "count": ("0", "1", "2", "1.5"),
        "number": _NUMBERS,
        "constant": tuple(json.dumps(text) for text in NEAR),
        "pattern": tuple(json.dumps(text) for text in _PATTERNS),
        "key": (*(json.dumps(key) for key in NEAR_KEYS), *KEYS),
        "base": (*(json.dumps(name) for name in NEAR_NAMES), *("a", "b", "span", "root") * 3),
    }
    if kind in words:
        return st.sampled_from(words[kind])
    if kind == "list":
        return st.lists(_part("constant"), min_size=1, max_size=24, unique=True).map(", ".join)
    tests = st.sampled_from(_TESTS).flatmap(_filled)
    return (
        tests if kind == "test" else st.one_of(tests, st.sampled_from(("{test} and {test1}", "{test} or not ({test1})")).flatmap(_filled))
    )


@cache
def _filled(form: str) -> st.SearchStrategy[str]:
    names = {name for _, name, _, _ in Formatter().parse(form) if name is not None}
    return st.fixed_dictionaries({name: _part(name.rstrip("12")) for name in sorted(names)}).map(lambda found: form.format(**found))


@st.composite
def _entries(draw: st.DrawFn, number: int) -> dict[str, object]:
    rule = draw(rule_texts if draw(st.booleans()) else st.sampled_from(_RULES).flatmap(_filled))
    entry: dict[str, object] = {"id": f"rule{number}", "rule": rule}
    if draw(st.integers(0, 3)) == 3:
        entry["requires"] = "complete"
    if draw(st.booleans()):
        entry["evidence"] = draw(st.lists(st.sampled_from(_EVIDENCE), min_size=1, max_size=3, unique=True))
    if draw(st.integers(0, 3)) == 3:
        when = draw(st.one_of(formulas(0, ""), st.sampled_from(("span", "root", "a", "span.where(k exists)"))))
        expires = draw(st.sampled_from(({}, {"expires": "2026-01-31"}, {"expires": "2026-12-31"})))
        entry["exceptions"] = [{"name": f"exception{number}", "when": when, "owner": "sre", "reason": "made", **expires}]
    if draw(st.integers(0, 15)) == 15:
        entry["enabled"] = False
    return entry


@st.composite
def rule_files(draw: st.DrawFn) -> str:
    """A rule file of one to six rules that compiles, as JSON."""
    entries = [draw(_entries(number)) for number in range(draw(st.integers(1, 6)))]
    if compiled_file(_file(entries)) is None:
        entries = [entry for entry in entries if compiled_file(_file([entry])) is not None]
    return _file(entries or [{"id": "rule", "rule": "never { span.where(k == 1) }"}])


def _file(entries: Sequence[Mapping[str, object]]) -> str:
    return json.dumps({"rules": entries}, ensure_ascii=True)
