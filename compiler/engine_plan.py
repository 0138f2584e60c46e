"""First pass of the engine's compiler: what every rule needs of a span and of a trace, marked in one layout.

A selection is *plain* where it can be decided span by span: no relation, nothing bound. Whether some span was selected is a bit of the
trace then, how many a counter. All else is asked of *captured rows*: spans of relations, joins, `for each`, groups and aggregates, and
those that a violation would name. Which these are follows from blame (rule-language.md section 8; compiler/blame.py): a selection is
blamed for being true, `all` for being not true, so under `always` the one and under `never` the other has nothing to name.
"""

from __future__ import annotations

from enum import Flag, auto
from typing import NamedTuple, assert_never

from compiler import ir
from compiler.engine_layout import ANY_CLASS, CONSTANT_MAX, COUNTER_SIZES, Column, ColumnKind, Layout, Leaf, LeafKey, column_of
from compiler.evaluate import MIRRORED, aggregates_of
from compiler.ir_walk import mentions_bound, walk
from compiler.rule_set import Rule


class Blamed(Flag):
    """When a violation would name the spans of a part of a formula."""

    NEVER = 0
    TRUE = auto()
    NOT_TRUE = auto()
    EITHER = TRUE | NOT_TRUE


# Aggregates that are never more than the spans they are of.
_NUMBERS = frozenset({"count", "distinct"})
_TURNED = {Blamed.TRUE: Blamed.NOT_TRUE, Blamed.NOT_TRUE: Blamed.TRUE, Blamed.EITHER: Blamed.EITHER, Blamed.NEVER: Blamed.NEVER}


def _blamed_in_not(body: ir.Formula, blamed: Blamed) -> Blamed:
    """Return when the operand of a `not` is blamed: one that is not true has a true operand or an unknown one, whose sides are not true."""
    return Blamed.EITHER if blamed is Blamed.NOT_TRUE and _may_be_unknown(body) else _TURNED[blamed]


def _may_be_unknown(node: ir.Formula) -> bool:
    """Say whether a formula can be unknown of a complete trace: only comparisons can, where a value is missing."""
    return any(isinstance(found, ir.Comparison) for found in walk(node))


def is_plain(selector: ir.Selector) -> bool:
    """Say whether a selection can be decided span by span, without a bound span."""
    return not selector.reads_bound and not isinstance(selector.base, ir.Bound)


def is_plain_related(related: ir.Related) -> bool:
    """Say whether a selection has no relation and is plain."""
    return not related.links and is_plain(related.selector)


def is_plain_all(node: ir.AllOf) -> bool:
    """Say whether `all` can be decided span by span."""
    return is_plain(node.selector) and not mentions_bound(node.predicate)


def is_plain_count(node: ir.Aggregate) -> bool:
    """Say whether an aggregate is a mere count of a plain selection."""
    return node.word == "count" and node.of is None and not node.by and is_plain_related(node.related)


class NumberCompared(NamedTuple):
    """A comparison of a number of spans, or of different values of theirs, with a constant right of `word` that counters can reach."""

    word: str
    number: ir.Aggregate
    constant: int


def number_compared(node: ir.Comparison) -> NumberCompared | None:
    """Return a comparison as one of a number with a constant; None: it is no such comparison."""
    match node.left, node.right:
        case ir.Aggregate() as number, ir.Literal(value=int(constant)):
            word = node.word
        case ir.Literal(value=int(constant)), ir.Aggregate() as number:
            word = MIRRORED[node.word]
        case _:
            return None
    is_number = number.word in _NUMBERS and not isinstance(constant, bool) and abs(constant) < CONSTANT_MAX
    return NumberCompared(word, number, constant) if is_number else None


class Bound(NamedTuple):
    """While a leaf has selected fewer spans than `at_least`, a comparison is `below` for all groups: no number exceeds that of spans."""

    key: LeafKey
    at_least: int
    below: bool


def bound_of(node: ir.Comparison) -> Bound | None:
    """Return the bound below which nobody need look at the spans that a comparison is about; None: there is none, or the count is it."""
    found = number_compared(node)
    if found is None or is_plain_count(found.number) or isinstance(found.number.related.selector.base, ir.Bound):
        return None
    at_least = found.constant + (found.word in {">", "<="})
    below = found.word in {"<", "<=", "!="}
    decides_nothing = node.quantifier == ("some" if below else "every")
    return None if at_least <= 0 or decides_nothing else Bound(leaf_key(found.number.related.selector), at_least, below)


def leaf_key(selector: ir.Selector, not_true: ir.Predicate | None = None) -> LeafKey:
    """Return the leaf of a selector; of one that reads the bound span the leaf of its base, whose rows are asked again."""
    assert not isinstance(selector.base, ir.Bound)
    return LeafKey(selector.base, None if selector.reads_bound else selector.where, not_true)


def reads_rows(node: object) -> bool:
    """Say whether captured rows are asked for the truth of a formula, of a rule: anything that is not plain."""
    for found in walk(node):
        match found:
            case ir.ForEach():
                return True
            case ir.Selected(related=related) if not is_plain_related(related):
                return True
            case ir.AllOf() if not is_plain_all(found):
                return True
            case ir.Aggregate() if not is_plain_count(found):
                return True
            case _:
                pass
    return False


class Planner:
    """Marks in a layout what rules need."""

    def __init__(self) -> None:
        self.layout = Layout()
        self._evidence: tuple[Column, ...] = ()
        self._bound: ir.Selector | None = None
        self._names_bound_spans = False

    def rule(self, rule: Rule) -> None:
        """Mark what one rule needs."""
        program = rule.program
        self._evidence = _evidence_columns(rule)
        self._bound = None if program.for_each is None else program.for_each.related.selector
        self._names_bound_spans = program.for_each is not None
        if program.for_each is not None:
            self._rows(program.for_each.related)
        parts = ((program.when, Blamed.TRUE), (program.always, Blamed.NOT_TRUE), (program.never, Blamed.TRUE))
        for body, blamed in parts:
            if body is not None:
                self._formula(body, blamed)
        self._bound = None
        for exception in rule.exceptions:
            self._formula(exception.formula, Blamed.NEVER)

    def _formula(self, node: ir.Formula, blamed: Blamed) -> None:
        match node:
            case ir.And(sides=sides) | ir.Or(sides=sides):
                for side in sides:
                    self._formula(side, blamed)
            case ir.Not(body=body):
                self._formula(body, _blamed_in_not(body, blamed))
            case ir.Selected(related=related) if is_plain_related(related):
                self._seen(self._leaf(leaf_key(related.selector)), names_spans=Blamed.TRUE in blamed)
            case ir.Selected(related=related):
                self._rows(related)
            case ir.AllOf(selector=selector, predicate=predicate) if is_plain_all(node):
                self._seen(self._leaf(leaf_key(selector, predicate)), names_spans=Blamed.NOT_TRUE in blamed)
            case ir.AllOf(selector=selector, predicate=predicate):
                self._rows(ir.Related(selector))
                self._captured_reads(selector, predicate)
            case ir.Comparison():
                self._comparison(node)
            case _:
                assert_never(node)

    def _comparison(self, node: ir.Comparison) -> None:
        bound = bound_of(node)
        if bound is not None:
            self.layout.mark_counted(self._leaf(bound.key), bound.at_least)
        for found in aggregates_of(node):
            if is_plain_count(found):
                counted = self._leaf(leaf_key(found.related.selector))
                compared = number_compared(node)
                self.layout.mark_counted(counted, COUNTER_SIZES[4] if compared is None else compared.constant)
                self._capture(counted)
                continue
            self._rows(found.related)
            for path in (*((found.of,) if found.of is not None else ()), *found.by):
                self._captured_reads(found.related.selector, path)
        self._bound_reads((node.left, node.right))

    def _seen(self, leaf: Leaf, *, names_spans: bool) -> None:
        self.layout.mark_seen(leaf)
        if names_spans and not self._names_bound_spans:
            self._capture(leaf)

    def _leaf(self, key: LeafKey) -> Leaf:
        leaf = self.layout.leaf(key)
        for predicate in (key.where, key.not_true):
            for node in walk(predicate):
                if isinstance(node, ir.Attribute | ir.Intrinsic) and (column := column_of(node)) is not None:
                    self.layout.column(column)
        return leaf

    # ---- captured rows --------------------------------------------------------------------------------------------------------------

    def _rows(self, related: ir.Related) -> None:
        """Let the spans of a selection and of its neighbours become rows, with what relations and bound predicates read of them."""
        befores = (related.selector, *(link.selector for link in related.links))
        for selector in befores:
            if not isinstance(selector.base, ir.Bound):
                leaf = self._leaf(leaf_key(selector))
                self.layout.mark_seen(leaf)
                self._capture(leaf)
            if selector.reads_bound and selector.where is not None:
                self._captured_reads(selector, selector.where)
        for before, link in zip(befores, related.links, strict=False):
            self.layout.reads_tree = self.layout.reads_tree or link.relation == "under"
            for path in link.on:
                self._captured_reads(before, path)
                self._captured_reads(link.selector, path)

    def _capture(self, leaf: Leaf) -> None:
        leaf.is_captured = True
        for column in self._evidence:
            self._captured_column(leaf.class_id, column)

    def _captured_reads(self, selector: ir.Selector, node: object) -> None:
        """Let the rows of a selector carry what a predicate or a path reads of them, those of the bound selector what it reads of that."""
        if (class_id := self._class_of(selector)) is not None:
            for found in walk(node):
                if isinstance(found, ir.SomeElement):
                    self.layout.classes[class_id].captures_bytes = True
                elif isinstance(found, ir.Attribute | ir.Intrinsic) and found.of is None and (column := column_of(found)) is not None:
                    self._captured_column(class_id, column)
        self._bound_reads(node)

    def _bound_reads(self, node: object) -> None:
        class_id = None if self._bound is None else self._class_of(self._bound)
        for found in walk(node) if class_id is not None else ():
            if isinstance(found, ir.Attribute | ir.Intrinsic) and found.of is not None and (column := column_of(found)) is not None:
                self._captured_column(class_id or ANY_CLASS, column)

    def _class_of(self, selector: ir.Selector) -> int | None:
        base = selector.base
        if isinstance(base, ir.Bound):
            return None if self._bound is None else self._class_of(self._bound)
        return self.layout.class_of(base)

    def _captured_column(self, class_id: int, column: Column) -> None:
        self.layout.column(column)
        self.layout.classes[class_id].captured_columns[column] = None


def _evidence_columns(rule: Rule) -> tuple[Column, ...]:
    """Return the columns of the attributes that may leave in a violation, by every way processor/records.py looks them up."""
    columns: dict[Column, None] = {}
    for name in rule.text.evidence:
        columns[Column(ColumnKind.ANY, name)] = None
        scope, _, key = name.partition(".")
        if key and scope == "span":
            columns[Column(ColumnKind.SPAN, key)] = None
        if key and scope == "resource":
            columns[Column(ColumnKind.RESOURCE, key)] = None
    return tuple(columns)


def plan(rules: tuple[Rule, ...]) -> Layout:
    """Return the layout of a program that judges by some rules."""
    planner = Planner()
    for rule in rules:
        planner.rule(rule)
    planner.layout.finish()
    return planner.layout
