"""Selections of spans: syntax → IR, with every complaint on the way."""

from __future__ import annotations

from compiler import ir
from compiler import syntax as s
from compiler.constant_truth import selects_nothing
from compiler.diagnostics import Code
from compiler.ir_walk import mentions_bound
from compiler.literals import read_duration
from compiler.lower_context import Context
from compiler.lower_predicate import lower_predicate
from compiler.lower_value import lower_path, warn_of_bound_key
from compiler.values import Duration

# Of a name, with those it builds on; each name that builds on another holds the conditions of all.
LET_CONJUNCT_COUNT_MAX = 4_000


def lower_related(node: s.Expr, context: Context) -> ir.Related | None:
    """Lower a selection with its relations."""
    if isinstance(node, s.Related):
        selector = lower_selector(node.selector, context)
        lowered = [_lower_link(relation, context) for relation in node.relations]
        links = tuple(link for link in lowered if link is not None)
        return ir.Related(selector, links) if selector is not None and len(links) == len(lowered) else None
    if isinstance(node, s.Selector):
        alone = lower_selector(node, context)
        return None if alone is None else ir.Related(alone)
    context.report(Code.WRONG_SORT, node.at, f"`{context.written(node.at)}` selects no spans")
    return None


def _lower_link(node: s.Relation, context: Context) -> ir.Link | None:
    selector = lower_selector(node.selector, context)
    on = lower_paths(node.on, context)
    within_ns = None
    if node.within is not None:
        within = read_duration(node.within.text)
        within_ns = within.ns if isinstance(within, Duration) else None
        if node.word not in {"before", "after"}:
            context.report(Code.WITHIN_NEEDS_ORDER, node.within.at, f"`within` goes with `before` and `after`, not with `{node.word}`")
            return None
    return None if selector is None or on is None else ir.Link(node.word, selector, on, within_ns)


def lower_paths(paths: tuple[s.Path, ...], context: Context) -> tuple[ir.Path, ...] | None:
    """Lower the keys of `on` or `by`."""
    lowered = [lower_path(path.name, path.key, path.at, context) for path in paths]
    known = tuple(path for path in lowered if path is not None)
    for written, path in zip(paths, lowered, strict=True):
        if path is not None and path.of is not None:
            key = path.key if isinstance(path, ir.Attribute) else path.name
            warn_of_bound_key(written.at, f"this tells no spans apart: it is the `{key}`", key, context)
    return known if len(known) == len(lowered) else None


def lower_selector(node: s.Selector, context: Context) -> ir.Selector | None:
    """Lower a selector that stands for its spans: `where` is its only method, and no key is behind it."""
    base = lower_base(node.base, context)
    if isinstance(node.base, s.Name):
        context.uses.as_selector.add(node.base.text)
    where = lower_where(node, context)
    for method in node.methods:
        if method.word != "where":
            context.report(Code.WRONG_SORT, node.at, f"`.{method.word}( )` is a formula, not a selection", "write .where( )")
            return None
    if node.key is not None:
        context.report(Code.WRONG_SORT, node.key.at, "an attribute selects no spans", "put it into .where( )")
        return None
    if base is None or where is None:
        return None
    selector = with_predicates(base, where)
    warn_empty(selector, base, len(where), node.at, context)
    return selector


def warn_empty(selector: ir.Selector, base: ir.Selector, count: int, at: s.At, context: Context) -> None:
    """Warn of a selector whose conditions contradict each other or its base; each of the `count` was looked at before."""
    if not count or context.has_constant(at):
        return
    named = isinstance(base.base, ir.Named) and "span:name" in context.text
    rooted = isinstance(base.base, ir.Root) and "span:parentID" in context.text
    if (count > 1 or base.where is not None or named or rooted) and selects_nothing(selector, context.tableau):
        context.report_constant(at, truth=False)


def lower_where(node: s.Selector, context: Context) -> list[ir.Predicate] | None:
    """Lower the predicates of all `.where( )` of a selector."""
    outer, context.looked_at = context.looked_at, node.base.text if isinstance(node.base, s.Name) else ""
    lowered = [lower_predicate(method.argument, context) for method in node.methods if method.word == "where"]
    context.looked_at = outer
    predicates = [predicate for predicate in lowered if predicate is not None]
    return predicates if len(predicates) == len(lowered) else None


def with_predicates(selector: ir.Selector, predicates: list[ir.Predicate]) -> ir.Selector:
    """Narrow a selector: chained predicates hold of the same span."""
    if not predicates:
        return selector
    sides = (*_conjuncts(selector), *predicates)
    where = sides[0] if len(sides) == 1 else ir.And(sides)
    return ir.Selector(selector.base, where, selector.reads_bound or any(mentions_bound(predicate) for predicate in predicates))


def _conjuncts(selector: ir.Selector) -> tuple[ir.Predicate, ...]:
    """What a selector demands, side by side: lets that build on each other must not nest deeper with each."""
    if selector.where is None:
        return ()
    return selector.where.sides if isinstance(selector.where, ir.And) else (selector.where,)


def lower_base(base: s.Word, context: Context) -> ir.Selector | None:
    """Lower what a selector begins with."""
    match base:
        case s.Quoted(text=text):
            return ir.Selector(ir.Named(text))
        case s.Name(text=text):
            return _lower_name(text, base.at, context)
        case s.IntrinsicName():
            context.report(Code.WRONG_SORT, base.at, f"`{context.written(base.at)}` is a value, not a selection", "span.where(…)")
            return None


def _lower_name(text: str, at: s.At, context: Context) -> ir.Selector | None:
    first, _, rest = text.partition(".")
    if not context.check_bound_span(text, at):
        return None
    if rest and context.is_base(first) and first != context.clashing:
        hint = f'write {first}.where({rest}), or quote a span name: "{text}"'
        context.report(Code.NAME_NOT_A_SPAN, at, f"`{text}` names no span: `{first}` stands for spans itself", hint)
        return None
    return named_base(text, at, context)


def named_base(name: str, at: s.At, context: Context) -> ir.Selector | None:
    """Return the spans a whole name stands for: `span`, `root`, a let, the bound span, else the spans of that name."""
    if name in {"span", "root"}:
        return ir.Selector(ir.AnySpan() if name == "span" else ir.Root())
    if name == context.bound:
        return ir.Selector(ir.Bound(name), reads_bound=True)
    let = context.use(name, at)
    if let is None:
        context.uses.as_span.setdefault(name, at)
        return ir.Selector(ir.Named(name))
    if isinstance(let.value, ir.Selector) and len(_conjuncts(let.value)) > LET_CONJUNCT_COUNT_MAX:
        context.report(Code.TOO_LARGE, at, f"`{name}` stands for more than {LET_CONJUNCT_COUNT_MAX} conditions")
        return None
    if isinstance(let.value, tuple):
        context.report(Code.WRONG_SORT, at, f"`{name}` names a list, not spans", f"x in {name}")
        return None
    return let.value
