"""Verdicts as bit algebra: many rules at once, and no branch between them. Counterpart: compiler/judge.py.

Bits of the state say of plain selections and of plain `all` what is so, counters how plain counts compare with small whole numbers. Of
every formula there are two bits: that it is true and that it is false; a negation swaps them. Neither is unknown: more spans may come, or
it is *open*, a question that bits leave to the captured rows. Of relations and groups they still know where there is nothing to select, or
too little to reach a bound.

A group of rules is one loop over the traces asked, which writes each rule's code: 0 unknown, 1 satisfied, 2 violated, 3 not applicable,
4 inconclusive, 6 asked elsewhere (emit_verdict.py). What is decided with open questions holds whatever their answers are. In a complete
trace all that bits can say is decided, so "only true counts" changes nothing. Of an open trace nothing but a violation is asked elsewhere,
and only where there may be one: two more bits of every formula say that the rows of an open trace may make it true, or false.

Most traces are whole when they are judged: complete, with a root and without orphans. What is not true is false there, so a loop of its
own says it in half the instructions.

A bit is the lowest of its word; what the others hold is masked where a code is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.engine_layout import WORD_BITS, LeafKey
from compiler.engine_plan import bound_of, is_plain_all, is_plain_count, is_plain_related, leaf_key, number_compared
from compiler.evaluate import aggregates_of
from compiler.report import Early, decided_early, may_violate_early
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

PARAMETERS = ("states", "traces", "asks", "closes", "wholes", "lates", "first", "last", "out")
_ZERO, _ONE = lua.Number(0), lua.Number(1)
_K, _AT, _STATE, _LATE = (lua.Name(word) for word in ("k", "at", "state", "late"))
_VIOLATED, _SATISFIED, _WITHOUT, _ASKED = (lua.Name(word) for word in ("violated", "satisfied", "without", "asked"))


@dataclass(frozen=True, slots=True)
class Truth:
    """That something is true, and that it is false: expressions whose lowest bit says so.

    `may_true` and `may_false`: that the rows of an open trace, as it is now, may say so.
    """

    true: lua.Expr
    false: lua.Expr
    may_true: lua.Expr
    may_false: lua.Expr


def _decided(true: lua.Expr, false: lua.Expr) -> Truth:
    """Return the truth of what bits say all of that can be said."""
    return Truth(true, false, true, false)


_YES, _NO = _decided(_ONE, _ZERO), _decided(_ZERO, _ONE)
_EITHER = Early(true=True, false=True)


@dataclass(frozen=True, slots=True)
class BitsRule:
    """The code of one rule, and the same for whole traces: complete ones with a root and without orphans.

    `places` are the words and counters of the state that it reads, by the local that holds each; `is_open`: bits do not decide it on every
    trace.
    """

    statements: tuple[lua.Statement, ...]
    of_whole: tuple[lua.Statement, ...]
    places: dict[str, lua.Expr]
    atom_count: int
    is_open: bool


def bits_rule(rule: Rule, position: int, chunk: Chunk) -> BitsRule:
    """Return the code of the rule whose code is the one at `position` of a trace."""
    writer = _Writer(chunk, lua.Name("whole" if rule.program.requires_complete else "closed"))
    statements = _statements(rule, position, writer)
    of_whole = _statements(rule, position, _Writer(chunk, _ONE))
    return BitsRule(statements, of_whole, writer.places, writer.atom_count, writer.is_open)


def _statements(rule: Rule, position: int, writer: _Writer) -> tuple[lua.Statement, ...]:
    program = rule.program
    head, always, never = writer.part(program.when, _YES), writer.part(program.always, _YES), writer.part(program.never, _NO)
    final: lua.Expr = _ONE
    if program.for_each is not None:
        head = _and([head, writer.instances(program.for_each.related)])
        # What instances still to come would say is not known.
        final = writer.closed
    violated, without = _both(head.true, _either(always.false, never.true)), _both(final, head.false)
    out = lua.Index(lua.Name("out"), lua.Binary("+", _AT, lua.Number(position)))
    if writer.closed == _ONE and not writer.is_open:
        return (*writer.locals, lua.Local(("violated", "without"), (violated, without)), lua.Assign(out, _code_of_two()))
    satisfied = _both(final, head.true, always.true, never.false)
    masked = tuple(_masked(bit) for bit in (violated, satisfied, without))
    found = lua.Local(("violated", "satisfied", "without"), masked)
    may_violate = _both(head.may_true, _either(always.may_false, never.may_true)) if may_violate_early(rule) else _ZERO
    late = lua.Number(-1) if writer.closed == _ONE else _LATE
    return (*writer.locals, found, *_code(out, late, may_violate if writer.is_open else None))


def _code_of_two() -> lua.Expr:
    """Return the code where what is neither violated nor without an instance is satisfied: 2, 3 or 1."""
    upper, lower = lua.call("lshift", lua.call("bor", _VIOLATED, _WITHOUT), _ONE), lua.call("band", lua.call("bnot", _VIOLATED), _ONE)
    return lua.call("band", lua.call("bor", upper, lower), lua.Number(3))


def _code(out: lua.Index, late: lua.Expr, may_violate: lua.Expr | None) -> list[lua.Statement]:
    """Write the code.

    `late` has all bits set but where the trace is open: there nothing but a violation is said in any case, and where there may be one,
    `may_violate`, it is asked elsewhere; None: bits decide it.
    """
    undecided = lua.call("bxor", lua.call("bor", _VIOLATED, _SATISFIED, _WITHOUT), _ONE)
    said = lua.call("bor", _SATISFIED, _WITHOUT, lua.call("lshift", _WITHOUT, _ONE))
    if may_violate is None:
        left = lua.call("lshift", undecided, lua.Number(2))
        return [lua.Assign(out, lua.call("bor", lua.call("lshift", _VIOLATED, _ONE), lua.call("band", late, lua.call("bor", said, left))))]
    wanted = lua.Local(("asked",), (_both(undecided, _either(late, may_violate)),))
    upper = lua.call("lshift", lua.call("bor", _VIOLATED, _ASKED), _ONE)
    code = lua.call("bor", upper, lua.call("lshift", _ASKED, lua.Number(2)), lua.call("band", late, said))
    return [wanted, lua.Assign(out, code)]


class _Writer:
    """Writes the formulas of one rule; each atom takes two locals at most. `closed`: the bit that says whether no more spans come."""

    def __init__(self, chunk: Chunk, closed: lua.Expr) -> None:
        self._layout = chunk.layout
        self.closed = closed
        self.is_open = False
        self._known: dict[ir.TraceTest, Truth] = {}
        self.locals: list[lua.Statement] = []
        self.places: dict[str, lua.Expr] = {}

    @property
    def atom_count(self) -> int:
        """The atoms that were written so far."""
        return len(self._known)

    def part(self, node: ir.Formula | None, default: Truth) -> Truth:
        """Return the truth of a part of the rule."""
        if node is None:
            return default
        if _depth(node) > DEPTH_MAX:
            return self._left_open()
        return self._formula(node)

    def instances(self, related: ir.Related) -> Truth:
        """Return whether there is an instance, for each of which the parts say the same or are open."""
        return self._some(leaf_key(related.selector)) if is_plain_related(related) else self._some_related(related)

    def _formula(self, node: ir.Formula) -> Truth:
        match node:
            case ir.And(sides=sides):
                return _and([self._formula(side) for side in sides])
            case ir.Or(sides=sides):
                return _swapped(_and([_swapped(self._formula(side)) for side in sides]))
            case ir.Not(body=body):
                return _swapped(self._formula(body))
            case ir.Selected() | ir.AllOf() | ir.Comparison():
                return self._atom(node)
        assert_never(node)

    def _atom(self, node: ir.TraceTest) -> Truth:
        if node not in self._known:
            if self.atom_count == ATOM_COUNT_MAX or len(self.places) + NAMED_COUNT_MAX >= PLACE_COUNT_MAX:
                return self._left_open()
            self._known[node] = self._test(node)
        return self._known[node]

    def _test(self, node: ir.TraceTest) -> Truth:
        """The table of rule-language.md section 6; what spans to come can still change is decided only where the trace is closed."""
        match node:
            case ir.Selected(related=related) if is_plain_related(related):
                return self._some(leaf_key(related.selector))
            case ir.Selected(related=related):
                return self._some_related(related)
            case ir.AllOf(selector=selector, predicate=predicate) if is_plain_all(node):
                return _swapped(self._some(leaf_key(selector, predicate)))
            case ir.AllOf(selector=selector):
                return _swapped(self._some_related(ir.Related(selector)))
            case ir.Comparison():
                return self._counted(node) or self._compared(node)
        assert_never(node)

    # ---- what bits decide -----------------------------------------------------------------------------------------------------------

    def _some(self, key: LeafKey) -> Truth:
        return self._grown(self._seen(key))

    def _counted(self, node: ir.Comparison) -> Truth | None:
        """Counts only grow: that one is beyond a bound is true for good. None: it is no comparison of a mere count with a constant."""
        found = number_compared(node)
        if found is None or not is_plain_count(found.number):
            return None
        count = self._count(leaf_key(found.number.related.selector))
        more, reached = _more(count, found.constant), _more(count, found.constant - 1)
        match found.word:
            case ">":
                return self._grown(more)
            case ">=":
                return self._grown(reached)
            case "<":
                return _swapped(self._grown(reached))
            case "<=":
                return _swapped(self._grown(more))
        true = self._if_closed(_both(reached, _opposite(more)))
        false = self._local(_either(more, _both(self.closed, _opposite(reached))))
        return _decided(true, false) if found.word == "==" else _decided(false, true)

    def _grown(self, reached: lua.Expr) -> Truth:
        known = self._local(reached)
        return _decided(known, self._if_closed(_opposite(known)))

    # ---- what they leave open -------------------------------------------------------------------------------------------------------

    def _some_related(self, related: ir.Related) -> Truth:
        return self._left_open(self._anything(related), Early(true=True, false=False))

    def _compared(self, node: ir.Comparison) -> Truth:
        grouped = [found.related for found in aggregates_of(node) if found.by] if node.quantifier else []
        something = _either(*(self._anything(related, NAMED_COUNT_MAX // len(grouped)) for related in grouped)) if grouped else _ONE
        bound = bound_of(node)
        if bound is not None:
            something = _both(something, _more(self._count(bound.key), bound.at_least - 1))
        is_true = node.quantifier == "every" if bound is None else bound.below
        return self._left_open(something, decided_early(node), without=is_true)

    def _left_open(self, something: lua.Expr = _ONE, early: Early = _EITHER, *, without: bool = False) -> Truth:
        """Leave a question to the rows; where there is not `something`, now or later, the answer is `without`."""
        self.is_open = True
        asked = self._local(something)
        settled = self._if_closed(_opposite(asked))
        may_true, may_false = (asked if may else _ZERO for may in (early.true, early.false))
        return Truth(settled, _ZERO, may_true, may_false) if without else Truth(_ZERO, settled, may_true, may_false)

    def _anything(self, related: ir.Related, named_count_max: int = NAMED_COUNT_MAX) -> lua.Expr:
        """Say whether there may be something in a selection: nothing that it or a neighbour of it names is missing."""
        selectors = (related.selector, *(link.selector for link in related.links))
        named = [selector for selector in selectors if not isinstance(selector.base, ir.Bound)]
        return _both(*(self._seen(leaf_key(selector)) for selector in named[:named_count_max]))

    # ---- places ---------------------------------------------------------------------------------------------------------------------

    def _seen(self, key: LeafKey) -> lua.Expr:
        leaf = self._layout.leaves[key]
        assert leaf.seen is not None
        word, place = divmod(leaf.seen, WORD_BITS)
        return lua.call("rshift", self._place("w", word), lua.Number(place)) if place else self._place("w", word)

    def _count(self, key: LeafKey) -> lua.Expr:
        counter = self._layout.leaves[key].counter
        assert counter is not None
        return self._place("c", counter)

    def _place(self, array: str, number: int) -> lua.Expr:
        name = f"{array}{number}"
        if name not in self.places:
            self.places[name] = lua.item(lua.Field(_STATE, array), number)
        return lua.Name(name)

    def _if_closed(self, bit: lua.Expr) -> lua.Expr:
        return self._local(_both(self.closed, bit))

    def _local(self, bit: lua.Expr) -> lua.Expr:
        """Return a bit that is worked out once."""
        if isinstance(bit, lua.Name | lua.Number):
            return bit
        name = lua.Name(f"b{len(self.locals)}")
        self.locals.append(lua.Local((name.word,), (bit,)))
        return name


def _more(count: lua.Expr, constant: int) -> lua.Expr:
    """That a counter is greater than a constant: the sign of the difference."""
    return lua.call("rshift", lua.Binary("-", lua.Number(constant), count), lua.Number(WORD_BITS - 1))


def _swapped(truth: Truth) -> Truth:
    return Truth(truth.false, truth.true, truth.may_false, truth.may_true)


def _and(sides: Sequence[Truth]) -> Truth:
    return Truth(
        _both(*(side.true for side in sides)),
        _either(*(side.false for side in sides)),
        _both(*(side.may_true for side in sides)),
        _either(*(side.may_false for side in sides)),
    )


def _depth(node: ir.Formula) -> int:
    if isinstance(node, ir.Not):
        return _depth(node.body)
    if isinstance(node, ir.And | ir.Or):
        return (1 if len(node.sides) <= _SIDES_AT_ONCE else 2) + max(_depth(side) for side in node.sides)
    return 0


def _masked(bit: lua.Expr) -> lua.Expr:
    return bit if bit in (_ZERO, _ONE) else lua.call("band", bit, _ONE)


def _opposite(bit: lua.Expr) -> lua.Expr:
    return _ZERO if bit == _ONE else lua.call("bnot", bit)


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
    return lua.call(function, *sides)


# ---- groups -----------------------------------------------------------------------------------------------------------------------------


def group_functions(rules: Iterable[BitsRule], code_count: int) -> list[tuple[lua.Expr, lua.Expr]]:
    """Return the functions that judge by some rules, any traces and whole ones; `code_count` is the number of codes of one trace."""
    return [(_of_any(group, code_count), _of_whole(group, code_count)) for group in _grouped(rules)]


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


def _of_any(rules: Sequence[BitsRule], code_count: int) -> lua.Expr:
    closings = lua.Local(("closed", "whole", "late"), tuple(_each(array) for array in ("closes", "wholes", "lates")))
    return _loop(rules, code_count, [closings], [rule.statements for rule in rules])


def _of_whole(rules: Sequence[BitsRule], code_count: int) -> lua.Expr:
    return _loop(rules, code_count, [], [rule.of_whole for rule in rules])


def _loop(rules: Sequence[BitsRule], code_count: int, first: list[lua.Statement], blocks: list[tuple[lua.Statement, ...]]) -> lua.Expr:
    places = {name: place for rule in rules for name, place in rule.places.items()}
    body: list[lua.Statement] = [
        lua.Local(
            ("state", "at"), (lua.Index(lua.Name("states"), _each("traces")), lua.Binary("*", _each("asks"), lua.Number(code_count)))
        ),
        *first,
        *(lua.Local((name,), (place,)) for name, place in places.items()),
        *(lua.Do(block) for block in blocks),
    ]
    return lua.Function(PARAMETERS, (lua.For("k", lua.Name("first"), lua.Name("last"), tuple(body)),))


def _each(array: str) -> lua.Expr:
    return lua.Index(lua.Name(array), _K)
