"""`betrace rules from-trace` writes what `rules test` accepts, whatever a trace holds, or says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.run import document, run, span, written

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "\x1b[31m\x9b\u2028\u2029\u202e\ufeff\uffff\x00 \"\\'#: é😀"
RULES = "rules:\n  - id: one\n    evidence: [note]\n    rule: 'always { count(span) < 3 } never { span.where(note == x) }'\n"
TRACES: dict[str, list[dict[str, object]]] = {
    "what a terminal obeys": [span(1, HOSTILE, 0, 9), span(2, HOSTILE, 1, 2, parent=1) | {"status": {"code": 2, "message": HOSTILE}}],
    "a name of a control character": [span(1, "\x07", 0, 9) | {"status": {"code": 2}}],
    "no names": [span(1, "", 0, 9), span(2, "", 1, 2, parent=1)],
    "words of the language": [span(1, "when", 0, 9), span(2, "never", 1, 2, parent=1), span(3, "5ms", 1, 2, parent=2)],
    "a circle of parents": [span(1, "a", 0, 9, parent=2), span(2, "b", 0, 9, parent=1)],
    "no times": [span(1, "a", 0, 9) | {"startTimeUnixNano": "0", "endTimeUnixNano": "0"}],
    "arrays in arrays": [
        span(1, "a", 0, 9)
        | {"attributes": [{"key": "note", "value": {"arrayValue": {"values": [{"stringValue": "y"}, {"arrayValue": {"values": []}}]}}}]}
    ],
    "an event long before its span": [span(1, "a", 10, 19) | {"events": [{"name": "e", "timeUnixNano": "1"}]}],
    "an event at the end of time": [span(1, "a", 0, 9) | {"events": [{"name": "e", "timeUnixNano": str(2**63 - 1)}]}],
    "a link to nothing": [span(1, "a", 0, 9) | {"links": [{"traceId": "0" * 32, "spanId": "0" * 16}]}],
}


@pytest.mark.parametrize("spans", TRACES.values(), ids=TRACES)
def test_what_is_written_is_accepted_and_passes(spans: list[dict[str, object]], tmp_path: Path) -> None:
    noted = [one if one["attributes"] else one | {"attributes": [{"key": "note", "value": {"stringValue": HOSTILE}}]} for one in spans]
    trace = written(tmp_path, "trace.json", document(*noted, service=HOSTILE))
    for options in ([], ["--all"]):
        answer = run("rules", "from-trace", trace, *options)
        tested = run("rules", "test", written(tmp_path, "new.yaml", answer.stdout))
        # The draft of a trace in which no span failed finds nothing wrong, and its test says so.
        assert (answer.exit_code, tested.exit_code in {0, 1}, "error" in tested.stderr) == (0, True, False)
        assert (
            tested.output == "1 passed, 0 failed\n" or "  - verdict: expected violated\n  + verdict: got      satisfied\n" in tested.output
        )
    rules = written(tmp_path, "rules.yaml", RULES)
    answer = run("rules", "from-trace", trace, "--rules", rules, "--rule", "one", "--name", HOSTILE)
    assert run("rules", "test", written(tmp_path, "rules.yaml", f"{RULES}    tests:\n{answer.stdout}")).output == "1 passed, 0 failed\n"


def test_what_a_test_cannot_say_is_counted(tmp_path: Path) -> None:
    trace = written(tmp_path, "trace.json", document(*TRACES["an event long before its span"]))
    answer = run("rules", "from-trace", trace)
    assert "event(e)" in answer.stdout
    assert answer.stderr.startswith("betrace: 1 value left out: ")


def test_what_cannot_be_read_beside_a_trace_is_said(tmp_path: Path) -> None:
    trace = written(tmp_path, "trace.json", document(span(1, "a", 0, 9)))
    answer = run("rules", "from-trace", tmp_path / "none", trace)
    assert (answer.exit_code, answer.stderr.splitlines()[0]) == (0, "refused: 1 unreadable")
    answer = run("rules", "from-trace", tmp_path / "none")
    assert (answer.exit_code, answer.stderr.splitlines()[0]) == (2, "refused: 1 unreadable")


def test_a_chain_that_would_fill_a_disk_is_refused(tmp_path: Path) -> None:
    spans = [span(at, "a", 0, 9, parent=at - 1) for at in range(1, 6_000)]
    answer = run("rules", "from-trace", written(tmp_path, "trace.json", document(*spans)))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "betrace: the trace is too large for a test: " in answer.stderr


def test_a_name_beyond_a_rule_makes_none(tmp_path: Path) -> None:
    answer = run("rules", "from-trace", written(tmp_path, "trace.json", document(span(1, "a" * 70_000, 0, 9))))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "betrace: the trace makes no rule: " in answer.stderr


def test_the_name_of_a_new_rule_may_be_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    assert run("rules", "init", f"One {HOSTILE}\udc9b", "--to", path).exit_code == 0
    assert run("rules", "test", path).output == "4 passed, 0 failed\n"
