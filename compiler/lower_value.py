"""Values of one span: syntax → IR, with every complaint on the way.

A STRING left of a test is an attribute, right of it a string; a lone bare NAME right of some tests is a string (rule-language.md section
4): `side` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from compiler import ir
from compiler import syntax as s
from compiler.diagnostics import Code
from compiler.kinds import CALL_TAKES, ELEMENT_INTRINSICS, INTRINSICS, TRACE_INTRINSICS, Kind, kind_of, of_arithmetic, spoken
from compiler.literals import read_duration, read_number
from compiler.lower_context import Context
from compiler.near_names import did_you_mean
from compiler.values import Duration

SCOPES = {"span": ir.AttributeScope.SPAN, "resource": ir.AttributeScope.RESOURCE, "scope": ir.AttributeScope.SCOPE}


class Side(Enum):
    """Where a value stands: left of a test or alone, or right of it."""

    LEFT = auto()
    RIGHT = auto()


def lower_right(node: s.Expr, word: str, context: Context) -> ir.Value | None:
    """Lower what stands right of the test `word`."""
    if (name := s.lone_name(node)) and word in s.NAME_IS_STRING:
        context.uses.as_string.setdefault(name, node.at)
        return ir.Literal(name)
    return lower_value(node, Side.RIGHT, context)


def lower_value(node: s.Expr, side: Side, context: Context) -> ir.Value | None:
    """Lower a value of the span looked at; None where it has none, which was reported."""
    match node:
        case s.Number() | s.DurationText() | s.Bool():
            return ir.Literal(constant(node))
        case s.Group(body=body):
            return lower_value(body, side, context)
        case s.Selector():
            return _lower_word(node, side, context)
        case s.Call():
            return _lower_call(node, side, context)
        case s.Arithmetic() | s.Negate():
            return lower_arithmetic(node, context, lambda operand: lower_value(operand, side, context))
        case s.Aggregate():
            context.report(
                Code.WRONG_SORT,
                node.at,
                "an aggregate is a value of the trace; inside a predicate only one span is looked at",
                "compare it in a clause of its own",
            )
        case _:
            context.report(Code.WRONG_SORT, node.at, f"`{context.written(node.at)}` is no value")
    return None


def constant(node: s.Number | s.DurationText | s.Bool) -> bool | int | float | Duration:
    """Return the value of a literal that the parser has already checked."""
    match node:
        case s.Bool(value=value):
            return value
        case s.Number(text=text):
            number = read_number(text)
            assert isinstance(number, int | float)
            return number
        case s.DurationText(text=text):
            duration = read_duration(text)
            assert isinstance(duration, Duration)
            return duration


def _lower_word(node: s.Selector, side: Side, context: Context) -> ir.Value | None:
    if node.methods:
        context.report(Code.WRONG_SORT, node.at, "a selection is no value", "compare an attribute of it")
        return None
    if isinstance(node.base, s.Quoted) and node.key is None and side is Side.RIGHT:
        return ir.Literal(node.base.text)
    return lower_path(node.base, node.key, node.at, context)


def lower_path(name: s.Word, key: s.Word | None, at: s.At, context: Context) -> ir.Path | None:
    """Lower an attribute or intrinsic of the span (event, link) looked at, or of the bound span."""
    if isinstance(name, s.IntrinsicName) and key is None:
        return _lower_intrinsic(name, context)
    if isinstance(name, s.Name):
        first, _, rest = name.text.partition(".")
        if key is not None and rest:
            first = ""
        known = first in SCOPES or first == context.bound
        if not context.check_bound(first, at) or (key is not None and not known):
            if first != context.not_bound:
                _unkeyed(at, context)
            return None
        if known and (rest or key is not None):
            return _keyed(first, key if key is not None else s.Name(at, rest), context)
        if first == context.bound:
            context.report(Code.WRONG_SORT, at, f"`{first}` is a span; name an attribute of it", f"{first}.…")
            return None
        if rest and first in context.lets:
            _warn_of_let_key(first, rest, at, context)
        context.uses.as_attribute.setdefault(name.text, at)
    elif key is not None:
        _unkeyed(at, context)
        return None
    return ir.Attribute(ir.AttributeScope.ELEMENT if context.element else ir.AttributeScope.ANY, name.text)


def warn_of_bound_key(at: s.At, message: str, key: str, context: Context) -> None:
    """Warn of a key that is one of the bound span where an attribute was meant whose name begins as it does."""
    hint = f'write `{key}`, or quote an attribute of the whole name: "{context.bound}.{key}"'
    context.report(Code.KEY_OF_BOUND_SPAN, at, f"{message} of the bound span `{context.bound}`", hint)


def _warn_of_let_key(first: str, rest: str, at: s.At, context: Context) -> None:
    message = f"`{first}.{rest}` is an attribute of that whole name, not the `{rest}` of the let `{first}`"
    context.report(Code.KEY_OF_LET, at, message, f'write `{rest}`, or quote the whole name: "{first}.{rest}"')


def _unkeyed(at: s.At, context: Context) -> None:
    message = f"`{context.written(at)}`: before a quoted key stands `span`, `resource`, `scope` or a bound name"
    context.report(Code.NAME_NOT_BOUND, at, message, "quote the whole key of an attribute")


def _keyed(first: str, key: s.Word, context: Context) -> ir.Path | None:
    if isinstance(key, s.IntrinsicName):
        return _lower_intrinsic(s.IntrinsicName(key.at, first, key.text), context)
    if first == context.bound:
        return ir.Attribute(ir.AttributeScope.ANY, key.text, of=first)
    return ir.Attribute(SCOPES[first], key.text)


def _lower_intrinsic(node: s.IntrinsicName, context: Context) -> ir.Path | None:
    if not check_intrinsic(node, context):
        return None
    if node.text in TRACE_INTRINSICS:
        context.report(
            Code.WRONG_SORT,
            node.at,
            f"`{node.text}` is a value of the trace; a predicate looks at one span",
            "compare it in a clause of its own",
        )
    elif node.prefix and not context.check_bound(node.prefix, node.at):
        return None
    elif node.prefix and node.prefix != context.bound:
        context.report(Code.NAME_NOT_BOUND, node.at, f"`{node.prefix}` is not bound", f"inside a predicate write `{node.text}` alone")
    elif node.text in ELEMENT_INTRINSICS and (node.prefix or not node.text.startswith(f"{context.element}:")):
        element = node.text.partition(":")[0]
        context.report(Code.WRONG_SORT, node.at, f"`{node.text}` is known only inside of {element}( )", f"{element}({node.text} …)")
    else:
        return ir.Intrinsic(node.text, of=node.prefix or None)
    return None


def check_intrinsic(node: s.IntrinsicName, context: Context) -> bool:
    """Refuse an intrinsic there is not."""
    if node.text not in INTRINSICS:
        start = node.at[1] - len(node.text)
        context.report(
            Code.UNKNOWN_INTRINSIC, (start, node.at[1]), f"there is no intrinsic `{node.text}`", did_you_mean(node.text, INTRINSICS)
        )
    return node.text in INTRINSICS


def _lower_call(node: s.Call, side: Side, context: Context) -> ir.Value | None:
    argument = lower_value(node.argument, side, context)
    if argument is None:
        return None
    if not kind_of(argument) & CALL_TAKES[node.word]:
        context.report(
            Code.KIND_MISMATCH,
            node.at,
            f"`{node.word}` takes {spoken(CALL_TAKES[node.word] & ~Kind.ARRAY)}, not {spoken(kind_of(argument))}",
        )
        return None
    return ir.Call(node.word, argument)


def lower_arithmetic(node: s.Arithmetic | s.Negate, context: Context, lower: Callable[[s.Expr], ir.Value | None]) -> ir.Value | None:
    """Lower arithmetic whose operands `lower` lowers."""
    if isinstance(node, s.Negate):
        operand = lower(node.operand)
        if operand is not None and not kind_of(operand) & Kind.NUMBER:
            context.report(Code.KIND_MISMATCH, node.at, f"minus takes a number, not {spoken(kind_of(operand))}")
            return None
        return None if operand is None else ir.Negate(operand)
    first = lower(node.first)
    lowered = [lower(operand) for _, operand in node.rest]
    operands = [operand for operand in lowered if operand is not None]
    if first is None or len(operands) < len(lowered):
        return None
    rest = tuple((sign, operand) for (sign, _), operand in zip(node.rest, operands, strict=True))
    return ir.Arithmetic(first, rest) if _has_value(node, kind_of(first), rest, context) else None


def _has_value(node: s.Arithmetic, kind: Kind, rest: tuple[tuple[str, ir.Value], ...], context: Context) -> bool:
    for (sign, operand), (_, written) in zip(rest, node.rest, strict=True):
        result = of_arithmetic(sign, kind, kind_of(operand))
        if not result:
            message = f"{spoken(kind)} `{sign}` {spoken(kind_of(operand))} has no value"
            hint = "a duration divided by a duration is a number: span:duration / 1ms"
            context.report(Code.KIND_MISMATCH, (node.at[0], written.at[1]), message, hint)
            return False
        kind = result
    return True
