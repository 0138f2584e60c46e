"""Rules to a program: one chunk of Lua, and the tables that the static runtime (compiler/runtime/*.lua) is set up with.

Passes: plan (engine_plan.py) marks what rules need; emit_*.py make a Lua tree of every construct; lua_print.py writes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from compiler import ir
from compiler import lua_tree as lua
from compiler.emit_bits import BitsRule, bits_rule, group_functions
from compiler.emit_chunk import SECTION_SIZE, TABLES, Chunk, section
from compiler.emit_class import ClassCode, apply_code, class_code
from compiler.emit_predicate import predicate_function
from compiler.emit_selection import member_bit, signed
from compiler.emit_verdict import exceptions_table, rule_function
from compiler.engine_layout import ANY_CLASS, SERVICE_KEY, WORD_BITS, Column, ColumnKind, Layout, Leaf, NameClass, Setting
from compiler.engine_plan import plan, reads_rows
from compiler.ir_walk import walk
from compiler.lua_print import print_chunk
from compiler.pattern import Pattern, parse_pattern
from compiler.rule_set import Rule, RuleSet
from compiler.values import text_bytes
from compiler.wanted_keys import wanted_keys

# In the order in which they are loaded: each adds to the environment what the next ones build on.
RUNTIME = (
    *(
        "memory",
        "texts",
        "prefetch",
        "blocks",
        "wire",
        "id_sets",
        "touches",
        "pool",
        "traces",
        "wanted",
        "values",
        "features",
        "resources",
        "slots",
        "levels",
        "decoder",
        "elements",
        "arithmetic",
        "joined",
        "columns",
    ),
    *("captured", "rows", "judge", "leaves", "occurring", "exchange", "engine"),
)
LIBRARIES = ("sweep", "relations", "exact", "patterns")


@dataclass(frozen=True, slots=True)
class Program:
    """A rule set as a program. `fingerprint` names the layout of states: they may be exchanged by runtimes of one fingerprint only."""

    rule_set: RuleSet
    layout: Layout
    patterns: tuple[Pattern, ...]
    settings: dict[str | int, Setting]
    chunk: str
    fingerprint: bytes


@cache
def runtime_source(name: str) -> bytes:
    """Return the source of a part of the runtime."""
    return files("compiler").joinpath("runtime", name + ".lua").read_bytes()


def compile_program(rule_set: RuleSet) -> Program:
    """Return the program of the enabled rules of a set; total: every rule set has one."""
    rules = rule_set.enabled
    layout = plan(rules)
    chunk = Chunk(layout)
    any_class = class_code(ANY_CLASS, layout.classes[ANY_CLASS], chunk)
    named = [class_code(number, one, chunk, any_class.width) for number, one in enumerate(layout.classes) if number != ANY_CLASS]
    classes = [any_class, *named]
    registered = [part for number, one in enumerate(classes) for part in _class_table(number, layout.classes[number], one, chunk)]
    entries = _judging(rules, chunk)
    text = print_chunk(_chunk(chunk, registered, entries))
    runtime = b"".join(runtime_source(name) for name in (*RUNTIME, *LIBRARIES))
    patterns = _patterns(rules, chunk)
    settings = _settings(layout, rules, [one.width for one in classes])
    # Names, keys and patterns stand in no chunk: by the settings alone programs may differ in what a bit or a column means.
    said = repr((text, settings, [pattern.text for pattern in patterns])).encode()
    return Program(rule_set, layout, patterns, settings, text, hashlib.sha256(said + runtime).digest()[:16])


# What straight-line loops use, as locals of the chunk.
_BITS = ("band", "bor", "bxor", "bnot", "lshift", "rshift")
_BUFFERS = ("rows", "slots", "order", "firsts", "places", "membership", "words", "numbers", "signs", "FEATURE")
_FAST = (*_BITS, *_BUFFERS)
_FAST_FROM = (*("E.bit." + name for name in _BITS), *("E." + name for name in _BUFFERS))


def _chunk(chunk: Chunk, classes: list[lua.Statement], rules: list[lua.Statement]) -> list[lua.Statement]:
    env = lua.Name("E")
    empty = tuple(lua.Table(()) for _ in TABLES)
    body: list[lua.Statement] = [
        lua.Local(("E",), (lua.Name("..."),)),
        lua.Local(("V", "W", "REL", "T"), tuple(lua.Field(env, name) for name in ("V", "W", "relations", "T"))),
        lua.Local(_FAST, tuple(lua.name(name) for name in _FAST_FROM)),
        lua.Local(("K", "SKEW", "NONE"), (lua.name("E.config.column_count"), lua.name("E.skew"), lua.name("W.none"))),
        lua.Local(TABLES, empty),
        lua.Assign(lua.Name("M"), lua.name("E.matchers")),
        lua.Local(("MADE", "LISTS", "GROUPS"), (lua.Table(()), lua.Table(()), lua.name("W.groupings"))),
        *chunk.sections(),
        *_in_sections(classes),
        *_in_sections(rules),
    ]
    return body


def _in_sections(statements: list[lua.Statement]) -> list[lua.Statement]:
    starts = range(0, len(statements), SECTION_SIZE)
    return [part for start in starts for part in section(statements[start : start + SECTION_SIZE])]


def _class_table(number: int, one: NameClass, code: ClassCode, chunk: Chunk) -> list[lua.Statement]:
    """Register a class: its leaves, features, loops."""
    leaves = [_leaf_table(leaf, chunk, general=leaf.local in code.general) for leaf in one.leaves]
    return [*leaves, *code.statements, *apply_code(number, one, chunk)]


def _leaf_table(leaf: Leaf, chunk: Chunk, *, general: bool) -> lua.Statement:
    """Register a leaf: where its bit is, and its predicates in full generality."""
    word, mask = member_bit(chunk, leaf)
    key = leaf.key
    arguments: tuple[lua.Expr, ...] = (
        lua.Number(leaf.class_id),
        lua.Number(word),
        lua.Number(mask),
        lua.TRUE if isinstance(key.base, ir.Root) else lua.FALSE,
        lua.FALSE if key.where is None else predicate_function(key.where, chunk),
        lua.FALSE if key.not_true is None else predicate_function(key.not_true, chunk),
        lua.TRUE if general else lua.FALSE,
    )
    return lua.Run(lua.call("E.add_leaf", *arguments))


def _judging(rules: tuple[Rule, ...], chunk: Chunk) -> list[lua.Statement]:
    """Register the rules: all of them as bits, in groups, what bits leave open and all exceptions as functions of their own."""
    by_bits: list[BitsRule] = []
    rest: list[lua.Statement] = []
    for position, rule in enumerate(rules):
        found = bits_rule(rule, position, chunk)
        by_bits.append(found)
        if found.is_open:
            rest.append(_asked_by_trace("E.add_rule", rule, position, rule.program, rule_function(rule, chunk)))
        if rule.exceptions:
            formulas = tuple(exception.formula for exception in rule.exceptions)
            rest.append(_asked_by_trace("E.add_excusable", rule, position, formulas, exceptions_table(rule, chunk)))
    groups = [lua.Run(lua.call("E.add_group", *functions)) for functions in group_functions(by_bits, len(rules))]
    return [*groups, *rest]


def _asked_by_trace(add: str, rule: Rule, position: int, asked: object, code: lua.Expr) -> lua.Statement:
    told = (rule.program.requires_complete, reads_rows(asked))
    facts = [lua.TRUE if fact else lua.FALSE for fact in told]
    return lua.Run(lua.call(add, lua.Number(position), *facts, code))


def _patterns(rules: tuple[Rule, ...], chunk: Chunk) -> tuple[Pattern, ...]:
    by_text = {
        node.pattern.text: node.pattern
        for rule in rules
        for part in (rule.program, *(exception.formula for exception in rule.exceptions))
        for node in walk(part)
        if isinstance(node, ir.Matches)
    }
    found = []
    for text in chunk.patterns:
        pattern = by_text.get(text) or parse_pattern(text)
        assert isinstance(pattern, Pattern)
        found.append(pattern)
    return tuple(found)


# ---- settings of the runtime ------------------------------------------------------------------------------------------------------------


def _settings(layout: Layout, rules: tuple[Rule, ...], widths: list[int]) -> dict[str | int, Setting]:
    columns = layout.columns
    classes = layout.classes
    texts = (ColumnKind.STATUS_MESSAGE, ColumnKind.SCOPE_NAME, ColumnKind.SCOPE_VERSION)
    scope_kinds = (ColumnKind.SCOPE, ColumnKind.SCOPE_NAME, ColumnKind.SCOPE_VERSION)
    scope_columns: list[Setting] = [number for column, number in columns.items() if column.kind in scope_kinds]
    return {
        "column_count": len(columns) + 1,
        "word_count": max(1, (layout.bit_count + WORD_BITS - 1) // WORD_BITS),
        "counter_count": max(1, layout.counter_count),
        "counter_size": layout.counter_size,
        "membership_words": max(1, layout.word_count_max),
        "any_words": layout.any_word_count,
        "name_count": len(classes) - 1,
        "names": [{"text": text_bytes(one.name), "id": number} for number, one in enumerate(classes) if number],
        "blank_columns": [number for column, number in columns.items() if column.kind in texts],
        "scope_columns": scope_columns,
        "scopes_read": bool(scope_columns),
        "name_column": columns.get(Column(ColumnKind.NAME), 0),
        "message_column": columns.get(Column(ColumnKind.STATUS_MESSAGE), 0),
        "scope_name_column": columns.get(Column(ColumnKind.SCOPE_NAME), 0),
        "scope_version_column": columns.get(Column(ColumnKind.SCOPE_VERSION), 0),
        "service_column": columns[Column(ColumnKind.RESOURCE, SERVICE_KEY)],
        "class_words": {number: one.word_count for number, one in enumerate(classes) if number},
        "class_columns": {number: [columns[column] for column in one.captured_columns] for number, one in enumerate(classes)},
        "class_bytes": {number: one.captures_bytes for number, one in enumerate(classes)},
        "capture_masks": {number: _capture_masks(layout, number) for number in range(len(classes))},
        "tree": layout.reads_tree,
        "rule_count": len(rules),
        "feature_widths": [*widths],
        "feature_width": max(widths),
        "feature_count": sum(widths) - (len(widths) - 1) * widths[ANY_CLASS],
        **wanted_keys(layout),
        **_reads(layout),
    }


def _capture_masks(layout: Layout, class_id: int) -> list[Setting]:
    """Return words and masks of the leaves whose spans become rows, of class 0 and of the class itself."""
    masks: dict[int, int] = {}
    for number in {ANY_CLASS, class_id}:
        own = 0 if number == ANY_CLASS else layout.any_word_count
        for leaf in layout.classes[number].leaves:
            if leaf.is_captured:
                word = own + leaf.local // WORD_BITS
                masks[word] = masks.get(word, 0) | 1 << leaf.local % WORD_BITS
    return [value for word, mask in masks.items() for value in (word, signed(mask))]


def _reads(layout: Layout) -> dict[str | int, Setting]:
    """Say of which spans more than the header is read: by class, of every span, of roots; and whether events and links are."""
    needs: list[Setting] = [False] * len(layout.classes)
    all_wanted = roots_wanted = events = links = False
    for class_id, one in enumerate(layout.classes):
        whole = bool(one.captured_columns) or one.captures_bytes
        for leaf in one.leaves:
            reads = whole or _reads_more(leaf)
            if class_id:
                needs[class_id] = needs[class_id] or reads
            elif isinstance(leaf.key.base, ir.Root) and not whole:
                roots_wanted = roots_wanted or reads
            else:
                all_wanted = all_wanted or reads
            for node in walk((leaf.key.where, leaf.key.not_true)):
                if isinstance(node, ir.SomeElement):
                    events, links = events or node.word == "event", links or node.word == "link"
        if one.captures_bytes:
            events = links = True
    return {
        "needs": needs,
        "all_wanted": all_wanted,
        "roots_wanted": roots_wanted,
        "events_read": events,
        "links_read": links,
    }


_IN_HEADER = frozenset({"span:duration", "span:kind", "span:id", "span:parentID", "span:startTime", "span:endTime"})


def _reads_more(leaf: Leaf) -> bool:
    for node in walk((leaf.key.where, leaf.key.not_true)):
        if isinstance(node, ir.Attribute | ir.SomeElement) or (isinstance(node, ir.Intrinsic) and node.name not in _IN_HEADER):
            return True
    return False
