"""The kinds a value may be of, as far as they are known when a rule is compiled (rule-language.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Flag, auto
from types import MappingProxyType
from typing import assert_never

from compiler import ir
from compiler.values import Duration


class Kind(Flag):
    """A set of kinds."""

    NONE = 0
    BOOL = auto()
    NUMBER = auto()
    STRING = auto()
    DURATION = auto()
    TIME = auto()
    ARRAY = auto()
    OPAQUE = auto()


ORDERED = Kind.NUMBER | Kind.STRING | Kind.DURATION | Kind.TIME
PLAIN = ORDERED | Kind.BOOL
ELEMENT = Kind.BOOL | Kind.NUMBER | Kind.STRING
ATTRIBUTE = Kind.BOOL | Kind.NUMBER | Kind.STRING | Kind.ARRAY | Kind.OPAQUE

_SPOKEN = {
    Kind.BOOL: "a boolean",
    Kind.NUMBER: "a number",
    Kind.STRING: "a string",
    Kind.DURATION: "a duration",
    Kind.TIME: "a time",
}

# Every intrinsic, by the place it may stand in: of a span, of an event, of a link, of a trace.
SPAN_INTRINSICS: Mapping[str, Kind] = MappingProxyType(
    {
        "span:name": Kind.STRING,
        "span:duration": Kind.DURATION,
        "span:status": Kind.STRING,
        "span:statusMessage": Kind.STRING,
        "span:kind": Kind.STRING,
        "span:id": Kind.STRING,
        "span:parentID": Kind.STRING,
        "span:startTime": Kind.TIME,
        "span:endTime": Kind.TIME,
        "instrumentation:name": Kind.STRING,
        "instrumentation:version": Kind.STRING,
    }
)
ELEMENT_INTRINSICS: Mapping[str, Kind] = MappingProxyType(
    {
        "event:name": Kind.STRING,
        "event:timeSinceStart": Kind.DURATION,
        "link:traceID": Kind.STRING,
        "link:spanID": Kind.STRING,
    }
)
TRACE_INTRINSICS: Mapping[str, Kind] = MappingProxyType(
    {
        "trace:id": Kind.STRING,
        "trace:duration": Kind.DURATION,
        "trace:rootName": Kind.STRING,
        "trace:rootService": Kind.STRING,
        "trace:spanCount": Kind.NUMBER,
        "trace:serviceCount": Kind.NUMBER,
    }
)
INTRINSICS: Mapping[str, Kind] = MappingProxyType({**SPAN_INTRINSICS, **ELEMENT_INTRINSICS, **TRACE_INTRINSICS})

STATUS_NAMES = ("unset", "ok", "error")
KIND_NAMES = ("unspecified", "internal", "server", "client", "producer", "consumer")


def spoken(kind: Kind) -> str:
    """Put a set of kinds into words."""
    return _SPOKEN.get(kind, "an attribute" if kind & Kind.OPAQUE else " or ".join(_SPOKEN[one] for one in kind if one in _SPOKEN))


def kind_of_literal(value: object) -> Kind:
    """Return the kind of a constant."""
    if isinstance(value, bool):
        return Kind.BOOL
    if isinstance(value, Duration):
        return Kind.DURATION
    return Kind.STRING if isinstance(value, str) else Kind.NUMBER


def kind_of(value: ir.Value) -> Kind:
    """Return every kind the value may be of; NONE where it can have no value."""
    match value:
        case ir.Literal(value=constant):
            return kind_of_literal(constant)
        case ir.Attribute():
            return ATTRIBUTE
        case ir.Intrinsic(name=name) | ir.TraceValue(name=name):
            return INTRINSICS[name]
        case ir.Call(word=word, argument=argument):
            return _of_call(word, kind_of(argument))
        case ir.Arithmetic(first=first, rest=rest):
            kind = kind_of(first)
            for sign, operand in rest:
                kind = of_arithmetic(sign, kind, kind_of(operand))
            return kind
        case ir.Negate(operand=operand):
            return kind_of(operand) & Kind.NUMBER
        case ir.Aggregate(word=word, of=of):
            return Kind.NUMBER if of is None or word == "distinct" else kind_of(of) & (Kind.NUMBER | Kind.DURATION)
    assert_never(value)


CALL_TAKES: Mapping[str, Kind] = MappingProxyType(
    {
        "lower": Kind.STRING,
        "length": Kind.STRING | Kind.ARRAY,
        "number": Kind.NUMBER | Kind.STRING,
        "abs": Kind.NUMBER | Kind.DURATION,
    }
)


def _of_call(word: str, argument: Kind) -> Kind:
    if not argument & CALL_TAKES[word]:
        return Kind.NONE
    if word == "abs":
        return argument & CALL_TAKES[word]
    return Kind.STRING if word == "lower" else Kind.NUMBER


def of_arithmetic(sign: str, left: Kind, right: Kind) -> Kind:
    """Return the kinds of `left sign right`; NONE where no pair of kinds has a result."""
    result = Kind.NUMBER if left & right & Kind.NUMBER else Kind.NONE
    if sign == "/":
        return result | (Kind.NUMBER if left & right & Kind.DURATION else Kind.NONE)
    if sign == "*":
        return result
    if right & Kind.DURATION:
        result |= left & (Kind.DURATION | Kind.TIME)
    if sign == "+" and left & Kind.DURATION:
        result |= right & Kind.TIME
    if sign == "-" and left & right & Kind.TIME:
        result |= Kind.DURATION
    return result


def comparable(word: str, left: Kind, right: Kind) -> bool:
    """Say whether some kinds of both sides can be compared by `word`."""
    if word in {"==", "!="}:
        return bool(left & right & PLAIN) or (Kind.ARRAY in left and bool(right & ELEMENT))
    return bool(left & right & ORDERED)
