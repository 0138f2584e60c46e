"""/v1/rules: what the directory says now, and the last set that compiled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from api.rule_files import RuleFiles
from compiler import Compilation, SourceFile, compile_sources
from tests.api.service import RULES, Service, service
from tests.timing import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def served(rules: Path) -> Iterator[Service]:
    with service(rules) as made:
        yield made


def test_a_rule_is_shown_with_text_metadata_version_and_report(served: Service) -> None:
    found = served.client.get("/v1/rules/payment-check").json()
    assert found["rule"].startswith("when  { payment.charge }")
    assert (found["name"], found["severity"], found["mode"], found["enabled"]) == ("Payments are checked", "high", "enforce", True)
    assert (found["tags"], found["controls"], found["redact"]) == (["payments"], ["SOC2:CC7.2"], {"amount": "mask"})
    assert len(found["version"]) == 12
    assert found["exceptions"][0]["expires_at"] == "2199-02-01T00:00:00.000000000Z"
    assert "span:name" in found["report"]["demand"]
    assert found["source"]["file"].endswith("rules.yaml")
    assert found["source"]["line"] == 2
    assert [it["code"] for it in found["diagnostics"]] == ["no-tests"]


def test_the_list_has_disabled_rules_too_and_every_diagnostic_with_its_place(served: Service) -> None:
    found = served.client.get("/v1/rules").json()
    assert found["state"] == "compiled"
    assert found["fingerprint"]
    assert [(it["id"], it["enabled"]) for it in found["items"]] == [("payment-check", True), ("no-orphans", False)]
    assert all(it["line"] > 0 for it in found["diagnostics"])
    assert sum(len(it["diagnostics"]) for it in found["items"]) == len(found["diagnostics"])


def test_a_changed_file_is_read_again(served: Service, rules: Path) -> None:
    before = served.client.get("/v1/rules").json()["fingerprint"]
    (rules / "more.yml").write_text("rules:\n  - {id: more, rule: 'never { x.y }'}\n", encoding="utf-8")
    after = served.client.get("/v1/rules").json()
    assert "more" in [it["id"] for it in after["items"]]
    assert after["fingerprint"] != before


def test_a_refused_set_shows_its_diagnostics_and_the_set_before(served: Service, rules: Path) -> None:
    before = served.client.get("/v1/rules").json()
    (rules / "rules.yaml").write_text(RULES.replace("when  {", "when  {{"), encoding="utf-8")
    after = served.client.get("/v1/rules").json()
    assert after["state"] == "refused"
    assert after["fingerprint"] == before["fingerprint"]
    assert [it["id"] for it in after["items"]] == ["payment-check", "no-orphans"]
    assert "syntax" in [it["code"] for it in after["diagnostics"]]
    (rules / "rules.yaml").write_text(RULES, encoding="utf-8")
    assert served.client.get("/v1/rules").json()["state"] == "compiled"


def test_a_directory_that_vanishes_is_said_and_the_set_before_is_shown(served: Service, rules: Path) -> None:
    served.client.get("/v1/rules")
    (rules / "rules.yaml").unlink()
    rules.rmdir()
    found = served.client.get("/v1/rules").json()
    assert found["state"] == "refused"
    assert "cannot be read" in found["problem"]
    assert len(found["items"]) == 2


@pytest.mark.parametrize("content", [b"\xff\x00", b"rules: &a [*a]", b"", b"[" * 5_000, b"rules:\n- rule: \t\n"])
def test_a_file_of_any_bytes_never_makes_an_error_of_the_service(served: Service, rules: Path, content: bytes) -> None:
    (rules / "rules.yaml").write_bytes(content)
    assert served.client.get("/v1/rules").status_code == 200


def test_a_file_name_that_is_no_unicode_is_shown(served: Service, rules: Path) -> None:
    name = os.fsdecode(b"caf\xe9.yaml")
    (rules / name).write_text("rules: [", encoding="utf-8")
    assert served.client.get("/v1/rules").status_code == 200


@pytest.mark.parametrize("name", ["missing", "%27--", "..%2f", "%00", "x" * 5_000])
def test_a_rule_that_is_not_there_is_a_problem(served: Service, name: str) -> None:
    answer = served.client.get(f"/v1/rules/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_a_rules_directory_there_are_no_rules_to_show() -> None:
    with service() as served:
        assert served.client.get("/v1/rules").json()["type"] == "urn:betrace:problem:no-rules"


def test_hidden_files_and_folders_are_left_out(rules: Path) -> None:
    (rules / "..data").mkdir()
    (rules / "..data" / "rules.yaml").write_text(RULES, encoding="utf-8")
    (rules / ".hidden.yaml").write_text("rules: [", encoding="utf-8")
    assert RuleFiles(rules).current().is_compiled


def test_files_that_have_not_changed_are_not_compiled_again(rules: Path) -> None:
    files = RuleFiles(rules)
    assert files.current() is files.current() is files.loaded()


def test_a_single_file_may_be_named(rules: Path) -> None:
    assert len(RuleFiles(rules / "rules.yaml").current().rules) == 2


@pytest.mark.timed
def test_five_thousand_rules_are_compiled_once_and_listed_within_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in range(50):
        text = "".join(f"  - id: rule-{file}-{n}\n    rule: when {{ a.b.where(x > {n}) }} always {{ c.d }}\n" for n in range(100))
        (tmp_path / f"{file}.yaml").write_text(f"rules:\n{text}", encoding="utf-8")
    compiled = list[int]()

    def count(sources: Sequence[SourceFile], *, today_ns: int | None = None) -> Compilation:
        compiled.append(len(sources))
        return compile_sources(sources, today_ns=today_ns)

    monkeypatch.setattr("api.rule_files.compile_sources", count)
    with service(tmp_path) as served:
        served.client.get("/readyz")
        with within(2):
            found = served.client.get("/v1/rules").json()
        served.client.get("/v1/rules/rule-7-7")
    assert len(found["items"]) == 5_000
    assert compiled == [50]
