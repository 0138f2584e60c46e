"""The rows of one class in Lua: features, then leaves a word at a time, then what the states remember of them.

Every loop is straight-line code over all rows of the class. Counterpart of the whole: select in compiler/interpreter.py, span by span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.emit_leaf import SIGN_COUNT_MAX, Features, LeafBits, NotBitsError, Source, bits
from compiler.emit_selection import member_bit, signed
from compiler.engine_layout import COUNTER_SIZES, TEXT_TAGS, WORD_BITS, ColumnKind, Leaf, NameClass
from compiler.kinds import KIND_NAMES, STATUS_NAMES

LO, HI, K = lua.Name("lo"), lua.Name("hi"), lua.Name("k")
_ROW, _PLACE, _MEMBER = lua.Name("i"), lua.Name("at"), lua.Name("m")
_NO_PARENT: ir.Predicate = ir.Not(ir.Exists(ir.Intrinsic("span:parentID")))
_PARTS_MAX = 24
# LuaJIT allows a function 200 locals; a leaf needs four for each of its ATOM_COUNT_MAX comparisons at most.
_LOCALS_MAX = 180


@dataclass(frozen=True, slots=True)
class ClassCode:
    """The loops of a class, how many features a row has, those of class 0 included, and the leaves that only general predicates decide."""

    width: int
    statements: list[lua.Statement]
    general: set[int]


def class_code(number: int, one: NameClass, chunk: Chunk, any_width: int = 0) -> ClassCode:
    """Return the code of a class, whose features stand behind `any_width` ones of class 0; `general`: leaves without a form as bits."""
    features = Features(chunk, any_width)
    fast: list[Leaf] = []
    general: set[int] = set()
    for leaf in one.leaves:
        try:
            leaf_true(leaf, LeafBits(features))
            fast.append(leaf)
        except NotBitsError:
            general.add(leaf.local)
    loops, used = _loops(fast, features, chunk)
    width = any_width + len(features.sources)
    calls = [lua.Run(lua.call("E.add_loop", lua.Number(number), loop)) for loop in loops]
    declared = [_feature(number, any_width + place, source, chunk) for place, source in enumerate(features.sources) if place in used]
    return ClassCode(width, [*declared, *calls], general)


def leaf_true(leaf: Leaf, reader: LeafBits) -> lua.Expr:
    """Return the bit that a leaf selects a row."""
    key = leaf.key
    parts: list[lua.Expr] = []
    if isinstance(key.base, ir.Root):
        parts.append(reader.of(_NO_PARENT))
    if key.where is not None:
        parts.append(reader.of(key.where))
    if key.not_true is not None:
        parts.append(bits("bnot", reader.of(key.not_true)))
    return bits("band", *parts) if parts else lua.Number(1)


def _loops(fast: Sequence[Leaf], features: Features, chunk: Chunk) -> tuple[list[lua.Expr], set[int]]:
    loops: list[lua.Expr] = []
    used: set[int] = set()
    for word_leaves in _by_word(fast, chunk):
        for part in _parts(word_leaves, features):
            loops.append(_word_loop(part, chunk))
            used |= part.reader.used.keys()
    return loops, used


def _by_word(leaves: Iterable[Leaf], chunk: Chunk) -> Iterator[list[Leaf]]:
    words: dict[int, list[Leaf]] = {}
    for leaf in leaves:
        words.setdefault(member_bit(chunk, leaf)[0], []).append(leaf)
    yield from words.values()


class _Part(NamedTuple):
    """Some leaves of a word, each with the bit that it selects a row, and what reads these bits."""

    leaves: list[tuple[Leaf, lua.Expr]]
    reader: LeafBits


def _parts(leaves: Sequence[Leaf], features: Features) -> Iterator[_Part]:
    """Split the leaves of a word where their loop would have too many locals."""
    part = _read((), features)
    for leaf in leaves:
        signs, used = len(part.reader.signs), len(part.reader.used)
        if part.leaves and (len(part.leaves) >= _PARTS_MAX or signs > SIGN_COUNT_MAX or used > SIGN_COUNT_MAX):
            yield part
            part = _read((), features)
        bit = leaf_true(leaf, part.reader)
        if part.leaves and part.reader.local_count > _LOCALS_MAX:
            yield _read([one for one, _ in part.leaves], features)
            part = _read([leaf], features)
        else:
            part.leaves.append((leaf, bit))
    if part.leaves:
        yield part


def _read(leaves: Sequence[Leaf], features: Features) -> _Part:
    reader = LeafBits(features)
    return _Part([(leaf, leaf_true(leaf, reader)) for leaf in leaves], reader)


def _word_loop(part: _Part, chunk: Chunk) -> lua.Expr:
    """Return the loop that sets the bits of some leaves of one word."""
    word = member_bit(chunk, part.leaves[0][0])[0]
    found = [_placed(bit, leaf.local % WORD_BITS) for leaf, bit in part.leaves]
    body = [*_inputs(part.reader), _set_bits(word, bits("bor", *found))]
    return _loop(body)


def _placed(bit: lua.Expr, at: int) -> lua.Expr:
    one = bit if bit == lua.Number(1) else bits("band", bit, lua.Number(1))
    return bits("lshift", one, lua.Number(at)) if at else one


def _set_bits(word: int, value: lua.Expr) -> lua.Statement:
    place = _membership(word)
    return lua.Assign(place, bits("bor", place, value))


def _membership(word: int) -> lua.Expr:
    return lua.Index(lua.Name("membership"), lua.Binary("+", _PLACE, lua.Number(word)))


def _loop(body: Sequence[lua.Statement]) -> lua.Expr:
    rows = lua.Local(("f", "at"), (lua.Index(lua.Name("firsts"), K), lua.Index(lua.Name("places"), K)))
    loop = lua.For("k", LO, HI, (rows, *body))
    return lua.Function(("lo", "hi"), (loop,))


def _inputs(reader: LeafBits) -> list[lua.Statement]:
    """Load features and numbers of a row, and make the signs of their comparisons."""
    body: list[lua.Statement] = []

    def of(array: str, number: int) -> lua.Expr:
        return lua.Index(lua.Name(array), lua.Binary("+", lua.Name("f"), lua.Number(reader.features.first + number)))

    body += [lua.Local(("f" + str(number),), (of("words", number),)) for number in reader.used]
    body += [lua.Local(("x" + str(number),), (of("numbers", number),)) for number in reader.numbers]
    signs = list(reader.signs.items())
    for place, ((word, number, constant), _) in enumerate(signs):
        x, c = lua.Name("x" + str(number)), lua.Number(constant)
        difference = lua.Binary("-", x, c) if word == "<" else lua.Binary("-", c, x)
        body.append(lua.Assign(lua.Field(lua.item("signs", place), "v"), difference))
    for place, (_, name) in enumerate(signs):
        high = lua.Field(lua.item("signs", place), "hi")
        body.append(lua.Local((_word_of(name),), (bits("rshift", high, lua.Number(31)),)))
    return body


def _word_of(name: lua.Expr) -> str:
    assert isinstance(name, lua.Name)
    return name.word


def _feature(class_id: int, place: int, source: Source, chunk: Chunk) -> lua.Statement:
    """Declare a feature: what it is of, the texts that it tells apart, and its patterns with their bits."""
    texts: list[lua.Expr] = []
    if source.kind in {"span:kind", "span:status"}:
        names = KIND_NAMES if source.kind == "span:kind" else STATUS_NAMES
        texts = [lua.Number(signed(source.texts.get(name.encode(), 0))) for name in names]
    else:
        texts = [lua.Table((lua.Text(text), lua.Number(signed(word)))) for text, word in source.texts.items()]
    kinds = {number: column.kind for column, number in chunk.layout.columns.items()}
    tag = TEXT_TAGS.get(kinds.get(source.column, ColumnKind.ANY), 0x0A)
    arguments = (class_id, place, source.column, tag)
    kind = lua.Text(source.kind.encode())
    patterns = [(chunk.pattern(test), signed(1 << bit)) for test, bit in source.tests.items() if isinstance(test, str)]
    tables = [lua.Table(tuple(texts)), lua.Table(tuple(lua.Table(tuple(map(lua.Number, one))) for one in patterns))]
    return lua.Run(lua.call("E.add_feature", *(lua.Number(one) for one in arguments), kind, *tables))


# ---- what states remember ---------------------------------------------------------------------------------------------------------------


def apply_code(number: int, one: NameClass, chunk: Chunk) -> list[lua.Statement]:
    """Return the loop that puts the membership of a class's rows into bits and counters of their states."""
    remembering = [leaf for leaf in one.leaves if leaf.seen is not None or leaf.counter is not None]
    found: list[lua.Statement] = []
    for word_leaves in _by_word(remembering, chunk):
        word = member_bit(chunk, word_leaves[0])[0]
        state = lua.Index(lua.Name("states"), lua.name("r.trace"))
        row = lua.Local(("r",), (lua.Index(lua.Name("rows"), _ROW),))
        body = [
            row,
            lua.Local(("m", "state"), (_membership(word), state)),
            *_seen(word_leaves),
            *_counted(word_leaves, chunk.layout.counter_size),
        ]
        rows = lua.Local(("i", "at"), (lua.Index(lua.Name("order"), K), lua.Index(lua.Name("places"), K)))
        loop = lua.For("k", LO, HI, (rows, *body))
        found.append(lua.Run(lua.call("E.add_apply", lua.Number(number), lua.Function(("lo", "hi", "states"), (loop,)))))
    return found


def _seen(leaves: Sequence[Leaf]) -> Iterator[lua.Statement]:
    """Copy the bits of leaves that stand together in both words."""
    seen = [leaf for leaf in leaves if leaf.seen is not None]
    if not seen:
        return
    first = seen[0]
    assert first.seen is not None
    assert [leaf.seen for leaf in seen] == list(range(first.seen, first.seen + len(seen)))
    mask = ((1 << len(seen)) - 1) << first.local % WORD_BITS
    ours = bits("band", _MEMBER, lua.Number(signed(mask)))
    shift = first.seen % WORD_BITS - first.local % WORD_BITS
    word = lua.Index(lua.name("state.w"), lua.Number(first.seen // WORD_BITS))
    moved = bits("lshift", ours, lua.Number(shift)) if shift > 0 else bits("rshift", ours, lua.Number(-shift)) if shift else ours
    yield lua.Assign(word, bits("bor", word, moved))
    if first.seen % WORD_BITS + len(seen) > WORD_BITS:
        following = lua.Index(lua.name("state.w"), lua.Number(first.seen // WORD_BITS + 1))
        rest = bits("rshift", ours, lua.Number(WORD_BITS - shift))
        yield lua.Assign(following, bits("bor", following, rest))


def _counted(leaves: Sequence[Leaf], size: int) -> Iterator[lua.Statement]:
    """Count; what counters of fewer than four bytes hold at most they keep."""
    for leaf in leaves:
        if leaf.counter is not None:
            counter = lua.item("state.c", leaf.counter)
            one = bits("band", bits("rshift", _MEMBER, lua.Number(leaf.local % WORD_BITS)), lua.Number(1))
            if size < max(COUNTER_SIZES):
                one = bits("band", bits("rshift", lua.Binary("-", counter, lua.Number(COUNTER_SIZES[size])), lua.Number(31)), one)
            yield lua.Assign(counter, lua.Binary("+", counter, one))
