"""A rule's meaning as text of the language again: what names stood for is written out, strings are quoted.

The text means what it was made of, but for the texts that comparisons remember (tests/compiler/test_ir_text.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never

from compiler import ir
from compiler.literals import UNIT_NS
from compiler.spelling import RESERVED
from compiler.syntax import NAME_IS_STRING
from compiler.values import Duration

_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECOND = 10**9
# The largest first.
_UNITS = tuple(reversed(UNIT_NS.items()))
_SCOPES = {ir.AttributeScope.SPAN: "span.", ir.AttributeScope.RESOURCE: "resource.", ir.AttributeScope.SCOPE: "scope."}
# First segments that have a meaning of their own there.
_TAKEN = RESERVED | {"span", "resource", "scope", "root"}
# Quotes, and what cannot stand in a rule file, or can and is not seen: marks that turn the direction of a line.
_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
# How tightly conditions and values bind.
_OR, _AND, _NOT, _TEST = range(4)
_SUM, _PRODUCT, _UNARY = range(3)


def rule_text(program: ir.Rule) -> str:
    """Return a whole rule, a clause on each line."""
    each = program.for_each
    writer = Writer.of(program)
    when = "" if program.when is None else f"when {{ {writer.condition(program.when)} }}"
    head = when if each is None else f"for each {writer.related(each.related)} as {each.name} {when}".rstrip()
    clauses = (("always", program.always), ("never", program.never))
    return "\n".join([*([head] if head else []), *(f"{word} {{ {writer.condition(body)} }}" for word, body in clauses if body is not None)])


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the nodes of one rule; `bound` is the name of its `for each`."""

    bound: str | None = None

    @classmethod
    def of(cls, program: ir.Rule) -> Writer:
        """Return what writes the nodes of a rule."""
        return cls(None if program.for_each is None else program.for_each.name)

    # ---- conditions -----------------------------------------------------------------------------------------------------------------

    def condition(self, node: ir.Formula | ir.Predicate, least: int = _OR) -> str:
        """Return a formula or a predicate, in parentheses where it binds looser than `least`."""
        match node:
            case ir.Or(sides=sides):
                text, binds = " or ".join(self.condition(side, _AND) for side in sides), _OR
            case ir.And(sides=sides):
                text, binds = " and ".join(self.condition(side, _NOT) for side in sides), _AND
            case ir.Not(body=body):
                text, binds = self._negated(body)
            case ir.Selected() | ir.AllOf() | ir.Comparison():
                text, binds = self._trace_test(node), _TEST
            case _:
                text, binds = self._test(node, ""), _TEST
        return text if binds >= least else f"({text})"

    def _negated(self, body: ir.Formula | ir.Predicate) -> tuple[str, int]:
        """Return a negation, and how tightly it binds."""
        if isinstance(body, ir.Exists):
            return f"{self.value(body.value)} missing", _TEST
        if isinstance(body, ir.In | ir.Matches | ir.TextTest):
            return self._test(body, "not "), _TEST
        return f"not {self.condition(body, _NOT)}", _NOT

    def _trace_test(self, node: ir.TraceTest) -> str:
        match node:
            case ir.Selected(related=related):
                return self.related(related)
            case ir.AllOf(selector=selector, predicate=predicate):
                return f"{self.selector(selector)}.all({self.condition(predicate)})"
            case ir.Comparison(quantifier=quantifier, word=word, left=left, right=right):
                return f"{quantifier} {self.value(left)} {word} {self.value(right)}".lstrip()
        assert_never(node)

    def _test(self, node: ir.SpanTest, negation: str) -> str:
        match node:
            case ir.Compare(word=word, left=left, right=right):
                return f"{self.value(left)} {word} {self._right(word, right)}"
            case ir.In(value=operand, items=items):
                return f"{self.value(operand)} {negation}in [{', '.join(map(self.value, items))}]"
            case ir.Matches(value=operand, pattern=pattern):
                return f"{self.value(operand)} {negation}matches {quoted(pattern.text)}"
            case ir.TextTest(word=word, value=operand, part=part):
                return f"{self.value(operand)} {negation}{word} {self._right(word, part)}"
            case ir.Exists(value=operand):
                return f"{self.value(operand)} exists"
            case ir.IsTrue(value=operand):
                return self.value(operand)
            case ir.SomeElement(word=word, predicate=predicate):
                return f"{word}({self.condition(predicate)})"
        assert_never(node)

    def _right(self, word: str, value: ir.Value) -> str:
        """Return what stands right of a test, where a bare name alone may be a string and an attribute needs brackets."""
        if not isinstance(value, ir.Attribute) or value.of is not None or not _BARE.fullmatch(value.key) or value.scope in _SCOPES:
            return self.value(value)
        return f"({value.key})" if word in NAME_IS_STRING else value.key

    # ---- selections -----------------------------------------------------------------------------------------------------------------

    def related(self, related: ir.Related) -> str:
        """Return a selection with its relations."""
        return " ".join([self.selector(related.selector), *map(self.link, related.links)])

    def link(self, link: ir.Link) -> str:
        """Return one relation of a chain."""
        on = f" on {', '.join(map(self.value, link.on))}" if link.on else ""
        within = "" if link.within_ns is None else f" within {duration_of(link.within_ns)}"
        return f"{link.relation} {self.selector(link.selector)}{on}{within}"

    def selector(self, selector: ir.Selector) -> str:
        """Return a selector."""
        text = self.base(selector.base)
        return text if selector.where is None else f"{text}.where({self.condition(selector.where)})"

    def base(self, base: ir.Base) -> str:
        """Return what a selector begins with."""
        match base:
            case ir.Named(name=name):
                return self._name(name)
            case ir.AnySpan():
                return "span"
            case ir.Root():
                return "root"
            case ir.Bound(name=name):
                return name
        assert_never(base)

    # ---- values ---------------------------------------------------------------------------------------------------------------------

    def value(self, node: ir.Value, least: int = _SUM) -> str:
        """Return a value, in parentheses where it binds looser than `least`."""
        match node:
            case ir.Literal(value=constant):
                return _literal(constant)
            case ir.Attribute() | ir.Intrinsic():
                return self._path(node)
            case ir.Call(word=word, argument=argument):
                return f"{word}({self.value(argument)})"
            case ir.Negate(operand=operand):
                inner = self.value(operand, _UNARY)
                # Before a number the sign would be the number's own.
                return f"-({inner})" if isinstance(operand, ir.Literal) else f"-{inner}"
            case ir.Arithmetic(first=first, rest=rest):
                binds = _SUM if rest[0][0] in "+-" else _PRODUCT
                text = " ".join([self.value(first, binds + 1), *(f"{sign} {self.value(operand, binds + 1)}" for sign, operand in rest)])
                return text if binds >= least else f"({text})"
            case ir.Aggregate(word=word, related=related, of=of, by=paths):
                of_what = "" if of is None else f".{self.value(of)}"
                by = f" by {', '.join(map(self.value, paths))}" if paths else ""
                return f"{word}({self.related(related)}{of_what}{by})"
            case ir.TraceValue(name=name):
                return name
        assert_never(node)

    def _path(self, node: ir.Path) -> str:
        of = "" if node.of is None else f"{node.of}."
        if isinstance(node, ir.Intrinsic):
            return of + node.name
        scope = _SCOPES.get(node.scope, "")
        return of + scope + (_key(node.key) if of or scope else self._name(node.key))

    def _name(self, text: str) -> str:
        first = text.partition(".")[0]
        return quoted(text) if first in _TAKEN or first == self.bound else _key(text)


def _key(text: str) -> str:
    return text if _DOTTED.fullmatch(text) else quoted(text)


def _literal(constant: bool | float | str | Duration) -> str:  # noqa: FBT001  # a constant of a rule
    match constant:
        case bool():
            return "true" if constant else "false"
        case Duration(ns=ns):
            return duration_of(ns)
        case str():
            return quoted(constant)
        case _:
            return str(constant)


def duration_of(ns: int) -> str:
    """Return a duration exactly: whole hours, minutes or seconds, else in the largest unit that it has one of, with its decimals."""
    whole = next(((unit, scale) for unit, scale in _UNITS if ns % scale == 0 and scale >= _SECOND), None)
    if whole is not None:
        return f"{ns // whole[1]}{whole[0]}" if ns else "0s"
    unit, scale = next((unit, scale) for unit, scale in _UNITS if scale <= abs(ns) and scale <= _SECOND)
    ones, rest = divmod(abs(ns), scale)
    decimals = f".{str(rest).zfill(len(str(scale)) - 1)}".rstrip("0") if rest else ""
    return f"{'-' if ns < 0 else ''}{ones}{decimals}{unit}"


def quoted(text: str) -> str:
    """Return a STRING that can stand in any rule file."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}")
