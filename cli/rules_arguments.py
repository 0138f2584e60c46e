"""The arguments that the commands of `betrace rules` share."""

from __future__ import annotations

from pathlib import Path

import click

from topics.violation import RuleSeverity

PATHS = click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
OUTPUT = click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the answer.")

# The severities among which an option chooses.
SEVERITIES = click.Choice([severity.value for severity in RuleSeverity])

# A share in percent, as an option's value.
PERCENT = click.FloatRange(0, 100)
