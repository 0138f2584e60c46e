"""Why a worker is not ready, and whether the runbook knows it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from processor.readiness import Facts, Notice, NotReady, not_ready, notices

RUNBOOK = Path(__file__).resolve().parents[2] / "docs/how-to/runbook.md"
FINE = Facts(waited_s=None, assignment_timeout_s=30, assignment_hint="is b:9092 reachable?", spans_topic="otlp_spans")


def test_a_worker_that_has_nothing_to_complain_of_is_ready() -> None:
    assert not_ready(FINE) == {}
    assert notices(FINE) == {}


@pytest.mark.parametrize(
    ("facts", "reason", "words"),
    [
        (replace(FINE, waited_s=29.9), NotReady.WAITING_FOR_ASSIGNMENT, "waiting"),
        (replace(FINE, waited_s=30.0), NotReady.NO_ASSIGNMENT, r"30 s: is b:9092 reachable\?"),
        (replace(FINE, has_rules=False, waited_s=3.0), NotReady.RULES_MISSING, "betrace rules apply"),
        (replace(FINE, replaying=["otlp_spans[3]"]), NotReady.REPLAYING, r"otlp_spans\[3\]"),
        (replace(FINE, stuck={"otlp_spans[3]": 61.2}), NotReady.NO_PROGRESS, r"otlp_spans\[3\] for 61 s"),
    ],
)
def test_each_reason_is_met_alone(facts: Facts, reason: NotReady, words: str) -> None:
    assert list(not_ready(facts)) == [reason]
    assert re.search(words, not_ready(facts)[reason])
    assert notices(facts) == {}


@pytest.mark.parametrize(
    ("facts", "notice", "words"),
    [
        (replace(FINE, refused=["rules.yaml:3: no"]), Notice.RULES_REFUSED, r"rules\.yaml:3: no"),
        (replace(FINE, rules_trouble="no broker"), Notice.RULES_UNREADABLE, "no broker"),
        (replace(FINE, not_kept="no topic"), Notice.OLD_PROGRAMS_NOT_KEPT, "no topic"),
        (replace(FINE, unkeyed_count=7), Notice.UNKEYED_INPUT, "7 records of otlp_spans"),
        (replace(FINE, store_trouble="out of memory"), Notice.STORE_UNAVAILABLE, "out of memory"),
        (replace(FINE, clock_offset_s=-3600.0), Notice.CLOCK_OFF, r"-3600\.0 s"),
        (replace(FINE, losses={"no_journal": 2}), Notice.STATE_LOST, "no_journal: 2"),
        (replace(FINE, evicted_count=9), Notice.EVICTING, "9 traces"),
        (replace(FINE, shed_count=9), Notice.SHEDDING, "9 traces .* shed now: none"),
        (replace(FINE, shed_shares={"otlp_spans[3]": 0.25}), Notice.SHEDDING, r"25% of otlp_spans\[3\]"),
    ],
)
def test_each_notice_is_met_alone_and_the_worker_stays_ready(facts: Facts, notice: Notice, words: str) -> None:
    assert list(notices(facts)) == [notice]
    assert re.search(words, notices(facts)[notice])
    assert not_ready(facts) == {}


def test_the_runbook_has_a_section_for_each_and_no_other() -> None:
    sections = set(re.findall(r"^### (.+)$", RUNBOOK.read_text(), re.MULTILINE))
    assert sections == {*map(str, NotReady), *map(str, Notice)}
