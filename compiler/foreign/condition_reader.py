"""What conditions of other languages have in common: `and`, `or`, `not` and parentheses around tests."""

from __future__ import annotations

from collections.abc import Callable

from compiler.foreign.conditions import Condition, Not, both, either
from compiler.foreign.text_reader import Token, TokenReader


def connected(tokens: TokenReader, operand: Callable[[], Condition], mixed: Callable[[Token], None]) -> Condition:
    """Read operands joined by `and` and `or`, `and` tighter; `mixed` is told where both stand side by side."""
    alternatives: list[Condition] = []
    has_and = has_or = False
    while True:
        sides = [operand()]
        while tokens.accept("and"):
            has_and = True
            sides.append(operand())
        alternatives.append(both(sides))
        token = tokens.accept("or")
        if token is None:
            break
        has_or = True
    if has_and and has_or:
        mixed(tokens.peek())
    return either(alternatives)


def negated(
    tokens: TokenReader, condition: Callable[[], Condition], test: Callable[[], Condition], denied: Callable[[Token], None]
) -> Condition:
    """Read a test or, in parentheses, a condition, behind any number of `not`; `denied` is told of each when what it denies was read."""
    with tokens.deeper():
        token = tokens.accept("not")
        if token is not None:
            body = negated(tokens, condition, test, denied)
            denied(token)
            return Not(body)
        if tokens.accept("("):
            inner = condition()
            tokens.expect(")")
            return inner
        return test()
