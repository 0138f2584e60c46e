"""`betrace api`: serve violations and rules over HTTP."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from api.server import ListenError, run_api
from api.settings import ApiSettings
from api.view import ViewError
from cli.rule_files import fail
from cli.settings_options import load_settings, settings_options


@click.command()
@settings_options(ApiSettings)
def api(settings_file: Path | None, **flags: object) -> None:
    """Read the violations topic into a view and serve it, with the rules, over HTTP.

    Exit status: 0 stopped as asked, 2 the settings are refused, the address is taken or the view cannot be opened.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load_settings(ApiSettings, settings_file, flags)
    try:
        run_api(settings, on_listening=lambda address: click.echo(f"betrace api: {address}"))
    except (ListenError, ViewError) as error:
        fail(str(error))
