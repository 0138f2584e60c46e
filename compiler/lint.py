"""Warnings about a rule that compiles: what is legal and yet hardly what was meant (rule-language.md section 9)."""

from __future__ import annotations

from collections.abc import Iterator

from compiler import ir
from compiler import syntax as s
from compiler.diagnostics import Code
from compiler.ir_walk import mentions_bound, walk
from compiler.joins import join_of
from compiler.lint_verdicts import lint_verdicts
from compiler.lower_context import Context

# Attributes of OpenTelemetry's semantic conventions that people take for spans.
_KNOWN_ATTRIBUTES = frozenset(
    {
        "http.status_code",
        "http.method",
        "http.route",
        "http.url",
        "http.target",
        "http.request.method",
        "http.response.status_code",
        "url.path",
        "url.full",
        "error.type",
        "exception.type",
        "exception.message",
        "db.system",
        "db.system.name",
        "db.statement",
        "db.operation",
        "db.query.text",
        "rpc.method",
        "rpc.service",
        "rpc.system",
        "messaging.system",
        "messaging.destination.name",
        "server.address",
        "client.address",
        "network.peer.address",
        "service.name",
        "service.version",
        "deployment.environment",
        "deployment.environment.name",
        "enduser.id",
        "user.id",
        "session.id",
        "code.function",
        "k8s.pod.name",
        "host.name",
    }
)


def lint_rule(tree: s.Rule, program: ir.Rule, context: Context, name: str) -> None:
    """Report every warning about a rule that compiled; `name` is what its author calls it."""
    _different_spans(tree, context)
    lint_verdicts(tree, program, context, name=name, repeated=_clause_repeats_when(tree, program, context))
    _string_or_attribute(context)
    _names_of_other_sorts(context)
    _spans_or_keys(context)
    _quadratic_joins(tree, program, context)


def _formulas(tree: s.Rule) -> list[s.Expr]:
    head = tree.head.formula if isinstance(tree.head, s.When) else tree.head.when if isinstance(tree.head, s.ForEach) else None
    return [*([head] if head is not None else []), *(clause.formula for clause in tree.clauses)]


def _different_spans(tree: s.Rule, context: Context) -> None:
    for formula in _formulas(tree):
        for conjunction in _conjunctions(formula):
            seen: dict[str, s.Expr] = {}
            for side in conjunction.sides:
                base = _direct_base(side, context)
                if base in seen:
                    message = f"two comparisons of `{base}` may hold of two different spans"
                    context.report(Code.DIFFERENT_SPANS, side.at, message, f"{base}.where(… and …) speaks of one span")
                elif base:
                    seen[base] = side


def _conjunctions(node: s.Expr) -> Iterator[s.And]:
    match node:
        case s.And(sides=sides):
            yield node
            for side in sides:
                yield from _conjunctions(side)
        case s.Or(sides=sides):
            for side in sides:
                yield from _conjunctions(side)
        case s.Not(body=body) | s.Group(body=body):
            yield from _conjunctions(body)
        case s.Implies(left=left, right=right):
            yield from _conjunctions(left)
            yield from _conjunctions(right)


def _direct_base(side: s.Expr, context: Context) -> str:
    """Return the base of a direct comparison as it is written, or nothing."""
    if isinstance(side, s.Group):
        return _direct_base(side.body, context)
    left = side.operand if isinstance(side, s.Presence) else side.left if isinstance(side, s.Compare | s.In | s.TextTest) else None
    if not isinstance(left, s.Selector) or left.methods:
        return ""
    base = left.base
    if left.key is not None or isinstance(base, s.IntrinsicName):
        name = base.prefix if isinstance(base, s.IntrinsicName) else context.written(base.at)
    elif isinstance(base, s.Name) and "." in base.text:
        first, _, _ = base.text.partition(".")
        name = first if context.is_base(first) else base.text.rpartition(".")[0]
    else:
        return ""
    return "" if name in {"root", context.bound} else name


def _clause_repeats_when(tree: s.Rule, program: ir.Rule, context: Context) -> frozenset[str]:
    """Warn of clauses that are a condition of the head, and return their words."""
    if program.when is None:
        return frozenset()
    repeated = set()
    heads = {program.when, *(program.when.sides if isinstance(program.when, ir.And) else ())}
    for clause in tree.clauses:
        body = program.always if clause.word == "always" else program.never
        if body in heads:
            outcome = "can never be violated" if clause.word == "always" else "is violated whenever it applies"
            message, hint = f"the clause repeats the `when`: the rule {outcome}", "say what must hold besides, or never may"
            context.report(Code.CLAUSE_REPEATS_WHEN, clause.formula.at, message, hint)
            repeated.add(clause.word)
    return frozenset(repeated)


def _string_or_attribute(context: Context) -> None:
    for name, at in context.uses.as_string.items():
        if name in context.uses.as_attribute:
            message = f"`{name}` is a string here and an attribute elsewhere in the rule"
            context.report(Code.STRING_OR_ATTRIBUTE, at, message, f'quote the string: "{name}"')


def _names_of_other_sorts(context: Context) -> None:
    uses = context.uses
    for name, at in uses.as_truth.items():
        if name in uses.as_span:
            context.report(
                Code.ATTRIBUTE_IS_A_SPAN,
                at,
                f"`{name}` is an attribute here; elsewhere it names spans",
                "speak of the other span in the formula, outside of .where( )",
            )
    for name, at in uses.as_formula.items():
        if (
            (name in uses.as_attribute and name not in uses.as_truth)
            or name in uses.in_direct_comparison
            or (name in _KNOWN_ATTRIBUTES and name in uses.as_span)
        ):
            context.report(
                Code.NAME_LOOKS_LIKE_ATTRIBUTE,
                at,
                f"`{name}` selects spans of that name; it looks like an attribute",
                f"span.where({name} exists)",
            )


def _spans_or_keys(context: Context) -> None:
    """Warn of a path whose span's name no selector has, where one has the name that it begins with."""
    for name, (key, at) in context.uses.split.items():
        # A single segment, as in `payment` beside `payment.refund.currency`, is more often what names have in common.
        spans = {selector for selector in context.uses.as_selector if "." in selector and name.startswith(f"{selector}.")}
        if spans and name not in context.uses.as_selector:
            span = max(spans, key=len)
            message = f"this is the `{key}` of spans named `{name}`; the rule also speaks of spans named `{span}`"
            rest = f"{name}.{key}".removeprefix(f"{span}.")
            context.report(Code.SPAN_OR_KEY, at, message, f'a key with a dot is quoted: {span}."{rest}"')


def _quadratic_joins(tree: s.Rule, program: ir.Rule, context: Context) -> None:
    if program.for_each is None:
        return
    for clause, body in [(clause, program.always if clause.word == "always" else program.never) for clause in tree.clauses]:
        if _is_quadratic(body):
            _report_quadratic(clause.formula, context)
    if isinstance(tree.head, s.ForEach) and tree.head.when is not None and _is_quadratic(program.when):
        _report_quadratic(tree.head.when, context)


def _report_quadratic(formula: s.Expr, context: Context) -> None:
    message = "this compares every bound span with every other: the cost grows with the square of the trace"
    context.report(Code.QUADRATIC_JOIN, formula.at, message, "add an equality: b.where(key == x.key and …)")


def _is_quadratic(body: ir.Formula | None) -> bool:
    # A relation to the bound span is looked up, like an equality with it.
    indexed = {id(node.selector) for node in walk(body) if isinstance(node, ir.Related) and any(_is_bound(link) for link in node.links)}
    return any(_joins_slowly(node) for node in walk(body) if id(node) not in indexed)


def _is_bound(link: ir.Link) -> bool:
    return isinstance(link.selector.base, ir.Bound)


def _joins_slowly(node: object) -> bool:
    if isinstance(node, ir.Selector):
        return not isinstance(node.base, ir.Bound) and mentions_bound(node.where) and join_of(node.where) is None
    if isinstance(node, ir.AllOf):
        return not isinstance(node.selector.base, ir.Bound) and mentions_bound(node.predicate) and join_of(node.selector.where) is None
    return False
