"""What commands say reaches whoever reads it, fit to be shown; where nobody can read it they end with a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import betrace
from tests.cli.run import NEEDS_CHECK, document, run, span, written
from tests.skipping import missing

ROOT = Path(__file__).resolve().parents[2]
# What a terminal obeys: an escape sequence, one in a single character, and what turns the line around.
OBEYED = "\x1b[31m\x9b31m\u202e"
# The same, as strings of the rule language may say it.
ESCAPED = OBEYED.encode("ascii", "backslashreplace").decode().replace("\\x", "\\u00")
RULES = f"""rules:
  - id: one
    name: "turned \u202e"
    evidence: ["{ESCAPED}"]
    rule: |
      when {{ "{ESCAPED}" }}
      always {{ b.where("k{ESCAPED}" == "{ESCAPED}") }}
    tests:
      - name: "t \u202e"
        trace: |
          "{ESCAPED}"  0s..1s  service="{ESCAPED}"  "k{ESCAPED}"="{ESCAPED}"
        expect: satisfied
        offenders: []
""".replace('evidence: ["' + ESCAPED + '"]\n    ', "")


def _shown(*arguments: object) -> str:
    """Return what a terminal would get: nothing is stripped."""
    result = CliRunner().invoke(betrace, [str(argument) for argument in arguments], catch_exceptions=False, color=True)
    return result.output


@pytest.mark.parametrize(
    "arguments",
    [
        *(["rules", "check", "--report", "-o", form] for form in ("text", "json")),
        *(["rules", "explain", "-o", form] for form in ("text", "json", "markdown")),
        *(["rules", "list", "-o", form] for form in ("text", "json")),
        *(["rules", "test", "-o", form] for form in ("text", "json")),
        ["rules", "test", "--coverage"],
        ["rules", "format", "--diff"],
        *(["check", "trace.json", "-o", form, "--rules"] for form in ("text", "json", "ndjson", "junit", "sarif")),
        *(["check", "trace.json", "--why", "one", "-o", form, "--rules"] for form in ("text", "json")),
        ["rules", "from-trace", "trace.json", "--rule", "one", "--rules"],
        ["rules", "from-trace", "--all", "trace.json"],
        ["rules", "library", "show", OBEYED],
        ["rules", "explain", "--rule", OBEYED],
        ["rules", "init", OBEYED, "--to", "-"],
        ["rules", "import", "traceql"],
        ["rules", "check", OBEYED],
    ],
    ids=lambda arguments: " ".join(arguments).encode("ascii", "backslashreplace").decode(),
)
def test_nothing_that_a_terminal_obeys_comes_out(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "rules.yaml", RULES)
    spans = (span(1, OBEYED, 0, 9), span(2, f"b{OBEYED}", 1, 2, parent=1) | {"status": {"code": 2, "message": OBEYED}})
    written(tmp_path, "trace.json", document(*(one | {"attributes": [_attribute()]} for one in spans), service=OBEYED))
    shown = _shown(*arguments, *([] if arguments[-1] in {"trace.json", OBEYED, "-"} else ["rules.yaml"]))
    obeyed = {mark for mark in shown if mark not in "\n\t" and unicodedata.category(mark) in {"Cc", "Cf", "Zl", "Zp"}}
    assert obeyed == set()
    assert shown


def _attribute() -> dict[str, object]:
    return {"key": f"k{OBEYED}", "value": {"stringValue": OBEYED}}


def test_json_says_what_is_no_number_as_otlp_does(tmp_path: Path) -> None:
    spans = [span(at, "a", 0, 9) | {"attributes": [{"key": "n", "value": {"doubleValue": value}}]} for at, value in _NO_NUMBERS.items()]
    trace = written(tmp_path, "trace.json", document(*spans))
    rules = written(tmp_path, "rules.yaml", "rules: [{id: one, evidence: [n], rule: 'never { a.where(n < 0 or not n < 0 or n == 1) }'}]\n")
    answer = json.loads(run("check", trace, "--rules", rules, "--why", "one", "-o", "json").stdout, parse_constant=_no_json)
    assert answer[0]["verdict"] == "violated"
    answer = json.loads(run("check", trace, "--rules", rules, "-o", "json").stdout, parse_constant=_no_json)
    assert answer["violations"]
    rules = written(tmp_path, "rules.yaml", "rules: [{id: one, rule: 'always { max(a.n) < 0 }'}]\n")
    answer = json.loads(run("check", trace, "--rules", rules, "--why", "one", "-o", "json").stdout, parse_constant=_no_json)
    assert "Infinity" in json.dumps(answer)


_NO_NUMBERS = {1: "NaN", 2: "Infinity", 3: "-Infinity"}


def _no_json(constant: str) -> None:
    raise AssertionError(constant)


def _process(redirection: str, *arguments: object) -> tuple[int, str]:
    """Run `betrace` in a process whose streams a shell redirects; return status and what is left of standard error."""
    command = f'exec "$@" {redirection}'
    found = subprocess.run(
        ["/bin/sh", "-c", command, "sh", sys.executable, "-m", "cli", *map(str, arguments)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return found.returncode, found.stderr


@pytest.mark.parametrize("arguments", [["explain"], ["format", "-"], ["check", "-o", "json"]], ids=" ".join)
def test_an_answer_that_cannot_be_written_ends_with_a_sentence(arguments: list[str], tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        missing("there is no device that is full")
    rules = written(tmp_path, "rules.yaml", NEEDS_CHECK)
    paths = [] if arguments[-1] == "-" else [rules]
    assert _process(f">/dev/full <{rules}", "rules", *arguments, *paths) == (2, "betrace: standard output: No space left on device\n")


@pytest.mark.parametrize("redirection", [">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_change_no_status(redirection: str, tmp_path: Path) -> None:
    rules = written(tmp_path, "rules.yaml", NEEDS_CHECK)
    assert _process(redirection, "rules", "check", rules) == (0, "")


def test_standard_input_that_is_closed_is_empty() -> None:
    status, said = _process("<&-", "rules", "format", "-")
    assert (status, "Traceback" in said) == (2, False)
