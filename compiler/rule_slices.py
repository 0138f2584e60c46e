"""The rules of files, each cut out as a rule file of its own, or some joined in one, in their author's words, layout and comments."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.yaml_nodes import Mapping, Scalar, Sequence
from compiler.yaml_reader import read_yaml

if TYPE_CHECKING:
    from compiler.source import Region, SourceFile
    from compiler.yaml_nodes import Document

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANK_OR_COMMENT = re.compile(r"( *)(?:#.*)?\r?")
_BLANKS_AND_COMMENTS = re.compile(r"(?:\s|#[^\n]*)*")


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a file; `is_block`: whole lines, else a part of a flow collection in braces or brackets.

    Of a block the numbers of its lines, counted from 0: `first_line` has its dash or key, above it are its comments; `column` is theirs.
    """

    text: str
    is_block: bool
    first_line: int = field(default=0, compare=False)
    last_line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


def rule_texts(source: SourceFile) -> dict[str, str]:
    """Return the rules of a file by their ids, each as the text of a rule file with what it uses of `let`; never raises.

    What cannot be read is left out. Of an accepted file each text compiles to the same rule as the file does.
    """
    root, _ = read_yaml(source)
    if not isinstance(root, Mapping):
        return {}
    lets = dict(let_slices(root))
    return {rule_id: _file(used_lets(lets, [piece]).values(), [piece]) for rule_id, piece in rule_slices(root)}


class LetClashError(ValueError):
    """Two files give one name of `let` different meanings, so their rules cannot stand in one file."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` of `let` means something else in another file")


def joined_rules(sources: Iterable[SourceFile], ids: Container[str]) -> str:
    """Return some rules of files that are laid out alike as the text of one rule file, with what they use of `let`.

    Raises LetClashError where two files disagree over a name that is used.
    """
    lets: dict[str, Slice] = {}
    pieces: list[Slice] = []
    for source in sources:
        root, _ = read_yaml(source)
        if not isinstance(root, Mapping):
            continue
        picked = [piece for rule_id, piece in rule_slices(root) if rule_id in ids]
        for name, text in used_lets(dict(let_slices(root)), picked).items():
            if lets.setdefault(name, text) != text:
                raise LetClashError(name)
        pieces += picked
    return _file(lets.values(), pieces)


def rules_at(source: SourceFile, places: Iterable[Region]) -> list[str]:
    """Return for each of some places of a file the id of the rule it belongs to; empty where it is of none."""
    root, _ = read_yaml(source)
    rules = root.get("rules") if isinstance(root, Mapping) else None
    items = [item for item in rules.items if isinstance(item, Mapping)] if isinstance(rules, Sequence) else []
    starts = [(start.line, start.column) for item in items for start in (item.document.region(item.start, item.start + 1),)]
    ids = ["", *map(_id, items)]
    return [ids[bisect_right(starts, (place.line, place.column))] for place in places]


def _id(item: Mapping) -> str:
    found = item.get("id")
    return found.text if isinstance(found, Scalar) else ""


def rule_slices(root: Mapping) -> Iterator[tuple[str, Slice]]:
    """Yield the rules of a file with their ids."""
    rules = root.get("rules")
    items = [item for item in rules.items if isinstance(item, Mapping)] if isinstance(rules, Sequence) else []
    if not items:
        return
    assert isinstance(rules, Sequence)
    document = rules.document
    if document.text[rules.start : rules.start + 1] == "[":
        pieces = [Slice(document.text[item.start : item.end], is_block=False) for item in items]
    else:
        # A flow mapping behind a dash is cut like a block one, in whole lines.
        pieces = list(_blocks(document, list(_dashes(rules)), rules.end))
    yield from zip((_id(item) for item in items), pieces, strict=True)


def _dashes(rules: Sequence) -> Iterator[int]:
    """Yield where the dashes of a block sequence are: the first begins it, each other one follows an item, blanks and comments."""
    at = rules.start
    for item in rules.items:
        dash = _BLANKS_AND_COMMENTS.match(rules.document.text, at)
        assert dash is not None
        if isinstance(item, Mapping):
            yield dash.end()
        at = item.end


def let_slices(root: Mapping) -> Iterator[tuple[str, Slice]]:
    """Yield what a file says in `let`, by its names."""
    lets = root.get("let")
    if not isinstance(lets, Mapping) or not lets.entries:
        return
    document = lets.document
    if document.text[lets.start : lets.start + 1] == "{":
        pieces = [Slice(document.text[key.start : value.end], is_block=False) for key, value in lets.entries]
    else:
        pieces = list(_blocks(document, [key.start for key, _ in lets.entries], lets.end))
    yield from zip((key.text for key, _ in lets.entries), pieces, strict=True)


def _blocks(document: Document, starts: list[int], end: int) -> Iterator[Slice]:
    """Cut a block collection into the lines of its items; a comment that is not indented deeper than an item goes with the next one."""
    first_lines = [document.region(start, start + 1).line - 1 for start in starts]
    column = starts[0] - document.line_starts[first_lines[0]]
    stop = document.region(end, end + 1).line - (1 if _is_line_start(document, end) else 0)
    begins = [_with_comments(document, line, column) for line in first_lines]
    ends = [*begins[1:], _with_comments(document, stop, column)]
    for first, begin, behind in zip(first_lines, begins, ends, strict=True):
        numbers = [number for number in range(begin, behind) if document.line(number).strip()]
        lines = [document.line(number) for number in range(numbers[0], numbers[-1] + 1)]
        yield Slice("".join(f"{line}\n" for line in lines), is_block=True, first_line=first, last_line=numbers[-1], column=column)


def _is_line_start(document: Document, index: int) -> bool:
    return index == 0 or document.text[index - 1 : index] == "\n"


def _with_comments(document: Document, line: int, column: int) -> int:
    """Return the first of the lines right before a line that say nothing, or comment at the depth of the items."""
    while line:
        found = _BLANK_OR_COMMENT.fullmatch(document.line(line - 1))
        if found is None or ("#" in found[0] and len(found[1]) > column):
            break
        line -= 1
    return line


def used_lets(lets: dict[str, Slice], pieces: Iterable[Slice]) -> dict[str, Slice]:
    """Return what pieces of a file use of its `let`, by name, in its order; a name in a comment counts too."""
    names: set[str] = set()
    pending = list(pieces)
    while pending:
        found = {name for name in _WORD.findall(pending.pop().text) if name in lets} - names
        names |= found
        pending += [lets[name] for name in found]
    return {name: text for name, text in lets.items() if name in names}


def _file(lets: Iterable[Slice], rules: Iterable[Slice]) -> str:
    parts = [*_collection("let", lets, "{}"), *_collection("rules", rules, "[]", between="\n")]
    return "".join(parts)


def _collection(key: str, pieces: Iterable[Slice], brackets: str, between: str = "") -> Iterator[str]:
    texts = list(pieces)
    if not texts:
        return
    if texts[0].is_block:
        yield f"{key}:\n"
        yield between.join(piece.text for piece in texts)
    else:
        yield f"{key}: {brackets[0]}{', '.join(piece.text for piece in texts)}{brackets[1]}\n"
