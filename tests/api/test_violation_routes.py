"""/v1/violations: filters, pages, and every wrong request answered with a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.rows import row
from tests.api.service import Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx2 import Response

LIST = "/v1/violations"


@pytest.fixture
def served() -> Iterator[Service]:
    with service() as made:
        made.view.apply([row(n) for n in range(1, 8)], {})
        yield made


def numbers(answer: Response) -> list[int]:
    """The violations of an answer."""
    assert answer.status_code == 200, answer.text
    return [int(item["id"], 16) for item in answer.json()["items"]]


def problem(answer: Response, status: int) -> dict[str, Any]:
    """The problem of an answer, which has the form of RFC 9457."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= body.keys()
    assert body["status"] == status
    return body


def test_violations_are_listed_newest_first_with_whole_records(served: Service) -> None:
    answer = served.client.get(LIST)
    assert numbers(answer) == [7, 6, 5, 4, 3, 2, 1]
    assert answer.json()["next"] is None
    assert answer.json()["items"][0] == served.client.get(f"{LIST}/{7:032x}").json()


def test_the_cursor_of_a_page_leads_to_the_next_one(served: Service) -> None:
    first = served.client.get(LIST, params={"limit": 3, "rule": "payment-check"})
    second = served.client.get(LIST, params={"limit": 3, "rule": "payment-check", "cursor": first.json()["next"]})
    third = served.client.get(LIST, params={"limit": 3, "rule": "payment-check", "cursor": second.json()["next"]})
    assert [numbers(it) for it in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert third.json()["next"] is None


def test_a_filter_may_be_repeated_and_filters_add_up(served: Service) -> None:
    served.view.apply([row(20, rule__id="b", rule__severity="low"), row(21, rule__id="c", rule__severity="low")], {})
    assert numbers(served.client.get(LIST, params={"rule": ["b", "c"]})) == [21, 20]
    assert numbers(served.client.get(LIST, params={"rule": ["b", "c"], "severity": "low", "until": "2026-01-31T12:00:21Z"})) == [20]
    assert numbers(served.client.get(LIST, params={"trace": "AB" * 16, "service": "shop", "mode": "enforce", "rule": "b"})) == [20]


def test_a_withdrawn_violation_is_listed_only_when_its_verdict_is_asked_for(served: Service) -> None:
    served.view.apply([row(7, revision=2, change="withdrawn", verdict="satisfied")], {})
    assert 7 not in numbers(served.client.get(LIST))
    assert numbers(served.client.get(LIST, params={"verdict": "satisfied"})) == [7]
    assert served.client.get(f"{LIST}/{7:032x}").json()["change"] == "withdrawn"


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "query.limit"),
        ("limit=501", "query.limit"),
        (f"limit={10**30}", "query.limit"),
        ("limit=NaN", "query.limit"),
        ("severity=urgent", "query.severity.0"),
        ("verdict=unknown", "query.verdict.0"),
        ("mode=", "query.mode.0"),
        ("trace=abc", "query.trace.0"),
        (f"trace={'ab' * 16}%0A", "query.trace.0"),
        ("rule=", "query.rule.0"),
        (f"rule={'a' * 300}", "query.rule.0"),
        ("&".join(["rule=a"] * 101), "query.rule"),
        ("since=yesterday", "query.since"),
        ("until=2026-01-31T12:00:00+01:00", "query.until"),
        ("cursor=", "query.cursor"),
        ("cursor=%00", "query.cursor"),
        ("cursor=WzEsMiwzXQ", "query.cursor"),
        (f"cursor={'A' * 600}", "query.cursor"),
        ("cursor=%27%20OR%201%3D1%20--", "query.cursor"),
        ("rul=a", "query.rul"),
    ],
)
def test_a_wrong_parameter_is_a_problem_that_names_it(served: Service, query: str, place: str) -> None:
    assert [it["place"] for it in problem(served.client.get(f"{LIST}?{query}"), 422)["errors"]] == [place]


def test_a_cursor_with_other_filters_is_a_problem(served: Service) -> None:
    cursor = served.client.get(LIST, params={"limit": 1}).json()["next"]
    found = problem(served.client.get(LIST, params={"limit": 1, "rule": "x", "cursor": cursor}), 422)
    assert found["type"] == "urn:betrace:problem:bad-cursor"
    assert "other filters" in found["detail"]


@pytest.mark.parametrize("text", ["' OR 1=1 --", '"; DROP TABLE violation; --', "%", "*", "\x00", "é\u2028\U0001f600", "%ff%fe", "?1"])
@pytest.mark.parametrize("name", ["rule", "service"])
def test_a_hostile_text_is_only_a_text_that_nothing_has(served: Service, name: str, text: str) -> None:
    assert numbers(served.client.get(LIST, params={name: text})) == []
    assert len(numbers(served.client.get(LIST))) == 7


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["rule", "severity", "trace", "service", "mode", "verdict", "since", "until", "limit", "cursor"])
            | st.text(max_size=5),
            st.text(max_size=40) | st.integers().map(str),
        ),
        max_size=4,
    )
)
def test_any_query_is_answered_with_a_page_or_a_problem(served: Service, query: list[tuple[str, str]]) -> None:
    params = urlencode(query, errors="replace")
    answer = served.client.get(LIST, params=params)
    if answer.status_code != 200:
        problem(answer, 422)


@pytest.mark.parametrize("name", ["0" * 32, "x", "' OR 1=1 --", "%00", "a" * 5_000, "%ff"])
def test_a_violation_that_is_not_there_is_a_problem(served: Service, name: str) -> None:
    assert problem(served.client.get(f"{LIST}/{name}"), 404)["type"] == "urn:betrace:problem:unknown-violation"


@pytest.mark.parametrize("path", ["/", "/v2/violations", "/v1/violations/", "/v1/violations/a/b", "/%2e%2e/etc/passwd", "/V1/violations"])
def test_a_path_that_is_not_there_is_a_problem(served: Service, path: str) -> None:
    assert problem(served.client.get(path), 404)["type"] == "about:blank"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_a_method_that_a_path_does_not_know_is_a_problem_with_those_it_does(served: Service, method: str) -> None:
    answer = served.client.request(method, LIST)
    problem(answer, 405)
    assert answer.headers["allow"] == "GET"


def test_an_error_of_the_service_is_a_problem_that_says_nothing_of_its_inside(served: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(served.view, "page", fail)
    assert "secret" not in str(problem(served.client.get(LIST), 500))


def test_a_view_that_does_not_answer_is_a_problem_of_the_service(served: Service) -> None:
    served.view.close()
    assert problem(served.client.get(LIST), 503)["type"] == "urn:betrace:problem:view-down"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "", "10.0.0.1", "[::2]"])
def test_a_name_that_is_not_of_this_machine_is_refused(served: Service, host: str) -> None:
    problem(served.client.get(LIST, headers={"host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:8080", "127.8.8.8:80"])
def test_every_name_of_this_machine_is_answered(served: Service, host: str) -> None:
    assert served.client.get(LIST, headers={"host": host}).status_code == 200


def test_no_answer_is_kept_by_caches_or_guessed_at(served: Service) -> None:
    for path in (LIST, "/nowhere"):
        headers = served.client.get(path).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
