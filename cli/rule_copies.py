"""Rules of the library, put into a user's rule files: what stands there stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.rule_library import LibraryRule
from compiler import LetClashError, SourceFile, SpliceError, joined_rules, rule_texts, with_rules
from processor.rule_directory import read_sources

_RULE_SUFFIXES = (".yaml", ".yml")


class CopyError(ValueError):
    """Rules cannot be copied to where they are wanted; the sentence says why, and what helps."""


def copied(taken: Sequence[LibraryRule], target: Path, *, is_replacing: bool) -> Mapping[Path, bytes]:
    """Return what the files of a target say with some rules in them; nothing is written.

    A target that ends with .yaml or .yml is a file. In a directory a rule goes into the file of its domain, or where one of its id is
    already. Raises CopyError where a rule of the same id is there and is not to be replaced, or a file cannot take a rule; OSError.
    """
    is_file = target.suffix in _RULE_SUFFIXES and not target.is_dir()
    sources = {Path(source.name): source for source in (read_sources(target) if target.exists() else ())}
    present = {rule_id: path for path, source in sources.items() for rule_id in rule_texts(source)}
    again = {one.rule.id: present[one.rule.id] for one in taken if one.rule.id in present}
    if again and not is_replacing:
        told = ", ".join(f"`{rule_id}` is already in {path}" for rule_id, path in again.items())
        raise CopyError(f"{told}; nothing is written; --force replaces rules of the same id, and only these")
    wanted: dict[Path, list[LibraryRule]] = {}
    for one in taken:
        path = target if is_file else again.get(one.rule.id, target / f"{one.domain}.yaml")
        wanted.setdefault(path, []).append(one)
    return {path: _content(path, sources.get(path), ones) for path, ones in wanted.items()}


def _content(path: Path, source: SourceFile | None, ones: Sequence[LibraryRule]) -> bytes:
    try:
        text = joined_rules({one.domain: one.source for one in ones}.values(), {one.rule.id for one in ones})
    except LetClashError as error:
        message = f"{error}; copy to a directory, which gets a file per domain"
        raise CopyError(message) from error
    added = SourceFile("library", text.encode())
    if source is None:
        return added.content
    try:
        return with_rules(source, added, is_replacing=True)
    except SpliceError as error:
        message = f"{path} stays as it is: {error}"
        raise CopyError(message) from error
