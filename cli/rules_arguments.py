"""The arguments that the commands of `betrace rules` share."""

from __future__ import annotations

from pathlib import Path

import click

PATHS = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
OUTPUT = click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the answer.")

# A share in percent, as an option's value.
PERCENT = click.FloatRange(0, 100)
