"""What is wrong with a rule file while it is written: only what an edit touches is compiled again.

Of a file that is laid out as usual (`rules:` on a line of its own, its items below) each rule is compiled by itself, with the names of the
file, and kept for as long as its text and what it uses of `let` stay the same. All of it together says what the compiler says of the
whole file. Where a rule is no YAML by itself the others are still checked, which the compiler does not do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from compiler.compile import FileLets, compile_file, compile_rule, read_file_lets, unused_let
from compiler.diagnostics import Diagnostic, Severity
from compiler.editor_pieces import Piece, Pieces, cut
from compiler.lint_rule_set import RuleMeaning, meaning_of
from compiler.rule_file import RuleEntry, RuleFile, read_rule_file
from compiler.rule_set import Rule, RuleText
from compiler.source import Region, SourceFile
from compiler.yaml_reader import read_yaml

# A file of which a piece is no YAML is read whole as well, up to this size: the cut may be what is wrong.
WHOLE_SIZE_MAX = 256 * 1024
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """What a rule's author wrote beside its text, and where its id stands; the id is empty where it is none.

    `meaning` is None where the text is wrong, the rule is disabled, or nobody has compiled it.
    """

    text: RuleText
    region: Region
    meaning: RuleMeaning | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a file: its rules, and every diagnostic but those of rules beside each other (`compiler.editor_rule_set`)."""

    rules: tuple[CheckedRule, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _PieceChecked:
    """What was found of a piece, placed as if it were a file of its own."""

    rules: tuple[CheckedRule, ...]
    diagnostics: tuple[Diagnostic, ...]
    used: frozenset[str]
    is_yaml: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """The names of a file, what is wrong with them, and what each stands for, as a key."""

    lets: FileLets
    diagnostics: tuple[Diagnostic, ...]
    used: frozenset[str]
    meanings: dict[str, str]


def rules_of(source: SourceFile) -> tuple[CheckedRule, ...]:
    """Return the rules of a file, whatever they say; never raises."""
    return tuple(CheckedRule(entry.text, entry.region) for entry in read_rule_file(source).rules)


class EditedFile:
    """A rule file that is edited: `check` gives what is known of its latest text. Not safe for use by two threads at once."""

    def __init__(self, name: str, today_ns: int | None = None) -> None:
        self.name = name
        self._today_ns = today_ns
        self._frame_text: str | None = None
        self._frame: _Frame | None = None
        self._words: dict[str, frozenset[str]] = {}
        self._pieces: dict[tuple[str, str], _PieceChecked] = {}

    def check(self, text: str, is_outdated: Callable[[], bool] = lambda: False) -> Checked | None:
        """Return what is known of a text; never raises, on any text.

        None once `is_outdated` says so, which is asked before each rule that has to be compiled; what has been compiled by then is kept.
        """
        pieces = cut(text)
        if not pieces.pieces:
            return self._check_whole(text)
        frame = self._read_frame(pieces.frame)
        kept_words, kept = self._words, self._pieces
        self._words, self._pieces = {}, {}
        found = []
        for piece in pieces.pieces:
            one = self._check_piece(piece, frame, kept_words, kept, is_outdated)
            if one is None:
                self._words, self._pieces = kept_words | self._words, kept | self._pieces
                return None
            found.append(one)
        if not all(one.is_yaml for one in found) and len(text) <= WHOLE_SIZE_MAX and self._reads_whole(text):
            return self._check_whole(text)
        return _together(pieces, frame, found)

    def _source(self, text: str) -> SourceFile:
        return SourceFile(self.name, text.encode("utf-8", "surrogatepass"))

    def _reads_whole(self, text: str) -> bool:
        return not read_yaml(self._source(text))[1]

    def _check_whole(self, text: str) -> Checked:
        read = read_rule_file(self._source(text))
        diagnostics: list[Diagnostic] = []
        right = {rule.region: rule for rule in compile_file(read, diagnostics, self._today_ns)}
        return Checked(tuple(_checked(entry, right.get(entry.region)) for entry in read.rules), tuple(diagnostics))

    def _read_frame(self, text: str) -> _Frame:
        if self._frame is None or text != self._frame_text:
            self._frame_text, self._frame = text, _frame(read_rule_file(self._source(text)))
        return self._frame

    def _check_piece(
        self,
        piece: Piece,
        frame: _Frame,
        kept_words: dict[str, frozenset[str]],
        kept: dict[tuple[str, str], _PieceChecked],
        is_outdated: Callable[[], bool],
    ) -> _PieceChecked | None:
        text = piece.text
        words = kept_words.get(text)
        if words is None:
            words = frozenset(_WORD.findall(text))
        self._words[text] = words
        key = (text, "\n".join(frame.meanings[name] for name in sorted(frame.meanings.keys() & words)) if frame.meanings else "")
        found = kept.get(key)
        if found is None:
            if is_outdated():
                return None
            found = _compile_piece(SourceFile(self.name, piece.as_file.encode("utf-8", "surrogatepass")), frame, self._today_ns)
        self._pieces[key] = found
        return found


def _frame(read: RuleFile) -> _Frame:
    diagnostics = list(read.diagnostics)
    lets = read_file_lets(read.lets, diagnostics)
    used = frozenset(name for name, let in lets.lets.items() if let.used)
    meanings = {name: f"{name}={lets.canonical[name]}={let.value!r}" for name, let in lets.lets.items()}
    return _Frame(lets, tuple(diagnostics), used, meanings)


def _compile_piece(source: SourceFile, frame: _Frame, today_ns: int | None) -> _PieceChecked:
    read = read_rule_file(source)
    for let in frame.lets.lets.values():
        let.used = False
    diagnostics = list(read.diagnostics)
    rules = [_checked(entry, compile_rule(entry, frame.lets, diagnostics, today_ns)) for entry in read.rules]
    used = frozenset(name for name, let in frame.lets.lets.items() if let.used)
    is_yaml = bool(read.rules) or not read_yaml(source)[1]
    return _PieceChecked(tuple(rules), tuple(diagnostics), used, is_yaml)


def _checked(entry: RuleEntry, rule: Rule | None) -> CheckedRule:
    return CheckedRule(entry.text, entry.region, meaning_of(rule) if rule is not None and rule.text.enabled else None)


def _together(pieces: Pieces, frame: _Frame, found: list[_PieceChecked]) -> Checked:
    rules: list[CheckedRule] = []
    diagnostics = [_moved(one, pieces.line_of_frame(one.region.line - 1) - one.region.line + 1) for one in frame.diagnostics]
    for piece, one in zip(pieces.pieces, found, strict=True):
        by = piece.first_line - 1
        rules += [CheckedRule(rule.text, _moved_region(rule.region, by), rule.meaning) for rule in one.rules]
        diagnostics += [_moved(diagnostic, by) for diagnostic in one.diagnostics]
    if not any(one.severity is Severity.ERROR for one in diagnostics):
        used = frame.used.union(*(one.used for one in found))
        unused = [unused_let(name, let) for name, let in frame.lets.lets.items() if name not in used]
        diagnostics += [_moved(one, pieces.line_of_frame(one.region.line - 1) - one.region.line + 1) for one in unused]
    return Checked(tuple(rules), tuple(diagnostics))


def _moved(diagnostic: Diagnostic, by: int) -> Diagnostic:
    return replace(diagnostic, region=_moved_region(diagnostic.region, by)) if by else diagnostic


def _moved_region(region: Region, by: int) -> Region:
    return Region(region.file, region.line + by, region.column, region.length)
