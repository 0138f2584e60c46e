"""`betrace demo`: broker, worker and API in one command, fed with traces that a real Collector recorded."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.demo_player import Player, PlayError, played_length_s
from cli.demo_processes import PartError, Worker, running_api, running_worker
from cli.demo_watch import Watch, show_summary
from cli.embedded_broker import BrokerStartError, embedded_broker
from cli.engine_option import engine_option
from cli.rule_files import fail, rule_set_or_exit
from cli.shop_rules import SHOP_RULES
from cli.shown_text import some_lines
from compiler import RuleSet
from processor.engines import EngineName, make_engine
from processor.finite import FiniteOutcome, judge_finite
from processor.inputs import InputRecord, read_inputs
from topics import names
from topics.admin import BrokerError
from topics.admin import apply as apply_topics
from topics.recordings import SHOP_PROTO_KEYED, recording
from topics.settings import TopicSettings

# What is kept of `--seconds` for the worker to drain, the view to catch up and the parts to end.
_ENDING_S = 6.0
_LEAST_PLAY_S = 0.5
_READ_TIMEOUT_S = 60.0
_POLL_S = 0.5


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="End by itself after about so long; without it, Ctrl-C ends the demo.")
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
@engine_option
def demo(seconds: float | None, rule_path: Path, records: Path, engine: EngineName) -> None:
    """Play recorded traces onto a broker, judge them in a worker, serve the violations, and show each of them.

    Everything runs here, on loopback and free ports, and is gone afterwards. At the end the input is drained and the verdicts are compared
    with those of `betrace check` on the same records.

    Exit status: 0 the same verdicts, or ended by Ctrl-C; 1 they differ or a part failed; 2 the rules or the records cannot be used.
    """
    began = time.monotonic()
    rule_set = rule_set_or_exit([rule_path])
    captured = [item for item in read_inputs([str(records)]) if isinstance(item, InputRecord)]
    if not captured:
        fail(f"{records}: no records")
    ended = threading.Event()
    with _interrupts(ended), tempfile.TemporaryDirectory(prefix="betrace-demo-") as folder:
        demonstration = _Demo(rule_set, rule_path, captured, engine, Path(folder), ended)
        try:
            status = demonstration.run(None if seconds is None else began + seconds)
        except (BrokerStartError, BrokerError, PartError, PlayError) as error:
            click.echo(some_lines(f"betrace demo: {error}"), err=True)
            status = 1
    raise SystemExit(status)


@contextmanager
def _interrupts(ended: threading.Event) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and the end of the terminal end the demo in order."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Demo:
    """One run: `expected` is what `betrace check` says of the same records."""

    def __init__(
        self, rule_set: RuleSet, rule_path: Path, records: list[InputRecord], engine: EngineName, folder: Path, ended: threading.Event
    ) -> None:
        self.rule_set = rule_set
        self.rule_path = rule_path
        self.records = records
        self.engine = engine
        self.folder = folder
        self.ended = ended
        self.unheard: Exception | None = None
        self.expected: FiniteOutcome = judge_finite(records, make_engine(engine, rule_set), keeps_records=True)

    def run(self, until: float | None) -> int:
        """Start the parts, play, watch, drain, compare; return the exit status."""
        with embedded_broker(self.folder / "broker.log") as broker:
            partitions = 1 + max(record.partition for record in self.records)
            apply_topics(TopicSettings(bootstrap_servers=broker, partition_count=partitions))
            with (
                running_worker(broker, self.rule_path, self.engine, self.folder / "worker.log") as worker,
                running_api(broker, self.rule_path) as address,
            ):
                self._introduce(broker, address, worker)
                watch = Watch(address, self.rule_set, self.expected)
                is_whole = self._play(Player(broker, names.SPANS.name), watch, worker, until)
                worker.stop()
                if not is_whole:
                    click.echo("ended before all records were played; nothing to compare")
                    return 0
                watch.catch_up()
                return show_summary(self.expected, self.rule_set, watch)

    def _introduce(self, broker: str, address: str, worker: Worker) -> None:
        click.echo("embedded broker: clock check off")
        click.echo(f"broker      {broker}  (spans: {names.SPANS.name}, violations: {names.VIOLATIONS.name})")
        click.echo(f"worker      {worker.address}/readyz")
        click.echo(f"api         {address}/v1/violations  {address}/docs")
        click.echo(f"rules       {len(self.rule_set.enabled)} from {self.rule_path}")
        click.echo(f"playing     {len(self.records)} records of {self.expected.trace_count} traces\n")

    def _play(self, player: Player, watch: Watch, worker: Worker, until: float | None) -> bool:
        """Play and show what is found until it is time to end; return whether all records were played and read."""
        watching = threading.Thread(target=self._follow, args=(watch,), name="watch", daemon=True)
        watching.start()
        length_s = played_length_s(self.records)
        if until is not None:
            length_s = max(_LEAST_PLAY_S, min(length_s, until - time.monotonic() - _ENDING_S))
        player.play(self.records, length_s, heard=watch.played, stopped=lambda: self.ended.is_set() or not worker.is_running)
        self._wait_until_read(worker, watch.played_count)
        if until is None and not self.ended.is_set():
            click.echo("all records are played; Ctrl-C ends the demo\n")
        while worker.is_running and not self.ended.wait(_POLL_S) and (until is None or time.monotonic() < until - _ENDING_S):
            pass
        self.ended.set()
        watching.join()
        if self.unheard is not None:
            raise PartError(f"the violations could not be read and shown: {self.unheard}") from self.unheard
        return watch.played_count == len(self.records)

    def _follow(self, watch: Watch) -> None:
        """Watch until the end; where that fails, the end is now."""
        try:
            watch.follow(self.ended)
        except (OSError, ValueError) as error:
            self.unheard = error
        finally:
            self.ended.set()

    def _wait_until_read(self, worker: Worker, count: int) -> None:
        until = time.monotonic() + _READ_TIMEOUT_S
        while worker.is_running and worker.records_read() < count:
            if time.monotonic() > until:
                raise PartError(f"the worker did not read all records within {_READ_TIMEOUT_S:g} s")
            time.sleep(0.1)
