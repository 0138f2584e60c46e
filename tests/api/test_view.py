"""The view: the same rows whatever came in which order, and pages that neither skip nor repeat."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.listing import LIMIT_MAX, Place, ViolationFilter
from api.projection import ViolationRow
from api.view import SCHEMA_VERSION, Origin, View, ViewError, _selection
from tests.api.rows import aside, ids, row
from topics.violation import SaidVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERYTHING = ViolationFilter(verdict=list(SaidVerdict))
REVISIONS = [
    row(1),
    row(1, revision=2, change="updated", offender_count=7, trace__services=["ledger"], offenders=[]),
    row(1, revision=3, change="withdrawn", verdict="satisfied", decided_at="2026-01-31T13:00:00.000000000Z"),
    row(2),
    # Never said by one worker: two bodies of one revision.
    row(2, offender_count=9, rule__severity="low"),
    row(3, revision=2, change="updated", rule__mode="shadow"),
    row(3, rule__id="other"),
]


@pytest.fixture
def view() -> Iterator[View]:
    with closing(View(None)) as made:
        yield made


def contents(view: View) -> list[object]:
    """Everything a reader can see of a view."""
    services = [view.page(EVERYTHING.model_copy(update={"service": [name]}), LIMIT_MAX) for name in ("ledger", "payments", "shop")]
    severities = [view.page(EVERYTHING.model_copy(update={"severity": [name]}), LIMIT_MAX) for name in ("low", "high")]
    return [view.page(EVERYTHING, LIMIT_MAX), *services, *severities, view.verdict_counts()]


@settings(max_examples=60, deadline=None)
@given(st.permutations(REVISIONS), st.lists(st.sampled_from(REVISIONS), max_size=6), st.integers(1, 5))
def test_any_order_and_repetition_of_revisions_gives_the_same_view(
    order: list[ViolationRow], again: list[ViolationRow], batch: int
) -> None:
    rows = [*order, *again]
    with closing(View(None)) as one, closing(View(None)) as other:
        one.apply(REVISIONS, {0: 1})
        for start in range(0, len(rows), batch):
            other.apply(rows[start : start + batch], {0: start})
        assert contents(one) == contents(other)


def test_the_greatest_revision_counts(view: View) -> None:
    view.apply([REVISIONS[1], REVISIONS[0]], {})
    body = view.get(REVISIONS[0].id)
    assert body is not None
    assert json.loads(body)["revision"] == 2


def test_a_withdrawn_violation_is_not_listed_and_can_be_got(view: View) -> None:
    view.apply([row(1), row(2), row(1, revision=2, change="withdrawn", verdict="excused")], {})
    assert ids(view.page(ViolationFilter(), 10).bodies) == [2]
    assert ids(view.page(ViolationFilter(verdict=[SaidVerdict.EXCUSED]), 10).bodies) == [1]
    assert view.get(row(1).id) is not None
    assert view.verdict_counts() == {"excused": 1, "violated": 1}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"rule": ["other"]}, [2]),
        ({"rule": ["other", "payment-check"]}, [3, 2, 1]),
        ({"severity": ["low"]}, [1]),
        ({"mode": ["shadow"]}, [3]),
        ({"trace": ["cd" * 16]}, [2]),
        ({"service": ["ledger"]}, [3]),
        ({"service": ["payments"]}, [3, 2, 1]),
        ({"since": "2026-01-31T12:00:02Z"}, [3, 2]),
        ({"until": "2026-01-31T12:00:02Z"}, [1]),
        ({"since": "2026-01-31T13:00:02+01:00", "until": "2026-01-31T12:00:02.000000001Z"}, [2]),
        ({"rule": ["other"], "severity": ["low"]}, []),
        ({"rule": ["' OR 1=1 --", "%", "*"]}, []),
    ],
    ids=str,
)
def test_each_filter_keeps_what_it_says(view: View, wanted: dict[str, list[str]], expected: list[int]) -> None:
    rows = [
        row(1, rule__severity="low"),
        row(2, rule__id="other", trace__id="cd" * 16),
        row(3, rule__mode="shadow", trace__services=["ledger"]),
    ]
    view.apply(rows, {})
    assert ids(view.page(ViolationFilter.model_validate(wanted), 10).bodies) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_of_any_size_give_every_violation_once_newest_first(view: View, size: int) -> None:
    same_moment = [row(n, decided_at="2026-01-31T12:00:03.000000000Z") for n in (103, 104, 105)]
    view.apply([*(row(n) for n in range(1, 6)), *same_moment], {})
    seen: list[int] = []
    after: Place | None = None
    while True:
        page = view.page(ViolationFilter(), size, after)
        seen += ids(page.bodies)
        if page.next is None:
            break
        after = page.next
    assert seen == [5, 4, 105, 104, 103, 3, 2, 1]


def test_violations_that_come_in_meanwhile_do_not_disturb_the_pages(view: View) -> None:
    view.apply([row(n) for n in range(1, 5)], {})
    first = view.page(ViolationFilter(), 2)
    view.apply([row(9), row(1, revision=2, change="updated", decided_at="2026-01-31T12:00:01.000000000Z")], {})
    assert ids(first.bodies) == [4, 3]
    assert ids(view.page(ViolationFilter(), 2, first.next).bodies) == [2, 1]


def test_rows_and_positions_survive_a_restart(tmp_path: Path) -> None:
    with closing(View(tmp_path / "view.sqlite")) as view:
        view.begin(Origin("t", "id"))
        view.apply([row(1)], {0: 5, 3: 1})
    with closing(View(tmp_path / "view.sqlite")) as view:
        assert not view.begin(Origin("t", "id"))
        assert view.positions() == {0: 5, 3: 1}
        assert view.get(row(1).id) == row(1).body


def test_a_batch_that_fails_leaves_neither_rows_nor_positions(view: View) -> None:
    view.apply([row(1)], {0: 1})
    broken = row(3)
    object.__setattr__(broken, "revision", 2**70)
    with pytest.raises(OverflowError):
        view.apply([row(2), broken], {0: 3})
    assert view.positions() == {0: 1}
    assert ids(view.page(ViolationFilter(), 10).bodies) == [1]
    view.apply([row(2)], {0: 3})
    assert view.positions() == {0: 3}


@pytest.mark.parametrize(
    ("before", "after", "is_emptied"),
    [
        (Origin("t", "a"), Origin("t", "a"), False),
        (Origin("t", "a"), Origin("t", "b"), True),
        (Origin("t", "a"), Origin("u", "a"), True),
        (Origin("t"), Origin("t", "a"), False),
        (Origin("t", "a"), Origin("t"), False),
    ],
    ids=str,
)
def test_a_view_of_another_topic_is_emptied(view: View, before: Origin, after: Origin, is_emptied: bool) -> None:
    assert not view.begin(before)
    view.apply([row(1), aside(2)], {0: 3})
    assert view.begin(after) is is_emptied
    assert (view.positions() == {}) is is_emptied
    assert (view.get(row(1).id) is None) is is_emptied
    assert (view.asides() == []) is is_emptied


def test_the_id_of_a_topic_is_learned_when_the_broker_first_says_it(view: View) -> None:
    view.begin(Origin("t"))
    view.begin(Origin("t", "a"))
    view.apply([row(1)], {})
    assert view.begin(Origin("t", "b"))


def test_all_records_set_aside_are_counted_and_the_newest_are_kept() -> None:
    with closing(View(None, asides_max=2)) as view:
        view.apply([aside(1), aside(2)], {0: 3})
        view.apply([aside(3), aside(4), aside(4)], {0: 5})
        assert [it.offset for it in view.asides()] == [4, 3]
        assert view.aside_counts() == {"not_json": 4}


def test_no_record_set_aside_is_kept_where_none_is_wanted() -> None:
    with closing(View(None, asides_max=0)) as view:
        view.apply([aside(1)], {0: 2})
        assert view.asides() == []
        assert view.aside_counts() == {"not_json": 1}


def test_a_view_in_use_by_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "view.sqlite"
    with closing(View(path)), pytest.raises(ViewError, match="in use by another process"):
        View(path)
    View(path).close()


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (x)")
    with pytest.raises(ViewError, match="something else"):
        View(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("precious",)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "view.sqlite"
    path.write_bytes(b"not a database, and long enough to look at" * 100)
    with pytest.raises(ViewError, match="cannot be opened"):
        View(path)


def test_a_folder_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match="cannot be opened"):
        View(tmp_path / "missing" / "view.sqlite")


def test_a_view_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "odd ? name #.sqlite"
    with closing(View(path)) as view:
        view.apply([row(1)], {0: 1})
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with closing(View(path)) as view:
        assert view.positions() == {}
        assert view.get(row(1).id) is None


def test_a_temporary_view_leaves_nothing_behind() -> None:
    view = View(None)
    assert view.path.exists()
    view.close()
    view.close()
    assert not view.path.parent.exists()


def test_a_closed_view_says_so(view: View) -> None:
    view.close()
    with pytest.raises(ViewError):
        view.page(ViolationFilter(), 1)
    with pytest.raises(ViewError):
        view.check_writable()


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "violation_by_time"),
        ({"since": "2026-01-31T12:00:00Z"}, "violation_by_time"),
        ({"rule": ["a"]}, "violation_by_rule"),
        ({"severity": ["high"]}, "violation_by_severity"),
        ({"mode": ["shadow"]}, "violation_by_mode"),
        ({"trace": ["ab" * 16]}, "violation_by_trace"),
        ({"trace": ["ab" * 16], "since": "2026-01-31T12:00:00Z", "verdict": ["satisfied", "excused"]}, "violation_by_trace"),
    ],
    ids=str,
)
def test_a_list_by_one_filter_is_read_in_order_from_an_index(view: View, wanted: dict[str, list[str]], index: str) -> None:
    text, values = _selection(ViolationFilter.model_validate(wanted), Place("2026-01-31T12:00:00.000000000Z", "a"))
    with closing(sqlite3.connect(view.path)) as db:
        plan = [step[3] for step in db.execute(f"EXPLAIN QUERY PLAN {text}", [*values, 50])]
    assert len(plan) == 1
    assert f"USING INDEX {index} (" in plan[0]
