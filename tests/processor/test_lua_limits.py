"""LuaJIT limits what one function may hold; the language limits what one rule may say. No legal rule set meets the former."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from compiler import Closing, RuleSet, SourceFile, compile_sources
from processor.lua_engine import MEMORY_MAX_BYTES
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import Asked, TakenRecord, TakePolicy, batch_of
from topics.otlp import encode_protobuf
from topics.span import Span

if TYPE_CHECKING:
    from processor.trace_engine import TraceEngine

RULE_BYTES_MAX = 64 * 1024
LIST_ITEMS_MAX = 10_000
NESTING_MAX = 64
RULE_COUNT = 5_000


def filled(form: str, by: str, head: str, tail: str) -> str:
    """Return a rule as long as one may be: `form` again and again, numbered."""
    parts: list[str] = []
    left = RULE_BYTES_MAX - len(head) - len(tail)
    while (left := left - len(part := form.format(len(parts))) - len(by)) >= 0:
        parts.append(part)
    return head + by.join(parts) + tail


def nested(before: str, inner: str, after: str, depth: int = NESTING_MAX - 2) -> str:
    """Return a text inside of itself, numbered from outside."""
    return "".join(before.format(number) for number in range(depth)) + inner + after * depth


def in_turn(first: str, second: str, inner: str, depth: int) -> str:
    """Return `and` and `or` in turn inside of each other."""
    return "".join(f"({first if n % 2 else second} ".format(n) for n in range(depth)) + inner + ")" * depth


WIDE = {
    "sides of a formula": filled("s{0}", " and ", "always { ", " }"),
    "sides of a formula, mixed": filled("(s{0} or not t{0})", " and ", "never { ", " }"),
    "columns of one name": filled("k{0} != 1", " and ", "never { a.where(", ") }"),
    "numbers of one column": filled("k == {0}", " or ", "never { a.where(", ") }"),
    "texts of one column": filled('k == "v{0}"', " or ", "never { a.where(", ") }"),
    "selectors of one name": filled('a.where(k == "v{0}")', " or ", "never { ", " }"),
    "selectors of any name": filled("span.where(k{0} > {0})", " and ", "never { ", " }"),
    "selectors of forty numbers": "never { "
    + " or ".join("a.where(" + " and ".join(f"k{40 * n + m} == {m}" for m in range(40 if n % 2 else 21)) + ")" for n in range(80))
    + " }",
    "lists of numbers": "never { a.where(" + " or ".join(f"k{n} in {list(range(16))}" for n in range(900)) + ") }",
    "patterns": filled("k matches `^v{0}.*x$`", " or ", "never { a.where(", ") }"),
    "selectors with patterns": filled("a.where(k matches `v{0}.*x`)", " or ", "never { ", " }"),
    "terms of a sum": filled("k", " + ", "never { a.where(", " > 3) }"),
    "terms of a sum of trace values": filled("count(s{0})", " + ", "never { ", " > 1 }"),
    "terms of the bound span": filled("p.k{0}", " + ", "for each a as p\nnever { ", " > 1 }"),
    "aggregates": filled("sum(a.where(j == {0}).k) > 1", " or ", "never { ", " }"),
    "groups": filled("every count(a by k{0}) < 2", " and ", "always { ", " }"),
    "relations": filled("s{0}", " before ", "never { ", " }"),
    "relations to the bound span": filled("a.where(k{0} == p.k{0}) before p", " or ", "for each b as p\nalways { ", " }"),
    "paths of `on`": filled("k{0}", ", ", "never { a before b on ", " }"),
    "paths of `by`": filled("k{0}", ", ", "never { some count(a by ", ") > 1 }"),
    "events": filled("event(k{0} == 1)", " or ", "never { a.where(", ") }"),
    "conditions of one selector": "never { a" + ".where(k)" * 3_990 + " }",
    "a long list": f"never {{ a.where(k in {list(range(LIST_ITEMS_MAX))}) }}",
    "a long list of texts": "never { a.where(k in [" + ", ".join(f'"{n}"' for n in range(7_000)) + "]) }",
    "lets": "\n".join(["let l0 = a", *(f"let l{n} = l{n - 1}.where(k != {n})" for n in range(1, 1_900)), "always { l1899 }"]),
    "lets of lists": "\n".join([*(f"let l{n} = [{n}, 7]" for n in range(2_000)), "always { a.where(k in l1999) }"]),
    "a long name": 'never { "' + "x" * 65_000 + '" }',
    "a long key": 'never { a.where("' + "x" * 65_000 + '" == 1) }',
    "a long text": 'never { a.where(k == "' + "x" * 65_000 + '") }',
}
DEEP = {
    "not, in a formula": "always { " + "not " * NESTING_MAX + "a }",
    "not, in a predicate": "never { a.where(" + "not " * (NESTING_MAX - 1) + "k == 7) }",
    "implies": "always { " + " implies ".join(f"s{n}" for n in range(NESTING_MAX + 1)) + " }",
    "formulas in turn": "never { " + in_turn("s{0} and", "t{0} or", "a", 60) + " }",
    "predicates in turn": "never { a.where(" + in_turn("k{0} == 1 and", "k{0} < 2 or", "k", 60) + ") }",
    "a few predicates in turn": "never { a.where(" + in_turn("k{0} == 1 and", "k{0} < 2 or", "k", 38) + ") }",
    "functions": "always { a.where(" + nested("abs(", "k", ")") + " > 1) }",
    "functions of sums": "always { a.where(" + nested("abs(", "k", " + k + k + k + k + k + k + k + k)") + " > 1) }",
    "sums": "always { a.where(" + nested("(", "k", " + j + 1 + k)", 31) + " > 1) }",
    "sums on the right": "always { a.where(" + nested("(k + j + {0} - ", "k", ")", 31) + " < 1) }",
    "sums of trace values": "always { " + nested("(", "count(a)", " + count(b) + 3)", 31) + " > 1 }",
    "minus": "never { " + "- " * (NESTING_MAX - 2) + "count(a) > 1 }",
    "events": "never { a.where(event(" + in_turn("k == 1 and", "k == {0} or", "k", 58) + ")) }",
}


def compiled(*texts: str) -> RuleSet:
    entries = [{"id": f"rule{number}", "rule": text} for number, text in enumerate(texts)]
    compilation = compile_sources([SourceFile("rules.json", json.dumps({"rules": entries}).encode())])
    assert compilation.rule_set is not None, [str(found.message)[:200] for found in compilation.errors]
    return compilation.rule_set


def record() -> TakenRecord:
    """A trace with some of the names and keys that the rules speak of."""
    numbers: dict[str, int] = {f"k{number}": number for number in range(60)}
    own: list[dict[str, int | str | float]] = [{"k": 7.0, "j": 3, **numbers}, {"k": "v2zx"}, {"k": 7, "k1": 1, "j": 2}, {}]
    names = ("a", "b", "s0", "s1", "a", "t1", "a")
    spans = [
        Span("ab" * 16, f"{n:016x}", name, n * 10, n * 10 + 5, "" if n == 1 else f"{n // 2:016x}", attributes=own[n % len(own)])
        for n, name in enumerate(names, 1)
    ]
    return TakenRecord(encode_protobuf(spans), "protobuf", 0)


def said(engine: TraceEngine, explained: int) -> object:
    """Return what an engine says of the trace: verdicts for each closing, and evidence of some rules."""
    (touch,) = engine.take(0, batch_of([record()]), TakePolicy(100)).touches
    asked = [Asked(touch.handle, closing, None) for closing in Closing]
    evidence = [engine.explain(asked[-1], index) for index in range(explained)]
    return engine.judge(asked), [(one.verdict, one.clauses, one.offender_count, one.comparisons) for one in evidence]


@pytest.mark.parametrize("text", [*WIDE.values(), *DEEP.values()], ids=[*WIDE, *DEEP])
def test_a_rule_at_the_limits_of_the_language_is_judged_as_the_reference_engine_does(text: str) -> None:
    rule_set = compiled(text)
    assert said(LuaTraceEngine(rule_set), 1) == said(ReferenceTraceEngine(rule_set), 1)


def many() -> list[str]:
    """Return thousands of rules of many kinds: over few names and keys and over ones of their own."""
    forms = (
        "never {{ a.where(k == {0}) }}",
        "never {{ s{0} }}",
        "always {{ span.where(k{0} != 1) }}",
        "when {{ a.where(j > {0}) }}\nalways {{ s{0} before a }}",
        "never {{ count(a.where(k{0} < {1})) > {1} }}",
        "for each a as p\nalways {{ b.where(k{0} == p.k{0}) }}",
        "never {{ some count(a by k{0}) > {1} }}",
        "never {{ a.where(k matches `v{0}.*z`) or root.where(j in [{0}, {1}]) }}",
        "always {{ a.all(k{1} == {0} or j < {0}) }}",
        "never {{ sum(a.k{1}) > {0} }}",
    )
    return [forms[number % len(forms)].format(number, number % 50) for number in range(RULE_COUNT)]


@pytest.mark.slow
def test_five_thousand_rules_are_judged_as_the_reference_engine_does() -> None:
    rule_set = compiled(*many())
    assert said(LuaTraceEngine(rule_set), 20) == said(ReferenceTraceEngine(rule_set), 20)


@pytest.mark.slow
def test_all_limits_at_once_are_judged_as_the_reference_engine_does() -> None:
    rule_set = compiled(*WIDE.values(), *DEEP.values(), *many())
    engine = LuaTraceEngine(rule_set)
    assert said(engine, 0) == said(ReferenceTraceEngine(rule_set), 0)
    *_, heap_kib = engine.program.memory()
    assert heap_kib * 1024 < MEMORY_MAX_BYTES / 2
