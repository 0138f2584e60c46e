"""One sentence for each word of the rule language and of the test notation, as an editor shows it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

KEYWORDS: Mapping[str, str] = MappingProxyType(
    {
        "let": "Names a selector or a list for the lines below: `let big = payment.charge.where(amount > 1000)`.",
        "when": "The rule applies to a trace of which this is true; without it, to every trace.",
        "for": "`for each s as x` judges once for every span that `s` selects, which is `x` in the clauses.",
        "each": "`for each s as x` judges once for every span that `s` selects, which is `x` in the clauses.",
        "as": "Names the span that `for each` is at.",
        "always": "The rule is violated where this is not true of a trace that it applies to.",
        "never": "The rule is violated where this is true of a trace that it applies to.",
        "implies": "`x implies y` is `not x or y`.",
        "and": "Both sides are true; two selections may be of different spans.",
        "or": "One of the sides is true.",
        "not": "True where what follows is false; unknown, as of a missing attribute, stays unknown.",
        "some": "The comparison is true of one group at least.",
        "every": "The comparison is true of each group.",
        "before": "`a before b`: a has ended when b starts.",
        "after": "`a after b`: a starts when b has ended.",
        "during": "`a during b`: a starts and ends inside of b.",
        "overlaps": "`a overlaps b`: there is a moment at which both run.",
        "under": "`a under b`: b is among the parents of a, at any depth.",
        "child": "`a child of b`: b is the parent of a.",
        "sibling": "`a sibling of b`: both have the same parent.",
        "of": "Part of `child of` and `sibling of`.",
        "on": "`a before b on k`: both have the same value of k.",
        "within": "`a before b within 5s`: at most so long from the end of the earlier to the start of the later.",
        "by": "`count(x by k)` counts each value of k by itself; compare it with `some` or `every`.",
        "exists": "The attribute is there, whatever its value.",
        "missing": "The attribute is not there.",
        "in": "The value is one of a list: `currency in [USD, EUR]`.",
        "matches": "The pattern (RE2) is found somewhere in the string.",
        "contains": "The string has this part, or the array this element.",
        "startswith": "The string begins so.",
        "endswith": "The string ends so.",
        "true": "The boolean true.",
        "false": "The boolean false.",
        "span": "Any span.",
        "root": "A span without a parent id.",
        "resource": "`resource.k` is the attribute k of the span's resource, and of nothing else.",
        "scope": "`scope.k` is the attribute k of the span's instrumentation scope.",
    }
)
METHODS: Mapping[str, str] = MappingProxyType(
    {
        "where": "Selects the spans of which the predicate is true. Of a span without `x` neither `x == 1` nor `x != 1` is.",
        "all": "A formula: the predicate is true of every selected span.",
        "any": "A formula: the predicate is true of some selected span.",
        "none": "A formula: the predicate is true of no selected span.",
    }
)
CALLS: Mapping[str, str] = MappingProxyType(
    {
        "count": "How many spans are selected.",
        "sum": "The sum of an attribute over the selected spans, numbers or durations.",
        "avg": "The mean of an attribute over the selected spans.",
        "min": "The least value of an attribute of the selected spans.",
        "max": "The greatest value of an attribute of the selected spans.",
        "distinct": "How many values an attribute of the selected spans has.",
        "lower": "The string in lower case (ASCII).",
        "length": "How many code points the string has, or elements the array.",
        "number": "The number that a string says in JSON's syntax.",
        "abs": "The value without its sign.",
        "event": "Some event of the span, of which the predicate is true.",
        "link": "Some link of the span, of which the predicate is true.",
    }
)
INTRINSICS: Mapping[str, str] = MappingProxyType(
    {
        "span:name": "The span's name.",
        "span:duration": "The span's end - start.",
        "span:status": "The span's status: unset, ok or error; an unknown code is the first.",
        "span:statusMessage": "The message of the span's status.",
        "span:kind": "The span's kind: unspecified, internal, server, client, producer or consumer; an unknown code is the first.",
        "span:id": "The span's id in lower-case hex.",
        "span:parentID": "The id of the span's parent in lower-case hex; missing of a root.",
        "span:startTime": "The moment at which the span starts.",
        "span:endTime": "The moment at which the span ends.",
        "instrumentation:name": "The name of the span's instrumentation scope.",
        "instrumentation:version": "The version of the span's instrumentation scope.",
        "event:name": "The event's name, inside of event( ).",
        "event:timeSinceStart": "How long after the start of its span the event was, inside of event( ).",
        "link:traceID": "The id of the trace that the link leads to, inside of link( ).",
        "link:spanID": "The id of the span that the link leads to, inside of link( ).",
        "trace:id": "The trace's id in lower-case hex.",
        "trace:duration": "From the first start to the last end of the trace's spans.",
        "trace:rootName": "The name of the trace's first root span, by start and id.",
        "trace:rootService": "The service of the trace's first root span, by start and id.",
        "trace:spanCount": "How many spans the trace has.",
        "trace:serviceCount": "How many services the trace has.",
    }
)
NOTATION: Mapping[str, str] = MappingProxyType(
    {
        "service": "The span's service: the attribute service.name of its resource.",
        "kind": "The span's kind; internal where it is not said.",
        "status": "The span's status; unset where it is not said.",
        "id": "The span's id in hex; f0… and the number of the line where it is not said.",
        "parent": "The id of the span's parent in hex; else the line it is indented under.",
        "scope": "The name of the span's instrumentation scope.",
        "arrives": "When the span arrives, from the fixed instant; a test that says it is timed.",
        "error": "The span's status is error.",
        "orphan": "The span's parent is absent.",
        "event": "An event of the span: event(name, at=5ms, key=value).",
        "link": "A link of the span: link(trace=…, id=…, key=value).",
    }
)
VERDICTS: Mapping[str, str] = MappingProxyType(
    {
        "satisfied": "The rule applies and holds.",
        "violated": "The rule applies and does not hold.",
        "excused": "It is violated, and an exception is true.",
        "inconclusive": "The trace is incomplete, and what is missing decides.",
        "not_applicable": "The rule does not apply.",
        "unknown": "No verdict has been said by this moment.",
    }
)
