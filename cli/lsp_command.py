"""`betrace lsp`: what an editor asks about rule files."""

from __future__ import annotations

import click

from cli.lsp_server import serve


@click.command()
@click.option(
    "--documentation",
    metavar="URL",
    help="Where the pages of the diagnostics are, for links: URL/syntax.md. Without it: those of the source tree, if it is there.",
)
def lsp(documentation: str | None) -> None:
    """Answer an editor on standard input and output, by the Language Server Protocol.

    Editors start it by themselves. Exit status: 0 ended as asked, 1 the editor is gone without a word.
    """
    raise SystemExit(serve(documentation))
