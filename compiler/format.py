"""Rule files in their canonical form: keys in the order of rule-language.md section 1, one spelling of each, no comment lost.

What a file means stays: its rules keep their versions. The text is written anew from the YAML tree (yaml_comments) and the syntax trees
of the rules (format_rule).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import dropwhile

from compiler.compile import compile_sources
from compiler.diagnostics import Diagnostic
from compiler.format_rule import format_formula, format_rule, format_selector
from compiler.format_trace import example_trace, format_trace
from compiler.layout import Comment
from compiler.rule_file_keys import EXCEPTION_KEYS, FILE_KEYS, RULE_KEYS, TEST_KEYS, Key, Shape
from compiler.source import Region, SourceFile
from compiler.yaml_comments import Held, Slot, comments_of, with_comments
from compiler.yaml_nodes import Mapping, Node, Scalar, Sequence
from compiler.yaml_reader import read_yaml
from compiler.yaml_text import WIDTH, block_or_quoted, fill, folded_scalar, one_line_scalar, text_scalar

_INDENT = 2
_UNBOUNDED = 10**9
# A plain item of a list that is a literal of the rule language; in quotes it is a string.
_LITERAL = re.compile(r"true|false|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+|ns|us|ms|s|m|h)?")
_ITEM_KEYS = {Shape.RULES: RULE_KEYS, Shape.EXCEPTIONS: EXCEPTION_KEYS, Shape.TESTS: TEST_KEYS}


@dataclass(frozen=True, slots=True)
class Formatted:
    """A rule file in its canonical form; None where the file has errors, which are then in `errors`."""

    content: bytes | None
    errors: tuple[Diagnostic, ...] = ()


def format_rule_file(source: SourceFile) -> Formatted:
    """Return a rule file in its canonical form: one text for all that differ in layout alone. Never raises, on any bytes.

    The outcome has been compiled again. It is refused like a file with errors where layout takes a rule beyond its limit of size.
    """
    before = compile_sources([source])
    if before.rule_set is None:
        return Formatted(None, before.errors)
    content = _format(source)
    after = compile_sources([SourceFile(source.name, content)])
    if not after.errors:
        return Formatted(content)
    # Places in the new text are of no use to who sees the old one.
    return Formatted(
        None, tuple(Diagnostic(error.code, Region(source.name, 1, 1), f"in its canonical form {error.message}") for error in after.errors)
    )


def _format(source: SourceFile) -> bytes:
    root, _ = read_yaml(source)
    assert isinstance(root, Mapping)
    held = with_comments(root)
    # What stands above everything speaks of the file, whichever key comes first.
    first = held.slots[0]
    header = _own_lines(first.leading, 0)
    header += [""] * (first.has_blank_before and bool(header))
    first.leading, first.has_blank_before = [], False
    lines = [*dropwhile(_is_empty, header), *_mapping(held, 0, FILE_KEYS)]
    text = "".join(f"{line}\n" for line in lines)
    return (text.replace("\n", "\r\n") if "\r\n" in root.document.text else text).encode()


def _is_empty(line: str) -> bool:
    return not line


# ---- comments and blank lines -------------------------------------------------------------------------------------------------------


def _own_lines(comments: Iterable[Comment], indent: int) -> list[str]:
    return [line for comment in comments for line in (*[""] * comment.has_blank_before, " " * indent + comment.text)]


def _above(slot: Slot, indent: int) -> list[str]:
    """Return the lines above a slot; of several comments behind it only the last one stays there."""
    return [*_own_lines([*slot.leading, *slot.trailing[:-1]], indent), *[""] * slot.has_blank_before]


def _behind(slot: Slot) -> str:
    return f"  {slot.trailing[-1].text}" if slot.trailing else ""


def _has_comments(held: Held) -> bool:
    return next(comments_of(held), None) is not None


# ---- collections --------------------------------------------------------------------------------------------------------------------


def _mapping(held: Held, indent: int, keys: tuple[Key, ...]) -> list[str]:
    """Return the lines of a mapping, its keys in their order, old spellings replaced."""
    by_name = {key.name: key for key in keys}
    order = {name: number for number, name in enumerate(by_name)}
    found = [(by_name[slot.key.text], slot) for slot in held.slots if slot.key is not None]
    example = next((slot for key, slot in found if key.shape is Shape.EXAMPLE), None)
    tested = None if example is None else _example_test(example, indent + _INDENT)
    lines: list[str] = []
    for key, slot in sorted(found, key=lambda one: order[one[0].name]):
        if slot is not example:
            added = tested if key.shape is Shape.TESTS and tested else []
            lines += [*_above(slot, indent), *_entry(slot, key, indent, added)]
    if example is not None and tested is None:
        lines += [*_above(example, indent), *_example(example, indent)]
    elif example is not None and tested and held.get("tests") is None:
        lines += [*[""] * example.has_blank_before, f"{' ' * indent}tests:", *tested]
    return [*dropwhile(_is_empty, lines), *_own_lines(held.tail, indent)]


def _entry(slot: Slot, key: Key, indent: int, added: list[str]) -> list[str]:
    """Return the lines of an entry; `added` are items that its list has besides its own."""
    prefix = f"{' ' * indent}{key.instead or key.name}:"
    if isinstance(slot.value, Held):
        return _collection(slot, slot.value, key, prefix, indent, added)
    scalar = slot.value
    match key.shape:
        case Shape.RULE:
            shown = block_or_quoted(format_rule(scalar.text, WIDTH - indent - _INDENT), indent + _INDENT)
        case Shape.TRACE:
            shown = block_or_quoted(format_trace(scalar), indent + _INDENT)
        case Shape.FORMULA:
            shown = _formula(scalar.text, format_formula, len(prefix) + 1, indent)
        case Shape.FLAG:
            shown = [scalar.text.lower()]
        case _:
            shown = text_scalar(scalar, len(prefix) + 1, indent + _INDENT)
    return [f"{prefix} {shown[0]}{_behind(slot)}", *shown[1:]]


def _collection(slot: Slot, held: Held, key: Key, prefix: str, indent: int, added: list[str]) -> list[str]:
    match key.shape:
        case Shape.TEXTS:
            return _list(slot, held, prefix, indent, lambda item: one_line_scalar(item.text, in_flow=True))
        case Shape.REDACTIONS | Shape.EXPECTATION:
            return _pairs(slot, held, prefix, indent)
        case Shape.LETS:
            inner = [line for one in held.slots for line in (*_above(one, indent + _INDENT), *_let(one, indent + _INDENT))]
            empty = "{}"
        case _:
            inner = [line for one in held.slots for line in _item(one, indent + _INDENT, _ITEM_KEYS[key.shape])]
            empty = "[]"
    inner += [*added, *_own_lines(held.tail, indent + _INDENT)]
    if not held.slots and not added:
        return [*inner, f"{prefix} {empty}{_behind(slot)}"]
    return [f"{prefix}{_behind(slot)}", *dropwhile(_is_empty, inner)]


def _item(slot: Slot, indent: int, keys: tuple[Key, ...]) -> list[str]:
    """Return the lines of a mapping in a list; what stands above its first key stands above its dash."""
    assert isinstance(slot.value, Held)
    lines = _mapping(slot.value, indent + _INDENT, keys)
    head = next(number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#"))
    hoisted = [line[_INDENT:] for line in lines[:head]]
    first = f"{' ' * indent}- {lines[head].lstrip()}"
    above = [*_own_lines([*slot.leading, *slot.trailing], indent), *[""] * slot.has_blank_before]
    return [*above, *hoisted, first, *lines[head + 1 :]]


def _list(slot: Slot, held: Held, prefix: str, indent: int, show: Callable[[Scalar], str]) -> list[str]:
    """Return a list of texts in brackets; with comments inside an item a line."""
    shown = [show(one.value) for one in held.slots if isinstance(one.value, Scalar)]
    if not _has_comments(held):
        words = [f"{text}{',' if number < len(shown) else ']'}" for number, text in enumerate(shown, 1)]
        lines = fill(words, f"{prefix} [", " " * (len(prefix) + 2)) if shown else [f"{prefix} []"]
        return [*lines[:-1], lines[-1] + _behind(slot)]
    if not shown:
        return [*_own_lines(held.tail, indent), f"{prefix} []{_behind(slot)}"]
    lines = []
    for one, text in zip(held.slots, shown, strict=True):
        lines += [*_above(one, indent + _INDENT), f"{' ' * (indent + _INDENT)}- {text}{_behind(one)}"]
    return [f"{prefix}{_behind(slot)}", *dropwhile(_is_empty, lines), *_own_lines(held.tail, indent + _INDENT)]


def _pairs(slot: Slot, held: Held, prefix: str, indent: int) -> list[str]:
    """Return a mapping of words in braces; an entry a line where it has comments or is too long."""
    pairs = [
        f"{one_line_scalar(one.key.text, in_flow=True)}: {one.value.text}"
        for one in held.slots
        if one.key is not None and isinstance(one.value, Scalar)
    ]
    line = f"{prefix} {{{', '.join(pairs)}}}"
    if not pairs or (not _has_comments(held) and len(line) <= WIDTH):
        return [*_own_lines(held.tail, indent), line + _behind(slot)]
    lines = []
    for one, pair in zip(held.slots, pairs, strict=True):
        lines += [*_above(one, indent + _INDENT), f"{' ' * (indent + _INDENT)}{pair}{_behind(one)}"]
    return [f"{prefix}{_behind(slot)}", *dropwhile(_is_empty, lines), *_own_lines(held.tail, indent + _INDENT)]


# ---- let, formulas ------------------------------------------------------------------------------------------------------------------


def _let(slot: Slot, indent: int) -> list[str]:
    assert slot.key is not None
    prefix = f"{' ' * indent}{one_line_scalar(slot.key.text)}:"
    if isinstance(slot.value, Held):
        return _list(slot, slot.value, prefix, indent, _literal)
    shown = _formula(slot.value.text, format_selector, len(prefix) + 1, indent)
    return [f"{prefix} {shown[0]}{_behind(slot)}", *shown[1:]]


def _literal(item: Scalar) -> str:
    is_literal = _LITERAL.fullmatch(item.text) is not None
    if not is_literal:
        return one_line_scalar(item.text, in_flow=True)
    return item.text if item.plain else f'"{item.text}"'


def _formula(text: str, show: Callable[[str, int], list[str]], column: int, indent: int) -> list[str]:
    """Return a formula or selector on one line where it fits, else in a block."""
    lines = show(text, _UNBOUNDED)
    written = one_line_scalar(lines[0])
    if len(lines) == 1 and column + len(written) <= WIDTH:
        return [written]
    return block_or_quoted(show(text, WIDTH - indent - _INDENT), indent + _INDENT)


# ---- example_violation --------------------------------------------------------------------------------------------------------------


def _example_test(slot: Slot, indent: int) -> list[str] | None:
    """Return BeTrace's example of a violation as an item of `tests`; None where a trace cannot say it."""
    held = slot.value
    assert isinstance(held, Held)
    spans, name = held.get("trace"), held.get("description")
    assert spans is not None
    assert isinstance(spans.value, Held)
    trace = example_trace(spans.value)
    if trace is None:
        return None
    text = name.value.text if name is not None and isinstance(name.value, Scalar) else ""
    title = folded_scalar(text or "example_violation", indent + len("- name: "), indent + 2 * _INDENT)
    shown = block_or_quoted(trace, indent + 2 * _INDENT)
    inner = " " * (indent + _INDENT)
    return [
        *_own_lines([*slot.leading, *slot.trailing, *comments_of(held)], indent),
        f"{' ' * indent}- name: {title[0]}",
        *title[1:],
        f"{inner}trace: {shown[0]}",
        *shown[1:],
        f"{inner}expect: violated",
    ]


def _example(slot: Slot, indent: int) -> list[str]:
    assert isinstance(slot.value, Held)
    above = _own_lines([*slot.trailing, *comments_of(slot.value)], indent)
    return [*above, f"{' ' * indent}example_violation: {_flow(slot.value.node)}"]


def _flow(node: Node) -> str:
    """Return any value on one line."""
    if isinstance(node, Sequence):
        return f"[{', '.join(map(_flow, node.items))}]"
    if isinstance(node, Mapping):
        return f"{{{', '.join(f'{one_line_scalar(key.text, in_flow=True)}: {_flow(value)}' for key, value in node.entries)}}}"
    return node.text or "null" if node.plain and not isinstance(node.value, str) else one_line_scalar(node.text, in_flow=True)
