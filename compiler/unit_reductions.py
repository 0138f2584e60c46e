"""Takes unit reductions out of a parse table: a `product` that is but a `factor` that is but a `primary` is the `primary` at once.

A grammar with a level for each kind of operator takes each operand through all levels, a step for each, and none of them builds anything.
Where the parser stands and the next token say at which level they end, so one step does for all. The same texts are read, to the same
trees, with the same errors. The table is that of an LALR(1) parser of lark, and has had this shape since lark 1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, TypeAlias

# Of each state what is done before a token or with a symbol: a shift and the state it leads to, or a reduction and its rule.
States: TypeAlias = dict[int, dict[str, tuple[Any, Any]]]
# Of each rule what makes its tree of its parts.
Callbacks: TypeAlias = dict[Any, Callable[[list[Any]], Any]]
# Of each state the unit rules by which it reduces, by the token before which it does.
_Units: TypeAlias = dict[int, dict[str, Any]]

_ONLY_PART = itemgetter(0)


def drop_unit_reductions(states: States, callbacks: Callbacks) -> None:
    """Change the table of a parser, and what it calls, so that it goes through the levels of its grammar in one step."""
    units = {state: {token: arg for token, (_, arg) in actions.items() if _is_unit(arg)} for state, actions in states.items()}
    for state, symbol, token, end in list(_ends(states, units)):
        shift, _ = states[state][symbol]
        states[state][_before(symbol, token)] = (shift, end)
    steps: dict[str, Any] = {}
    for state, rules in units.items():
        for token, rule in rules.items():
            name = _before(rule.expansion[0].name, token)
            if name not in steps:
                steps[name] = type(rule)(type(rule.origin)(name), rule.expansion, rule.order, None, rule.options)
                callbacks[steps[name]] = _ONLY_PART
            reduction, _ = states[state][token]
            states[state][token] = (reduction, steps[name])


def _is_unit(arg: Any) -> bool:  # noqa: ANN401 - a state, or a rule of lark's
    """Say whether a step hands on the one tree that it takes."""
    return not isinstance(arg, int) and arg.alias is None and arg.options.expand1 and [part.is_term for part in arg.expansion] == [False]


def _ends(states: States, units: _Units) -> Iterator[tuple[int, str, str, int]]:
    """Yield of each state, symbol and token that begin unit reductions the state in which they end."""
    for state, actions in states.items():
        for symbol, (_, first) in actions.items():
            for token in units[first] if isinstance(first, int) else ():
                end = first
                while token in units[end]:
                    _, end = actions[units[end][token].origin.name]
                yield state, symbol, token, end


def _before(symbol: str, token: str) -> str:
    """Return the name of what a symbol is found to be before a token; no symbol of a grammar has such a name."""
    return f"{symbol} before {token}"
