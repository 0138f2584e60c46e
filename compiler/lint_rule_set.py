"""Warnings about rules beside each other: two that mean the same, and one that another one implies.

A rule is implied where each of its violations is one of the other too. It is said of what forms show: the same head, fewer demands or the
same with looser bounds. Time is near to linear in the rules: they are looked up by their forms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler import ir
from compiler.diagnostics import Code, Diagnostic
from compiler.rule_file_keys import SEVERITIES
from compiler.rule_forms import Form, form_of, in_order, related_form, side_forms
from compiler.rule_set import Rule
from compiler.source import Region

_COMPARED_MAX = 16


@dataclass(frozen=True, slots=True)
class RuleMeaning:
    """What of a rule is compared: how much it weighs, and the forms of when it applies, is excused, and of what it demands.

    A `never` demands that each of its sides is not true.
    """

    id: str
    severity: str
    mode: str
    head: tuple[object, ...]
    demands: tuple[tuple[str, Form], ...]
    shape: tuple[object, ...]
    bounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Needless:
    """A meaning that another one makes needless; both by their places in what was compared."""

    code: Code
    at: int
    by: int


def lint_rule_set(rules: Sequence[Rule]) -> list[Diagnostic]:
    """Return a warning for each enabled rule that another one makes needless."""
    enabled = [rule for rule in rules if rule.text.enabled]
    found = needless([meaning_of(rule) for rule in enabled])
    return [warning_of(one.code, enabled[one.at].region, enabled[one.by].id, enabled[one.by].region) for one in found]


def warning_of(code: Code, region: Region, other_id: str, other_region: Region) -> Diagnostic:
    """Return what is said of a rule that another one makes needless."""
    if code is Code.DUPLICATE_RULE:
        message, hint = f"the rule means the same as `{other_id}`", "remove one of them, or disable it"
    else:
        message = f"whatever violates the rule violates `{other_id}` too"
        hint = "remove it; a rule that is to weigh more has a higher severity"
    return Diagnostic(code, region, f"{message}, at {other_region}", hint)


def needless(meanings: Sequence[RuleMeaning]) -> list[Needless]:
    """Say which meanings another one makes needless; of those that are the same, the first is not."""
    found: list[Needless] = []
    first: dict[tuple[object, ...], int] = {}
    for at, one in enumerate(meanings):
        earlier = first.setdefault((one.shape, one.bounds), at)
        if earlier != at:
            found.append(Needless(Code.DUPLICATE_RULE, at, earlier))
    different = [meanings[at] for at in first.values()]
    implied: dict[int, RuleMeaning] = {}
    for weaker, stronger in (*_of_bounds(different), *_of_demands(different)):
        if _stands_for(stronger, weaker):
            implied.setdefault(id(weaker), stronger)
    places = {id(meanings[at]): at for at in first.values()}
    by = ((at, implied.get(id(meanings[at]))) for at in first.values())
    return found + [Needless(Code.IMPLIED_RULE, at, places[id(stronger)]) for at, stronger in by if stronger is not None]


def meaning_of(rule: Rule) -> RuleMeaning:
    """Return what of a rule is compared."""
    program = rule.program
    each = Form("") if program.for_each is None else related_form(program.for_each.related, 1)
    when = side_forms(program.when, 1)
    excused = tuple(sorted((form.text, form.bounds, one.expires_ns or 0) for one in rule.exceptions for form in [form_of(one.formula, 0)]))
    demands = (
        *(("always", form) for form in side_forms(program.always, -1)),
        *(("never", form) for form in _alternatives(program.never)),
    )
    head = (each, when, program.requires_complete, excused)
    shape = (each.text, tuple(form.text for form in when), *head[2:], tuple((word, form.text) for word, form in demands))
    bounds = tuple(bound for form in (each, *when, *(form for _, form in demands)) for bound in form.bounds)
    return RuleMeaning(rule.id, rule.text.severity, rule.text.mode, head, demands, shape, bounds)


def _alternatives(node: ir.Formula | None) -> tuple[Form, ...]:
    """Return the forms of what a `never` forbids, in order, each once."""
    if node is None:
        return ()
    sides = node.sides if isinstance(node, ir.Or) else (node,)
    return in_order(form_of(side, 1) for side in sides)


def _stands_for(stronger: RuleMeaning, weaker: RuleMeaning) -> bool:
    """Say whether nobody would miss the weaker rule: the other one weighs as much, and alerts if this one does."""
    # The gravest comes first.
    weighs = SEVERITIES.index(stronger.severity) <= SEVERITIES.index(weaker.severity)
    return weighs and stronger.mode in {weaker.mode, "enforce"}


def _of_bounds(meanings: Sequence[RuleMeaning]) -> Iterator[tuple[RuleMeaning, RuleMeaning]]:
    """Yield rules of one shape, the one with the stricter bounds first: a bound that is stricter is violated by less."""
    shapes: dict[tuple[object, ...], list[RuleMeaning]] = {}
    for one in meanings:
        if one.bounds:
            shapes.setdefault(one.shape, []).append(one)
    for alike in shapes.values():
        alike.sort(key=lambda one: one.bounds)
        for at, stricter in enumerate(alike):
            for looser in alike[max(0, at - _COMPARED_MAX) : at]:
                if all(more >= less for more, less in zip(stricter.bounds, looser.bounds, strict=True)):
                    yield stricter, looser


def _of_demands(meanings: Sequence[RuleMeaning]) -> Iterator[tuple[RuleMeaning, RuleMeaning]]:
    """Yield rules of one head, one of which demands what the other does and more."""
    demanding: dict[tuple[object, ...], list[RuleMeaning]] = {}
    for one in meanings:
        if len(one.demands) > 1:
            for demand in one.demands:
                demanding.setdefault((one.head, demand), []).append(one)
    for one in meanings:
        for more in min((demanding.get((one.head, demand), []) for demand in one.demands), key=len)[:_COMPARED_MAX]:
            if len(more.demands) > len(one.demands) and set(one.demands) < set(more.demands):
                yield one, more
