"""Rules put into a rule file that is there already: what it says besides them stays, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from compiler.compile import compile_sources
from compiler.rule_slices import let_slices, rule_slices
from compiler.source import Region, SourceFile
from compiler.yaml_nodes import Mapping
from compiler.yaml_reader import read_yaml

if TYPE_CHECKING:
    from compiler.notation import SpanLine
    from compiler.rule_set import Rule
    from compiler.rule_slices import Slice
    from compiler.yaml_nodes import Document, Scalar

_INDENT = 2
_NOWHERE = Region("", 0, 0)
_BYTE_ORDER_MARK = "\ufeff"


class SpliceError(ValueError):
    """The rules cannot be put into the file; the sentence says why."""


class _Edit(NamedTuple):
    """A text in the place of what stands from one index of a document to another."""

    start: int
    end: int
    text: str


def with_rules(source: SourceFile, added: SourceFile, *, is_replacing: bool = False) -> bytes:
    """Return a rule file with the rules of another one behind its own, and with what these use of `let` and it does not say.

    With `is_replacing` a rule whose id is there already is put in the place of that one; else SpliceError is raised, as it is where the
    file has errors, where its rules stand in brackets, and where a name of `let` would mean something else than before, here or there.
    """
    source = SourceFile(source.name, _ended(source.content))
    root, found = read_yaml(source)
    other, _ = read_yaml(added)
    wanted = _accepted(added)
    assert isinstance(other, Mapping), "an accepted file is a mapping"
    if root is None and not found:
        content = source.content + added.content
        _refuse_changes(wanted, SourceFile(source.name, content), (other, other))
        return content
    before = _accepted(source)
    assert isinstance(root, Mapping), "as above"
    present = [rule_id for rule_id in wanted if rule_id in before]
    if present and not is_replacing:
        raise SpliceError(f"{' and '.join(f'`{rule_id}`' for rule_id in present)} is there already")
    spliced = _spliced(root, [*_rule_edits(root, other), *_let_edits(root, other)])
    mark = _BYTE_ORDER_MARK if source.content.startswith(_BYTE_ORDER_MARK.encode()) else ""
    content = f"{mark}{spliced}".encode()
    _refuse_changes(before | wanted, SourceFile(source.name, content), (root, other))
    return content


def _ended(content: bytes) -> bytes:
    """Return a text with a line break at its end: a block scalar that is followed by something has one, too."""
    if not content or content.endswith(b"\n"):
        return content
    return content + (b"\r\n" if b"\r\n" in content else b"\n")


def _accepted(source: SourceFile) -> dict[str, Rule]:
    rule_set = compile_sources([source]).rule_set
    if rule_set is None:
        raise SpliceError("the file has errors, which `betrace rules check` shows")
    return {rule.id: rule for rule in rule_set.rules}


def _refuse_changes(expected: dict[str, Rule], source: SourceFile, roots: tuple[Mapping, Mapping]) -> None:
    """Raise SpliceError unless a file has the rules expected and each means the same as it did where it came from.

    So no layout of YAML, however odd, and no name that is suddenly one of `let` can change a rule unseen.
    """
    rule_set = compile_sources([source]).rule_set
    found = {} if rule_set is None else {rule.id: rule for rule in rule_set.rules}
    if {rule_id: _meaning(rule) for rule_id, rule in found.items()} == {rule_id: _meaning(rule) for rule_id, rule in expected.items()}:
        return
    here, there = ({name: "".join(piece.text.split()) for name, piece in let_slices(root)} for root in roots)
    clashes = [name for name, text in there.items() if here.get(name, text) != text] or [name for name in there if name not in here]
    if clashes:
        names = " and ".join(f"`{name}`" for name in clashes)
        raise SpliceError(f"{names} of `let` would mean something else than in the rules that use it; they need a file of their own")
    raise SpliceError("its layout leaves no room for further rules; `betrace rules format` puts it in order")


def _meaning(rule: Rule) -> tuple[object, ...]:
    tests = [replace(test, trace=replace(test.trace, lines=_unplaced(test.trace.lines)), region=_NOWHERE) for test in rule.tests]
    return rule.text, rule.program, rule.exceptions, tests


def _unplaced(lines: Sequence[SpanLine]) -> tuple[SpanLine, ...]:
    return tuple(replace(line, region=_NOWHERE) for line in lines)


def _spliced(root: Mapping, edits: Iterable[_Edit]) -> str:
    text = root.document.text
    line_break = "\r\n" if "\r\n" in text else "\n"
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text.replace("\n", line_break) + text[edit.end :]
    return text


def _rule_edits(root: Mapping, other: Mapping) -> Iterator[_Edit]:
    document = root.document
    here = dict(rule_slices(root))
    there = dict(rule_slices(other))
    fresh = [piece for rule_id, piece in there.items() if rule_id not in here]
    for rule_id in there.keys() & here.keys():
        old, new = _block(here[rule_id]), there[rule_id]
        comments = new.text.split("\n")[: _comment_lines(new)]
        text = new.text[sum(len(line) + 1 for line in comments) :]
        yield _Edit(_line_start(document, old.first_line), _line_start(document, old.last_line + 1), _moved(text, old.column - new.column))
    if fresh and here:
        last = _block([*here.values()][-1])
        moved = [_moved(piece.text, last.column - piece.column) for piece in fresh]
        at = _line_start(document, last.last_line + 1)
        yield _Edit(at, at, "".join(f"\n{text}" for text in moved))
    elif fresh:
        yield from _filled(root, "rules", "\n".join(piece.text for piece in fresh), fresh[0].column)


def _let_edits(root: Mapping, other: Mapping) -> Iterator[_Edit]:
    document = root.document
    here = dict(let_slices(root))
    fresh = [piece for name, piece in let_slices(other) if name not in here]
    if not fresh:
        return
    text = "".join(piece.text for piece in fresh)
    if here:
        last = _block([*here.values()][-1])
        at = _line_start(document, last.last_line + 1)
        yield _Edit(at, at, _moved(text, last.column - fresh[0].column))
    elif root.get("let") is not None:
        yield from _filled(root, "let", text, fresh[0].column)
    else:
        key, column = _key(root, "rules")
        at = key.start - column
        yield _Edit(at, at, f"{' ' * column}let:\n{_moved(text, column + _INDENT - fresh[0].column)}")


def _filled(root: Mapping, name: str, text: str, column: int) -> Iterator[_Edit]:
    """Yield how an empty pair of brackets comes to hold some lines."""
    _, key_column = _key(root, name)
    value = root.get(name)
    assert value is not None
    document = root.document
    yield _Edit(len(document.text[: value.start].rstrip(" ")), value.end, "")
    at = _line_start(document, document.region(value.end, value.end + 1).line)
    yield _Edit(at, at, _moved(text, key_column + _INDENT - column))


def _key(root: Mapping, name: str) -> tuple[Scalar, int]:
    """Return the key of a mapping that is laid out in lines, and its column."""
    (key,) = (key for key, _ in root.entries if key.text == name)
    column = root.document.region(key.start, key.end).column - 1
    if root.document.text[key.start - column : key.start].strip(" "):
        raise _flow_error()
    return key, column


def _block(piece: Slice) -> Slice:
    if not piece.is_block:
        raise _flow_error()
    return piece


def _flow_error() -> SpliceError:
    return SpliceError("what it says stands in brackets; `betrace rules format` puts it into lines")


def _comment_lines(piece: Slice) -> int:
    return len(piece.text.splitlines()) - (piece.last_line - piece.first_line + 1)


def _line_start(document: Document, line: int) -> int:
    return document.line_starts[line] if line < len(document.line_starts) else len(document.text)


def _moved(text: str, columns: int) -> str:
    """Return lines indented by some columns more, or less if that is negative."""
    return "".join(_moved_line(line, columns) for line in text.splitlines(keepends=True))


def _moved_line(line: str, columns: int) -> str:
    if columns >= 0:
        return f"{' ' * columns}{line}" if line.strip() else line
    return line[min(-columns, len(line) - len(line.lstrip(" "))) :]
