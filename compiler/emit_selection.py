"""Selections of rows in Lua. Counterparts: select and _candidates in compiler/interpreter.py, select_related in compiler/relations.py.

A selection is a function of the bound row that returns a list of rows; one that does not depend on it is made once per trace.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
from compiler.emit_keys import join_key, join_keys, paths_keys
from compiler.emit_predicate import predicate_function
from compiler.emit_value import PARAMETERS as LOOK
from compiler.emit_value import Place, is_length, value
from compiler.engine_layout import ANY_CLASS, WORD_BITS, Leaf, LeafKey
from compiler.engine_plan import leaf_key
from compiler.ir_walk import mentions_bound
from compiler.joins import Join, join_of
from compiler.kinds import kind_of
from compiler.values import INT64_MAX, INT64_MIN

BOUND = lua.Name("j")
_ID, _PARENT = "span:id", "span:parentID"
# What a span shares with the bound one, whatever that is called, if it is its child or its sibling.
_PARENT_JOINS = {
    "child of": Join(ir.Intrinsic(_PARENT), ir.Intrinsic(_ID, of="")),
    "sibling of": Join(ir.Intrinsic(_PARENT), ir.Intrinsic(_PARENT, of="")),
}
_NONE, _PARTNERS, _SPANS = lua.Name("NONE"), lua.Name("partners"), lua.Name("spans")


def signed(word: int) -> int:
    """Return a word as the signed number that Lua's bit operations give."""
    return word if word < 1 << (WORD_BITS - 1) else word - (1 << WORD_BITS)


def seen_bit(chunk: Chunk, key: LeafKey) -> tuple[lua.Expr, lua.Expr]:
    """Return word and mask of a leaf in the state."""
    seen = chunk.layout.leaves[key].seen
    assert seen is not None
    return lua.Number(seen // WORD_BITS), lua.Number(signed(1 << seen % WORD_BITS))


def member_bit(chunk: Chunk, leaf: Leaf) -> tuple[int, int]:
    """Return word and mask of a leaf in the membership words of a row."""
    own = 0 if leaf.class_id == ANY_CLASS else chunk.layout.any_word_count
    return own + leaf.local // WORD_BITS, signed(1 << leaf.local % WORD_BITS)


def list_of(selector: ir.Selector, chunk: Chunk) -> lua.Expr:
    """Return the list of a selector as an expression of the bound row."""
    return lua.call(chunk.once("G", selector, lambda: _selection(selector, chunk)), BOUND)


def _selection(selector: ir.Selector, chunk: Chunk) -> lua.Expr:
    if isinstance(selector.base, ir.Bound):
        found: lua.Expr = lua.call("W.only", BOUND)
        if selector.where is None:
            return lua.Function(("j",), (lua.Return((found,)),))
        return lua.Function(("j",), _where(found, selector.where, chunk))
    if not selector.reads_bound:
        members = _members(chunk.layout.leaves[leaf_key(selector)], chunk)
        return _once(selector, [lua.Return((members,))], chunk)
    assert selector.where is not None
    return lua.Function(("j",), _where(_candidates(selector, chunk), selector.where, chunk))


def _where(rows: lua.Expr, predicate: ir.Predicate, chunk: Chunk) -> tuple[lua.Statement, ...]:
    """Return those of some rows of which a predicate is true. The loop is the selection's own, so that it is compiled for its predicate."""
    given, found, count = lua.Name("given"), lua.Name("found"), lua.Name("count")
    look = (lua.Name("rows"), lua.Name("slots"), lua.Name("i"), BOUND)
    is_true = lua.Binary("==", lua.call(predicate_function(predicate, chunk), *look), lua.TRUE)
    more = lua.Assign(count, lua.Binary("+", count, lua.Number(1)))
    loop = (
        lua.Local(("i",), (lua.Index(given, lua.Name("x")),)),
        lua.If(is_true, (more, lua.Assign(lua.Index(found, count), lua.Name("i")))),
    )
    return (
        lua.Local(("given", "rows", "slots"), (rows, lua.name("T.rows"), lua.name("T.slots"))),
        lua.If(lua.Binary("==", lua.Field(given, "n"), lua.Number(0)), (lua.Return((_NONE,)),)),
        lua.Local(("found", "count"), (lua.Table(()), lua.Number(0))),
        lua.For("x", lua.Number(1), lua.Field(given, "n"), loop),
        lua.Assign(lua.Field(found, "n"), count),
        lua.Return((found,)),
    )


def _members(leaf: Leaf, chunk: Chunk) -> lua.Expr:
    word, mask = member_bit(chunk, leaf)
    number = chunk.number(("members", leaf.key))
    return lua.call("E.members", *(lua.Number(one) for one in (number, leaf.class_id, word, mask)))


def _once(key: object, make: Sequence[lua.Statement], chunk: Chunk) -> lua.Expr:
    """Return a function of the bound row that does not depend on it: its list is made once per trace."""
    number = chunk.number(key)
    made, known = lua.item("MADE", number), lua.item("LISTS", number)
    maker = lua.item("G", chunk.add("G", lua.Function(("j",), tuple(make))))
    fresh = (lua.Assign(known, lua.call(maker, BOUND)), lua.Assign(made, lua.name("T.stamp")))
    return lua.Function(("j",), (lua.If(lua.Binary("~=", made, lua.name("T.stamp")), fresh), lua.Return((known,))))


def _candidates(selector: ir.Selector, chunk: Chunk) -> lua.Expr:
    """Return the rows of the base, without those that an equality with the bound span leaves out."""
    base = list_of(ir.Selector(selector.base), chunk)
    join = join_of(selector.where)
    if join is None:
        return base
    return _joined(join, base, ("join", selector), chunk)


def _joined(join: Join, base: lua.Expr, place: Hashable, chunk: Chunk) -> lua.Expr:
    """Return those rows of a list that may equal the bound one; `place` stands for the list, which is the same all through a trace."""
    number = lua.Number(chunk.number(place))
    match join.own, join.theirs:
        case ir.Intrinsic(name=own), ir.Intrinsic(name=theirs) if {own, theirs} <= {_ID, _PARENT}:
            by_parent, of_parent = (lua.TRUE if name == _PARENT else lua.FALSE for name in (own, theirs))
            return lua.call("W.of_id", number, base, by_parent, BOUND, of_parent)
        case _:
            pass
    if is_length(kind_of(join.own)) is not is_length(kind_of(join.theirs)):
        return _NONE
    look = lua.Function(LOOK, (lua.Return((lua.call("W.id_of", join_key(value(join.theirs, Place(chunk)), join.theirs)),)),))
    theirs_key = chunk.once("Y", ("their key", join.theirs), lambda: look)
    key = lua.call(theirs_key, lua.name("T.rows"), lua.name("T.slots"), BOUND, BOUND)
    return lua.call("W.of_key", number, base, join_keys(join.own, base, chunk), key)


def related_list(related: ir.Related, chunk: Chunk) -> lua.Expr:
    """Return the list of those of a selection that have all their relations."""
    if not related.links:
        return list_of(related.selector, chunk)
    return lua.call(chunk.once("G", related, lambda: _related(related, chunk)), BOUND)


def _related(related: ir.Related, chunk: Chunk) -> lua.Expr:
    """From the last neighbour to the first: each keeps those that have the next."""
    last = related.links[-1].selector
    is_bound = isinstance(last.base, ir.Bound) and last.where is None
    body: list[lua.Statement] = [lua.Local(("partners", "spans"), (list_of(last, chunk), lua.NIL)), _end_if_none(_PARTNERS)]
    befores = [related.selector, *(link.selector for link in related.links[:-1])]
    for selector, link in zip(reversed(befores), reversed(related.links), strict=True):
        body += [lua.Assign(_SPANS, list_of(selector, chunk)), _end_if_none(_SPANS)]
        body += _having(selector, link, chunk, is_bound=is_bound and link is related.links[-1])
    body.append(lua.Return((_PARTNERS,)))
    if mentions_bound(related):
        return lua.Function(("j",), tuple(body))
    return _once(related, body, chunk)


def _end_if_none(rows: lua.Expr) -> lua.Statement:
    return lua.If(lua.Binary("==", lua.Field(rows, "n"), lua.Number(0)), (lua.Return((_NONE,)),))


def _having(selector: ir.Selector, link: ir.Link, chunk: Chunk, *, is_bound: bool) -> list[lua.Statement]:
    """Let the partners become those spans that have one of them; those that share no key with a single bound row are left out before."""
    body: list[lua.Statement] = []
    keys: tuple[lua.Expr, lua.Expr] = (lua.NIL, lua.NIL)
    if link.on and is_bound and not mentions_bound((selector, link.on)):
        of_bound = lua.item(lua.Field(paths_keys(link.on, _PARTNERS, chunk), "ids"), BOUND)
        number = lua.Number(chunk.number(("of key", selector, link.on)))
        alike = lua.call("W.of_key", number, _SPANS, paths_keys(link.on, _SPANS, chunk), of_bound)
        body += [lua.Assign(_SPANS, alike), _end_if_none(_SPANS)]
    elif is_bound and not link.on and link.relation in _PARENT_JOINS and not mentions_bound(selector):
        relatives = _joined(_PARENT_JOINS[link.relation], _SPANS, ("join", selector, link.relation), chunk)
        body += [lua.Assign(_SPANS, relatives), _end_if_none(_SPANS)]
    elif link.on:
        keys = (paths_keys(link.on, _SPANS, chunk), paths_keys(link.on, _PARTNERS, chunk))
    if link.relation == "under":
        found = lua.call("REL.under", lua.name("T.rows"), _SPANS, _PARTNERS, lua.call("W.tree"), *keys)
    else:
        within: lua.Expr = lua.NIL
        if link.within_ns is not None:
            within = lua.Int64(max(INT64_MIN, min(INT64_MAX, link.within_ns)))
        function = "REL." + link.relation.replace(" ", "_")
        found = lua.call(function, lua.name("T.rows"), _SPANS, _PARTNERS, lua.name("SKEW"), within, *keys)
    return [*body, lua.Assign(_PARTNERS, found), _end_if_none(_PARTNERS)]
