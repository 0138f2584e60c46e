"""There are no figures without agreement: whoever says something else than the reference engine is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from compiler import RuleSet, SourceFile, Verdict
from loadtest import __main__ as command
from loadtest.agreement import DisagreementError, check_equal, check_span_count, check_verdicts
from loadtest.candidates import CANDIDATES, REFERENCE, reference_verdicts
from loadtest.corpora.corpus import Corpus, Form, enough, written
from loadtest.corpora.shop_traces import shop_traces
from loadtest.corpora.wire import Layout
from loadtest.measured import Evidence, Judge, Memory, Verdicts
from loadtest.rule_writing import compiled

Change = Callable[[dict[str, tuple[Verdict, ...]]], object]


@dataclass(frozen=True)
class Broken:
    """A candidate that judges as the reference engine does and then changes what it says."""

    change: Change
    name: str = "broken"
    span_count: int = 300
    quick_span_count: int = 300

    def start(self, rule_set: RuleSet, *, timed: bool = False) -> Judge:
        assert not timed
        return BrokenJudge(REFERENCE.start(rule_set), self.change)


@dataclass(frozen=True)
class BrokenJudge:
    right: Judge
    change: Change

    def judge(self, records: Sequence[bytes]) -> None:
        self.right.judge(records)

    def verdicts(self) -> Verdicts:
        said = dict(self.right.verdicts())
        self.change(said)
        return said

    def memory(self, records: Sequence[bytes]) -> Memory:
        return self.right.memory(records)

    def evidence(self, records: Sequence[bytes]) -> Evidence:
        return self.right.evidence(records)

    def phases(self) -> Mapping[str, int]:
        return self.right.phases()


def turn_one(said: dict[str, tuple[Verdict, ...]]) -> None:
    first = next(iter(said))
    said[first] = (*said[first][:-1], Verdict.EXCUSED)


def cut_one(said: dict[str, tuple[Verdict, ...]]) -> None:
    last = list(said)[-1]
    said[last] = said[last][:-1]


def corpus() -> Corpus:
    return written("shop", enough(shop_traces(7), 200), Form.TRACES, Layout.COLLECTOR)


def rule_set() -> RuleSet:
    text = "rules:\n  - id: first\n    rule: always { audit.log }\n  - id: second\n    rule: never { count(span) > 20 }\n"
    return compiled([SourceFile("two.yaml", text.encode())])


def checked(change: Change) -> None:
    judge, read = Broken(change).start(rule_set()), corpus()
    judge.judge(read.records)
    check_verdicts("broken", rule_set(), read.survey(sys.maxsize), judge.verdicts())


def test_a_candidate_that_says_the_same_is_accepted() -> None:
    checked(lambda _said: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (turn_one, "rule second says excused, expected is"),
        (cut_one, "has 1 verdicts for 2 rules"),
        (lambda said: said.popitem(), "1 traces have no verdicts, 0 are unknown"),
        (lambda said: said.update({"00" * 16: ()}), "0 traces have no verdicts, 1 are unknown"),
    ],
)
def test_a_candidate_that_says_something_else_is_refused(change: Change, message: str) -> None:
    with pytest.raises(DisagreementError, match=message):
        checked(change)


def test_a_last_run_that_says_something_else_than_the_first_is_refused() -> None:
    read = corpus()
    right = reference_verdicts(rule_set(), read.survey(sys.maxsize).sample)
    said = dict(right)
    turn_one(said)
    check_equal("same", rule_set(), right, right)
    with pytest.raises(DisagreementError, match="rule second says excused"):
        check_equal("other", rule_set(), right, said)


def test_a_comparison_that_finds_another_number_of_spans_is_refused() -> None:
    class Blind:
        name = "blind"

        def run(self) -> int:
            return 0

    with pytest.raises(DisagreementError, match="blind finds 0 spans"):
        check_span_count(Blind(), corpus().facts())


def test_the_command_reports_nothing_for_a_candidate_that_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with status 2, an empty standard output and the place of the difference on stderr."""
    monkeypatch.setitem(CANDIDATES, REFERENCE.name, Broken(turn_one))
    done = CliRunner().invoke(command.loadtest, ["engine", "--quick", "--engine", "reference", "--output", "json"])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "no result: broken, the first run of 10 rules; a record per trace, collector layout: of trace" in done.stderr
