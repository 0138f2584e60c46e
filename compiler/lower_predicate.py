"""Predicates of one span: syntax → IR, with every complaint on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from compiler import ir
from compiler import syntax as s
from compiler.constant_truth import constant_truth
from compiler.diagnostics import Code
from compiler.ir_walk import walk
from compiler.kinds import ELEMENT, Kind, comparable, kind_of, kind_of_literal, spoken
from compiler.lower_context import Context
from compiler.lower_value import Side, constant, lower_right, lower_value, warn_of_bound_key
from compiler.near_names import did_you_mean
from compiler.pattern import Pattern, parse_pattern

LIST_LENGTH_MAX = 10_000

Sort = TypeVar("Sort")


def lower_predicate(node: s.Expr, context: Context) -> ir.Predicate | None:
    """Lower a predicate; None where it is wrong, which was reported."""
    if isinstance(node, s.Group):
        return lower_predicate(node.body, context)
    predicate = _lower_predicate(node, context)
    warn_constant(predicate, node.at, context)
    if context.bound is not None and context.bound == context.looked_at:
        _warn_of_bound_keys(predicate, node.at, context)
    return predicate


def _warn_of_bound_keys(node: ir.Predicate | None, at: s.At, context: Context) -> None:
    """Warn of a test of the bound span that names it, and it alone: of the span looked at a key needs no name."""
    if node is None or isinstance(node, ir.And | ir.Or | ir.Not):
        return
    paths = [found for found in walk(node) if isinstance(found, ir.Attribute | ir.Intrinsic)]
    if paths and all(path.of is not None for path in paths):
        keys = [path.key for path in paths if isinstance(path, ir.Attribute)]
        if keys:
            warn_of_bound_key(at, f"this asks for the `{keys[0]}`", keys[0], context)


def warn_constant(node: ir.Predicate | ir.Formula | None, at: s.At, context: Context) -> None:
    """Warn of a condition that never is true, or always."""
    truth = None if node is None else constant_truth(node, context.tableau)
    if truth is not None:
        context.report_constant(at, truth)


def _lower_predicate(node: s.Expr, context: Context) -> ir.Predicate | None:
    match node:
        case s.And() | s.Or() | s.Not() | s.Implies():
            return lower_connective(node, lambda side: lower_predicate(side, context))
        case s.Compare() | s.In() | s.TextTest() | s.Presence():
            return _lower_test(node, context)
        case s.Element():
            return _lower_element(node, context)
        case s.Selector():
            return _lower_truth(node, context)
        case _:
            context.report(Code.WRONG_SORT, node.at, f"`{context.written(node.at)}` is no predicate", "compare it: x > 1")
            return None


def lower_connective(
    node: s.And | s.Or | s.Not | s.Implies, lower: Callable[[s.Expr], Sort | None]
) -> ir.And[Sort] | ir.Or[Sort] | ir.Not[Sort] | None:
    """Lower a connective of predicates or formulas; every side is looked at, so that all complaints are collected."""
    if isinstance(node, s.Not):
        body = lower(node.body)
        return None if body is None else ir.Not(body)
    if isinstance(node, s.Implies):
        left, right = lower(node.left), lower(node.right)
        return None if left is None or right is None else ir.Or((_not(left), right))
    lowered = [lower(side) for side in node.sides]
    sides = tuple(side for side in lowered if side is not None)
    if len(sides) < len(lowered):
        return None
    return ir.And(sides) if isinstance(node, s.And) else ir.Or(sides)


def _not(body: Sort) -> Sort:
    return ir.Not(body)  # type: ignore[return-value]  # a sort holds its own negation


def _lower_test(node: s.Compare | s.In | s.TextTest | s.Presence, context: Context) -> ir.Predicate | None:
    if isinstance(node, s.Compare) and node.quantifier:
        context.report(Code.WRONG_SORT, node.at, f"`{node.quantifier}` speaks of groups of a trace; a predicate looks at one span")
        return None
    left = lower_value(node.operand if isinstance(node, s.Presence) else node.left, Side.LEFT, context)
    return lower_test_of(left, node, context)


def lower_test_of(left: ir.Value | None, node: s.Compare | s.In | s.TextTest | s.Presence, context: Context) -> ir.Predicate | None:
    """Lower a test whose left side is lowered already."""
    match node:
        case s.Compare():
            return _lower_compare(left, node, context)
        case s.In():
            return _lower_in(left, node, context)
        case s.TextTest():
            test = _lower_matches(left, node, context) if node.word == "matches" else _lower_text(left, node, context)
            return ir.Not(test) if test is not None and node.negated else test
        case s.Presence(word=word):
            if left is None:
                return None
            return ir.Exists(left) if word == "exists" else ir.Not(ir.Exists(left))


def _lower_compare(left: ir.Value | None, node: s.Compare, context: Context) -> ir.Predicate | None:
    right = lower_right(node.right, node.word, context)
    if left is None or right is None or not check_comparable(left, node, right, context):
        return None
    return ir.Compare(node.word, left, right)


def check_comparable(left: ir.Value, node: s.Compare, right: ir.Value, context: Context) -> bool:
    """Refuse a comparison whose kinds can never agree."""
    kinds = kind_of(left), kind_of(right)
    if comparable(node.word, *kinds):
        return True
    hint = (
        "attributes are never durations: span:duration / 1ms > timeout_ms"
        if Kind.DURATION in kinds[0] | kinds[1] and kinds[0] != kinds[1]
        else ""
    )
    context.report(Code.KIND_MISMATCH, node.at, f"{spoken(kinds[0])} `{node.word}` {spoken(kinds[1])} is never known", hint)
    return False


def _lower_in(left: ir.Value | None, node: s.In, context: Context) -> ir.Predicate | None:
    items = lower_items(node.items, context)
    if left is None or items is None:
        return None
    if items and not comparable("==", kind_of(left), kind_of_literal(items[0].value)):
        context.report(Code.KIND_MISMATCH, node.at, f"{spoken(kind_of(left))} is never in a list of this kind")
        return None
    test = ir.In(left, items)
    return ir.Not(test) if node.negated else test


def lower_items(node: s.ListText | s.Name, context: Context) -> tuple[ir.Literal, ...] | None:
    """Lower a list as written, or look up the list a name stands for."""
    if isinstance(node, s.ListText):
        return lower_list(node, context)
    let = context.use(node.text, node.at)
    if let is None:
        context.report(
            Code.UNKNOWN_NAME,
            node.at,
            f"there is no list `{node.text}`",
            did_you_mean(node.text, context.lets) or f"a list of one: [{node.text}]",
        )
        return None
    if isinstance(let.value, ir.Selector):
        context.report(Code.WRONG_SORT, node.at, f"`{node.text}` names spans, not a list")
        return None
    return let.value


def lower_list(node: s.ListText, context: Context) -> tuple[ir.Literal, ...] | None:
    """Lower the items of a list: at most LIST_LENGTH_MAX, all of one kind."""
    if len(node.items) > LIST_LENGTH_MAX:
        context.report(Code.TOO_LARGE, node.at, f"a list has at most {LIST_LENGTH_MAX} items")
        return None
    literals = [_lower_item(item, context) for item in node.items]
    items = tuple(literal for literal in literals if literal is not None)
    for item, literal in zip(node.items, items, strict=False):
        if kind_of_literal(literal.value) != kind_of_literal(items[0].value):
            context.report(Code.KIND_MISMATCH, item.at, "the items of a list are of one kind")
            return None
    return items if len(items) == len(literals) else None


def _lower_item(item: s.Literal, context: Context) -> ir.Literal | None:
    match item:
        case s.Name(text=text) if "." not in text:
            context.uses.as_string.setdefault(text, item.at)
            return ir.Literal(text)
        case s.Quoted(text=text):
            return ir.Literal(text)
        case s.Name() | s.IntrinsicName():
            context.report(Code.WRONG_SORT, item.at, f"`{context.written(item.at)}` is no literal", "quote it")
            return None
        case _:
            return ir.Literal(constant(item))


def _lower_matches(left: ir.Value | None, node: s.TextTest, context: Context) -> ir.Predicate | None:
    pattern = _lower_pattern(node.right, context)
    if left is None or pattern is None:
        return None
    if not kind_of(left) & (Kind.STRING | Kind.ARRAY):
        context.report(Code.KIND_MISMATCH, node.at, f"`matches` looks at a string, not {spoken(kind_of(left))}")
        return None
    return ir.Matches(left, pattern)


def _lower_pattern(node: s.Expr, context: Context) -> Pattern | None:
    if not isinstance(node, s.Selector) or not isinstance(node.base, s.Quoted) or node.methods or node.key:
        context.report(Code.WRONG_SORT, node.at, "`matches` takes a pattern in quotes or backticks", "`^/admin/`")
        return None
    pattern = parse_pattern(node.base.text)
    if isinstance(pattern, Pattern):
        return pattern
    # Offsets are those of the pattern's text: exact where nothing is escaped before them.
    start = min(node.at[0] + 1 + pattern.offset, node.at[1] - 1)
    context.report(pattern.code, (start, node.at[1] - 1 if start < node.at[1] - 1 else node.at[1]), pattern.message)
    return None


def _lower_text(left: ir.Value | None, node: s.TextTest, context: Context) -> ir.Predicate | None:
    right = lower_right(node.right, node.word, context)
    if left is None or right is None:
        return None
    text = kind_of(left) & kind_of(right) & Kind.STRING
    element = kind_of(left) & Kind.ARRAY and kind_of(right) & (ELEMENT if node.word == "contains" else Kind.STRING)
    if not text and not element:
        context.report(Code.KIND_MISMATCH, node.at, f"{spoken(kind_of(left))} `{node.word}` {spoken(kind_of(right))} is never known")
        return None
    return ir.TextTest(node.word, left, right)


def _lower_element(node: s.Element, context: Context) -> ir.Predicate | None:
    if context.element:
        context.report(Code.WRONG_SORT, node.at, f"{node.word}( ) cannot stand inside of {context.element}( )")
        return None
    context.element = node.word
    predicate = lower_predicate(node.predicate, context)
    context.element = ""
    return None if predicate is None else ir.SomeElement(node.word, predicate)


def _lower_truth(node: s.Selector, context: Context) -> ir.Predicate | None:
    value = lower_value(node, Side.LEFT, context)
    if value is None:
        return None
    if not kind_of(value) & Kind.BOOL:
        context.report(Code.KIND_MISMATCH, node.at, f"`{context.written(node.at)}` is {spoken(kind_of(value))}, never true", "compare it")
        return None
    name = s.lone_name(node) or (node.base.text if isinstance(node.base, s.Name) and node.key is None else "")
    if name and isinstance(value, ir.Attribute) and value.of is None:
        context.uses.as_truth.setdefault(name, node.at)
    return ir.IsTrue(value)
