"""Whether tests of values can be as a tableau asks: bounds, constants, texts and presence, subject by subject.

An array, on the left of `==`, `in` and the tests of texts, is true if one of its elements is: two constants may both equal it. An order is
known of a single value only, so what has one is no array.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from compiler import ir
from compiler.kinds import KIND_NAMES, STATUS_NAMES
from compiler.value_tests import FALSE, KNOWN, TRUE, UNKNOWN, Atom, bit, holds, is_count, is_scalar
from compiler.values import Duration, compare_plain, is_number

LISTED_COUNT_MAX = 256
_ENUMERATED: Mapping[str, tuple[ir.Literal, ...]] = {
    "span:kind": tuple(ir.Literal(name) for name in KIND_NAMES),
    "span:status": tuple(ir.Literal(name) for name in STATUS_NAMES),
}
_WHOLE_RANGE_MAX = 16

_DECIDED = frozenset({TRUE, FALSE})

Constant: TypeAlias = "bool | int | float | str | Duration"
# A constant, and whether the value may be the constant itself.
_Bound: TypeAlias = "tuple[Constant, bool]"
# Tests of one subject against constants, each with the truths it may have.
_Tests: TypeAlias = "list[tuple[Atom, int]]"


def values_contradict(atoms: Mapping[Atom, int]) -> bool:
    """Say whether no values give the tests their truths."""
    subjects: dict[ir.Value, _Tests] = {}
    missing: list[ir.Value] = []
    pairs: list[tuple[ir.Compare, int]] = []
    for atom, mask in atoms.items():
        match atom:
            case ir.Exists(value=value):
                if mask == FALSE:
                    missing.append(value)
            case ir.Compare(left=left, right=ir.Literal()):
                subjects.setdefault(left, []).append((atom, mask))
            case ir.Compare():
                pairs.append((atom, mask))
            case ir.In(value=value, items=items) if len(items) <= LISTED_COUNT_MAX:
                subjects.setdefault(value, []).append((atom, mask))
            case ir.Matches(value=value) | ir.IsTrue(value=value) | ir.TextTest(value=value, part=ir.Literal()):
                subjects.setdefault(value, []).append((atom, mask))
    if missing and any(_reads(atom, missing) for atom, mask in atoms.items() if not mask & UNKNOWN):
        return True
    if any(_subject_contradicts(subject, tests) for subject, tests in subjects.items()):
        return True
    return len(pairs) > 1 and _pairs_contradict(dict(pairs))


def _reads(atom: Atom, missing: list[ir.Value]) -> bool:
    """Say whether a test asks for a missing value: it is then unknown."""
    match atom:
        case ir.Compare(left=left, right=right):
            operands: tuple[ir.Value, ...] = (left, right)
        case ir.In(value=value, items=(_, *_)) | ir.Matches(value=value) | ir.IsTrue(value=value):
            operands = (value,)
        case ir.TextTest(value=value, part=part):
            operands = (value, part)
        case _:
            return False
    return any(value in missing for operand in operands for value in _values_in(operand))


def _values_in(operand: ir.Value) -> Iterable[ir.Value]:
    """Yield a value and those that it is computed of; what an aggregate reads may be missing of some spans."""
    if isinstance(operand, ir.Aggregate):
        return
    yield operand
    match operand:
        case ir.Call(argument=inner) | ir.Negate(operand=inner):
            yield from _values_in(inner)
        case ir.Arithmetic(first=first, rest=rest):
            for inner in (first, *(value for _, value in rest)):
                yield from _values_in(inner)


def _pairs_contradict(pairs: Mapping[ir.Compare, int]) -> bool:
    """Say whether two values would stand in two orders, or in none."""
    for atom, mask in pairs.items():
        if atom.word != ">" or mask & UNKNOWN:
            continue
        others = [
            pairs.get(ir.Compare(">", atom.right, atom.left)),
            pairs.get(ir.Compare("==", atom.left, atom.right), pairs.get(ir.Compare("==", atom.right, atom.left))),
        ]
        if mask == TRUE and TRUE in others:
            return True
        if mask == FALSE and others == [FALSE, FALSE]:
            return True
    return False


# ---- one subject --------------------------------------------------------------------------------------------------------------------


def _subject_contradicts(subject: ir.Value, tests: _Tests) -> bool:
    scalar = is_scalar(subject) or any(_excludes_arrays(atom, mask) for atom, mask in tests)
    names = _ENUMERATED.get(subject.name, ()) if isinstance(subject, ir.Intrinsic) else ()
    least = _least(subject)
    if len(tests) == 1 and not names and least is None:
        return False
    if isinstance(least, int):
        return _whole_contradict(least, _known(tests))
    found = [items for atom, mask in tests if mask == TRUE and (items := _constants(atom))]
    found += [(ir.Literal(mask == TRUE),) for atom, mask in tests if isinstance(atom, ir.IsTrue) and mask in {TRUE, FALSE}]
    if names:
        found.append(names)
    if found:
        chosen = found if not scalar else [min(found, key=len)]
        return any(not any(_can_be(item.value, tests, least, is_scalar=scalar) for item in items) for items in chosen)
    return _bounds_contradict(least, _known(tests)) or (scalar and _affixes_contradict(tests))


def _excludes_arrays(atom: Atom, mask: int) -> bool:
    return not mask & UNKNOWN and (isinstance(atom, ir.IsTrue) or (isinstance(atom, ir.Compare) and atom.word != "=="))


def _constants(atom: Atom) -> tuple[ir.Literal, ...]:
    """Return the constants of which a test says that one is the value, or an element of it."""
    if isinstance(atom, ir.In):
        return atom.items
    return (atom.right,) if isinstance(atom, ir.Compare) and atom.word == "==" and isinstance(atom.right, ir.Literal) else ()


def _asks_elements(atom: Atom) -> bool:
    """Say whether a test is true of an array if it is true of an element, and false only if it is false of each."""
    return not isinstance(atom, ir.IsTrue) and not (isinstance(atom, ir.Compare) and atom.word != "==")


def _can_be(constant: Constant, tests: _Tests, least: Duration | None, *, is_scalar: bool) -> bool:
    """Say whether the value may be a constant, or have it among its elements: those are held against what is not true alone."""
    if least is not None and isinstance(constant, Duration) and constant < least:
        return False
    for atom, mask in tests:
        truth = bit(holds(atom, constant))
        if is_scalar:
            if not truth & mask:
                return False
        elif isinstance(atom, ir.TextTest) and atom.word == "contains":
            # Of an array `contains` asks for an element, of a string for a part.
            if not mask & TRUE and isinstance(atom.part, ir.Literal) and atom.part == ir.Literal(constant):
                return False
        elif _asks_elements(atom) and not mask & TRUE and (truth == TRUE or (mask == FALSE and truth == UNKNOWN)):
            return False
    return True


# ---- bounds -------------------------------------------------------------------------------------------------------------------------


def _least(subject: ir.Value) -> int | Duration | None:
    """Return the least value of what is never negative."""
    if isinstance(subject, ir.TraceValue) and subject.name == "trace:spanCount":
        return 1
    if is_count(subject) or (isinstance(subject, ir.Call) and subject.word == "length"):
        return 0
    if isinstance(subject, ir.Intrinsic | ir.TraceValue) and subject.name in {"span:duration", "trace:duration"}:
        return Duration(0)
    return None


def _known(tests: _Tests) -> list[tuple[ir.Compare, int]]:
    """Return the comparisons that are true or false: one that may be unknown bounds nothing.

    Where one order is known the value is of the constant's kind, so that nothing held against that kind is unknown.
    """
    compared = [(atom, mask) for atom, mask in tests if isinstance(atom, ir.Compare)]
    ordered = next((_constant(atom) for atom, mask in compared if atom.word != "==" and mask in _DECIDED), None)
    if ordered is not None and len(compared) > 1:
        compared = [(atom, mask & KNOWN if compare_plain("==", ordered, _constant(atom)) is not None else mask) for atom, mask in compared]
    return [(atom, mask) for atom, mask in compared if mask in _DECIDED]


def _constant(atom: ir.Compare) -> Constant:
    assert isinstance(atom.right, ir.Literal)
    return atom.right.value


def _bounds_contradict(least: Duration | None, known: list[tuple[ir.Compare, int]]) -> bool:
    """Say whether the bounds leave no value."""
    lows: list[_Bound] = [] if least is None or not known else [(least, True)]
    highs: list[_Bound] = []
    for atom, mask in known:
        constant = _constant(atom)
        if atom.word == ">":
            (lows if mask == TRUE else highs).append((constant, mask == FALSE))
        elif atom.word == "<":
            (highs if mask == TRUE else lows).append((constant, mask == FALSE))
    return any(not _leaves_room(low, high) for low in lows for high in highs) or _differ_in_kind([*lows, *highs])


def _leaves_room(low: _Bound, high: _Bound) -> bool:
    """Say whether a value lies between; each bound says whether it is itself such a value."""
    return compare_plain("<=" if low[1] and high[1] else "<", low[0], high[0]) is not False


def _differ_in_kind(bounds: list[_Bound]) -> bool:
    return any(compare_plain("==", bounds[0][0], constant) is None for constant, _ in bounds[1:])


def whole_bounds(least: int, tests: Sequence[tuple[ir.Compare, int]]) -> tuple[int, float]:
    """Return the least and the greatest whole number that the tests against numbers allow."""
    low, high = least, math.inf
    for atom, mask in tests:
        constant = _constant(atom)
        if not is_number(constant) or mask not in {TRUE, FALSE}:
            continue
        assert isinstance(constant, int | float)
        match atom.word, mask:
            case ">", 1:
                low = max(low, math.floor(constant) + 1)
            case ">", 2:
                high = min(high, math.floor(constant))
            case "<", 1:
                high = min(high, math.ceil(constant) - 1)
            case "<", 2:
                low = max(low, math.ceil(constant))
            case "==", 1:
                low, high = max(low, math.ceil(constant)), min(high, math.floor(constant))
    excluded = {_constant(atom) for atom, mask in tests if atom.word == "==" and mask == FALSE}
    while low in excluded:
        low += 1
    return low, high


def _whole_contradict(least: int, known: list[tuple[ir.Compare, int]]) -> bool:
    low, high = whole_bounds(least, known)
    if low > high:
        return True
    if high - low >= _WHOLE_RANGE_MAX:
        return False
    return not any(all(bit(holds(atom, number)) & mask for atom, mask in known) for number in range(low, int(high) + 1))


# ---- texts --------------------------------------------------------------------------------------------------------------------------


def _affixes_contradict(tests: _Tests) -> bool:
    """Say whether a text would begin, or end, in two ways."""
    for word in ("startswith", "endswith"):
        parts = [
            atom.part.value
            for atom, mask in tests
            if mask == TRUE and isinstance(atom, ir.TextTest) and atom.word == word and isinstance(atom.part, ir.Literal)
        ]
        texts = sorted((part for part in parts if isinstance(part, str)), key=len)
        if texts and not all(getattr(texts[-1], word)(text) for text in texts):
            return True
    return False
