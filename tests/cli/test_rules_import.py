"""`betrace rules import`: files, statuses, and what is said where; no bytes end in a traceback or in a rule file with an error."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.run import run, written

if TYPE_CHECKING:
    from pathlib import Path

REFUSED_WITHIN_S = 10
SEED = 20_260_102
CLAUSES = "when { charge.amount > 1000 and not a.where(x == false) } always { check }\n"
CONDITIONS = 'trace.has(charge).where(p matches "a|b") and not trace.has(check)\nspan.status == "ERROR" or trace.count(x) > 3\n'
QUERIES = '{ .a = "x" && duration > 1s } >> { status = error } | count() > 2\n{ event.b != 3 || !(.c =~ "d") } && { .e }\n'
POLICIES = """processors:
  tail_sampling:
    policies:
      - {name: slow, type: latency, latency: {threshold_ms: 5000}}
      - {name: none, type: string_attribute, string_attribute: {key: k, values: [x], invert_match: true}}
      - name: condition
        type: ottl_condition
        ottl_condition:
          span: ['attributes["a"] != 1 and not IsMatch(name, "x|y")']
"""
RULES = f"""rules:
- id: one
  name: 'One: "first"'
  severity: HIGH
  condition: {CLAUSES}  example_violation:
    description: no check
    trace:
    - span: charge
      attributes: {{amount: 5000, note: "a b", list: [1, x]}}
- condition: trace.has(a)
"""
FILES = [
    ("betrace", CLAUSES, ()),
    ("betrace", CONDITIONS, ("--polarity", "violation")),
    ("betrace", CONDITIONS, ("--polarity", "invariant")),
    ("betrace", RULES, ("--polarity", "violation")),
    ("tail-sampling", POLICIES, ()),
    ("traceql", QUERIES, ()),
]


@pytest.mark.parametrize(("dialect", "content", "options"), FILES)
def test_what_is_imported_is_a_rule_file_without_errors(dialect: str, content: str, options: tuple[str, ...], tmp_path: Path) -> None:
    target = tmp_path / "rules.yaml"
    result = run("rules", "import", dialect, written(tmp_path, "theirs", content), "--to", target, *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1].endswith("imported, 0 not")
    checked = run("rules", "check", target)
    assert checked.exit_code == 0, checked.output
    assert "double-negation" not in checked.output
    assert run("rules", "format", "--check", target).exit_code == 0
    assert run("rules", "import", dialect, tmp_path / "theirs", *options).stdout == target.read_text(encoding="utf-8")


def test_what_is_not_imported_is_said_with_its_line_and_stands_as_a_comment(tmp_path: Path) -> None:
    path = written(tmp_path, "q", "{ .a }\n{ .b } | rate()\n")
    result = run("rules", "import", "traceql", path)
    said = "`rate` is a number over time, and a rule speaks of one trace"
    assert result.exit_code == 1
    assert result.stderr == f"{path}:2:10: not imported, a query: {said}\nbetrace: 1 rule imported, 1 not\n"
    comments = [line.strip() for line in result.stdout.splitlines() if line.startswith("  #")]
    assert comments[0] == f"# From {path}:1:1:"
    assert comments[2:4] == [f"# NOT IMPORTED, a query, {path}:2:1:", "#   { .b } | rate()"]
    assert said in " ".join(comments).replace("# ", "")


def test_policies_that_need_no_rule_are_no_failure(tmp_path: Path) -> None:
    share = "      - {name: base, type: probabilistic, probabilistic: {sampling_percentage: 10}}\n"
    health = "      - {name: health, type: drop, drop: {drop_sub_policy: [{name: x, type: span_count, span_count: {min_spans: 9}}]}}\n"
    path = written(tmp_path, "collector.yaml", POLICIES + share + health)
    result = run("rules", "import", "tail-sampling", path)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1] == "betrace: 3 rules imported, 0 not; 2 without a rule of their own"
    assert "note on policy `base` (probabilistic): `probabilistic` says how many traces are kept, not which: no rule" in result.stderr
    only = run("rules", "import", "tail-sampling", written(tmp_path, "only.yaml", f"policies:\n{share}"))
    assert (only.exit_code, only.stdout) == (2, "")


def test_a_condition_without_its_polarity_is_refused_and_told_why(tmp_path: Path) -> None:
    path = written(tmp_path, "r", CONDITIONS)
    result = run("rules", "import", "betrace", path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"betrace: {path}:1:1: it has no clauses; say with --polarity whether")


def test_a_rule_that_does_not_find_its_own_example_is_told_of(tmp_path: Path) -> None:
    passing = run("rules", "import", "betrace", written(tmp_path, "a", RULES), "--polarity", "violation")
    assert "its own example" not in passing.stderr
    inverted = RULES.replace("always { check }", "never { check }")
    result = run("rules", "import", "betrace", written(tmp_path, "b", inverted), "--polarity", "violation")
    assert result.exit_code == 0
    assert "note on one: its own example of a violation is `satisfied` by what it says: the rule may mean the opposite" in result.stderr
    # Comments are broken where lines end.
    assert "its own example of a violation" in " ".join(result.stdout.replace("#", " ").split())


def test_ids_are_unique_in_the_file(tmp_path: Path) -> None:
    twice = "rules:\n" + "- {id: a, condition: 'when { a } always { b }'}\n" * 3
    result = run("rules", "import", "betrace", written(tmp_path, "r", twice))
    assert [line for line in result.stdout.splitlines() if "- id:" in line] == ["  - id: a", "  - id: a-2", "  - id: a-3"]
    assert "note on a-2: the id `a` became `a-2`" in result.stderr


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path, target = written(tmp_path, "q", "{ .a }"), written(tmp_path, "rules.yaml", "mine")
    result = run("rules", "import", "traceql", path, "--to", target)
    assert (result.exit_code, target.read_text()) == (2, "mine")
    assert run("rules", "import", "traceql", path, "--to", tmp_path / "none" / "rules.yaml").exit_code == 2


@pytest.mark.parametrize("dialect", ["betrace", "tail-sampling", "traceql"])
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff\xfe", b"\0" * 100, b"x" * 2**21, b"rules: []", b'"' * 999),
        *(mark * 50_000 for mark in (b"(", b"{", b"[", b"not ", b"!")),
        *(b"a.where(" * 9_999, b"{ .a } && " * 9_999, b"rules:\n- " * 999, b"policies:\n- type: latency\n" * 999),
    ],
)
def test_nothing_to_import_ends_soon_with_a_sentence_and_status_2(dialect: str, content: bytes, tmp_path: Path) -> None:
    began = time.monotonic()
    result = run("rules", "import", dialect, written(tmp_path, "theirs", content), "--polarity", "violation")
    assert time.monotonic() - began < REFUSED_WITHIN_S
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("betrace: ")


def test_a_file_that_is_not_there_ends_with_a_sentence_and_status_2(tmp_path: Path) -> None:
    result = run("rules", "import", "traceql", tmp_path / "none")
    assert (result.exit_code, result.stderr) == (2, f"betrace: {tmp_path / 'none'}: No such file or directory\n")


@pytest.mark.parametrize(("dialect", "content", "options"), FILES)
def test_cut_and_damaged_files_give_sentences_or_rules_without_errors(
    dialect: str, content: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    words = content.replace("\n", " \n ").split(" ")
    cut = [content[: chance.randrange(len(content))] for _ in range(15)]
    damaged = [" ".join(chance.choice(words) if chance.random() < 0.2 else word for word in words) for _ in range(15)]
    for number, text in enumerate([*cut, *damaged]):
        path = written(tmp_path, f"{number}", text)
        target = tmp_path / f"{number}.yaml"
        result = run("rules", "import", dialect, path, "--to", target, *options)
        assert result.exit_code in {0, 1, 2}, text
        assert result.stderr.splitlines()[-1].startswith("betrace: "), text
        assert target.exists() == (result.exit_code < 2)
        assert not target.exists() or run("rules", "check", target).exit_code == 0, text


def test_marks_that_a_terminal_or_a_rule_file_cannot_show_are_replaced_in_comments_and_escaped_in_rules(tmp_path: Path) -> None:
    path = written(tmp_path, "q", '# \u2028\u202ename\n{ .a = "\u2028\x1b[1m" }\n{ .b } \x1b[1m\n')
    result = run("rules", "import", "traceql", path, "--to", tmp_path / "rules.yaml")
    text = (tmp_path / "rules.yaml").read_text(encoding="utf-8")
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr + text
    assert 'never { span.where(a == "\\u2028\\u001b[1m") }' in text
    assert run("rules", "check", tmp_path / "rules.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("dialect", "content"), [("traceql", "{ .a } && " * 50_000 + "{ }"), ("betrace", "never { " + "a or " * 20_000 + "b }")]
)
def test_what_is_longer_than_a_rule_can_be_is_refused(dialect: str, content: str, tmp_path: Path) -> None:
    result = run("rules", "import", dialect, written(tmp_path, "theirs", content))
    assert result.exit_code == 2
    assert "it is longer than 65536 characters" in result.stderr


def test_a_large_file_is_imported_in_linear_time(tmp_path: Path) -> None:
    path = written(tmp_path, "q", "".join(f"{{ .a{number} > {number} }}\n" for number in range(300)))
    began = time.monotonic()
    result = run("rules", "import", "traceql", path)
    assert result.stderr.splitlines()[-1] == "betrace: 300 rules imported, 0 not"
    assert time.monotonic() - began < REFUSED_WITHIN_S
