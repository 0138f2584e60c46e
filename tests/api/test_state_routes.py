"""/healthz, /readyz, /metrics and the OpenAPI document: each dependency shows, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.feed import Feed
from api.settings import ApiSettings
from tests.api.rows import aside, row
from tests.api.service import RULES, Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from httpx2 import Response


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def served(rules: Path) -> Iterator[Service]:
    with service(rules, ApiSettings(lag_records_max=10)) as made:
        yield made


def checks(answer: Response) -> dict[str, tuple[str, str]]:
    """Each check of a readiness answer: its state and reason."""
    return {it["name"]: (it["state"], it["reason"]) for it in answer.json()["checks"]}


def test_a_service_that_can_do_its_work_is_ready_and_every_check_has_a_reason(served: Service) -> None:
    answer = served.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert checks(answer) == {
        "view": ("ok", "the view can be written"),
        "topic": ("ok", "betrace.violations is read, 1 partitions"),
        "caught_up": ("ok", "0 records are not yet in the view"),
        "rules": ("ok", "2 rules compiled"),
    }


@pytest.mark.parametrize(
    ("feed", "name", "reason"),
    [
        (Feed("t", problem="no broker answers", is_caught_up=True), "topic", "no broker answers"),
        (Feed("t", problem="", is_running=False, is_caught_up=True), "topic", "nobody reads t"),
        (
            Feed("t", problem="", lag_records={0: 3, 1: 4}),
            "caught_up",
            "the end of the topic was not reached yet; 7 records are not yet in the view",
        ),
        (Feed("t", problem="", lag_records={0: 11}, is_caught_up=True), "caught_up", "11 records are not yet in the view, 10 may be"),
    ],
)
def test_a_feed_that_is_not_read_to_its_end_makes_the_service_not_ready(served: Service, feed: Feed, name: str, reason: str) -> None:
    served.feed.state = feed
    answer = served.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert checks(answer)[name] == ("failed", reason)
    assert f"{name}: {reason}" in answer.json()["detail"]


def test_a_view_that_cannot_be_written_makes_the_service_not_ready(served: Service) -> None:
    served.view.close()
    answer = served.client.get("/readyz")
    assert answer.status_code == 503
    assert checks(answer)["view"][0] == "failed"


def test_rules_that_no_longer_compile_degrade_the_service_while_the_last_good_set_stands(served: Service, rules: Path) -> None:
    served.client.get("/readyz")
    (rules / "rules.yaml").write_text("rules:\n  - id: broken\n    rule: when\n", encoding="utf-8")
    answer = served.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    state, reason = checks(answer)["rules"]
    assert state == "degraded"
    assert "rules.yaml:3:" in reason


def test_rules_that_never_compiled_make_the_service_not_ready(rules: Path) -> None:
    (rules / "rules.yaml").write_text("rules: [", encoding="utf-8")
    with service(rules) as served:
        assert checks(served.client.get("/readyz"))["rules"][0] == "failed"


def test_a_rules_directory_that_is_not_there_makes_the_service_not_ready(tmp_path: Path) -> None:
    with service(tmp_path / "missing") as served:
        state, reason = checks(served.client.get("/readyz"))["rules"]
    assert state == "failed"
    assert "cannot be read" in reason


def test_the_service_is_alive_while_somebody_reads_the_topic_however_that_goes(served: Service) -> None:
    served.feed.state = Feed("t", problem="no broker answers")
    assert served.client.get("/healthz").json() == {"status": "ok"}
    served.feed.state = Feed("t", is_running=False)
    assert served.client.get("/healthz").status_code == 503


def samples(answer: Response) -> dict[tuple[str, ...], float]:
    """Every sample of a scrape, by name and label values."""
    families = text_string_to_metric_families(answer.text)
    return {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}


def test_metrics_show_requests_view_feed_and_rules(served: Service) -> None:
    served.view.apply([row(1), row(2), row(2, revision=2, change="withdrawn", verdict="excused"), aside(4)], {0: 5})
    served.feed.state = Feed("t", problem="", lag_records={0: 3, 7: 4}, is_caught_up=True)
    served.client.get("/v1/violations")
    served.client.get("/v1/violations/never-a-label")
    served.client.get("/no/such/path")
    served.client.request("BREW", "/v1/violations")
    answer = served.client.get("/metrics")
    found = samples(answer)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "never-a-label" not in answer.text
    expected: dict[tuple[str, ...], float] = {
        ("betrace_api_requests_total", "GET", "/v1/violations", "200"): 1,
        ("betrace_api_requests_total", "GET", "/v1/violations/{violation_id}", "404"): 1,
        ("betrace_api_requests_total", "GET", "none", "404"): 1,
        ("betrace_api_requests_total", "other", "/v1/violations", "405"): 1,
        ("betrace_api_view_violations", "violated"): 1,
        ("betrace_api_view_violations", "excused"): 1,
        ("betrace_api_view_up",): 1,
        ("betrace_api_lag_records", "7"): 4,
        ("betrace_api_caught_up",): 1,
        ("betrace_api_rules",): 2,
        ("betrace_api_rules_compiled",): 1,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_metrics_are_served_when_the_view_is_down(served: Service) -> None:
    served.view.close()
    assert samples(served.client.get("/metrics"))[("betrace_api_view_up",)] == 0


def test_the_openapi_document_names_every_route_and_every_filter(served: Service) -> None:
    document = served.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        *("/v1/violations", "/v1/violations/{violation_id}", "/v1/rules", "/v1/rules/{rule_id}"),
        *("/healthz", "/readyz", "/metrics"),
    }
    parameters = {it["name"] for it in document["paths"]["/v1/violations"]["get"]["parameters"]}
    assert parameters == {"rule", "severity", "trace", "service", "mode", "verdict", "since", "until", "limit", "cursor"}


def test_answers_fit_the_openapi_document(served: Service) -> None:
    served.view.apply([row(1)], {})
    document = served.client.get("/openapi.json").json()
    for path in ("/v1/violations", f"/v1/violations/{1:032x}", "/v1/rules", "/v1/rules/payment-check", "/readyz", "/healthz"):
        template = path.replace(f"{1:032x}", "{violation_id}").replace("payment-check", "{rule_id}")
        schema = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(served.client.get(path).json())


def test_every_route_says_in_the_document_that_errors_are_problems(served: Service) -> None:
    document = served.client.get("/openapi.json").json()
    for operations in document["paths"].values():
        for code, answer in operations["get"]["responses"].items():
            if code != "200":
                assert list(answer["content"]) == ["application/problem+json"]
