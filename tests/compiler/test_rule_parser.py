"""What is made quicker in lark reads what lark itself reads: the same trees at the same places, and the same errors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, Token, Tree, UnexpectedInput

import compiler
from compiler.parser import Placed, rule_parser
from tests.conformance.case import ParseCase, load_cases
from tests.properties.made_rules import rule_texts

RULES = [case.rule for case in load_cases() if isinstance(case, ParseCase)]
LEVELS = "never { a.where(x + 1 * y > 2 and not z or u) implies count(b) in [1, 2] }"


@cache
def lark_parser() -> Lark:
    """Return the parser as lark makes it."""
    grammar = Path(compiler.__file__).with_name("rules.lark").read_text()
    return Lark(grammar, parser="lalr", start=["start", "selector", "expr"], propagate_positions=True)


def _read(lark: Lark, text: str, start: str) -> object:
    try:
        tree: Any = lark.parse(text, start=start)
    except UnexpectedInput as error:
        parser: Any = error.interactive_parser
        return type(error), error.pos_in_stream, frozenset(parser.accepts())
    return _told(tree)


def _told(node: object) -> object:
    """Return a tree with the places of all that is in it."""
    if isinstance(node, Placed):
        return node.data, (node.start_pos, node.end_pos), [_told(child) for child in node.children]
    if isinstance(node, Tree):
        place = (0, 0) if node.meta.empty else (node.meta.start_pos, node.meta.end_pos)
        return node.data, place, [_told(child) for child in node.children]
    assert isinstance(node, Token)
    return node, node.type, node.start_pos, node.end_pos


@pytest.mark.parametrize("rule", [*RULES, LEVELS])
def test_a_rule_has_the_same_tree_or_the_same_error(rule: str) -> None:
    assert _read(rule_parser(), rule, "start") == _read(lark_parser(), rule, "start")


@given(rule_texts, st.data())
@settings(deadline=None)
def test_so_it_is_with_any_rule_and_any_part_of_one(rule: str, data: st.DataObject) -> None:
    begin, end = sorted(data.draw(st.tuples(st.integers(0, len(rule)), st.integers(0, len(rule)))))
    for text in (rule, rule[:end], rule[begin:end], rule[:begin] + rule[end:]):
        for start in ("start", "selector", "expr"):
            assert _read(rule_parser(), text, start) == _read(lark_parser(), text, start)


def _step_count(lark: Lark) -> int:
    """Return how many reductions it takes to read LEVELS."""
    steps = 0

    def counted(callback: Any) -> Any:  # noqa: ANN401 - lark's own
        def called(parts: list[object]) -> object:
            nonlocal steps
            steps += 1
            return callback(parts)

        return called

    parser: Any = lark.parser
    callbacks = parser.parser.parser.callbacks
    kept = dict(callbacks)
    callbacks.update({rule: counted(callback) for rule, callback in kept.items()})
    try:
        lark.parse(LEVELS, start="start")
    finally:
        callbacks.update(kept)
    return steps


def test_a_third_of_the_steps_are_saved_where_every_level_of_the_grammar_is_used() -> None:
    assert 0 < _step_count(rule_parser()) <= _step_count(lark_parser()) * 2 / 3
