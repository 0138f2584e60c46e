"""Warnings about what a rule can say at all: verdicts that no trace can bring, and clauses that say less than they seem to."""

from __future__ import annotations

import re

from compiler import ir
from compiler import syntax as s
from compiler.bound_span import of_bound_span
from compiler.diagnostics import Code
from compiler.lower_context import Context
from compiler.shared_subjects import share_a_subject
from compiler.tableau import Fact
from compiler.value_tests import NOT_TRUE, TRUE, UNKNOWN, canonical

_EVERY = re.compile(r"\b(?:every|each|all)\b", re.IGNORECASE)


def lint_verdicts(tree: s.Rule, program: ir.Rule, context: Context, *, name: str, repeated: frozenset[str]) -> None:
    """Warn of clauses that cannot fail or must; `repeated` are those of which a narrower warning said so."""
    _double_negation(tree, program, context)
    _some_not_every(tree, program, context, name)
    # What is constant by itself was said where it stands.
    if not context.constants:
        _fixed_verdicts(tree, program, context, repeated)


# ---- verdicts that do not hang on the trace -----------------------------------------------------------------------------------------


def _fixed_verdicts(tree: s.Rule, program: ir.Rule, context: Context, repeated: frozenset[str]) -> None:
    given = _given(program)
    condition = tree.head.when if isinstance(tree.head, s.ForEach) else None
    if condition is not None and share_a_subject(*(node for node, _ in given)) and context.tableau.contradict(given):
        context.report_constant(condition.at, truth=False)
        return
    if not given and len(tree.clauses) == 1:
        return
    bodies = [body for body in (program.always, program.never) if body is not None]
    if not share_a_subject(*(node for node, _ in given), *bodies):
        return
    fine = [((program.always, TRUE) if clause.word == "always" else (program.never, NOT_TRUE), clause) for clause in tree.clauses]
    for (body, good), clause in fine:
        if body is None or clause.word in repeated:
            continue
        if context.tableau.contradict([*given, (body, NOT_TRUE if good == TRUE else TRUE)]):
            message = f"wherever the rule applies, its `{clause.word}` holds: it can never be violated"
            hint = "ask for something that the head does not say already"
            context.report(Code.NEVER_VIOLATED, clause.formula.at, message, hint)
        elif context.tableau.contradict([*given, (body, good)]):
            _report_always_violated(clause, context)
            return
    both: list[Fact] = [(body, good) for (body, good), _ in fine if body is not None]
    if len(both) > 1 and not repeated and context.tableau.contradict([*given, *both]):
        _report_always_violated(tree.clauses[-1], context)


def _given(program: ir.Rule) -> list[Fact]:
    """Return what holds of every instance to which the rule applies."""
    facts: list[Fact] = [] if program.when is None else [(program.when, TRUE)]
    if program.for_each is not None:
        related, bound = program.for_each.related, program.for_each.name
        facts.append((ir.Selected(related), TRUE))
        if isinstance(related.selector.base, ir.Named):
            facts.append((ir.Compare("==", ir.Intrinsic("span:name", of=bound), ir.Literal(related.selector.base.name)), TRUE))
        if related.selector.where is not None:
            facts.append((of_bound_span(related.selector.where, bound), TRUE))
    return facts


def _report_always_violated(clause: s.Clause, context: Context) -> None:
    message = "the rule is violated wherever it applies: what must hold cannot"
    hint = "a head says when the rule applies, not what is wrong: is a condition turned round?"
    context.report(Code.ALWAYS_VIOLATED, clause.formula.at, message, hint)


# ---- negations ----------------------------------------------------------------------------------------------------------------------


def _double_negation(tree: s.Rule, program: ir.Rule, context: Context) -> None:
    """`never { not x }` is `always { x }`, unless x may be unknown: then the one is violated and the other is not."""
    clause = next((clause for clause in tree.clauses if clause.word == "never"), None)
    formula = clause.formula if clause is not None else None
    while isinstance(formula, s.Group):
        formula = formula.body
    if isinstance(formula, s.Not) and isinstance(program.never, ir.Not) and not _may_be_unknown(program.never.body, context):
        message = "`never` and `not` are two negations: the rule demands what stands behind them"
        context.report(Code.DOUBLE_NEGATION, formula.at, message, f"always {{ {context.written(formula.body.at)} }}")


def _may_be_unknown(node: ir.Formula, context: Context) -> bool:
    match node:
        case ir.And(sides=sides) | ir.Or(sides=sides):
            return any(_may_be_unknown(side, context) for side in sides)
        case ir.Not(body=body):
            return _may_be_unknown(body, context)
        case _:
            return bool(context.tableau.domain(canonical(node, UNKNOWN)[0]) & UNKNOWN)


# ---- some and every -----------------------------------------------------------------------------------------------------------------


def _some_not_every(tree: s.Rule, program: ir.Rule, context: Context, name: str) -> None:
    """Where a rule's name speaks of every span, `when { x } always { x.where(p) }` asks too little: one span will do."""
    if program.for_each is not None or not _EVERY.search(name):
        return
    heads = [selector for side in _conjuncts(program.when) if (selector := _selected(side)) is not None]
    clause = next((clause for clause in tree.clauses if clause.word == "always"), None)
    if clause is None:
        return
    for side in _conjuncts(program.always):
        narrower = _selected(side)
        for head in heads:
            if narrower is not None and narrower.base == head.base and set(_tests(head)) < set(_tests(narrower)):
                message = f"one span will do here, and the rule's name says `{_EVERY.search(name)[0]}`"  # type: ignore[index]  # it matches
                context.report(Code.SOME_NOT_EVERY, clause.formula.at, message, "of every span: x.all(…)")
                return


def _conjuncts(node: ir.Formula | None) -> tuple[ir.Formula, ...]:
    return () if node is None else node.sides if isinstance(node, ir.And) else (node,)


def _selected(node: ir.Formula) -> ir.Selector | None:
    return node.related.selector if isinstance(node, ir.Selected) and not node.related.links else None


def _tests(selector: ir.Selector) -> tuple[ir.Predicate, ...]:
    return () if selector.where is None else selector.where.sides if isinstance(selector.where, ir.And) else (selector.where,)
