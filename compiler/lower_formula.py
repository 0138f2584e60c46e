"""Formulas of one trace: syntax → IR, with every complaint on the way."""

from __future__ import annotations

from dataclasses import dataclass

from compiler import ir
from compiler import syntax as s
from compiler.diagnostics import Code
from compiler.kinds import Kind, kind_of, spoken
from compiler.lower_context import Context
from compiler.lower_predicate import check_comparable, lower_connective, lower_predicate, lower_test_of, warn_constant
from compiler.lower_selector import (
    lower_base,
    lower_paths,
    lower_related,
    lower_selector,
    lower_where,
    named_base,
    warn_empty,
    with_predicates,
)
from compiler.lower_value import check_intrinsic, constant, lower_arithmetic, lower_path


def lower_formula(node: s.Expr, context: Context) -> ir.Formula | None:
    """Lower a formula; None where it is wrong, which was reported."""
    if isinstance(node, s.Group):
        return lower_formula(node.body, context)
    formula = _lower_formula(node, context)
    warn_constant(formula, node.at, context)
    return formula


def _lower_formula(node: s.Expr, context: Context) -> ir.Formula | None:
    match node:
        case s.And() | s.Or() | s.Not() | s.Implies():
            return lower_connective(node, lambda side: lower_formula(side, context))
        case s.Selector():
            return _lower_selection(node, context)
        case s.Related():
            related = lower_related(node, context)
            return None if related is None else ir.Selected(related)
        case s.Compare():
            return _lower_comparison(node, context) if _is_scalar(node, context) else _lower_direct(node, context)
        case s.In() | s.TextTest() | s.Presence():
            return _lower_direct(node, context)
        case s.Element(word=word):
            context.report(Code.WRONG_SORT, node.at, f"{word}( ) is a predicate of one span", f"span.where({word}(…))")
        case _:
            context.report(Code.WRONG_SORT, node.at, f"`{context.written(node.at)}` is no formula", "compare it")
    return None


def _lower_selection(node: s.Selector, context: Context) -> ir.Formula | None:
    last = node.methods[-1] if node.methods else None
    if last is not None and last.word != "where" and node.key is None:
        return _lower_all_any_none(node, last, context)
    if isinstance(node.base, s.Name) and not node.methods and node.key is None:
        context.uses.as_formula.setdefault(node.base.text, node.at)
    selector = lower_selector(node, context)
    return None if selector is None else ir.Selected(ir.Related(selector))


def _lower_all_any_none(node: s.Selector, last: s.Method, context: Context) -> ir.Formula | None:
    selector = lower_selector(s.Selector(node.at, node.base, node.methods[:-1]), context)
    predicate = lower_predicate(last.argument, context)
    if selector is None or predicate is None:
        return None
    if last.word == "all":
        return ir.AllOf(selector, predicate)
    some = ir.Selected(ir.Related(with_predicates(selector, [predicate])))
    return some if last.word == "any" else ir.Not(some)


# ---- direct comparison: a.b.c > 5 means a.b.where(c > 5) ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Split:
    """A selector and the attribute of its spans."""

    selector: ir.Selector
    path: ir.Path


def _lower_direct(node: s.Compare | s.In | s.TextTest | s.Presence, context: Context) -> ir.Formula | None:
    left = node.operand if isinstance(node, s.Presence) else node.left
    if not isinstance(left, s.Selector) or _is_trace_value(left):
        context.report(
            Code.WRONG_SORT, node.at, f"`{context.written(left.at)}` is no attribute of a span", "a value of the trace can only be compared"
        )
        return None
    split = split_key(left, context)
    test = lower_test_of(None if split is None else split.path, node, context)
    if split is None or test is None:
        return None
    context.uses.in_direct_comparison.add(context.written(left.at))
    selector = with_predicates(split.selector, [test])
    warn_empty(selector, split.selector, 1, node.at, context)
    return ir.Selected(ir.Related(selector))


def split_key(node: s.Selector, context: Context) -> _Split | None:
    """Split `a.b.c` into the selector `a.b` and the attribute `c`; after `span`, `root`, let and bound names all the rest is the path."""
    base, key = _base_and_key(node, context)
    if key is None:
        return None
    selector = _lower_split_base(base, context)
    where = lower_where(node, context)
    outside = Context(context.text, context.locate, context.lets, context.diagnostics, uses=context.uses)
    path = lower_path(key.name, key.key, key.at, outside)
    bad = [method for method in node.methods if method.word != "where"]
    if bad:
        context.report(Code.WRONG_SORT, node.at, f"`.{bad[0].word}( )` is a formula, not a selection")
    return None if bad or selector is None or where is None or path is None else _Split(with_predicates(selector, where), path)


def _base_and_key(node: s.Selector, context: Context) -> tuple[s.Word, s.Path | None]:
    base = node.base
    if node.key is not None:
        if isinstance(base, s.Name) and not node.methods and context.is_base(base.text.partition(".")[0]):
            first, _, rest = base.text.partition(".")
            return s.Name(base.at, first), s.Path(node.key.at, s.Name(base.at, rest), node.key) if rest else s.Path(
                node.key.at, node.key, None
            )
        return base, s.Path(node.key.at, node.key, None)
    if isinstance(base, s.IntrinsicName) and base.prefix and not node.methods:
        start = base.at[1] - len(base.text)
        return s.Name((base.at[0], start - 1), base.prefix), s.Path(
            (start, base.at[1]), s.IntrinsicName((start, base.at[1]), "", base.text), None
        )
    if isinstance(base, s.Name) and "." in base.text and not node.methods:
        first, _, rest = base.text.partition(".")
        head, tail = (first, rest) if context.is_base(first) or first == context.not_bound else base.text.rsplit(".", 1)
        if head != first:
            context.uses.split.setdefault(head, (tail, base.at))
        return s.Name((base.at[0], base.at[0] + len(head)), head), s.Path(
            (base.at[1] - len(tail), base.at[1]), s.Name((base.at[1] - len(tail), base.at[1]), tail), None
        )
    written = context.written(node.at)
    hint = f"of any span: span.{written}" if isinstance(base, s.IntrinsicName) else f"{written}.… or count({written})"
    context.report(Code.COMPARISON_NEEDS_ATTRIBUTE, node.at, f"`{written}` has no attribute to compare", hint)
    return base, None


def _lower_split_base(base: s.Word, context: Context) -> ir.Selector | None:
    if isinstance(base, s.Name) and "." not in base.text:
        return named_base(base.text, base.at, context) if context.check_bound(base.text, base.at) else None
    return lower_base(base, context)


# ---- comparisons of the trace -------------------------------------------------------------------------------------------------------


def _is_scalar(node: s.Compare, context: Context) -> bool:
    """Say whether a comparison is one of trace values: it is unless its left side is an attribute of selected spans."""
    return (
        not isinstance(node.left, s.Selector) or bool(node.quantifier) or _is_bound_path(node.left, context) or _is_trace_value(node.left)
    )


def _is_bound_path(node: s.Selector, context: Context) -> bool:
    if node.methods or context.bound is None:
        return False
    if isinstance(node.base, s.IntrinsicName):
        return node.base.prefix == context.bound
    first, _, rest = node.base.text.partition(".")
    return isinstance(node.base, s.Name) and first == context.bound and (bool(rest) != (node.key is not None))


def _is_trace_value(node: s.Selector) -> bool:
    return isinstance(node.base, s.IntrinsicName) and not node.base.prefix and node.base.text.startswith("trace:") and not node.methods


def _lower_comparison(node: s.Compare, context: Context) -> ir.Formula | None:
    left = _lower_scalar(node.left, context)
    right = _lower_right_scalar(node.right, node.word, context)
    if left is None or right is None or not check_comparable(left, node, right, context):
        return None
    grouped = is_grouped(left) or is_grouped(right)
    if grouped and not node.quantifier:
        hint = f"some {context.written(node.at)}, or every …"
        context.report(Code.GROUPED_NEEDS_QUANTIFIER, node.at, "a grouped aggregate has one value per group: say `some` or `every`", hint)
        return None
    if node.quantifier and not grouped:
        context.report(Code.UNGROUPED_QUANTIFIER, node.at, f"`{node.quantifier}` needs groups: an aggregate with `by`", "count(x by k)")
        return None
    return ir.Comparison(node.quantifier, node.word, left, right, context.written(node.at))


def is_grouped(value: ir.Value) -> bool:
    """Say whether a value has one value per group."""
    match value:
        case ir.Aggregate(by=by):
            return bool(by)
        case ir.Arithmetic(first=first, rest=rest):
            return is_grouped(first) or any(is_grouped(operand) for _, operand in rest)
        case ir.Negate(operand=operand):
            return is_grouped(operand)
        case _:
            return False


def _lower_right_scalar(node: s.Expr, word: str, context: Context) -> ir.Value | None:
    if (name := s.lone_name(node)) and word in s.NAME_IS_STRING:
        context.uses.as_string.setdefault(name, node.at)
        return ir.Literal(name)
    if isinstance(node, s.Selector) and isinstance(node.base, s.Quoted) and not node.methods and node.key is None:
        return ir.Literal(node.base.text)
    return _lower_scalar(node, context)


def _lower_scalar(node: s.Expr, context: Context) -> ir.Value | None:
    match node:
        case s.Number() | s.DurationText() | s.Bool():
            return ir.Literal(constant(node))
        case s.Group(body=body):
            return _lower_scalar(body, context)
        case s.Aggregate():
            return _lower_aggregate(node, context)
        case s.Arithmetic() | s.Negate():
            return lower_arithmetic(node, context, lambda operand: _lower_scalar(operand, context))
        case s.Selector() if _is_bound_path(node, context):
            return lower_path(node.base, node.key, node.at, context)
        case s.Selector(base=s.IntrinsicName() as base) if _is_trace_value(node):
            return ir.TraceValue(base.text) if check_intrinsic(base, context) else None
        case s.Selector(base=s.Name(text=text)) if context.not_bound and text.partition(".")[0] == context.not_bound:
            context.check_bound(context.not_bound, node.at)
        case _:
            hint = "attributes are looked at inside .where( ), or through a bound name"
            context.report(Code.WRONG_SORT, node.at, f"`{context.written(node.at)}` is no value of the trace", hint)
    return None


_AGGREGATED = dict.fromkeys(("sum", "avg", "min", "max"), Kind.NUMBER | Kind.DURATION) | {
    "distinct": Kind.NUMBER | Kind.DURATION | Kind.STRING | Kind.BOOL
}


def _lower_aggregate(node: s.Aggregate, context: Context) -> ir.Value | None:
    by = lower_paths(node.by, context)
    if node.word == "count":
        related = lower_related(node.related, context)
        return None if related is None or by is None else ir.Aggregate("count", related, None, by)
    if isinstance(node.related, s.Related):
        context.report(Code.WRONG_SORT, node.related.at, f"`{node.word}` takes an attribute of a selector, without relations")
        return None
    split = split_key(node.related, context)
    if split is None or by is None:
        return None
    if not kind_of(split.path) & _AGGREGATED[node.word]:
        context.report(Code.KIND_MISMATCH, node.at, f"`{node.word}` does not use {spoken(kind_of(split.path))}")
        return None
    return ir.Aggregate(node.word, ir.Related(split.selector), split.path, by)
