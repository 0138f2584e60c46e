"""One form for conditions that mean the same: order, repetition, names of bound spans and double negation gone.

A form is a text in which the constants of orders have no value, and those constants beside it, each with what a greater one does: of two
conditions of one text the bounds then say which one is stricter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from compiler import ir
from compiler.value_tests import NOT_FALSE, NOT_TRUE, canonical
from compiler.values import Duration, is_number

Bound: TypeAlias = "int | float"
# Where a condition is of no help to say which of two is stricter, its constants stand in the text.
_STRICTER, _LOOSER, _NEITHER = 1, -1, 0


@dataclass(frozen=True, slots=True)
class Form:
    """The text of a condition, and its bounds, signed so that the greater is the stricter."""

    text: str
    bounds: tuple[Bound, ...] = ()


def form_of(node: ir.Formula | ir.Predicate, sign: int = _STRICTER) -> Form:
    """Return the form of a condition; with sign -1 a greater bound is one with which the condition is true of more."""
    match node:
        case ir.Not(body=ir.Not(body=body)):
            return form_of(body, sign)
        case ir.Not(body=body):
            return _joined("not ", (form_of(body, -sign),))
        case ir.And():
            return _joined("and ", side_forms(node, sign))
        case ir.Or(sides=sides):
            return _joined("or ", in_order(form_of(side, sign) for side in sides))
        case _:
            return _test(node, sign)


def side_forms(node: ir.Formula | ir.Predicate | None, sign: int) -> tuple[Form, ...]:
    """Return the forms of what a conjunction demands, in order, each once."""
    if node is None:
        return ()
    sides = node.sides if isinstance(node, ir.And) else (node,)
    return in_order(form for side in sides for form in (side_forms(side, sign) if isinstance(side, ir.And) else (form_of(side, sign),)))


def related_form(related: ir.Related, sign: int) -> Form:
    """Return the form of a selection with its relations."""
    parts = [_selector(related.selector, sign)]
    for link in related.links:
        on = ",".join(sorted(_value(key) for key in link.on))
        if link.within_ns is None or sign == _NEITHER:
            parts.append(Form(f"{link.relation} on {on} within {link.within_ns}"))
        else:
            parts.append(Form(f"{link.relation} on {on} within", (-sign * link.within_ns,)))
        parts.append(_selector(link.selector, sign))
    return _joined("", parts)


def in_order(forms: Iterable[Form]) -> tuple[Form, ...]:
    """Return forms in the order of their texts, each once."""
    return tuple(sorted(dict.fromkeys(forms), key=lambda form: (form.text, form.bounds)))


def _joined(word: str, forms: Iterable[Form]) -> Form:
    found = tuple(forms)
    if len(found) == 1 and word in {"and ", "or "}:
        return found[0]
    return Form(f"{word}({';'.join(form.text for form in found)})", tuple(bound for form in found for bound in form.bounds))


def _selector(selector: ir.Selector, sign: int) -> Form:
    base = repr(selector.base.name) if isinstance(selector.base, ir.Named) else type(selector.base).__name__
    return _joined(base, side_forms(selector.where, sign))


def _test(node: ir.Formula | ir.Predicate, sign: int) -> Form:
    atom, mask = canonical(node, NOT_FALSE)
    if mask == NOT_TRUE:
        return _joined("not ", (_atom(atom, -sign),))
    return _atom(atom, sign)


def _atom(atom: object, sign: int) -> Form:
    match atom:
        case ir.Selected(related=related):
            return related_form(related, sign)
        case ir.AllOf(selector=selector, predicate=predicate):
            return _joined("all", (_selector(selector, -sign), form_of(predicate, sign)))
        case ir.Compare(word=word, left=left, right=right) | ir.Comparison(quantifier="", word=word, left=left, right=right):
            return _comparison("", word, left, right, sign)
        case ir.Comparison(quantifier=quantifier, word=word, left=left, right=right):
            return _comparison(quantifier, word, left, right, sign)
        case ir.SomeElement(word=word, predicate=predicate):
            return _joined(word, (form_of(predicate, sign),))
        case ir.In(value=value, items=items):
            return Form(f"{_value(value)} in {sorted({_value(item) for item in items})}")
        case ir.Matches(value=value, pattern=pattern):
            return Form(f"{_value(value)} matches {pattern.text!r}")
        case ir.TextTest(word=word, value=value, part=part):
            return Form(f"{_value(value)} {word} {_value(part)}")
        case ir.Exists(value=value) | ir.IsTrue(value=value):
            return Form(f"{type(atom).__name__} {_value(value)}")
        case _:
            raise AssertionError(atom)


def _comparison(quantifier: str, word: str, left: ir.Value, right: ir.Value, sign: int) -> Form:
    greater = sign if word in {">", ">="} else -sign if word in {"<", "<="} else _NEITHER
    counted = Form(_value(left))
    if isinstance(left, ir.Aggregate) and left.word == "count" and not left.by:
        counted = _joined("count", (related_form(left.related, greater),))
    bound, kind = _bound(right)
    if bound is None or greater == _NEITHER:
        return _joined(f"{quantifier} {word}", (counted, Form(_value(right))))
    return _joined(f"{quantifier} {word} {kind}", (counted, Form("", (greater * bound,))))


def _bound(value: ir.Value) -> tuple[Bound | None, str]:
    if isinstance(value, ir.Literal) and isinstance(value.value, Duration):
        return value.value.ns, "duration"
    if isinstance(value, ir.Literal) and is_number(value.value):
        return value.value, "number"  # type: ignore[return-value]  # a number
    return None, ""


def _value(value: ir.Value) -> str:
    """Return a value as text; the bound span has no name, there is one at most."""
    match value:
        case ir.Literal(value=constant):
            return repr(constant)
        case ir.Attribute(scope=scope, key=key, of=of):
            return f"{scope}.{key!r}{'' if of is None else ' of bound'}"
        case ir.Intrinsic(name=name, of=of):
            return f"{name}{'' if of is None else ' of bound'}"
        case ir.Call(word=word, argument=argument):
            return f"{word}({_value(argument)})"
        case ir.Negate(operand=operand):
            return f"-({_value(operand)})"
        case ir.Arithmetic(first=first, rest=rest):
            return f"({_value(first)}{''.join(f'{sign}{_value(operand)}' for sign, operand in rest)})"
        case ir.Aggregate(word=word, related=related, of=of, by=by):
            keys = ",".join(map(_value, by))
            return f"{word}({related_form(related, _NEITHER).text} of {of and _value(of)} by {keys})"
        case ir.TraceValue(name=name):
            return name
