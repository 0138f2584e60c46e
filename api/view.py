"""The view: a SQLite projection of the violations topic. The greatest revision of a violation counts, whatever came in which order.

Rows and the offsets they were read up to are written in one transaction, so that a crash neither loses nor repeats anything. The one file
that knows the database.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from api.listing import Place
from api.projection import Aside, ViolationRow
from api.scratch_folder import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.listing import ViolationFilter
    from api.projection import Projected

# Raised with every change of schema.sql: a view of another version is made anew.
SCHEMA_VERSION = 1
# "BeTr": how a file is known to be ours before anything in it is dropped.
APPLICATION_ID = 0x42655472
_SCHEMA = Path(__file__).with_name("schema.sql")
_BUSY_TIMEOUT_S = 5.0

_PUT = """
INSERT INTO violation (id, revision, verdict, decided_at, rule_id, severity, mode, trace_id, body)
VALUES (:id, :revision, :verdict, :decided_at, :rule_id, :severity, :mode, :trace_id, :body)
ON CONFLICT (id) DO UPDATE SET
    revision = excluded.revision, verdict = excluded.verdict, decided_at = excluded.decided_at, rule_id = excluded.rule_id,
    severity = excluded.severity, mode = excluded.mode, trace_id = excluded.trace_id, body = excluded.body
WHERE (excluded.revision, excluded.body) > (violation.revision, violation.body)
RETURNING id
"""


class ViewError(Exception):
    """The view cannot be opened, read or written; the text says why."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which topic a view is of; `topic_id` tells a topic from one of the same name that was made anew (empty: the broker did not say)."""

    topic: str
    topic_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of bodies, newest first; `next` is the place to go on from, None at the end."""

    bodies: tuple[bytes, ...]
    next: Place | None


class View:
    """A view in a file, for one process; without a path in a temporary file that goes with it, at the next start where it was killed.

    One thread writes, any thread reads. Every method raises ViewError where the database fails.
    """

    def __init__(self, path: Path | None, *, asides_max: int = 1_000) -> None:
        self._asides_max = asides_max
        self._lock = threading.Lock()
        with ExitStack() as opened, _said(f"the view {path or 'in a temporary file'} cannot be opened"):
            self.path = opened.enter_context(scratch_folder()) / "view.sqlite" if path is None else path
            opened.callback(_claimed(self.path).close)
            self._writer = _connect(self.path)
            opened.callback(self._writer.close)
            _prepare(self._writer)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the view; a temporary one is gone then. May be called twice."""
        with self._lock:
            self._opened.close()

    # ---- writing ------------------------------------------------------------------------------------------------------------------

    def apply(self, projected: Sequence[Projected], positions: Mapping[int, int]) -> None:
        """Write rows, asides and the positions (partition: next offset) they lead to, all or nothing."""
        with self._writing() as db:
            for item in projected:
                if isinstance(item, ViolationRow):
                    _put(db, item)
                else:
                    _put_aside(db, item)
            _trim_asides(db, self._asides_max)
            db.executemany("INSERT OR REPLACE INTO position (partition, next_offset) VALUES (?, ?)", positions.items())

    def begin(self, origin: Origin) -> bool:
        """Say which topic follows; a view of another one is emptied, and then the answer is True."""
        with self._writing() as db:
            found = db.execute("SELECT topic, topic_id FROM origin").fetchone()
            if found is not None and _is_same(Origin(*found), origin):
                db.execute("UPDATE origin SET topic_id = ? WHERE topic_id = ''", (origin.topic_id,))
                return False
            _empty(db)
            db.execute("INSERT INTO origin (one, topic, topic_id) VALUES (1, ?, ?)", (origin.topic, origin.topic_id))
            return found is not None

    def check_writable(self) -> None:
        """Write something small; raises ViewError where that fails."""
        with self._writing() as db:
            db.execute("INSERT INTO probe (one, count) VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET count = count + 1")

    # ---- reading ------------------------------------------------------------------------------------------------------------------

    def positions(self) -> dict[int, int]:
        """Return the next offset to read per partition."""
        with self._reading() as db:
            return dict(db.execute("SELECT partition, next_offset FROM position"))

    def get(self, violation: str) -> bytes | None:
        """Return the body of a violation's greatest revision, withdrawn ones too; None where there is none."""
        with self._reading() as db:
            found = db.execute("SELECT body FROM violation WHERE id = ?", (violation,)).fetchone()
        return None if found is None else bytes(found[0])

    def page(self, wanted: ViolationFilter, limit: int, after: Place | None = None) -> Page:
        """Return at most `limit` violations that fit, newest first, after a place.

        Violations that come in meanwhile belong to earlier pages, so no page shows one twice.
        """
        text, values = _selection(wanted, after)
        with self._reading() as db:
            rows = db.execute(text, [*values, limit + 1]).fetchall()
        shown = rows[:limit]
        following = Place(shown[-1][0], shown[-1][1]) if len(rows) > limit else None
        return Page(tuple(bytes(row[2]) for row in shown), following)

    def asides(self) -> list[Aside]:
        """Return the records that were set aside, newest first."""
        with self._reading() as db:
            rows = db.execute("SELECT partition, record_offset, reason, detail, value FROM aside ORDER BY arrival DESC").fetchall()
        return [Aside(*row) for row in rows]

    def aside_counts(self) -> dict[str, int]:
        """Return how many records were set aside, by reason."""
        with self._reading() as db:
            return dict(db.execute("SELECT reason, count FROM aside_count ORDER BY reason"))

    def verdict_counts(self) -> dict[str, int]:
        """Return how many violations there are, by the verdict of their greatest revision."""
        with self._reading() as db:
            return dict(db.execute("SELECT verdict, count(*) FROM violation GROUP BY verdict ORDER BY verdict"))

    # ---- connections --------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _said("the view cannot be written"):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _said("the view cannot be read"), closing(_connect(self.path, "ro")) as db:
            yield db


def _prepare(db: sqlite3.Connection) -> None:
    """Make the tables, anew where they are of another version; refuse a database that is something else."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    if tables and _pragma(db, "application_id") != APPLICATION_ID:
        raise ViewError("the view's file is the database of something else; name another file")
    db.execute("PRAGMA journal_mode = WAL")
    # A lost transaction is read again from the topic, so the disk need not be waited for.
    db.execute("PRAGMA synchronous = NORMAL")
    if tables and _pragma(db, "user_version") == SCHEMA_VERSION:
        return
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
    drops = "".join(f'DROP TABLE "{table}";' for table in tables)
    db.executescript(f"BEGIN; {drops} {_SCHEMA.read_text(encoding='utf-8')} {marks} COMMIT;")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _connect(path: Path, mode: str = "rwc") -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    # Writes are serialised by a lock of ours, so a connection may change threads.
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _claimed(path: Path) -> IO[bytes]:
    """Return an open lock file, which is this process's until it is closed."""
    claim = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        claim.close()
        raise ViewError(f"the view {path} is in use by another process") from None
    return claim


@contextmanager
def _said(failure: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise ViewError(f"{failure}: {error}") from error


def _is_same(found: Origin, asked: Origin) -> bool:
    same_id = found.topic_id == asked.topic_id or not found.topic_id or not asked.topic_id
    return found.topic == asked.topic and same_id


def _empty(db: sqlite3.Connection) -> None:
    for table in ("violation_service", "violation", "position", "aside", "aside_count", "origin"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608  # names of our own tables


def _put(db: sqlite3.Connection, row: ViolationRow) -> None:
    columns = {
        name: getattr(row, name) for name in ("id", "revision", "verdict", "decided_at", "rule_id", "severity", "mode", "trace_id", "body")
    }
    if db.execute(_PUT, columns).fetchone() is None:
        return
    db.execute("DELETE FROM violation_service WHERE violation_id = ?", (row.id,))
    db.executemany("INSERT INTO violation_service (service, violation_id) VALUES (?, ?)", [(service, row.id) for service in row.services])


def _put_aside(db: sqlite3.Connection, aside: Aside) -> None:
    added = db.execute(
        "INSERT OR IGNORE INTO aside (partition, record_offset, reason, detail, value, arrival) "
        "VALUES (?, ?, ?, ?, ?, (SELECT coalesce(max(arrival), 0) + 1 FROM aside))",
        (aside.partition, aside.offset, aside.reason, aside.detail, aside.value),
    )
    if added.rowcount:
        db.execute(
            "INSERT INTO aside_count (reason, count) VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET count = count + 1", (aside.reason,)
        )


def _trim_asides(db: sqlite3.Connection, kept_max: int) -> None:
    db.execute("DELETE FROM aside WHERE arrival <= (SELECT max(arrival) FROM aside) - ?", (kept_max,))


def _selection(wanted: ViolationFilter, after: Place | None) -> tuple[str, list[str]]:
    """Return the query of a page and its values but the last, the limit. Only constants are joined, values are bound."""
    conditions, values = _conditions(wanted, after)
    # A column with a + is not looked up in its index: almost every violation has the wanted verdict, so any other filter is the better one.
    is_by_verdict = not (wanted.rule or wanted.severity or wanted.trace or wanted.mode)
    verdict = f"{'' if is_by_verdict else '+'}verdict IN ({_marks(wanted.verdicts)})"
    where = " AND ".join([verdict, *conditions])
    text = f"SELECT decided_at, id, body FROM violation WHERE {where} ORDER BY decided_at DESC, id DESC LIMIT ?"  # noqa: S608
    return text, [*wanted.verdicts, *values]


def _conditions(wanted: ViolationFilter, after: Place | None) -> tuple[list[str], list[str]]:
    conditions, values = list[str](), list[str]()
    for column, chosen in (("rule_id", wanted.rule), ("severity", wanted.severity), ("trace_id", wanted.trace), ("mode", wanted.mode)):
        if chosen:
            conditions.append(f"{column} IN ({_marks(chosen)})")
            values += chosen
    if wanted.service:
        conditions.append(f"id IN (SELECT violation_id FROM violation_service WHERE service IN ({_marks(wanted.service)}))")  # noqa: S608  # marks
        values += wanted.service
    if wanted.since is not None:
        conditions.append("decided_at >= ?")
        values.append(wanted.since)
    if wanted.until is not None:
        conditions.append("decided_at < ?")
        values.append(wanted.until)
    if after is not None:
        conditions.append("(decided_at, id) < (?, ?)")
        values += [after.decided_at, after.id]
    return conditions, values


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
