"""`betrace rules format`: rule files in their canonical form."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from cli.rule_files import USAGE, count_of, load_sources, rewrite_or_exit, show_diagnostics
from cli.rules_arguments import PATHS
from cli.shown_text import one_line, some_lines
from compiler import SourceFile, format_rule_file

_STDIN = Path("-")


@click.command("format")
@PATHS
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def format_rules(paths: Sequence[Path], check: bool, diff: bool) -> None:  # noqa: FBT001  # flags of the command line
    """Put the rule files of PATH (files or directories; - is standard input, answered on standard output) in their canonical form.

    Keys have their order, old spellings become the present ones, long formulas break at the loosest connective, the columns of test
    traces line up. Comments stay, and so does what the rules mean: their versions are the same. A file with errors is left alone.

    Exit status: 0 formatted; 1 with --check or --diff, a file would change; 2 a file has errors or there is nothing to read.
    """
    sources = [*_given(paths)]
    refused = changed = 0
    for source in sources:
        formatted = format_rule_file(source)
        if formatted.content is None:
            show_diagnostics(formatted.errors, [source])
            refused += 1
            continue
        is_new = formatted.content != source.content
        changed += is_new
        if diff:
            click.echo(_diff(source, formatted.content), nl=False)
        elif source.name == str(_STDIN) and not check:
            click.echo(formatted.content, nl=False)
        elif is_new and check:
            click.echo(one_line(source.name))
        elif is_new:
            rewrite_or_exit(source, formatted.content)
    _summarise(len(sources), changed, refused, is_dry=check or diff)
    raise SystemExit(USAGE if refused else int(changed > 0 and (check or diff)))


def _given(paths: Sequence[Path]) -> Iterator[SourceFile]:
    if _STDIN in paths:
        yield SourceFile(str(_STDIN), click.get_binary_stream("stdin").read())
    files = [path for path in paths if path != _STDIN]
    if files:
        yield from load_sources(files)


def _diff(source: SourceFile, content: bytes) -> str:
    before, after = (text.decode("utf-8-sig").splitlines(keepends=True) for text in (source.content, content))
    lines = difflib.unified_diff(before, after, f"{source.name} (as it is)", f"{source.name} (formatted)")
    return "".join(some_lines(line) if line.endswith("\n") else f"{some_lines(line)}\n\\ no line break at the end\n" for line in lines)


def _summarise(files: int, changed: int, refused: int, *, is_dry: bool) -> None:
    would = "would be " if is_dry else ""
    parts = [f"{count_of(changed, 'file')} {would}formatted", f"{files - changed - refused} as they should be"]
    if refused:
        parts.append(f"{refused} refused")
    click.echo(", ".join(parts), err=True)
