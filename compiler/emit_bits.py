"""Verdicts as bit algebra: many rules at once, and no branch between them. Counterpart: compiler/judge.py.

Bits of the state say of plain selections and of plain `all` what is so, counters how plain counts compare with small whole numbers. Of
every formula there are two bits: that it is true and that it is false; a negation swaps them. Neither is unknown: more spans may come, or
it is *open*, a question that bits leave to the captured rows. Of relations and groups they still know where there is nothing to select.

A group of rules is one loop over the traces asked, which writes each rule's code: 0 unknown, 1 satisfied, 2 violated, 3 not applicable,
4 inconclusive, 6 asked elsewhere (emit_verdict.py). What is decided with open questions holds whatever their answers are. In a complete
trace all that bits can say is decided, so "only true counts" changes nothing.
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
from compiler.evaluate import MIRRORED, aggregates_of
from compiler.rule_set import Rule

# A function of Lua has room for 200 locals and 250 registers: atoms take two locals each, a level of nesting up to ten registers.
RULE_COUNT_MAX = 32
PLACE_COUNT_MAX = 40
ATOM_COUNT_MAX = 32
# An atom asks of so many leaves at most whether there is anything to select; the rest of a long chain of relations is not asked.
NAMED_COUNT_MAX = 8
# A loop has room for 32 767 instructions, an atom takes about 50.
GROUP_ATOM_COUNT_MAX = 256
DEPTH_MAX = 10
_SIDES_AT_ONCE = 8
# Counters stay below 2^30, for so many spans have no room in memory: a difference of a counter and a smaller constant fits 32 bits.
CONSTANT_MAX = 2**30 - 1

PARAMETERS = ("states", "traces", "closes", "wholes", "lates", "n", "out")
_ZERO, _ONE = lua.Number(0), lua.Number(1)
_K, _AT, _STATE, _CLOSED, _LATE = (lua.Name(word) for word in ("k", "at", "state", "closed", "late"))


@dataclass(frozen=True, slots=True)
class Truth:
    """That something is true, and that it is false: expressions that are 0 or 1."""

    true: lua.Expr
    false: lua.Expr


_YES, _NO, _UNKNOWN = Truth(_ONE, _ZERO), Truth(_ZERO, _ONE), Truth(_ZERO, _ZERO)


@dataclass(frozen=True, slots=True)
class BitsRule:
    """The code of one rule; `places` are the words and counters of the state that it reads, by the local that holds each.

    `is_open`: bits do not decide it on every trace.
    """

    statements: tuple[lua.Statement, ...]
    places: dict[str, lua.Expr]
    atom_count: int
    is_open: bool


def bits_rule(rule: Rule, position: int, chunk: Chunk) -> BitsRule:
    """Return the code of the rule whose code is the one at `position` of a trace."""
    program = rule.program
    writer = _Writer(chunk, "whole" if program.requires_complete else "closed")
    head, always, never = writer.part(program.when, _YES), writer.part(program.always, _YES), writer.part(program.never, _NO)
    final: lua.Expr = _ONE
    if program.for_each is not None:
        some = writer.instances(program.for_each.related)
        head = Truth(_both(head.true, some.true), _either(head.false, some.false))
        # What instances still to come would say is not known.
        final = writer.closed
    code = _code(head, always, never, final, position, is_open=writer.is_open)
    return BitsRule((*writer.atoms, *code), writer.places, len(writer.atoms), writer.is_open)


def _code(head: Truth, always: Truth, never: Truth, final: lua.Expr, position: int, *, is_open: bool) -> list[lua.Statement]:
    """Write the code: anything but a violation is said where `final` is set.

    `late` has all bits set but where the trace is open: there nothing but a violation is said in any case.
    """
    names = ("violated", "satisfied", "without")
    violated, satisfied, without = (lua.Name(word) for word in names)
    found = lua.Local(
        names,
        (
            _both(head.true, _either(always.false, never.true)),
            _both(final, head.true, always.true, never.false),
            _both(final, head.false),
        ),
    )
    undecided = _bit("bxor", _bit("bor", violated, satisfied, without), _ONE)
    said = _bit("bor", satisfied, without, _bit("lshift", without, _ONE))
    left = _bit("lshift", undecided, lua.Number(2))
    if is_open:
        code = _bit("bor", _bit("lshift", _bit("bor", violated, undecided), _ONE), left, _bit("band", _LATE, said))
    else:
        code = _bit("bor", _bit("lshift", violated, _ONE), _bit("band", _LATE, _bit("bor", said, left)))
    return [found, lua.Assign(lua.Index(lua.Name("out"), lua.Binary("+", _AT, lua.Number(position))), code)]


class _Writer:
    """Writes the formulas of one rule; each atom is a pair of locals."""

    def __init__(self, chunk: Chunk, closed: str) -> None:
        self._layout = chunk.layout
        self.closed = lua.Name(closed)
        self.is_open = False
        self._known: dict[ir.TraceTest, Truth] = {}
        self.atoms: list[lua.Statement] = []
        self.places: dict[str, lua.Expr] = {}

    def part(self, node: ir.Formula | None, default: Truth) -> Truth:
        """Return the truth of a part of the rule."""
        if node is None:
            return default
        if _depth(node) > DEPTH_MAX:
            return self._left_open()
        return self._formula(node)

    def instances(self, related: ir.Related) -> Truth:
        """Return whether there is an instance, for each of which the parts say the same or are open."""
        if is_plain_related(related):
            return self._some(leaf_key(related.selector))
        return self._left_open(false=self._nothing((related,)))

    def _left_open(self, true: lua.Expr = _ZERO, false: lua.Expr = _ZERO) -> Truth:
        self.is_open = True
        return Truth(true, false)

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
        if len(self._known) == ATOM_COUNT_MAX or len(self.places) + NAMED_COUNT_MAX > PLACE_COUNT_MAX:
            return self._left_open()
        truth = self._test(node)
        if truth == _UNKNOWN:
            return truth
        number = len(self._known)
        names = (f"t{number}", f"f{number}")
        self.atoms.append(lua.Local(names, (truth.true, truth.false)))
        self._known[node] = Truth(*(lua.Name(word) for word in names))
        return self._known[node]

    def _test(self, node: ir.TraceTest) -> Truth:
        """The table of rule-language.md section 6; what spans to come can still change is decided only where the trace is closed."""
        match node:
            case ir.Selected(related=related) if is_plain_related(related):
                return self._some(leaf_key(related.selector))
            case ir.Selected(related=related):
                return self._left_open(false=self._nothing((related,)))
            case ir.AllOf(selector=selector, predicate=predicate) if is_plain_all(node):
                return _swapped(self._some(leaf_key(selector, predicate)))
            case ir.AllOf(selector=selector):
                return self._left_open(true=self._nothing((ir.Related(selector),)))
            case ir.Comparison(quantifier=""):
                return self._compared(node)
            case ir.Comparison(quantifier=quantifier):
                grouped = [found.related for found in aggregates_of(node) if found.by]
                nothing = self._nothing(grouped)
                return self._left_open(false=nothing) if quantifier == "some" else self._left_open(true=nothing)
        assert_never(node)

    def _compared(self, node: ir.Comparison) -> Truth:
        match node:
            case ir.Comparison(word=word, left=ir.Aggregate() as counted, right=ir.Literal(value=constant)):
                return self._counted(word, counted, constant)
            case ir.Comparison(word=word, left=ir.Literal(value=constant), right=ir.Aggregate() as counted):
                return self._counted(MIRRORED[word], counted, constant)
            case _:
                return self._left_open()

    def _some(self, key: LeafKey) -> Truth:
        seen = self._seen(key)
        return Truth(seen, _both(self.closed, _opposite(seen)))

    def _nothing(self, selections: Sequence[ir.Related]) -> lua.Expr:
        """Say that each of some selections is empty and stays so: it or a neighbour of it names what was not seen."""
        empty: list[lua.Expr] = []
        for related in selections:
            selectors = (related.selector, *(link.selector for link in related.links))
            named = [selector for selector in selectors if not isinstance(selector.base, ir.Bound)]
            seen = [self._seen(leaf_key(selector)) for selector in named[: NAMED_COUNT_MAX // len(selections)]]
            empty.append(_opposite(_both(*seen)) if seen else _ZERO)
        return _both(self.closed, *empty)

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
            return self._left_open()
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
        equal = Truth(_both(self.closed, reached, _opposite(more)), _either(more, _both(self.closed, _opposite(reached))))
        return equal if word == "==" else _swapped(equal)

    def _early(self, reached: lua.Expr) -> Truth:
        return Truth(reached, _both(self.closed, _opposite(reached)))


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
