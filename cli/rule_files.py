"""Rule files of the command line: read and compiled, or refused with every diagnostic on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

import click

from cli.shown_text import brief, some_lines
from cli.written_files import create, replace
from compiler import Compilation, Diagnostic, RuleSet, SourceFile, compile_sources, render
from compiler.near_names import did_you_mean
from processor.rule_directory import read_sources

USAGE = 2


def load_sources(paths: Sequence[Path]) -> list[SourceFile]:
    """Return the rule files of some paths, each once; ends the program with status 2 where there are none."""
    sources: dict[str, SourceFile] = {}
    for path in paths:
        try:
            sources.update((source.name, source) for source in read_sources(path))
        except OSError as error:
            unusable(error, path)
    if not sources:
        fail(f"no rule files (.yaml, .yml) in {', '.join(map(str, paths))}")
    return list(sources.values())


def compile_files(sources: Sequence[SourceFile]) -> Compilation:
    """Compile rule files; exceptions that have expired today are warned of."""
    return compile_sources(sources, today_ns=time.time_ns())


def rule_set_or_exit(paths: Sequence[Path]) -> RuleSet:
    """Return the rule set of some paths; a set with an error is refused whole: its diagnostics go to stderr, the status is 2."""
    return accepted_or_exit(load_sources(paths))


def accepted_or_exit(sources: Sequence[SourceFile]) -> RuleSet:
    """Return the rule set of some files, as `rule_set_or_exit` does."""
    compilation = compile_files(sources)
    if compilation.rule_set is None:
        show_diagnostics(compilation.errors, sources)
        fail(f"the rules are refused: {count_of(len(compilation.errors), 'error')}")
    return compilation.rule_set


def show_diagnostics(diagnostics: Iterable[Diagnostic], sources: Sequence[SourceFile], *, err: bool = True) -> None:
    """Print diagnostics as a person reads them."""
    by_name = {source.name: source for source in sources}
    for diagnostic in diagnostics:
        click.echo(some_lines(render(diagnostic, by_name.get(diagnostic.region.file))), err=err)


def count_of(count: int, noun: str) -> str:
    """Return `1 error`, `2 errors`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def no_such_rule(rule_id: str, known: Iterable[str]) -> NoReturn:
    """End the program with status 2: there is no rule of this id, but perhaps one that is near."""
    hint = did_you_mean(rule_id, known)
    fail(f"there is no rule {brief(rule_id)}{f': {hint}' if hint else ''}")


def create_or_exit(path: Path, text: str) -> None:
    """Write a new file; ends the program with status 2 where there is one already or it cannot be written."""
    try:
        create(path, text.encode())
    except FileExistsError:
        fail(f"{path} is there already")
    except OSError as error:
        unusable(error, path)


def rewrite_or_exit(source: SourceFile, content: bytes) -> None:
    """Write a file that was read; ends the program with status 2 where that fails, or where it has changed since."""
    try:
        replace(Path(source.name), source.content, content)
    except OSError as error:
        unusable(error, source.name)


def unusable(error: OSError, path: Path | str) -> NoReturn:
    """End the program with status 2: a file, `path` or one below it, cannot be read or written."""
    fail(f"{error.filename or path}: {error.strerror or error}")


def fail(message: str) -> NoReturn:
    """End the program with status 2."""
    click.echo(some_lines(f"betrace: {message}"), err=True)
    raise SystemExit(USAGE)
