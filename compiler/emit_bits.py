"""Verdicts of simple rules as bit algebra: many rules at once, and no branch between them. Counterpart: compiler/judge.py.

A rule is simple where its formulas ask only for bits of the state (plain selections, plain `all`) and compare plain counts with small
whole numbers. Of every formula there are two bits: that it is true and that it is false; neither is unknown, and a negation swaps them.
In a complete trace every such formula is decided, so "only true counts" changes nothing.

A group of rules is one loop over the traces asked, which writes each rule's code: 0 unknown, 1 satisfied, 2 violated, 3 not applicable,
4 inconclusive. What is not simple is left to emit_verdict.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.engine_layout import WORD_BITS, LeafKey
from compiler.engine_plan import is_plain_all, is_plain_count, is_plain_related, leaf_key
from compiler.evaluate import MIRRORED
from compiler.rule_set import Rule

# A function of Lua has room for 200 locals and 250 registers: atoms take two locals each, a level of nesting up to ten registers.
RULE_COUNT_MAX = 32
PLACE_COUNT_MAX = 40
ATOM_COUNT_MAX = 32
# A loop has room for 32 767 instructions, an atom takes about 50.
GROUP_ATOM_COUNT_MAX = 256
DEPTH_MAX = 10
_SIDES_AT_ONCE = 8
# Counters stay below 2^30, for so many spans have no room in memory: a difference of a counter and a smaller constant fits 32 bits.
CONSTANT_MAX = 2**30 - 1

PARAMETERS = ("states", "traces", "closes", "wholes", "lates", "n", "out")
_ZERO, _ONE = lua.Number(0), lua.Number(1)
_K, _AT, _STATE, _CLOSED, _LATE = (lua.Name(word) for word in ("k", "at", "state", "closed", "late"))


class NotSimpleError(Exception):
    """The formula has no form as bits."""


@dataclass(frozen=True, slots=True)
class Truth:
    """That something is true, and that it is false: expressions that are 0 or 1."""

    true: lua.Expr
    false: lua.Expr


_YES, _NO = Truth(_ONE, _ZERO), Truth(_ZERO, _ONE)


@dataclass(frozen=True, slots=True)
class BitsRule:
    """The code of one rule; `places` are the words and counters of the state that it reads, by the local that holds each."""

    statements: tuple[lua.Statement, ...]
    places: dict[str, lua.Expr]
    atom_count: int


def bits_rule(rule: Rule, position: int, chunk: Chunk) -> BitsRule | None:
    """Return the code of the rule whose code is the one at `position` of a trace; None where the rule is not simple."""
    program = rule.program
    if program.for_each is not None:
        return None
    writer = _Writer(chunk, "whole" if program.requires_complete else "closed")
    try:
        head, always = writer.part(program.when, _YES), writer.part(program.always, _YES)
        never = writer.part(program.never, _NO)
    except NotSimpleError:
        return None
    return BitsRule((*writer.atoms, *_code(head, always, never, position)), writer.places, len(writer.atoms))


def _code(head: Truth, always: Truth, never: Truth, position: int) -> list[lua.Statement]:
    """Write the code. `late` has all bits set but where the trace is open: there nothing but a violation is said."""
    names = ("violated", "satisfied", "without")
    violated, satisfied, without = (lua.Name(word) for word in names)
    found = lua.Local(
        names,
        (_both(head.true, _either(always.false, never.true)), _both(head.true, always.true, never.false), head.false),
    )
    undecided = _bit("bxor", _bit("bor", violated, satisfied, without), _ONE)
    rest = _bit("bor", satisfied, without, _bit("lshift", without, _ONE), _bit("lshift", undecided, lua.Number(2)))
    code = _bit("bor", _bit("lshift", violated, _ONE), _bit("band", _LATE, rest))
    return [found, lua.Assign(lua.Index(lua.Name("out"), lua.Binary("+", _AT, lua.Number(position))), code)]


class _Writer:
    """Writes the formulas of one rule; each atom is a pair of locals."""

    def __init__(self, chunk: Chunk, closed: str) -> None:
        self._layout = chunk.layout
        self._closed = lua.Name(closed)
        self._known: dict[ir.TraceTest, Truth] = {}
        self.atoms: list[lua.Statement] = []
        self.places: dict[str, lua.Expr] = {}

    def part(self, node: ir.Formula | None, default: Truth) -> Truth:
        """Return the truth of a part of the rule."""
        if node is None:
            return default
        if _depth(node) > DEPTH_MAX:
            raise NotSimpleError
        return self._formula(node)

    def _formula(self, node: ir.Formula) -> Truth:
        match node:
            case ir.And(sides=sides):
                found = [self._formula(side) for side in sides]
                return Truth(_both(*(one.true for one in found)), _either(*(one.false for one in found)))
            case ir.Or(sides=sides):
                found = [self._formula(side) for side in sides]
                return Truth(_either(*(one.true for one in found)), _both(*(one.false for one in found)))
            case ir.Not(body=body):
                inner = self._formula(body)
                return Truth(inner.false, inner.true)
            case ir.Selected() | ir.AllOf() | ir.Comparison():
                return self._atom(node)
        assert_never(node)

    def _atom(self, node: ir.TraceTest) -> Truth:
        if node in self._known:
            return self._known[node]
        if len(self._known) == ATOM_COUNT_MAX:
            raise NotSimpleError
        truth = self._test(node)
        number = len(self._known)
        names = (f"t{number}", f"f{number}")
        self.atoms.append(lua.Local(names, (truth.true, truth.false)))
        self._known[node] = Truth(*(lua.Name(word) for word in names))
        return self._known[node]

    def _test(self, node: ir.TraceTest) -> Truth:
        """The table of rule-language.md section 6; what spans to come can still change is decided only where the trace is closed."""
        match node:
            case ir.Selected(related=related) if is_plain_related(related):
                seen = self._seen(leaf_key(related.selector))
                return Truth(seen, _both(self._closed, _opposite(seen)))
            case ir.AllOf(selector=selector, predicate=predicate) if is_plain_all(node):
                broken = self._seen(leaf_key(selector, predicate))
                return Truth(_both(self._closed, _opposite(broken)), broken)
            case ir.Comparison(quantifier="", word=word, left=ir.Aggregate() as counted, right=ir.Literal(value=constant)):
                return self._counted(word, counted, constant)
            case ir.Comparison(quantifier="", word=word, left=ir.Literal(value=constant), right=ir.Aggregate() as counted):
                return self._counted(MIRRORED[word], counted, constant)
            case _:
                raise NotSimpleError

    def _seen(self, key: LeafKey) -> lua.Expr:
        leaf = self._layout.leaves[key]
        assert leaf.seen is not None
        word, place = divmod(leaf.seen, WORD_BITS)
        return _bit("band", _bit("rshift", self._place("w", word), lua.Number(place)), _ONE)

    def _place(self, array: str, number: int) -> lua.Expr:
        name = f"{array}{number}"
        self.places[name] = lua.item(lua.Field(_STATE, array), number)
        return lua.Name(name)

    def _counted(self, word: str, node: ir.Aggregate, constant: object) -> Truth:
        """Counts only grow: that one is beyond a bound is true for good."""
        if not is_plain_count(node) or not isinstance(constant, int) or isinstance(constant, bool) or abs(constant) >= CONSTANT_MAX:
            raise NotSimpleError
        counter = self._layout.leaves[leaf_key(node.related.selector)].counter
        assert counter is not None
        count = self._place("c", counter)
        more, reached = _more(count, constant), _more(count, constant - 1)
        match word:
            case ">":
                return self._early(more)
            case ">=":
                return self._early(reached)
            case "<":
                return _swapped(self._early(reached))
            case "<=":
                return _swapped(self._early(more))
        equal = Truth(_both(self._closed, reached, _opposite(more)), _either(more, _both(self._closed, _opposite(reached))))
        return equal if word == "==" else _swapped(equal)

    def _early(self, reached: lua.Expr) -> Truth:
        return Truth(reached, _both(self._closed, _opposite(reached)))


def _more(count: lua.Expr, constant: int) -> lua.Expr:
    """That a counter is greater than a constant: the sign of the difference."""
    return _bit("rshift", lua.Binary("-", lua.Number(constant), count), lua.Number(WORD_BITS - 1))


def _swapped(truth: Truth) -> Truth:
    return Truth(truth.false, truth.true)


def _depth(node: ir.Formula) -> int:
    if isinstance(node, ir.Not):
        return _depth(node.body)
    if isinstance(node, ir.And | ir.Or):
        return (1 if len(node.sides) <= _SIDES_AT_ONCE else 2) + max(_depth(side) for side in node.sides)
    return 0


def _bit(function: str, *arguments: lua.Expr) -> lua.Expr:
    return lua.Call(lua.Name(function), arguments)


def _opposite(bit: lua.Expr) -> lua.Expr:
    return _bit("bxor", bit, _ONE)


def _both(*sides: lua.Expr) -> lua.Expr:
    return _ZERO if _ZERO in sides else _joined("band", [side for side in sides if side != _ONE], _ONE)


def _either(*sides: lua.Expr) -> lua.Expr:
    return _ONE if _ONE in sides else _joined("bor", [side for side in sides if side != _ZERO], _ZERO)


def _joined(function: str, sides: Sequence[lua.Expr], empty: lua.Expr) -> lua.Expr:
    if len(sides) <= 1:
        return sides[0] if sides else empty
    if len(sides) > _SIDES_AT_ONCE:
        parts = [sides[start : start + _SIDES_AT_ONCE] for start in range(0, len(sides), _SIDES_AT_ONCE)]
        return _joined(function, [_joined(function, part, empty) for part in parts], empty)
    return _bit(function, *sides)


# ---- groups -----------------------------------------------------------------------------------------------------------------------------


def group_functions(rules: Iterable[BitsRule], code_count: int) -> list[lua.Expr]:
    """Return the functions that judge by some rules; `code_count` is the number of codes of one trace."""
    return [_group(group, code_count) for group in _grouped(rules)]


def _grouped(rules: Iterable[BitsRule]) -> list[list[BitsRule]]:
    groups: list[list[BitsRule]] = []
    places: set[str] = set()
    atoms = 0
    for rule in rules:
        atoms += rule.atom_count
        is_full = len(places | rule.places.keys()) > PLACE_COUNT_MAX or atoms > GROUP_ATOM_COUNT_MAX
        if not groups or len(groups[-1]) == RULE_COUNT_MAX or is_full:
            groups.append([])
            places, atoms = set(), rule.atom_count
        groups[-1].append(rule)
        places |= rule.places.keys()
    return groups


def _group(rules: Sequence[BitsRule], code_count: int) -> lua.Expr:
    places = {name: place for rule in rules for name, place in rule.places.items()}

    def each(array: str) -> lua.Expr:
        return lua.Index(lua.Name(array), _K)

    body: list[lua.Statement] = [
        lua.Local(("state", "at"), (lua.Index(lua.Name("states"), each("traces")), lua.Binary("*", _K, lua.Number(code_count)))),
        lua.Local(("closed", "whole", "late"), (each("closes"), each("wholes"), each("lates"))),
        *(lua.Local((name,), (place,)) for name, place in places.items()),
        *(lua.Do(rule.statements) for rule in rules),
    ]
    loop = lua.For("k", _ZERO, lua.Binary("-", lua.Name("n"), _ONE), tuple(body))
    return lua.Function(PARAMETERS, (loop,))
