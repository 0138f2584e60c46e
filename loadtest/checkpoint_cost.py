"""What checkpoints cost: traces that are open and change every second, judged with checkpoints as usual and with hardly any."""

from __future__ import annotations

import time
from typing import Final

from loadtest.consumption import PARTITION_COUNT, Load, NotMeasuredError, check_said
from loadtest.feed import Order, feeding
from loadtest.latency import wait_until_ready
from loadtest.loops import NS
from loadtest.pipeline_stage import Stage
from loadtest.pipeline_work import CHANGES_MAX, Work
from loadtest.worker_process import Worker

TRACE_COUNT: Final = 10_000
# Nothing of it comes in a run: no journal record, no flush, no write to the store, no commit.
_HARDLY_EVER: Final = {"checkpoint_interval_s": 86_400, "store_interval_s": 86_400}
_WARM_SHARE: Final = 0.25
_TIMEOUT_S: Final = 60.0


def cpu_per_record(stage: Stage, work: Work, trace_count: int = TRACE_COUNT, every_ns: int = NS, *, checkpoints: bool) -> float:
    """Return the seconds of processor time of a record while so many traces change `every_ns`."""
    copy_count = trace_count // len(work.loop.ids)
    topic = stage.spans_topic(PARTITION_COUNT)
    load = Load(work, topic, copy_count, stage.write_rules("rules", work.sources))
    outputs = stage.outputs(topic, PARTITION_COUNT)
    # Without checkpoints nothing says that time has passed: the traces close when the worker is stopped.
    settings = {"drains_on_stop": True, **({} if checkpoints else _HARDLY_EVER)}
    worker = stage.start(topic, outputs, load.rules, settings, stage.cpus[0])
    wait_until_ready(worker, PARTITION_COUNT)
    with feeding(Order(stage.servers, topic, PARTITION_COUNT, work.loop, copy_count, every_ns // copy_count)) as fed:
        begin = _when(worker, _WARM_SHARE * load.record_count)
        end = _when(worker, load.record_count)
        fed.result(_TIMEOUT_S)
    worker.stop()
    check_said(stage, load, outputs)
    stage.remove(topic)
    return (end[1] - begin[1]) / (end[0] - begin[0])


def _when(worker: Worker, record_count: float) -> tuple[float, float]:
    """Wait until a worker has read so many records; return how many it has, and its processor time."""
    until = time.monotonic() + _TIMEOUT_S + CHANGES_MAX
    while (found := worker.metric("betrace_records_read_total")) < record_count:
        worker.check()
        if time.monotonic() > until:
            raise NotMeasuredError(f"{found:.0f} of {record_count:.0f} records were read in time")
        time.sleep(0.2)
    return found, worker.cpu_s()
