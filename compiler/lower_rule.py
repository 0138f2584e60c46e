"""A rule's text → its meaning: lets, head and clauses."""

from __future__ import annotations

from dataclasses import dataclass

from compiler import ir
from compiler import syntax as s
from compiler.diagnostics import Code, Diagnostic, Severity
from compiler.lint import lint_rule
from compiler.lower_context import Context, Let, Locate, NameUses
from compiler.lower_formula import lower_formula
from compiler.lower_predicate import lower_list
from compiler.lower_selector import lower_related, lower_selector
from compiler.parser import Problem, parse_formula, parse_rule, parse_selector
from compiler.source import Region

UNUSED_HINT = "look for the name where it was meant, perhaps misspelt; else remove it"


@dataclass(frozen=True, slots=True)
class Lowered:
    """A rule's tree and meaning (None where it is wrong), what was found, and how it uses names."""

    tree: s.Rule | None
    program: ir.Rule | None
    diagnostics: tuple[Diagnostic, ...]
    context: Context


def lower_rule(text: str, locate: Locate, file_lets: dict[str, Let], *, requires_complete: bool = False, name: str = "") -> Lowered:
    """Parse, check and lower the text of a rule, which its author calls `name`. Never raises."""
    parsed = parse_rule(text)
    context = Context(text, locate, dict(file_lets), [])
    _report(parsed.problems, context)
    if isinstance(parsed.tree, s.BareCondition):
        _refuse_bare(parsed.tree, context)
    if not isinstance(parsed.tree, s.Rule):
        return Lowered(None, None, tuple(context.diagnostics), context)
    program = _lower(parsed.tree, context, requires_complete)
    failed = any(found.severity is Severity.ERROR for found in context.diagnostics)
    if program is not None and not failed:
        _report_unused(parsed.tree, context)
        lint_rule(parsed.tree, program, context, name)
    return Lowered(parsed.tree, None if failed else program, tuple(context.diagnostics), context)


def lower_exception(text: str, locate: Locate, file_lets: dict[str, Let]) -> tuple[ir.Formula | None, tuple[Diagnostic, ...], NameUses]:
    """Parse, check and lower the formula of an exception."""
    tree, problems = parse_formula(text)
    context = Context(text, locate, file_lets, [])
    _report(problems, context)
    formula = None if tree is None else lower_formula(tree, context)
    return formula, tuple(context.diagnostics), context.uses


def lower_file_let(text: str, locate: Locate, region: Region, earlier: dict[str, Let]) -> tuple[Let, tuple[Diagnostic, ...], NameUses]:
    """Parse, check and lower a selector that a rule file names at `region`."""
    tree, problems = parse_selector(text)
    named: list[Let] = []
    context = Context(text, locate, earlier, [], named_by_let=named)
    _report(problems, context)
    selector = lower_selector(tree, context) if isinstance(tree, s.Selector) else None
    return Let(selector, region, tuple(named)), tuple(context.diagnostics), context.uses


def _report(problems: tuple[Problem, ...], context: Context) -> None:
    for problem in problems:
        context.report(problem.code, problem.at, problem.message, problem.hint)


def _refuse_bare(tree: s.BareCondition, context: Context) -> None:
    written = context.written(tree.condition.at)
    hint = f"always {{ {written} }} says that it must hold; never {{ {written} }} that it must not"
    context.report(Code.NEEDS_ALWAYS_OR_NEVER, tree.condition.at, "a condition alone does not say whether it must hold", hint)


def _lower(tree: s.Rule, context: Context, requires_complete: bool) -> ir.Rule | None:  # noqa: FBT001  # passed on by name
    head = tree.head
    bound = head.name.text if isinstance(head, s.ForEach) else None
    _lower_lets(tree.lets, bound, context)
    _check_clauses(tree, context)
    for_each = _lower_for_each(head, context) if isinstance(head, s.ForEach) else None
    context.bound = context.tableau.bound = bound
    condition = head.formula if isinstance(head, s.When) else head.when if isinstance(head, s.ForEach) else None
    when = None if condition is None else lower_formula(condition, context)
    bodies = {clause.word: lower_formula(clause.formula, context) for clause in tree.clauses}
    return ir.Rule(for_each, when, bodies.get("always"), bodies.get("never"), requires_complete)


def _lower_lets(lets: tuple[s.Let, ...], bound: str | None, context: Context) -> None:
    context.not_bound = bound
    for let in lets:
        name = let.name.text
        if "." in name:
            context.report(Code.SYNTAX, let.name.at, "a let is a single name")
            continue
        if name in context.lets or name in {"span", "root"}:
            context.report(Code.DUPLICATE_NAME, let.name.at, f"`{name}` has a meaning already")
            continue
        named: list[Let] = []
        context.named_by_let = named
        value = lower_list(let.value, context) if isinstance(let.value, s.ListText) else lower_selector(let.value, context)
        context.named_by_let = None
        context.lets[name] = Let(value, context.region(let.name.at), tuple(named))


def _lower_for_each(head: s.ForEach, context: Context) -> ir.ForEach | None:
    name = head.name.text
    if "." in name:
        context.report(Code.SYNTAX, head.name.at, "a bound name is a single name")
    if name in context.lets or name in {"span", "root"}:
        context.report(Code.DUPLICATE_NAME, head.name.at, f"`{name}` has a meaning already")
        context.lets.pop(name, None)
    context.not_bound = name
    related = lower_related(head.related, context)
    context.not_bound = None
    return None if related is None else ir.ForEach(related, name)


def _check_clauses(tree: s.Rule, context: Context) -> None:
    seen: set[str] = set()
    for clause in tree.clauses:
        if clause.word in seen:
            at = (clause.at[0], clause.at[0] + len(clause.word))
            context.report(Code.SYNTAX, at, f"a rule has at most one `{clause.word}`", "join the conditions with `and` or `or`")
        seen.add(clause.word)
    if not tree.clauses:
        context.report(Code.NEEDS_ALWAYS_OR_NEVER, tree.at, "a rule says what must always or never hold", "always { … } or never { … }")


def _report_unused(tree: s.Rule, context: Context) -> None:
    for let in tree.lets:
        found = context.lets.get(let.name.text)
        if found is not None and not found.used and found.region == context.region(let.name.at):
            context.report(Code.UNUSED_LET, let.name.at, f"`{let.name.text}` is not used", UNUSED_HINT)
