"""The meaning of rules as tests compare it."""

from __future__ import annotations

from dataclasses import replace

from compiler import ir
from compiler.ir_walk import with_parts


def without_texts(node: object) -> object:
    """The meaning alone: a comparison also holds what its author wrote."""
    changed: object = with_parts(node, without_texts)
    return replace(changed, text="") if isinstance(changed, ir.Comparison) else changed
