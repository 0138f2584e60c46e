"""The sharder's shell: records from Kafka, by trace to Kafka again, in the worker's group and behind the worker's pages."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message

from processor import metrics as m
from processor.faust_app import Lifeline, make_app, run_app
from processor.health import Health
from processor.kafka_group import PartitionGroup
from processor.metrics_page import PrometheusMetrics
from processor.producer import KafkaPublisher
from processor.refused_records import letter_of
from processor.sharder import Sharder
from processor.worker import REFUSED, free_port
from topics.otlp import RECORD_SIZE_MAX
from topics.refusal import RefusalReason

if TYPE_CHECKING:
    from processor.metrics import Metrics
    from processor.record import Record
    from processor.shard_settings import ShardSettings
    from processor.sharder import ShardedRecord


def run_sharder(settings: ShardSettings) -> int:
    """Re-key the spans topic until SIGTERM or SIGINT; return the exit status.

    0: stopped as asked; 1: crashed (a supervisor starts it again, it goes on from the last commit); 2: the HTTP port is taken. Standard
    output names the address of the pages once.
    """
    port = free_port(settings.http_host, settings.http_port)
    if port is None:
        sys.stderr.write(f"betrace shard: cannot listen on {settings.http_host}:{settings.http_port}\n")
        return REFUSED
    sys.stdout.write(f"betrace shard: http://{settings.http_host}:{port} {settings.spans_topic} -> {settings.sharded_spans_topic}\n")
    sys.stdout.flush()
    metrics = PrometheusMetrics()
    lifeline = Lifeline()
    as_worker = settings.as_worker()
    group = PartitionGroup(as_worker, metrics, lifeline.ended)
    sharder = Sharder(KafkaShardPublisher(settings, metrics), metrics)
    lifeline.tie(lambda: group.drive(sharder), group.stop)
    pages = Health(as_worker, None, group, metrics).pages()
    return run_app(make_app(settings.group_id, settings.http_host, port, lifeline, pages), settings.log_level)


class KafkaShardPublisher(KafkaPublisher):
    """Sends sharded records beside dead letters: idempotent, to the partition that Java's producer would choose.

    How large a record may be is the broker's to say; one it refuses as too large is a dead letter.
    """

    def __init__(self, settings: ShardSettings, metrics: Metrics) -> None:
        limits = {"message_max_bytes": str(RECORD_SIZE_MAX), "queue_buffering_max_kbytes": str(settings.queued_kbytes_max)}
        super().__init__(settings.as_worker(**limits), metrics)
        self._topic = settings.sharded_spans_topic
        self._too_large: list[tuple[ShardedRecord, Record]] = []

    def sharded(self, record: ShardedRecord, origin: Record) -> None:
        """Send a record keyed by its trace; `origin` is buried where the broker finds it too large."""

        def delivered(error: KafkaError | None, message: Message | None) -> None:
            if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self._too_large.append((record, origin))
            else:
                self._delivered(error, message)

        try:
            self._send(self._topic, record.key, record.value, record.headers, delivered)
        except KafkaException as error:
            delivered(error.args[0], None)

    def flush(self) -> None:
        """Wait until everything sent is acknowledged, dead letters of what was too large too; raise DeliveryError where it is not."""
        super().flush()
        if self._too_large:
            # The broker refuses a whole batch for its size: each record is tried alone before it is taken for too large.
            refused, self._too_large = self._too_large, []
            for record, origin in refused:
                self.sharded(record, origin)
                super().flush()
                if self._too_large:
                    self._too_large.clear()
                    self._bury(origin)
            super().flush()

    def _bury(self, origin: Record) -> None:
        self._metrics.add(m.ITEMS_REFUSED, 1, RefusalReason.TOO_LARGE)
        self._metrics.add(m.RECORDS_REFUSED, 1, RefusalReason.TOO_LARGE)
        self.dead_letter(letter_of(origin, Counter({RefusalReason.TOO_LARGE: 1})))
