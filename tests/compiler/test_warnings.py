"""Warnings say where, what and what to write instead."""

from __future__ import annotations

from compiler import compile_sources
from tests.compiler.written import source


def test_within_before_on_is_answered_with_their_order() -> None:
    (found,) = compile_sources([source('rules: [{id: r, rule: "always { a before b within 5s on k }"}]')]).errors
    assert found.hint == "`on` stands before `within`: a before b on key within 5s"
