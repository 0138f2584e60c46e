"""`betrace demo`: broker, store, workers and API in one command, fed with traces that a real Collector recorded."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from rich.console import Console

from api.server import ListenError
from api.signals import ended_by
from api.view import ViewError
from cli.demo_comparison import ending_json, show_ending
from cli.demo_lines import Lines, Silence
from cli.demo_live import Live, has_live_terminal
from cli.demo_logs import PartError, PartLogs, part_logs
from cli.demo_player import PlayError
from cli.demo_run import Demo, Wish
from cli.demo_scene import Report
from cli.demo_screen import too_small
from cli.embedded_broker import BrokerStartError
from cli.embedded_store import StoreStartError
from cli.engine_option import engine_option
from cli.rule_files import fail, rule_set_or_exit
from cli.shop_rules import SHOP_RULES
from cli.shown_text import some_lines
from compiler import RuleSet
from processor.engines import EngineName
from processor.inputs import InputRecord, read_inputs
from topics.admin import BrokerError
from topics.recordings import SHOP_PROTO_KEYED, recording

WORKERS_MAX = 8
# Ctrl-C, a supervisor, the end of the terminal.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PART_ERRORS = (BrokerStartError, StoreStartError, BrokerError, ListenError, ViewError, PartError, PlayError)


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="End by itself after about so long; without it, Ctrl-C ends the demo.")
@click.option("--kill", "kills", is_flag=True, help="Kill a worker while it judges, and its replacement while it takes over.")
@click.option("--workers", "worker_count", type=click.IntRange(1, WORKERS_MAX), default=2, show_default=True, help="How many workers.")
@click.option(
    "--rules",
    "rule_path",
    type=click.Path(exists=True, path_type=Path),
    default=SHOP_RULES,
    help="Rule file or directory.  [default: rules for the recorded shop]",
)
@click.option(
    "--records",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=recording(SHOP_PROTO_KEYED),
    help="Keyed capture to play.  [default: the recorded shop]",
)
@click.option(
    "--live/--no-live",
    "is_live",
    default=True,
    help="A view of the whole terminal, or plain lines. Where there is no terminal, or NO_COLOR is set, lines it is.  [default: live]",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text: show what happens; json: one object at the end.",
)
@engine_option
def demo(
    *,
    seconds: float | None,
    kills: bool,
    worker_count: int,
    rule_path: Path,
    records: Path,
    is_live: bool,
    output: str,
    engine: EngineName,
) -> None:
    """Play recorded traces onto a broker, judge them in workers, serve the violations, and show all of it.

    Everything runs here, on loopback and free ports, and is gone afterwards. At the end the input is drained, and the verdicts are compared
    with those of `betrace check` on the same records: the violations that were said, and every count of the journal.

    Exit status: 0 the same verdicts, or ended by Ctrl-C before; 1 they differ, a part failed, or there was no room for the logs of the
    parts; 2 the rules or the records cannot be used.
    """
    until = None if seconds is None else time.monotonic() + seconds
    rule_set = rule_set_or_exit([rule_path])
    captured = [item for item in read_inputs([str(records)]) if isinstance(item, InputRecord)]
    if not captured:
        fail(f"{records}: no records")
    wish = Wish(rule_set, rule_path, captured, engine, worker_count, kills, until)
    raise SystemExit(_run(wish, _report(rule_set, output, is_live=is_live), output))


def _report(rule_set: RuleSet, output: str, *, is_live: bool) -> Report:
    if output == "json":
        return Silence()
    console = Console(highlight=False)
    if not is_live or not has_live_terminal(console):
        return Lines(rule_set)
    if trouble := too_small(*console.size):
        click.echo(f"plain lines: {trouble}\n")
        return Lines(rule_set)
    return Live(console, rule_set)


def _run(wish: Wish, report: Report, output: str) -> int:
    ended = threading.Event()
    try:
        with ended_by(ended, _ENDING), part_logs() as logs:
            try:
                with _logging(logs):
                    ending = Demo(wish, logs, report, ended).run()
            except _PART_ERRORS as error:
                raise _explained(error, logs) from error
            finally:
                report.close()
    except PartError as error:
        click.echo(some_lines(f"betrace demo: {error}"), err=True)
        return 1
    if output == "json":
        click.echo(ending_json(ending))
    else:
        show_ending(ending)
    return ending.status


def _explained(error: Exception, logs: PartLogs) -> PartError:
    """Return the error with what its part said last; a full disk is the cause of many others, so it goes before them."""
    try:
        logs.check()
    except PartError as no_room:
        return no_room
    parts = {BrokerStartError: "broker", PlayError: "broker", StoreStartError: "store"}
    tail = logs.tail(parts[type(error)]) if type(error) in parts else ""
    return PartError(f"{error}\n{tail}".rstrip())


@contextmanager
def _logging(logs: PartLogs) -> Iterator[None]:
    """Let what the API logs in this process go where the other parts' logs go: it has no place on the screen."""
    handler = _LogFile(logs.path("api"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Leave it: that a disk is full, others say."""
