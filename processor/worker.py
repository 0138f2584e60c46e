"""The worker: rules from files, records from Kafka, verdicts to Kafka."""

from __future__ import annotations

import errno
import logging
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from processor.engines import make_engine
from processor.faust_app import Lifeline, make_app, run_app
from processor.free_memory import allocator, give_back_free_memory
from processor.garbage import spare_collector
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
from processor.rule_archive import RuleArchive
from processor.rule_follow import RuleFollow
from processor.rule_watch import RuleWatch
from processor.settings import RulesFrom
from processor.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.rules_in_force import RulesInForce
    from processor.settings import Settings

log = logging.getLogger(__name__)

REFUSED = 2
_FIRST_RULES_S = 120.0
_LOOK_S = 1.0


def run_worker(settings: Settings) -> int:
    """Judge the spans topic until SIGTERM or SIGINT; return the exit status.

    0: stopped as asked; 1: crashed (a supervisor starts it again, it goes on where the journal says); 2: the rules of the directory are
    refused or cannot be read, the journal has no topic, or the HTTP port is taken; why stands on standard error. Standard output names the
    address of the pages once.
    """
    port = free_port(settings.http_host, settings.http_port)
    if port is None:
        sys.stderr.write(f"betrace worker: cannot listen on {settings.http_host}:{settings.http_port}\n")
        return REFUSED
    spare_collector()
    give_back_free_memory()
    rules = _rules(settings)
    rules.start()
    try:
        journal = KafkaJournal(settings, settings.rule_stats_topic)
        if not has_first_rules(settings, rules) or not journal_is_there(journal):
            return REFUSED
        sys.stdout.write(f"betrace worker: http://{settings.http_host}:{port} {_shown_rules(settings, rules)}\n")
        sys.stdout.flush()
        return _run(settings, rules, journal, port)
    finally:
        rules.stop()


def _rules(settings: Settings) -> RulesInForce:
    log = settings.rules_log()
    maker = partial(make_engine, settings.engine)
    if settings.rules_from is RulesFrom.TOPIC:
        return RuleFollow(log, maker, settings.judged_with.redaction_key_id)
    return RuleWatch(settings.rules, settings.judged_with, maker, RuleArchive(log))


def has_first_rules(settings: Settings, rules: RulesInForce) -> bool:
    """Say whether the worker can start with its rules: a directory must hold a good set, the topic is waited for."""
    if settings.rules_from is RulesFrom.TOPIC:
        return True
    standing = rules.wait(lambda it: it.program is not None or bool(it.refused), _FIRST_RULES_S)
    for fault in standing.refused:
        sys.stderr.write(fault.text + "\n")
    if standing.program is None:
        why = f"{len(standing.refused)} errors" if standing.refused else standing.trouble or f"nothing was read in {_FIRST_RULES_S:.0f} s"
        sys.stderr.write(f"betrace worker: the rule set is refused: {why}\n")
    elif not standing.program.rule_set.enabled:
        sys.stderr.write(f"betrace worker: no rule in {settings.rules} is enabled\n")
    return standing.program is not None


def _shown_rules(settings: Settings, rules: RulesInForce) -> str:
    program = rules.standing.program
    if program is None:
        return f"rules of topic {settings.rules_topic}, when there are some"
    return f"rules {program.rule_set.fingerprint} ({len(program.rule_set.enabled)} enabled)"


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


def _run(settings: Settings, rules: RulesInForce, journal: KafkaJournal, port: int) -> int:
    metrics = PrometheusMetrics()
    lifeline = Lifeline()
    group = PartitionGroup(settings, metrics, lifeline.ended)
    around = Surroundings(
        KafkaPublisher(settings, metrics),
        rules,
        metrics,
        journal=journal,
        store=_store(settings),
        aside=ThreadPoolExecutor(1, thread_name_prefix="store").submit,
        clock=wall_clock_ns,
        bounds=group.log_bounds,
    )
    handler = Handler(settings.core(f"{socket.gethostname()}:{port}"), around)
    start = Start(rules, lambda: group.drive(handler), lifeline)
    lifeline.tie(start.begin, lambda: start.stop(group))
    pages = Health(settings, rules, group, metrics, handler).pages()
    app = make_app(settings.group_id, settings.http_host, port, lifeline, pages)
    return run_app(app, settings.log_level)


class Start:
    """Lets the group begin once there are rules: with the topic that may take until somebody applies some."""

    def __init__(self, rules: RulesInForce, drive: Callable[[], None], lifeline: Lifeline) -> None:
        self._rules = rules
        self._drive = drive
        self._lifeline = lifeline
        self._is_stopped = threading.Event()
        self._lock = threading.Lock()
        self._has_begun = False

    def begin(self) -> None:
        """Wait for rules beside whoever calls."""
        log.info("memory comes from %s", allocator())
        threading.Thread(target=self._wait, name="first-rules", daemon=True).start()

    def stop(self, group: PartitionGroup) -> None:
        """Stop the group, or do not let it begin."""
        with self._lock:
            self._is_stopped.set()
            has_begun = self._has_begun
        if has_begun:
            group.stop()
        else:
            self._lifeline.ended(None)

    def _wait(self) -> None:
        while self._rules.wait(lambda standing: standing.program is not None, _LOOK_S).program is None:
            if self._is_stopped.is_set():
                return
        with self._lock:
            if self._is_stopped.is_set():
                return
            self._has_begun = True
            self._drive()


def _store(settings: Settings) -> RedisStore | None:
    if settings.store_url is None:
        return None
    address = parse_address(settings.store_url.get_secret_value())
    log.info("trace states go to %s", address)
    return RedisStore(address, settings.store_app, timeout_s=settings.store_timeout_s)
