"""`betrace shard`: re-key a topic whose records are not keyed by trace."""

from __future__ import annotations

from pathlib import Path

import click

from cli.settings_options import load_settings, settings_options
from processor.shard_settings import ShardSettings
from processor.shard_worker import run_sharder


@click.command()
@settings_options(ShardSettings)
def shard(settings_file: Path | None, **flags: object) -> None:
    """Split the records of the spans topic by trace and write them keyed by trace id, for workers to judge.

    Only needed where the Collector does not write keyed records itself. Sharders of one group share the partitions. Exit status: 0 stopped
    as asked, 1 crashed (start it again: it goes on from the last commit), 2 the settings are refused.
    """
    raise SystemExit(run_sharder(load_settings(ShardSettings, settings_file, flags)))
