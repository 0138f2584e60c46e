"""The worker: rules from files, records from Kafka, verdicts to Kafka."""

from __future__ import annotations

import errno
import hashlib
import logging
import socket
import sys
from typing import TYPE_CHECKING

from compiler import compile_sources, render
from processor import metrics as m
from processor.engines import make_engine
from processor.faust_app import Lifeline, make_app, run_app
from processor.handler import Handler
from processor.health import Health
from processor.journal import JournalError
from processor.kafka_group import PartitionGroup
from processor.kafka_journal import JournalTopicError, KafkaJournal
from processor.metrics_page import PrometheusMetrics
from processor.partition_time import wall_clock_ns
from processor.producer import KafkaPublisher
from processor.redis_address import parse_address
from processor.redis_store import RedisStore
from processor.rule_directory import read_sources
from processor.rule_source import FixedRules, Program
from processor.surroundings import Surroundings
from topics.violation import canonical_json

if TYPE_CHECKING:
    from pydantic import JsonValue

    from compiler import RuleSet
    from processor.settings import Settings

log = logging.getLogger(__name__)

REFUSED = 2


def run_worker(settings: Settings) -> int:
    """Judge the spans topic until SIGTERM or SIGINT; return the exit status.

    0: stopped as asked; 1: crashed (a supervisor starts it again, it goes on where the journal says); 2: the rules are refused or cannot
    be read, the journal has no topic, or the HTTP port is taken; why stands on standard error. Standard output names the address of the
    pages once.
    """
    rule_set = load_rules(settings)
    if rule_set is None:
        return REFUSED
    port = free_port(settings.http_host, settings.http_port)
    if port is None:
        sys.stderr.write(f"betrace worker: cannot listen on {settings.http_host}:{settings.http_port}\n")
        return REFUSED
    journal = KafkaJournal(settings, settings.rule_stats_topic)
    if not journal_is_there(journal):
        return REFUSED
    sys.stdout.write(f"betrace worker: http://{settings.http_host}:{port} rules {rule_set.fingerprint} ({len(rule_set.enabled)} enabled)\n")
    sys.stdout.flush()
    return _run(settings, rule_set, journal, port)


def load_rules(settings: Settings) -> RuleSet | None:
    """Return the rule set of `settings.rules`; None where it is refused or cannot be read, with the reasons on standard error."""
    try:
        sources = read_sources(settings.rules)
    except OSError as error:
        sys.stderr.write(f"betrace worker: cannot read rules: {error}\n")
        return None
    compilation = compile_sources(sources, today_ns=wall_clock_ns())
    by_name = {source.name: source for source in sources}
    for diagnostic in compilation.diagnostics:
        sys.stderr.write(render(diagnostic, by_name.get(diagnostic.region.file)) + "\n")
    if compilation.rule_set is None:
        sys.stderr.write(f"betrace worker: the rule set is refused: {len(compilation.errors)} errors\n")
    elif not compilation.rule_set.enabled:
        sys.stderr.write(f"betrace worker: no rule in {settings.rules} is enabled\n")
    return compilation.rule_set


def free_port(host: str, port: int) -> int | None:
    """Return the port, or a free one for 0; None where it cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            log.debug("cannot listen: %s", errno.errorcode.get(error.errno or 0))
            return None
        found: int = probe.getsockname()[1]
        return found


def journal_is_there(journal: KafkaJournal) -> bool:
    """Say whether the journal's topic can be used; if not, why stands on standard error. A broker that does not answer is asked later."""
    try:
        journal.check()
    except JournalTopicError as error:
        sys.stderr.write(f"betrace worker: {error}\n")
        return False
    except JournalError as error:
        log.warning("%s", error)
    return True


def _run(settings: Settings, rule_set: RuleSet, journal: KafkaJournal, port: int) -> int:
    metrics = PrometheusMetrics()
    metrics.set(m.RULES_IN_FORCE, len(rule_set.enabled), rule_set.fingerprint)
    lifeline = Lifeline()
    group = PartitionGroup(settings, metrics, lifeline.ended)
    around = Surroundings(
        KafkaPublisher(settings, metrics),
        FixedRules(_program(settings, rule_set)),
        metrics,
        journal=journal,
        store=_store(settings),
        clock=wall_clock_ns,
        bounds=group.log_bounds,
    )
    handler = Handler(settings.core(f"{socket.gethostname()}:{port}"), around)
    lifeline.tie(lambda: group.drive(handler), group.stop)
    pages = Health(settings, rule_set, group, metrics, handler).pages()
    app = make_app(settings.group_id, settings.http_host, port, lifeline, pages)
    return run_app(app, settings.log_level)


def _store(settings: Settings) -> RedisStore | None:
    if settings.store_url is None:
        return None
    address = parse_address(settings.store_url.get_secret_value())
    log.info("trace states go to %s", address)
    return RedisStore(address, settings.store_app, timeout_s=settings.store_timeout_s)


def _program(settings: Settings, rule_set: RuleSet) -> Program:
    hangs_on: list[JsonValue] = [rule_set.fingerprint, settings.skew_tolerance_ns, settings.offender_count_max]
    engine = make_engine(settings.engine, rule_set, settings.skew_tolerance_ns, settings.offender_count_max)
    return Program(hashlib.sha256(canonical_json(hangs_on)).hexdigest()[:16], rule_set, lambda: engine)
