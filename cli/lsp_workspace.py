"""The rule files of an editor: the open ones as they are edited, the others as they are on disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from compiler.diagnostics import Diagnostic, Severity
from compiler.editor_check import Checked, EditedFile, rules_of
from compiler.editor_pieces import is_rule_file
from compiler.editor_rule_set import NeedlessRule, compare_rules, duplicates_of, needless_of
from compiler.editor_text import EditorText
from compiler.source import SourceFile
from processor.rule_directory import read_sources

_SUFFIXES = (".yaml", ".yml")
# Folders that hold no rules and may be endless; hidden ones are left out as well.
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "target", "dist"})
FILE_COUNT_MAX = 2_000
FILE_SIZE_MAX_BYTES = 16 * 1024 * 1024
# More than these nobody reads; errors come first.
DIAGNOSTIC_COUNT_MAX = 500


@dataclass(slots=True)
class OpenFile:
    """A file that is open: its latest text, and what is known of the latest one that was checked."""

    text: str
    version: int | None
    is_rule_file: bool
    edited: EditedFile
    checked: Checked = field(default_factory=Checked)
    _document: EditorText | None = None

    @property
    def document(self) -> EditorText:
        """The latest text, cut."""
        if self._document is None or self._document.text is not self.text:
            self._document = EditorText(self.text)
        return self._document


@dataclass(slots=True)
class _FileOnDisk:
    """A file that is not open: its rules. What they mean is not known while there is a text to be compiled."""

    checked: Checked
    edited: EditedFile
    text: str | None


class RuleWorkspace:
    """The rule files of an editor by their paths. Files are checked by one thread at a time; the rest is for one thread."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self.folders = tuple(folders)
        self.open: dict[str, OpenFile] = {}
        self._on_disk: dict[str, _FileOnDisk] = {}
        self._compared: dict[str, NeedlessRule] = {}
        self._has_ended = False

    def put(self, path: str, text: str, version: int | None, *, is_declared: bool = False) -> None:
        """Take the latest text of an open file. Once it has looked like a rule file, or was declared one, it stays one."""
        known = self.open.get(path)
        is_rules = is_declared or (known is not None and known.is_rule_file) or is_rule_file(text)
        if known is None:
            self.open[path] = OpenFile(text, version, is_rules, EditedFile(self.name(path), time.time_ns()))
        else:
            known.text, known.version, known.is_rule_file = text, version, is_rules

    def close(self, path: str) -> None:
        """Forget the text of a file that is no longer open; the one on disk counts again."""
        if self.open.pop(path, None) is not None:
            self.read(path)

    def end(self) -> None:
        """Let what is under way come to an end soon: nobody waits for it any more."""
        self._has_ended = True

    def name(self, path: str) -> str:
        """Return how a file is called in messages: by its path below the folder it is in."""
        for folder in self.folders:
            if Path(path).is_relative_to(folder):
                return Path(path).relative_to(folder).as_posix()
        return path

    def scan(self) -> None:
        """Read the rule files of the folders, as far as they are not open."""
        for path in _rule_paths(self.folders):
            self.read(path)

    def read(self, path: str) -> None:
        """Read a file again that has changed on disk, or is gone."""
        self._on_disk.pop(path, None)
        if not path.endswith(_SUFFIXES):
            return
        try:
            if os.stat(path).st_size > FILE_SIZE_MAX_BYTES:  # noqa: PTH116  # paths are texts here
                return
            content = Path(path).read_bytes()
        except OSError:
            return
        text = content.decode("utf-8", "replace")
        if is_rule_file(text):
            rules = rules_of(SourceFile(self.name(path), content))
            self._on_disk[path] = _FileOnDisk(Checked(rules), EditedFile(self.name(path)), text)

    def check(self, path: str) -> bool:
        """Check the latest text of an open file; False where a newer one came meanwhile, or the file was closed."""
        file = self.open.get(path)
        if file is None:
            return False
        text = file.text

        def is_outdated() -> bool:
            return self._has_ended or file.text is not text or self.open.get(path) is not file

        checked = file.edited.check(text, is_outdated) if file.is_rule_file else Checked()
        if checked is not None:
            file.checked = checked
        return checked is not None

    def compare(self, is_outdated: Callable[[], bool]) -> bool:
        """Compare the rules of all files with each other; False once `is_outdated` says so, what has been compiled by then is kept.

        The rules of files that are not open are compiled here, once: thousands of them take seconds, and nobody waits for them.
        """
        for one in list(self._on_disk.values()):
            if one.text is None:
                continue
            checked = one.edited.check(one.text, lambda: self._has_ended or is_outdated())
            if checked is None:
                return False
            # Of a file that is not open nothing is shown, and no keystroke comes.
            one.checked, one.edited, one.text = Checked(checked.rules), EditedFile(one.edited.name), None
        self._compared = compare_rules(checked for _, checked in self._all())
        return True

    def diagnostics(self, path: str) -> list[Diagnostic]:
        """Return what was found of an open file, beside other files too: at most 500, errors first."""
        file = self.open[path]
        needless = islice(needless_of(file.checked, self._compared), DIAGNOSTIC_COUNT_MAX)
        found = [*file.checked.diagnostics, *duplicates_of(self.name(path), self._all()), *needless]
        found.sort(key=lambda one: (one.severity is not Severity.ERROR, one.region.line, one.region.column))
        return found[:DIAGNOSTIC_COUNT_MAX]

    def _all(self) -> Iterator[tuple[str, Checked]]:
        # Lists, because the other thread may read files meanwhile.
        yield from ((self.name(path), file.checked) for path, file in list(self.open.items()))
        yield from ((self.name(path), file.checked) for path, file in list(self._on_disk.items()) if path not in self.open)

    def known(self, key: str) -> set[str]:
        """Return the values that a list key has in some rule: `controls`, which those of the library have too, and `tags`."""
        texts = [rule.text for _, checked in self._all() for rule in checked.rules]
        found = {value for text in texts for value in (text.controls if key == "controls" else text.tags if key == "tags" else ())}
        return found | _library_controls() if key == "controls" else found


@cache
def _library_controls() -> frozenset[str]:
    """Return the controls of the rules that are shipped; none where they are not installed."""
    spec = find_spec("library")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    sources = [source for place in places for source in read_sources(Path(place))]
    return frozenset(control for source in sources for rule in rules_of(source) for control in rule.text.controls)


def _rule_paths(folders: Iterable[Path]) -> Iterator[str]:
    """Yield the YAML files below some folders, 2,000 at most."""
    count = 0
    for folder in folders:
        for root, inside, names in os.walk(folder):
            inside[:] = sorted(name for name in inside if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
            for name in sorted(names):
                if name.endswith(_SUFFIXES) and not name.startswith("."):
                    if count == FILE_COUNT_MAX:
                        return
                    count += 1
                    yield str(Path(root) / name)
