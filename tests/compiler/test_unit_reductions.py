"""A parse table without unit reductions reads what lark's own reads: the same trees at the same places, and the same errors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, Token, Tree, UnexpectedInput

import compiler
from compiler.unit_reductions import drop_unit_reductions
from tests.conformance.case import ParseCase, load_cases
from tests.properties.made_rules import rule_texts

RULES = [case.rule for case in load_cases() if isinstance(case, ParseCase)]
LEVELS = "never { a.where(x + 1 * y > 2 and not z or u) implies count(b) in [1, 2] }"


def _new() -> Lark:
    grammar = Path(compiler.__file__).with_name("rules.lark").read_text()
    return Lark(grammar, parser="lalr", start=["start", "expr"], propagate_positions=True)


@cache
def _long() -> Lark:
    return _new()


@cache
def _short() -> Lark:
    lark = _new()
    drop_unit_reductions(_parser(lark).parse_table.states, _parser(lark).callbacks)
    return lark


def _parser(lark: Lark) -> Any:  # noqa: ANN401 - lark's own
    frontend: Any = lark.parser
    return frontend.parser.parser


def _read(lark: Lark, text: str, start: str) -> object:
    try:
        tree: Any = lark.parse(text, start=start)
    except UnexpectedInput as error:
        parser: Any = error.interactive_parser
        return type(error), error.pos_in_stream, frozenset(parser.accepts())
    return _told(tree)


def _told(node: object) -> object:
    """Return a tree with the places of what is in it; of a token a place is part of it, though two that differ in it are equal."""
    if isinstance(node, Tree):
        return node.data, vars(node.meta), [_told(child) for child in node.children]
    assert isinstance(node, Token)
    return node, node.type, node.start_pos, node.end_pos


@pytest.mark.parametrize("rule", [*RULES, LEVELS])
def test_a_rule_has_the_same_tree_or_the_same_error(rule: str) -> None:
    assert _read(_short(), rule, "start") == _read(_long(), rule, "start")


@given(rule_texts, st.data())
@settings(deadline=None)
def test_so_it_is_with_any_rule_and_any_part_of_one(rule: str, data: st.DataObject) -> None:
    begin, end = sorted(data.draw(st.tuples(st.integers(0, len(rule)), st.integers(0, len(rule)))))
    for text in (rule, rule[:end], rule[begin:end], rule[:begin] + rule[end:]):
        for start in ("start", "expr"):
            assert _read(_short(), text, start) == _read(_long(), text, start)


def _step_count(lark: Lark) -> int:
    """Return how many reductions it takes to read LEVELS."""
    steps = 0

    def counted(callback: Any) -> Any:  # noqa: ANN401 - lark's own
        def called(parts: list[object]) -> object:
            nonlocal steps
            steps += 1
            return callback(parts)

        return called

    callbacks = _parser(lark).callbacks
    kept = dict(callbacks)
    callbacks.update({rule: counted(callback) for rule, callback in kept.items()})
    try:
        lark.parse(LEVELS, start="start")
    finally:
        callbacks.update(kept)
    return steps


def test_a_third_of_the_steps_are_saved_where_every_level_of_the_grammar_is_used() -> None:
    assert 0 < _step_count(_short()) <= _step_count(_long()) * 2 / 3
