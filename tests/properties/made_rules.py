"""Rule texts at random, by the grammar of the rule language; well-sorted but for a few, so that most compile.

Each part is a strategy of text. `bound` is the name that `for each` binds, empty where there is none; `depth` is what nesting is left.
"""

from __future__ import annotations

import json
from functools import cache

from hypothesis import strategies as st

from compiler import Rule, SourceFile, compile_sources
from tests.properties.made_spans import KEYS, NAMES, WORDS, span_id

Text = st.SearchStrategy[str]

_CMP = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
_EQUALITY = st.sampled_from(("==", "!="))
_NUMBERS = st.sampled_from(("0", "1", "2", "2.5", "-1", "1e3", "9007199254740993", "9223372036854775807", "3 - 1", "4 / 2", "1 / 0"))
_DURATIONS = st.sampled_from(("0s", "1ns", "1ms", "2ms", "1.5ms", "1h", "1ms + 1ms"))
_STRINGS = st.sampled_from((*tuple(json.dumps(word) for word in WORDS), "x", "y", "`x`"))
_BOOLS = st.sampled_from(("true", "false"))
_PATTERNS = st.sampled_from(('"x"', '"^a.*"', '"(?i)y$"', '"[0-9]+"', "`\\w`", '"(a|b){1,3}"'))
_IDS = st.integers(0, 3).map(lambda number: json.dumps(span_id(number)))
_BASES = st.sampled_from((*(json.dumps(name) if " " in name else name for name in NAMES), "a", "b", "span", "span", "root"))
_TEXT_INTRINSICS = st.sampled_from(("span:name", "span:statusMessage", "span:id", "span:parentID", "instrumentation:name"))
_RELATIONS = st.sampled_from(("before", "after", "during", "overlaps", "under", "child of", "sibling of"))


def _joined(*parts: Text | str, by: str = " ") -> Text:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(by.join)


@cache
def _keys() -> Text:
    key = st.sampled_from((*KEYS, "k", "v"))
    return st.one_of(key, key, _joined(st.sampled_from(("span.", "resource.", "scope.")), key, by=""), key.map(json.dumps))


@cache
def _bound_keys(bound: str) -> Text:
    return st.sampled_from(KEYS).map(lambda key: f"{bound}.{key}")


@cache
def _number_or_path(bound: str) -> Text:
    paths = [_keys(), _bound_keys(bound)] if bound else [_keys()]
    words = [_joined(word, "(", _keys(), ")", by="") for word in ("length", "number", "abs")]
    arithmetic = _joined(_keys(), st.sampled_from(("+", "-", "*", "/")), _NUMBERS)
    return st.one_of(*paths, *paths, *words, arithmetic, st.just("span:duration / 1ms"))


@cache
def tests(bound: str) -> Text:
    """A test of one span: operand and comparison, list, pattern, presence."""
    forms = [
        _joined(_number_or_path(bound), _CMP, _NUMBERS),
        _joined(_keys(), _EQUALITY, _STRINGS),
        _joined(_keys(), _EQUALITY, _BOOLS),
        _joined(_TEXT_INTRINSICS, _EQUALITY, st.one_of(_STRINGS, _IDS)),
        _joined("span:duration", _CMP, _DURATIONS),
        _joined("span:status", _EQUALITY, st.sampled_from(("ok", "error", "unset"))),
        _joined("span:kind", "in", st.just("[server, client]")),
        _joined("lower(k)", _EQUALITY, _STRINGS),
        _joined(_keys(), st.sampled_from(("exists", "missing"))),
        _joined(st.sampled_from(("span:duration", "span:parentID", "span:startTime")), st.sampled_from(("exists", "missing"))),
        _joined(_keys(), st.sampled_from(("in", "not in")), st.sampled_from(("[1, 2.5]", "[x, y]", "[true]", "[]"))),
        _joined(_keys(), st.sampled_from(("matches", "not matches")), _PATTERNS),
        _joined(_keys(), st.sampled_from(("contains", "startswith", "not endswith")), _STRINGS),
        _keys(),
        _joined(st.sampled_from(("event", "link")), "(", _joined(_keys(), _CMP, _NUMBERS), ")", by=""),
        st.just("event(event:name == exception and event:timeSinceStart > 1ms)"),
    ]
    if bound:
        forms += [
            _joined(_keys(), st.just("=="), _bound_keys(bound)),
            _joined("span:parentID", "==", st.just(f"{bound}.span:id")),
            _joined("span:startTime", _CMP, st.just(f"{bound}.span:endTime + 1ms")),
        ]
    return st.one_of(forms)


@cache
def predicates(depth: int, bound: str) -> Text:
    """A predicate of one span."""
    return _connected(tests(bound), depth)


@cache
def _connected(atoms: Text, depth: int) -> Text:
    """Atoms, or atoms joined and negated to a depth."""
    if depth == 0:
        return atoms
    inner = _connected(atoms, depth - 1)
    either = _joined("(", _joined(inner, st.sampled_from(("and", "or", "implies")), inner), ")", by="")
    return st.one_of(atoms, atoms, either, _joined("not", inner))


@cache
def selectors(bound: str) -> Text:
    """A base, filtered or not."""
    base = st.one_of(_BASES, st.just(bound)) if bound else _BASES
    return st.one_of(base, base, _joined(base, ".where(", predicates(1, bound), ")", by=""))


@cache
def relateds(bound: str) -> Text:
    """A selection, with one or two relations or none."""
    on = st.one_of(st.just(""), st.just(""), _keys().map(" on {}".format), st.just(" on k, v"))
    ordered = _joined(
        st.sampled_from((" before ", " after ")), selectors(bound), on, st.sampled_from(("", " within 1ms", " within 0ms")), by=""
    )
    linked = st.one_of(ordered, _joined(_RELATIONS.map(" {} ".format), selectors(bound), on, by=""))
    plain = selectors(bound)
    return st.one_of(plain, _joined(plain, linked, by=""), _joined(plain, linked, linked, by=""))


@cache
def _aggregates(bound: str, by: str) -> tuple[Text, Text]:
    """Aggregates that are numbers, and those that are durations."""
    word = st.sampled_from(("sum", "avg", "min", "max"))
    counts = _joined("count(", relateds(bound), by, ")", by="")
    of_keys = _joined(st.one_of(word, st.just("distinct")), "(", selectors(bound), ".", st.sampled_from(KEYS), by, ")", by="")
    of_durations = _joined(word, "(", selectors(bound), ".span:duration", by, ")", by="")
    return st.one_of(counts, counts, of_keys), of_durations


@cache
def _scalar_comparisons(bound: str) -> Text:
    numbers, durations = _aggregates(bound, "")
    constants = st.one_of(_NUMBERS, _NUMBERS, _bound_keys(bound)) if bound else _NUMBERS
    forms = [
        _joined(numbers, _CMP, constants),
        _joined(numbers, _CMP, constants),
        _joined(constants, _CMP, numbers),
        _joined(numbers, _CMP, numbers),
        _joined(numbers, "+ 1", _CMP, numbers),
        _joined(durations, _CMP, _DURATIONS),
        _joined("trace:duration", _CMP, _DURATIONS),
        _joined(st.sampled_from(("trace:spanCount", "trace:serviceCount")), _CMP, _NUMBERS),
        _joined(st.sampled_from(("trace:rootName", "trace:rootService", "trace:id")), _EQUALITY, _STRINGS),
    ]
    return st.one_of(forms + ([_joined(_bound_keys(bound), _CMP, _NUMBERS)] if bound else []))


@cache
def _quantified(bound: str) -> Text:
    """Groups against a constant, or against groups by the same keys."""
    forms: list[Text] = []
    for by in (" by k", " by v", " by k, v", " by span:parentID", " by resource.service.name"):
        numbers, durations = _aggregates(bound, by)
        to_constant = _joined(numbers, _CMP, _NUMBERS)
        forms += [to_constant, to_constant, _joined(durations, _CMP, _DURATIONS), _joined(numbers, _CMP, numbers)]
    return _joined(st.sampled_from(("some", "every")), st.one_of(forms))


@cache
def formulas(depth: int, bound: str) -> Text:
    """A formula of one trace."""
    over_all = _joined(selectors(bound), st.sampled_from((".all(", ".all(", ".any(", ".none(")), predicates(1, bound), ")", by="")
    direct = _joined(_BASES, ".", st.sampled_from(KEYS), " ", _joined(_CMP, _NUMBERS), by="")
    atoms = st.one_of(relateds(bound), over_all, direct, _scalar_comparisons(bound), _quantified(bound), _quantified(bound))
    return _connected(atoms, depth)


@cache
def _rule_texts(bound: str) -> Text:
    for_each = _joined("for each", relateds(""), f"as {bound}\n") if bound else st.just("")
    when = st.one_of(st.just(""), _joined("when {", formulas(1, bound), "}\n"))
    always, never = (_joined(f"{word} {{", formulas(2, bound), "}\n") for word in ("always", "never"))
    return _joined(for_each, when, st.one_of(always, never, _joined(always, never, by="")), by="")


rule_texts: Text = st.one_of(_rule_texts(""), _rule_texts(""), _rule_texts("p"))
"""Texts of rules, most of which compile."""


def _file(rule: str, requires: str, exception: str | None) -> bytes:
    # JSON is YAML.
    entry: dict[str, object] = {"id": "rule", "rule": rule, "requires": requires}
    if exception is not None:
        entry["exceptions"] = [{"name": "exception", "when": exception, "owner": "sre", "reason": "made"}]
    return json.dumps({"rules": [entry]}).encode()


rule_files: st.SearchStrategy[bytes] = st.builds(
    _file, rule_texts, st.sampled_from(("any", "any", "complete")), st.one_of(st.none(), st.none(), st.none(), formulas(1, ""))
)
"""Rule files of one rule, some with an exception, some with `requires: complete`."""


def compiled(content: bytes) -> Rule | None:
    """The only rule of a file, or None where the file is refused."""
    rule_set = compile_sources([SourceFile("made.yaml", content)]).rule_set
    return None if rule_set is None else rule_set.rules[0]


rules: st.SearchStrategy[Rule] = rule_files.map(compiled).filter(lambda rule: rule is not None)  # type: ignore[assignment]  # None is filtered
"""Rules that compile."""
