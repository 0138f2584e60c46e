"""Values, predicates, selections and formulas in plain English (rule-language.md sections 3 to 7): parts of sentences.

Each node of compiler.ir has its words here; names of spans and attributes stand in backticks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import assert_never

from compiler import ir
from compiler.kinds import Kind, kind_of
from compiler.values import Duration

_UNITS = (("h", 3600 * 10**9), ("min", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
_DECIMALS = 1000
_COMPARED = {"==": "", "!=": "not ", "<": "less than ", "<=": "at most ", ">": "more than ", ">=": "at least "}
_COMPARED_TIMES = {"==": "", "!=": "not ", "<": "before ", "<=": "not after ", ">": "after ", ">=": "not before "}
_TESTED = {"contains": ("contains", "contain"), "startswith": ("starts with", "start with"), "endswith": ("ends with", "end with")}
_OF_SPAN = {
    "span:name": "name",
    "span:duration": "duration",
    "span:status": "status",
    "span:statusMessage": "status message",
    "span:kind": "kind",
    "span:id": "id",
    "span:parentID": "parent's id",
    "span:startTime": "start",
    "span:endTime": "end",
    "instrumentation:name": "instrumentation's name",
    "instrumentation:version": "instrumentation's version",
    "event:name": "event's name",
    "event:timeSinceStart": "event's time since the span's start",
    "link:traceID": "link's trace id",
    "link:spanID": "link's span id",
}
_OF_TRACE = {
    "trace:id": "the trace's id",
    "trace:duration": "the trace's duration",
    "trace:rootName": "the name of the trace's root span",
    "trace:rootService": "the service of the trace's root span",
    "trace:spanCount": "the trace's number of spans",
    "trace:serviceCount": "the trace's number of services",
}
_SCOPES = {
    ir.AttributeScope.ANY: "",
    ir.AttributeScope.SPAN: "span attribute ",
    ir.AttributeScope.RESOURCE: "resource attribute ",
    ir.AttributeScope.SCOPE: "scope attribute ",
    ir.AttributeScope.ELEMENT: "",
}
_REDUCED = {
    "sum": "the sum of",
    "avg": "the average of",
    "min": "the smallest",
    "max": "the largest",
    "distinct": "the number of different",
}
_VOWELS = frozenset("aeiouAEIOU")


class Mood(Enum):
    """How a formula is said: as what is so, or as what must or must not be."""

    IS = "is"
    IS_NOT = "is not"
    MUST = "must be"
    MUST_NOT = "must not be"

    @property
    def opposite(self) -> Mood:
        """The mood that says the contrary."""
        pairs = {Mood.IS: Mood.IS_NOT, Mood.MUST: Mood.MUST_NOT}
        return pairs.get(self) or next(mood for mood, other in pairs.items() if other is self)

    @property
    def is_negative(self) -> bool:
        """Whether it denies."""
        return self in {Mood.IS_NOT, Mood.MUST_NOT}


def duration_words(nanoseconds: int) -> str:
    """Return a duration exactly, in its largest unit with at most three decimals: `1.5 s`."""
    for unit, scale in _UNITS:
        if abs(nanoseconds) >= scale and nanoseconds * _DECIMALS % scale == 0:
            whole, rest = divmod(abs(nanoseconds), scale)
            decimals = f".{rest * _DECIMALS // scale:03d}".rstrip("0") if rest else ""
            return f"{'-' if nanoseconds < 0 else ''}{whole}{decimals} {unit}"
    return f"{nanoseconds} ns" if nanoseconds else "0 s"


def listed(items: Sequence[str], word: str = "and") -> str:
    """Return items as a person lists them: `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


# ---- values -------------------------------------------------------------------------------------------------------------------------


def value_words(node: ir.Value) -> str:
    """Say a value."""
    match node:
        case ir.Literal():
            return _literal(node)
        case ir.Attribute(scope=scope, key=key, of=of):
            return f"{_SCOPES[scope]}`{key}`" if of is None else f"the {_SCOPES[scope]}`{key}` of `{of}`"
        case ir.Intrinsic(name=name, of=of):
            whose = "the" if name.startswith(("event:", "link:")) else "its"
            return f"{whose} {_OF_SPAN[name]}" if of is None else f"the {_OF_SPAN[name]} of `{of}`"
        case ir.TraceValue(name=name):
            return _OF_TRACE[name]
        case ir.Call(word=word, argument=argument):
            said = value_words(argument)
            forms = {"lower": f"{said} in lower case", "length": f"the length of {said}", "number": f"{said} read as a number"}
            return forms.get(word, f"{said} without its sign")
        case ir.Arithmetic(first=first, rest=rest):
            return " ".join((_operand(first), *(f"{sign} {_operand(operand)}" for sign, operand in rest)))
        case ir.Negate(operand=operand):
            return f"minus {_operand(operand)}"
        case ir.Aggregate():
            return _aggregate(node)
    assert_never(node)


def _literal(node: ir.Literal) -> str:
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Duration):
        return duration_words(value.ns)
    return json.dumps(value, ensure_ascii=False)


def _operand(node: ir.Value) -> str:
    said = value_words(node)
    return f"({said})" if isinstance(node, ir.Arithmetic) else said


def _aggregate(node: ir.Aggregate) -> str:
    spans = related_words(node.related, is_many=True)
    if node.of is None:
        return f"the number of {spans}"
    of = value_words(node.of)
    return f"{_REDUCED[node.word]} {of.removeprefix('its ')} over all {spans}"


def keys_words(by: Sequence[ir.Path]) -> str:
    """Say the keys of groups: `order.id` and `currency`."""
    return listed([value_words(path).removeprefix("its ") for path in by])


# ---- predicates ---------------------------------------------------------------------------------------------------------------------


def predicate_words(node: ir.Predicate, *, is_inner: bool = False) -> str:
    """Say a predicate of one span; `is_inner`: beside others, so that what is joined stands in brackets."""
    match node:
        case ir.And(sides=sides):
            said = listed([predicate_words(side, is_inner=True) for side in sides])
        case ir.Or(sides=(ir.Not(body=condition), outcome)):
            said = f"if {predicate_words(condition, is_inner=True)} then {predicate_words(outcome, is_inner=True)}"
        case ir.Or(sides=sides):
            said = listed([predicate_words(side, is_inner=True) for side in sides], "or")
        case ir.Not(body=body):
            return _denied(body)
        case _:
            return _test(node, denies=False)
    return f"({said})" if is_inner else said


def _denied(node: ir.Predicate) -> str:
    match node:
        case ir.And() | ir.Or():
            return f"not ({predicate_words(node)})"
        case ir.Not(body=body):
            return predicate_words(body, is_inner=True)
        case _:
            return _test(node, denies=True)


def _test(node: ir.SpanTest, *, denies: bool) -> str:
    be = "is not" if denies else "is"
    match node:
        case ir.Compare(word=word, left=left, right=right):
            return compared(left, word, right, be)
        case ir.In(value=value, items=items):
            shown = listed([_literal(item) for item in items], "or") if items else "nothing"
            return f"{value_words(value)} {be} one of {shown}" if len(items) > 1 else f"{value_words(value)} {be} {shown}"
        case ir.Matches(value=value, pattern=pattern):
            return f"{value_words(value)} {'does not match' if denies else 'matches'} /{pattern.text}/"
        case ir.TextTest(word=word, value=value, part=part):
            said, bare = _TESTED[word]
            return f"{value_words(value)} {f'does not {bare}' if denies else said} {value_words(part)}"
        case ir.Exists(value=value):
            return f"{value_words(value)} is {'missing' if denies else 'there'}"
        case ir.IsTrue(value=value):
            return f"{value_words(value)} is {'false' if denies else 'true'}"
        case ir.SomeElement(word=word, predicate=predicate):
            article = "no" if denies else "an" if word == "event" else "a"
            return f"it has {article} {word} where {predicate_words(predicate, is_inner=True)}"
    assert_never(node)


def compared(left: ir.Value, word: str, right: ir.Value, be: str) -> str:
    """Say a comparison: `amount` is more than 1000."""
    words = _COMPARED_TIMES if kind_of(left) & Kind.TIME and not kind_of(left) & Kind.NUMBER else _COMPARED
    negation = words[word]
    if " not" in be and negation == "not ":
        be, negation = be.replace(" not", ""), ""
    elif word == "!=" and be == "must be":
        be, negation = "must not be", ""
    return f"{value_words(left)} {be} {negation}{value_words(right)}"


# ---- selections ---------------------------------------------------------------------------------------------------------------------


def selector_words(node: ir.Selector, article: str, *, is_many: bool = False) -> str:
    """Say the spans of a selector, with an article; `a` becomes `an` where it has to."""
    return _spoken(node, article, "", is_many=is_many)


def _spoken(node: ir.Selector, article: str, links: str, *, is_many: bool) -> str:
    """Say spans and their relations; these stand before what is true of the spans, where that cannot be misread."""
    noun = _noun(node.base)
    if not isinstance(node.base, ir.Bound):
        noun += "s" if is_many else ""
        noun = f"{'an' if article == 'a' and noun.lstrip('`')[0] in _VOWELS else article} {noun}".lstrip()
    where = "" if node.where is None else where_words(node.where)
    if " where " in links or " whose " in links:
        parts = [noun, where + ("," if where else ""), links]
    else:
        parts = [noun, links + ("," if links and where and not is_many else ""), where]
    return " ".join(part for part in parts if part)


def where_words(node: ir.Predicate, *, is_inner: bool = False) -> str:
    """Say a predicate behind what it is true of: `where` …, `whose` …, `that has` …."""
    said = predicate_words(node, is_inner=is_inner)
    for begin, instead in (("its ", "whose "), ("it has ", "that has ")):
        if said.startswith(begin):
            return instead + said.removeprefix(begin)
    return f"where {said}"


def _noun(base: ir.Named | ir.AnySpan | ir.Root | ir.Bound) -> str:
    match base:
        case ir.Named(name=name):
            return f"`{name}` span"
        case ir.AnySpan():
            return "span"
        case ir.Root():
            return "root span"
        case ir.Bound(name=name):
            return f"`{name}`"
    assert_never(base)


def related_words(node: ir.Related, article: str = "", *, is_many: bool = False) -> str:
    """Say a selection with its relations."""
    return _spoken(node.selector, article, _links(node.links, is_many=is_many), is_many=is_many)


def _links(links: Sequence[ir.Link], *, is_many: bool) -> str:
    said = []
    for number, link in enumerate(links):
        said.append(_link(link, is_many=is_many and not number))
    return " ".join(said)


def _link(link: ir.Link, *, is_many: bool) -> str:
    other = selector_words(link.selector, "some")
    end, begin, lie, have = ("end", "begin", "lie", "have") if is_many else ("ends", "begins", "lies", "has")
    gap = "" if link.within_ns is None else f"at most {duration_words(link.within_ns)} "
    be = "are" if is_many else "is"
    forms = {
        "before": f"that {end} {gap}before the start of {other}",
        "after": f"that {begin} {gap}after the end of {other}",
        "during": f"that {lie} within the time of {other}",
        "overlaps": f"that {'overlap' if is_many else 'overlaps'} in time with {other}",
        "under": f"that {be} anywhere below {other}",
        "child of": f"that {be} {'children' if is_many else 'a child'} of {other}",
        "sibling of": f"that {have} the same parent as {other}",
    }
    same = f" with the same {keys_words(link.on)}" if link.on else ""
    return forms[link.relation] + same


# ---- formulas -----------------------------------------------------------------------------------------------------------------------


def formula_words(node: ir.Formula, mood: Mood = Mood.IS, *, is_inner: bool = False) -> str:
    """Say a formula of a trace."""
    match node:
        case ir.Not(body=body):
            return formula_words(body, mood.opposite, is_inner=is_inner)
        case ir.Selected(related=related):
            return _selected(related, mood)
        case ir.AllOf() | ir.Comparison():
            return _of_all(node, mood) if isinstance(node, ir.AllOf) else _comparison(node, mood)
    said = _joined(node)
    if mood is Mood.IS:
        return f"({said})" if is_inner else said
    lead = {Mood.IS_NOT: "it is not so that", Mood.MUST: "it must be so that", Mood.MUST_NOT: "it must not be so that"}[mood]
    return f"{lead} {said}"


def _selected(related: ir.Related, mood: Mood) -> str:
    if isinstance(related.selector.base, ir.Bound):
        name = f"`{related.selector.base.name}`"
        rest = related_words(related).removeprefix(name).strip()
        return f"{name} {mood.value} {f'one {rest}' if rest else 'there'}"
    be = "is" if mood in {Mood.IS, Mood.IS_NOT} else "must be"
    return f"there {be} {related_words(related, 'no' if mood.is_negative else 'a')}"


def _joined(node: ir.And[ir.Formula] | ir.Or[ir.Formula]) -> str:
    if isinstance(node, ir.Or) and len(node.sides) == 2 and isinstance(node.sides[0], ir.Not):  # noqa: PLR2004  # condition and outcome
        condition, outcome = node.sides[0].body, node.sides[1]
        return f"if {formula_words(condition, is_inner=True)} then {formula_words(outcome, is_inner=True)}"
    said = [formula_words(side, is_inner=True) for side in node.sides]
    return (", and " if isinstance(node, ir.And) else ", or ").join(said)


def _of_all(node: ir.AllOf, mood: Mood) -> str:
    spans = selector_words(node.selector, "every")
    every = spans if not isinstance(node.selector.base, ir.Bound) else f"{spans} itself"
    be = {Mood.IS: "is", Mood.IS_NOT: "is", Mood.MUST: "must be", Mood.MUST_NOT: "may be"}[mood]
    return f"{'not ' if mood.is_negative else ''}{every} {be} one {where_words(node.predicate, is_inner=mood.is_negative)}"


def _comparison(node: ir.Comparison, mood: Mood) -> str:
    if not node.quantifier:
        return compared(node.left, node.word, node.right, mood.value)
    by = next(aggregate.by for aggregate in _aggregates(node) if aggregate.by)
    keys = keys_words(by) if len(by) == 1 else f"combination of {keys_words(by)}"
    is_every = node.quantifier == "every"
    if mood.is_negative and not is_every:
        may, be = (" may", "be") if mood is Mood.MUST_NOT else (",", "is")
        return f"for no {keys}{may} {compared(node.left, node.word, node.right, be)}"
    lead = "" if not mood.is_negative else "it must not be so that " if mood is Mood.MUST_NOT else "it is not so that "
    be = "must be" if mood is Mood.MUST else "is"
    return f"{lead}for {'every' if is_every else 'at least one'} {keys}, {compared(node.left, node.word, node.right, be)}"


def _aggregates(node: ir.Comparison) -> list[ir.Aggregate]:
    pending: list[ir.Value] = [node.right, node.left]
    found = []
    while pending:
        value = pending.pop()
        if isinstance(value, ir.Aggregate):
            found.append(value)
        elif isinstance(value, ir.Arithmetic):
            pending += [value.first, *(operand for _, operand in value.rest)]
        elif isinstance(value, ir.Negate):
            pending.append(value.operand)
    return found
