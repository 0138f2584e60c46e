"""Selections of rows in Lua. Counterparts: select and _candidates in compiler/interpreter.py, select_related in compiler/relations.py.

A selection is a function of the bound row that returns a list of rows; one that does not depend on it is made once per trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_chunk import Chunk
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


def signed_bit(bit: int) -> int:
    """Return a word with one bit, as the signed number that Lua's bit operations give."""
    return 1 << bit if bit < WORD_BITS - 1 else -(1 << bit)


def seen_bit(chunk: Chunk, key: LeafKey) -> tuple[lua.Expr, lua.Expr]:
    """Return word and mask of a leaf in the state."""
    seen = chunk.layout.leaves[key].seen
    assert seen is not None
    return lua.Number(seen // WORD_BITS), lua.Number(signed_bit(seen % WORD_BITS))


def member_bit(chunk: Chunk, leaf: Leaf) -> tuple[int, int]:
    """Return word and mask of a leaf in the membership words of a row."""
    own = 0 if leaf.class_id == ANY_CLASS else chunk.layout.any_word_count
    return own + leaf.local // WORD_BITS, signed_bit(leaf.local % WORD_BITS)


def list_of(selector: ir.Selector, chunk: Chunk) -> lua.Expr:
    """Return the list of a selector as an expression of the bound row."""
    return lua.call(chunk.once("G", selector, lambda: _selection(selector, chunk)), BOUND)


def _selection(selector: ir.Selector, chunk: Chunk) -> lua.Expr:
    if isinstance(selector.base, ir.Bound):
        found: lua.Expr = lua.call("W.only", BOUND)
        if selector.where is not None:
            found = lua.call("W.where", found, predicate_function(selector.where, chunk), BOUND)
        return lua.Function(("j",), (lua.Return((found,)),))
    if not selector.reads_bound:
        members = _members(chunk.layout.leaves[leaf_key(selector)], chunk)
        return _once(selector, [lua.Return((members,))], chunk)
    assert selector.where is not None
    found = lua.call("W.where", _candidates(selector, chunk), predicate_function(selector.where, chunk), BOUND)
    return lua.Function(("j",), (lua.Return((found,)),))


def _members(leaf: Leaf, chunk: Chunk) -> lua.Expr:
    word, mask = member_bit(chunk, leaf)
    return lua.call("E.members", lua.Number(leaf.class_id), lua.Number(word), lua.Number(mask))


def _once(key: object, make: Sequence[lua.Statement], chunk: Chunk) -> lua.Expr:
    """Return a function of the bound row that does not depend on it: its list is made once per trace."""
    body = lua.Return((lua.call("W.once", lua.Number(chunk.number(key)), lua.Function((), tuple(make))),))
    return lua.Function(("j",), (body,))


def _candidates(selector: ir.Selector, chunk: Chunk) -> lua.Expr:
    """Return the rows of the base, without those that an equality with the bound span leaves out."""
    base = list_of(ir.Selector(selector.base), chunk)
    join = join_of(selector.where)
    if join is None:
        return base
    return _joined(join, base, selector, chunk)


def _joined(join: Join, base: lua.Expr, selector: ir.Selector, chunk: Chunk) -> lua.Expr:
    own = chunk.once("Y", ("own", join.own), lambda: _look(value(join.own, Place(chunk))))
    theirs = chunk.once("Y", ("own", join.theirs), lambda: _look(value(join.theirs, Place(chunk))))
    length = lua.TRUE if is_length(kind_of(join.own)) else lua.FALSE
    if is_length(kind_of(join.own)) is not is_length(kind_of(join.theirs)):
        return lua.Name("NONE")
    number = lua.Number(chunk.number(("join", selector)))
    bound_value = lua.call(theirs, lua.name("T.rows"), lua.name("T.slots"), BOUND, BOUND)
    return lua.call("W.joined", number, base, own, bound_value, length)


def _look(found: lua.Expr) -> lua.Expr:
    return lua.Function(LOOK, (lua.Return((found,)),))


def related_list(related: ir.Related, chunk: Chunk) -> lua.Expr:
    """Return the list of those of a selection that have all their relations."""
    if not related.links:
        return list_of(related.selector, chunk)
    return lua.call(chunk.once("G", related, lambda: _related(related, chunk)), BOUND)


def _related(related: ir.Related, chunk: Chunk) -> lua.Expr:
    """From the last neighbour to the first: each keeps those that have the next."""
    partners = lua.Name("partners")
    body: list[lua.Statement] = [lua.Local((partners.word,), (list_of(related.links[-1].selector, chunk),))]
    befores = [related.selector, *(link.selector for link in related.links[:-1])]
    for selector, link in zip(reversed(befores), reversed(related.links), strict=True):
        body.append(lua.Assign(partners, _having(list_of(selector, chunk), link, partners, chunk)))
    body.append(lua.Return((partners,)))
    if mentions_bound(related):
        return lua.Function(("j",), tuple(body))
    return _once(related, body, chunk)


def _having(spans: lua.Expr, link: ir.Link, partners: lua.Expr, chunk: Chunk) -> lua.Expr:
    key: lua.Expr = lua.NIL
    if link.on:
        key = lua.call("W.on", chunk.once("Y", ("on", link.on), lambda: _on(link.on, chunk)), BOUND)
    if link.relation == "under":
        return lua.call("REL.under", lua.name("T.rows"), spans, partners, lua.call("W.tree"), key, key)
    within: lua.Expr = lua.NIL
    if link.within_ns is not None:
        within = lua.Int64(max(INT64_MIN, min(INT64_MAX, link.within_ns)))
    function = "REL." + link.relation.replace(" ", "_")
    return lua.call(function, lua.name("T.rows"), spans, partners, lua.name("SKEW"), within, key, key)


def _on(paths: tuple[ir.Path, ...], chunk: Chunk) -> lua.Expr:
    """Return the function of the key that two spans share if they are equal at each path."""
    keys = tuple(key_expr(path, chunk) for path in paths)
    if len(keys) == 1:
        return _look(keys[0])
    return _look(lua.call("V.joined_key", lua.Table(keys), lua.Number(len(keys))))


def key_expr(path: ir.Path, chunk: Chunk) -> lua.Expr:
    """Return the key of a value: what equal values share."""
    function = "V.length_key" if is_length(kind_of(path)) else "V.key"
    return lua.call(function, value(path, Place(chunk)))
