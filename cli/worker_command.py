"""`betrace worker`: judge the spans topic."""

from __future__ import annotations

from pathlib import Path

import click

from cli.settings_options import load_settings, settings_options
from processor.settings import Settings
from processor.worker import run_worker


@click.command()
@settings_options(Settings)
def worker(settings_file: Path | None, **flags: object) -> None:
    """Judge every trace of the spans topic by rules and write violation records.

    Workers of one group share the partitions. Exit status: 0 stopped as asked, 1 crashed (start it again: it goes on from the last commit),
    2 the rules or the settings are refused.
    """
    raise SystemExit(run_worker(load_settings(Settings, settings_file, flags)))
