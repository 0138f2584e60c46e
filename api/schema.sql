-- The view of the violations topic. Everything here can be made anew from the topic.

CREATE TABLE violation (
    id TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    severity TEXT NOT NULL,
    mode TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- The order of every list is (decided_at, id), newest first; times are texts that sort as time does.
CREATE INDEX violation_by_time ON violation (verdict, decided_at DESC, id DESC);
CREATE INDEX violation_by_rule ON violation (rule_id, decided_at DESC, id DESC);
CREATE INDEX violation_by_severity ON violation (severity, decided_at DESC, id DESC);
CREATE INDEX violation_by_mode ON violation (mode, decided_at DESC, id DESC);
CREATE INDEX violation_by_trace ON violation (trace_id, decided_at DESC, id DESC);

CREATE TABLE violation_service (
    service TEXT NOT NULL,
    violation_id TEXT NOT NULL REFERENCES violation (id) ON DELETE CASCADE,
    PRIMARY KEY (service, violation_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX service_by_violation ON violation_service (violation_id);

-- Where reading goes on: written in the transaction of the rows that were read up to there.
CREATE TABLE position (
    partition INTEGER NOT NULL PRIMARY KEY,
    next_offset INTEGER NOT NULL
) STRICT;

-- Records that are no violations: all are counted, the newest are kept.
CREATE TABLE aside (
    partition INTEGER NOT NULL,
    record_offset INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    value BLOB NOT NULL,
    arrival INTEGER NOT NULL,
    PRIMARY KEY (partition, record_offset)
) STRICT, WITHOUT ROWID;
CREATE INDEX aside_by_arrival ON aside (arrival);
CREATE TABLE aside_count (
    reason TEXT NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;

CREATE TABLE origin (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    topic TEXT NOT NULL,
    topic_id TEXT NOT NULL
) STRICT;
CREATE TABLE probe (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    count INTEGER NOT NULL
) STRICT;
