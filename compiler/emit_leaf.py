"""Leaves as bit algebra over features, a word of membership at a time. Counterpart: predicate in compiler/interpreter.py.

Of each side of a connective one bit is made, the one that is wanted: that it is true, or that it is false; the one of a negation is the
other of its body, so nothing is said twice. A pattern is a test of a feature like any other: it is asked once of a row, however many leaves
ask it. What has no such form (arithmetic, comparisons of two attributes, events and links, …) is left to emit_predicate.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.emit_value import EXACT_MAX
from compiler.engine_layout import column_of
from compiler.evaluate import MIRRORED
from compiler.pattern import parse_pattern
from compiler.values import Duration, is_number, text_bytes

ATOM_COUNT_MAX = 40
# Connectives inside of each other: LuaJIT gives a function 250 registers, three for each call that waits for an argument.
DEPTH_MAX = 12
SIGN_COUNT_MAX = 60
TEST_BIT_FIRST, TEST_BIT_COUNT = 5, 26

_ONE = lua.Number(1)
# Numbers of a list that are compared one by one; a longer list is looked up.
_NUMBERS_MAX = 16
# Which signs a comparison is made of, and whether one of them makes it true or false.
_ORDERS = {"<": ("<", True), ">": (">", True), ">=": ("<", False), "<=": (">", False), "==": ("<>", False), "!=": ("<>", True)}
_ESCAPED = frozenset(rb"\.+*?()|[]{}^$")


def bits(function: str, *arguments: lua.Expr) -> lua.Expr:
    """Return a bit operation of any number of words, nested where Lua would run out of registers."""
    found = list(arguments)
    if function in {"band", "bor"}:
        if len(found) == 1:
            return found[0]
        while len(found) > 20:  # noqa: PLR2004  # arguments of one call
            found = [lua.call(function, *found[start : start + 20]) for start in range(0, len(found), 20)]
    return lua.call(function, *found)


# That a value is one of some texts, in order; or the text of a pattern that it matches.
Test: TypeAlias = tuple[bytes, ...] | str


@dataclass(slots=True)
class Source:
    """A column of features: `tests` are its bits, `texts` gives each text those of the tests that it passes."""

    kind: str
    column: int = 0
    texts: dict[bytes, int] = field(default_factory=dict)
    tests: dict[Test, int] = field(default_factory=dict)

    def bit(self, test: Test) -> int | None:
        """Return the bit that says that a value passes a test; None where all bits are taken."""
        if test not in self.tests:
            if len(self.tests) == TEST_BIT_COUNT:
                return None
            self.tests[test] = TEST_BIT_FIRST + len(self.tests)
            if isinstance(test, tuple):
                for text in test:
                    self.texts[text] = self.texts.get(text, 0) | 1 << self.tests[test]
        return self.tests[test]


class Features:
    """The features of one class, in the order in which they are asked for."""

    def __init__(self, chunk: Chunk, first: int) -> None:
        self.chunk = chunk
        self.first = first
        self.sources: list[Source] = []
        self._numbers: dict[tuple[str, int], list[int]] = {}

    def source(self, path: ir.Value) -> list[int] | None:
        """Return the features of a path that has any: more than one where its texts do not fit one word; None of another value."""
        if not isinstance(path, ir.Attribute | ir.Intrinsic) or path.of is not None:
            return None
        column = column_of(path)
        if column is not None:
            return self._find("slot", self.chunk.layout.column(column))
        if isinstance(path, ir.Intrinsic) and path.name in {"span:duration", "span:kind", "span:status", "span:parentID"}:
            return self._find(path.name, 0)
        return None

    def _find(self, kind: str, column: int) -> list[int]:
        if (kind, column) not in self._numbers:
            self._new(kind, column)
        return list(self._numbers[kind, column])

    def _new(self, kind: str, column: int) -> int:
        number = len(self.sources)
        self.sources.append(Source(kind, column))
        self._numbers.setdefault((kind, column), []).append(number)
        return number

    def test_bit(self, path: ir.Value, test: Test) -> tuple[int, int] | None:
        """Return feature and bit of a test; None where the value has no feature."""
        found = self.source(path)
        if found is None:
            return None
        for number in found:
            bit = self.sources[number].bit(test)
            if bit is not None:
                return number, bit
        number = self._new(self.sources[found[0]].kind, self.sources[found[0]].column)
        return number, self.sources[number].bit(test) or TEST_BIT_FIRST


class NotBitsError(Exception):
    """A predicate has no form as bits."""


class LeafBits:
    """Makes the bits of predicates for one loop: the features they use, and comparisons of numbers as signs.

    A bit is the lowest of an expression: that a predicate is true or, where that is not `wanted`, that it is false. Neither is unknown.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self.used: dict[int, None] = {}
        self.numbers: dict[int, None] = {}
        self.signs: dict[tuple[str, int, float], lua.Expr] = {}
        self.atoms = 0

    @property
    def local_count(self) -> int:
        """The locals that a loop needs for what was read so far."""
        return len(self.used) + len(self.numbers) + len(self.signs)

    def of(self, node: ir.Predicate) -> lua.Expr:
        """Return the bit that a predicate is true; raises NotBitsError where it has none, or is too long for one loop."""
        self.atoms = 0
        return self._bit(node, wanted=True)

    def _bit(self, node: ir.Predicate, depth: int = 0, *, wanted: bool) -> lua.Expr:
        if depth > DEPTH_MAX:
            raise NotBitsError
        match node:
            case ir.And(sides=sides) | ir.Or(sides=sides):
                all_of_them = isinstance(node, ir.And) is wanted
                return bits("band" if all_of_them else "bor", *[self._bit(side, depth + 1, wanted=wanted) for side in sides])
            case ir.Not(body=body):
                return self._bit(body, depth + 1, wanted=not wanted)
            case _:
                self._count(1)
                return self._atom(node, wanted=wanted)

    def _count(self, atoms: int) -> None:
        self.atoms += atoms
        if self.atoms > ATOM_COUNT_MAX:
            raise NotBitsError

    def _atom(self, node: ir.Predicate, *, wanted: bool) -> lua.Expr:
        match node:
            case ir.Compare(word=word, left=left, right=ir.Literal(value=constant)):
                return self._compared(word, left, constant, wanted=wanted)
            case ir.Compare(word=word, left=ir.Literal(value=constant), right=right):
                return self._compared(MIRRORED[word], right, constant, wanted=wanted)
            case ir.In(value=value, items=items) if items and all(isinstance(item.value, str) for item in items):
                return self._is_text(value, [text_bytes(str(item.value)) for item in items], wanted=wanted)
            case ir.In(value=value, items=items) if items and all(is_number(item.value) for item in items) and len(items) <= _NUMBERS_MAX:
                self._count(len(items) - 1)
                found = [self._compared("==", value, item.value, wanted=wanted) for item in items]
                return bits("bor" if wanted else "band", *found)
            case ir.Exists(value=value):
                there = self._feature(value)
                return there if wanted else bits("bnot", there)
            case ir.IsTrue(value=value):
                return self._is_bool(value, is_true=wanted)
            case ir.Matches(value=value, pattern=pattern):
                return self._matched(value, pattern.text, wanted=wanted)
            case ir.TextTest(word=word, value=value, part=ir.Literal(value=str(part))):
                return self._matched(value, _literal_pattern(word, part), wanted=wanted)
            case _:
                raise NotBitsError

    def _feature(self, value: ir.Value) -> lua.Expr:
        found = self.features.source(value)
        if found is None:
            raise NotBitsError
        return self._use(found[0])

    def _use(self, number: int) -> lua.Expr:
        self.used[number] = None
        return lua.Name("f" + str(number))

    def _compared(self, word: str, value: ir.Value, constant: object, *, wanted: bool) -> lua.Expr:
        is_length = isinstance(value, ir.Intrinsic) and value.name == "span:duration"
        if isinstance(constant, Duration) is not is_length:
            raise NotBitsError
        if isinstance(constant, Duration):
            return self._ordered(word, value, constant.ns, wanted=wanted)
        if not isinstance(constant, bool | str):
            return self._ordered(word, value, constant, wanted=wanted)
        if word not in {"==", "!="}:
            raise NotBitsError
        is_equal = wanted is (word == "==")
        if isinstance(constant, bool):
            return self._is_bool(value, is_true=constant is is_equal)
        return self._is_text(value, [text_bytes(constant)], wanted=is_equal)

    def _ordered(self, word: str, value: ir.Value, constant: object, *, wanted: bool) -> lua.Expr:
        if not is_number(constant) or abs(constant) > EXACT_MAX:  # type: ignore[arg-type]  # it is a number
            raise NotBitsError
        if isinstance(value, ir.Intrinsic) and value.name != "span:duration":
            raise NotBitsError
        known = bits("rshift", self._feature(value), _ONE)
        number = (self.features.source(value) or [0])[0]
        signs, is_one = _ORDERS[word]
        found = bits("bor", *[self._sign(sign, number, float(constant)) for sign in signs])  # type: ignore[arg-type]  # as above
        return bits("band", known, found if is_one is wanted else bits("bnot", found))

    def _sign(self, word: str, number: int, constant: float) -> lua.Expr:
        self.numbers[number] = None
        key = (word, number, constant)
        if key not in self.signs:
            self.signs[key] = lua.Name("q" + str(len(self.signs)))
        return self.signs[key]

    def _is_bool(self, value: ir.Value, *, is_true: bool) -> lua.Expr:
        feature = self._feature(value)
        known, found = bits("rshift", feature, lua.Number(2)), bits("rshift", feature, lua.Number(3))
        return bits("band", known, found if is_true else bits("bnot", found))

    def _is_text(self, value: ir.Value, texts: Sequence[bytes], *, wanted: bool) -> lua.Expr:
        if isinstance(value, ir.Intrinsic) and value.name in {"span:duration", "span:parentID"}:
            raise NotBitsError
        return self._tested(value, tuple(sorted(set(texts))), wanted=wanted)

    def _matched(self, value: ir.Value, pattern: str, *, wanted: bool) -> lua.Expr:
        found = self.features.source(value)
        if found is None or self.features.sources[found[0]].kind != "slot":
            raise NotBitsError
        return self._tested(value, pattern, wanted=wanted)

    def _tested(self, value: ir.Value, test: Test, *, wanted: bool) -> lua.Expr:
        found = self.features.test_bit(value, test)
        if found is None:
            raise NotBitsError
        feature = self._use(found[0])
        passed = bits("rshift", feature, lua.Number(found[1]))
        return passed if wanted else bits("band", bits("rshift", feature, lua.Number(4)), bits("bnot", passed))


def _literal_pattern(word: str, part: str) -> str:
    """Return the pattern of a text test."""
    quoted = "".join(("\\" if ord(character) in _ESCAPED else "") + character for character in part)
    pattern = {"contains": quoted, "startswith": "^" + quoted, "endswith": quoted + "$"}[word]
    if not hasattr(parse_pattern(pattern), "matches"):
        raise NotBitsError
    return pattern
