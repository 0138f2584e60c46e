"""The rule library holds what it promises: no doubt about a rule, tests of each kind, and an answer for every rule that it replaces."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.rule_library import LibraryRule, library_rules
from compiler import SourceFile, compile_sources, rule_texts
from compiler.ir_text import rule_text
from library import GAPS, RULES
from processor.rule_coverage import rule_coverage
from processor.rule_directory import read_sources
from processor.rule_mutation import rule_mutation
from processor.rule_tests import run_rule_test, run_rule_tests
from tests.cli.run import run
from tests.trace_engines import ENGINES
from topics.recordings import SHOP_OTLP_LINES, SHOP_SCENARIOS, recording

ORIGINALS = Path(__file__).with_name("originals.txt").read_text("utf-8").split()
# Some mutants mean the same as the rule, of a short one a large share: no test can tell them apart.
KILLED_PERCENT_MIN = 90
# Attributes that tell a person apart leave only under a redaction.
PERSONAL = frozenset(
    [
        "account.id",
        "client.address",
        "customer.id",
        "data.subject.id",
        "enduser.id",
        "patient.id",
        "record.owner.id",
        "user.email",
        "user.id",
    ]
)
CONTROL = re.compile(r"(SOC2|PCI-DSS|HIPAA|GDPR|ISO27001|FedRAMP|EU-AI-ACT):[A-Za-z0-9][A-Za-z0-9.()-]*")
# Names of the semantic conventions and what they were called before, which is what many instrumentations still write.
OLDER = {
    "db.system.name": "db.system",
    "db.query.text": "db.statement",
    "db.operation.name": "db.operation",
    "db.collection.name": "db.sql.table",
    "http.request.method": "http.method",
    "http.response.status_code": "http.status_code",
    "url.full": "http.url",
    "url.path": "http.target",
    "server.address": "net.peer.name",
}
HEAD = re.compile(r"^(?:when|for each)\b", re.MULTILINE)
FIELDS = ("id", "name", "description", "severity", "tags", "evidence", "rule", "tests")
GAP_FIELDS = {"original", "intent", "reason", "needs"}


@cache
def sources() -> tuple[SourceFile, ...]:
    return tuple(read_sources(RULES))


@cache
def written() -> dict[str, dict[str, Any]]:
    """Return the rules as YAML shows them: what they do not say is absent."""
    return {rule["id"]: rule for source in sources() for rule in yaml.safe_load(source.content)["rules"]}


@cache
def gaps() -> tuple[dict[str, str], ...]:
    return tuple(gap for path in sorted(GAPS.glob("*.yaml")) for gap in yaml.safe_load(path.read_text("utf-8")))


each_rule = pytest.mark.parametrize("rule_id", [found.rule.id for found in library_rules()])


def rule_of(rule_id: str) -> LibraryRule:
    (found,) = (found for found in library_rules() if found.rule.id == rule_id)
    return found


def test_every_original_has_one_rule_or_is_one_gap() -> None:
    named = [name for found in library_rules() for name in found.rule.text.replaces if name.startswith("betrace:")]
    told = Counter([*named, *(gap["original"] for gap in gaps())])
    assert told == Counter(ORIGINALS)


def test_there_are_195_originals() -> None:
    assert (len(ORIGINALS), len(set(ORIGINALS))) == (195, 195)


def test_nothing_is_to_be_said_against_the_library_rules() -> None:
    assert compile_sources(list(sources())).diagnostics == ()


@each_rule
def test_the_tests_of_a_rule_reach_all_of_it_and_tell_it_from_wrong_ones(rule_id: str) -> None:
    rule = rule_of(rule_id).rule
    assert rule_coverage(rule, list(run_rule_tests([rule]))).missing == ()
    mutated = rule_mutation(rule)
    told = [(mutant.before, mutant.after) for mutant in mutated.survivors]
    assert mutated.percent >= KILLED_PERCENT_MIN or len(told) == 1, told


@each_rule
@pytest.mark.parametrize("engine", ENGINES)
def test_every_test_of_a_rule_passes_on_every_engine(engine: str, rule_id: str) -> None:
    rule = rule_of(rule_id).rule
    assert [test.name for test in rule.tests if not run_rule_test(rule, test, ENGINES[engine]).passed] == []


@each_rule
def test_a_rule_copied_alone_checks_and_tests_clean(rule_id: str) -> None:
    compilation = compile_sources([SourceFile("copy.yaml", rule_texts(rule_of(rule_id).source)[rule_id].encode())])
    assert compilation.diagnostics == ()
    assert compilation.rule_set is not None
    (rule,) = compilation.rule_set.rules
    assert (rule.id, rule.version) == (rule_id, rule_of(rule_id).rule.version)
    assert all(ran.passed for ran in run_rule_tests([rule]))


@each_rule
def test_a_rule_says_all_that_a_reader_needs(rule_id: str) -> None:
    rule = written()[rule_id]
    assert [key for key in FIELDS if not rule.get(key)] == []
    assert "owner" not in rule
    assert rule_of(rule_id).domain in rule["tags"]
    assert rule["description"].count(".") >= 2


@each_rule
def test_a_rule_has_a_test_of_each_verdict_that_it_can_come_to(rule_id: str) -> None:
    rule = rule_of(rule_id).rule
    wanted = {"violated", "satisfied"} | ({"not_applicable"} if HEAD.search(rule.text.rule) else set())
    assert wanted <= {test.expect for test in rule.tests if isinstance(test.expect, str)}
    assert any(test.offenders for test in rule.tests) or "count(" in rule.text.rule


@each_rule
def test_a_rule_reads_older_names_too_or_its_file_says_in_bold_that_it_does_not(rule_id: str) -> None:
    found = rule_of(rule_id)
    read = set(re.findall(r"[a-z_]+(?:\.[a-z_]+)+", rule_text(found.rule.program)))
    header = " ".join(line.lstrip("# ") for line in found.source.content.decode().splitlines() if line.startswith("#"))
    told = [bold for bold in re.findall(r"\*\*(.+?)\*\*", header) if f"`{rule_id}`" in bold]
    assert told or read.isdisjoint(OLDER) or not read.isdisjoint(OLDER.values())


def test_the_library_finds_the_planted_queries_of_the_recorded_shop_and_no_others() -> None:
    labels = map(json.loads, recording(SHOP_SCENARIOS).read_text("utf-8").splitlines())
    planted = {label["trace_id"] for label in labels if label["defect"] == "n_plus_one"}
    told = run("check", "--rules", RULES / "database.yaml", recording(SHOP_OTLP_LINES), "-o", "json")
    violations = json.loads(told.stdout)["violations"]
    assert {(one["rule"]["id"], one["trace"]["id"]) for one in violations} == {("no-n-plus-one-queries", trace) for trace in planted}


@each_rule
def test_the_controls_of_a_rule_are_those_of_a_known_framework(rule_id: str) -> None:
    assert [control for control in rule_of(rule_id).rule.text.controls if not CONTROL.fullmatch(control)] == []


@each_rule
def test_evidence_tells_no_person_apart_unless_it_is_redacted(rule_id: str) -> None:
    text = rule_of(rule_id).rule.text
    assert PERSONAL & set(text.evidence) - dict(text.redact).keys() == set()


@pytest.mark.parametrize("path", sorted([*RULES.glob("*.yaml"), *GAPS.glob("*.yaml")]), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_begins_by_saying_what_it_is_about(path: Path) -> None:
    assert re.match(r"# [A-Z].*\.\n(?!#)|# [A-Z](?:.*\n# )+.*\.\n(?!#)", path.read_text("utf-8"))


def test_a_gap_says_what_was_wanted_why_it_cannot_be_said_and_what_it_would_take() -> None:
    ids = {found.rule.id for found in library_rules()}
    wrong = [
        gap for gap in gaps() if gap.keys() - {"partly"} != GAP_FIELDS or not all(gap.values()) or gap.get("partly", min(ids)) not in ids
    ]
    assert not wrong
