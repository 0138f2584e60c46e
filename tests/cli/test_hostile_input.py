"""Any bytes as rules or as traces end in a diagnostic or a counted reason, soon, and never in a traceback."""

from __future__ import annotations

import gzip
import json
import random
import time
from typing import TYPE_CHECKING

import pytest

from processor.inputs import read_inputs
from tests.cli.run import COMPLIANT, NEEDS_CHECK, VIOLATING, document, run, span, written
from topics.otlp import decode_json, encode_protobuf
from topics.recordings import SHOP_OTLP_LINES, recording

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

REFUSED_WITHIN_S = 5
SEED = 20_260_101


def _rule(text: str) -> str:
    return f"rules:\n  - id: one\n    rule: |-\n      {text}\n"


def _refused(path: Path) -> Result:
    """Check rules that cannot be accepted, and what holds of each of them."""
    began = time.monotonic()
    result = run("rules", "check", path)
    assert time.monotonic() - began < REFUSED_WITHIN_S
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("refused: ")
    return result


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (_rule(f"never {{ {'(' * 10_000}a{')' * 10_000} }}"), "too-deep"),
        (_rule(f"never {{ {'not ' * 10_000}a }}"), "too-deep"),
        (_rule(f"never {{ a.where({'abs(' * 10_000}x{')' * 10_000} == 1) }}"), "too-deep"),
        (_rule(f"never {{ {'a and ' * 180_000}a }}"), "too-large"),
        ("x" * 2**20, "bad-value"),
        ("[" * 10_000, "too-deep"),
        ("a: &a [x]\n" + "\n".join(f"b{number}: &b{number} [*a, *a]" for number in range(40)), "syntax"),
        ("rules:\n\t- id: one\n", "syntax"),
        ("rules: []\nrules: []\n", "duplicate-key"),
        ("rules: !!python/object/apply:os.system [id]\n", "syntax"),
        ("", "missing-key"),
    ],
    ids=["parentheses", "nots", "calls", "megabyte", "no-rules", "brackets", "bomb", "tab", "twice", "tag", "empty"],
)
def test_rules_that_want_to_hurt_are_refused_soon_with_a_diagnostic(content: str, code: str, tmp_path: Path) -> None:
    assert f"[{code}]" in _refused(written(tmp_path, "rules.yaml", content)).output


def test_random_bytes_are_no_rules_and_reach_the_terminal_as_text(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    for _ in range(60):
        result = _refused(written(tmp_path, "rules.yaml", chance.randbytes(chance.randrange(1, 400))))
        assert not set(result.output) & {chr(code) for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def test_rules_with_bytes_of_chance_in_them_are_accepted_or_refused_but_never_crash(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    whole = NEEDS_CHECK.encode()
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(changed))
            changed[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        assert run("rules", "check", written(tmp_path, "rules.yaml", bytes(changed))).exit_code in {0, 1}


def test_a_thousand_legal_rules_are_checked_in_seconds(tmp_path: Path) -> None:
    rules = "".join(f"  - id: r{number}\n    rule: 'when {{ a{number} }} always {{ b.where(x > {number}) }}'\n" for number in range(1_000))
    began = time.monotonic()
    result = run("rules", "check", written(tmp_path, "rules.yaml", f"rules:\n{rules}"))
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "1000 rules checked, 0 errors, 1000 warnings"
    assert time.monotonic() - began < 6


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path, "rules.yaml", NEEDS_CHECK)


def _judged(rules: Path, *traces: Path) -> tuple[int, dict[str, int], str]:
    """Judge files: status, what was refused by reason, what was said on stderr."""
    result = run("check", *traces, "--rules", rules, "-o", "json")
    return result.exit_code, {found["reason"]: found["count"] for found in json.loads(result.stdout)["refused"]}, result.stderr


def test_a_truncated_message_is_refused_with_a_reason_wherever_it_ends(rules: Path, tmp_path: Path) -> None:
    whole = encode_protobuf(decode_json(VIOLATING).spans)
    assert _judged(rules, written(tmp_path, "whole.pb", whole)) == (1, {}, "")
    for length in range(2, len(whole), 7):
        status, refused, _ = _judged(rules, written(tmp_path, "cut.pb", whole[:length]))
        assert status in {0, 2}
        assert sum(refused.values()) >= 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_keeps_its_whole_lines_and_counts_the_last(packed: bool, rules: Path, tmp_path: Path) -> None:
    text = f"{VIOLATING}\n{COMPLIANT}".encode()
    cut = gzip.compress(text)[:-20] if packed else text[:-20]
    status, refused, _ = _judged(rules, written(tmp_path, "in.jsonl", cut))
    assert refused == {"truncated": 1}
    assert status == (1 if not packed else status)


def test_random_bytes_are_no_traces_and_change_nothing_beside_some(rules: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(40):
        written(folder, f"{number}.bin", chance.randbytes(chance.randrange(1, 2_000)))
    status, refused, said = _judged(rules, folder)
    assert (status, sum(refused.values()) >= 40) == (2, True)
    assert said.startswith(f"betrace: {folder}: no input could be read (")
    written(folder, "good.json", VIOLATING)
    assert _judged(rules, folder)[0] == 1


def test_messages_with_bytes_of_chance_in_them_never_crash(rules: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    whole = encode_protobuf(decode_json(VIOLATING).spans)
    for form in (whole, VIOLATING.encode()):
        for _ in range(60):
            changed = bytearray(form)
            for _ in range(chance.randrange(1, 6)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            assert _judged(rules, written(tmp_path, "in", bytes(changed)))[0] in {0, 1, 2}


@pytest.mark.parametrize("value", ["null", "7", '"x"', "[]", "true", '{"a": [[[[]]]]}', "[" * 100_000])
def test_members_of_a_wrong_type_are_counted(value: str, rules: Path, tmp_path: Path) -> None:
    one = VIOLATING
    for member in ('"resourceSpans": ', '"spans": ', '"traceId": ', '"startTimeUnixNano": ', '"attributes": ', '"intValue": '):
        head, _, tail = one.partition(member)
        status, _, _ = _judged(rules, written(tmp_path, "in.json", f"{head}{member}{value}, {tail.partition(',')[2]}"))
        assert status in {0, 1, 2}


def test_spans_without_ids_are_counted_each_and_the_rest_is_judged(rules: Path, tmp_path: Path) -> None:
    good = (span(1, "checkout", 0, 9), span(2, "charge", 1, 2, parent=1, amount=5000))
    bad = (*(span(3, "x", 0, 1) | {"traceId": value} for value in ("", "0" * 32, "ab", 5)), span(4, "x", 0, 1) | {"spanId": "0" * 16})
    status, refused, _ = _judged(rules, written(tmp_path, "in.json", document(*good, *bad)))
    assert status == 1
    assert sum(refused.values()) == len(bad)
    assert refused["span_without_span_id"] == 1


def test_values_as_long_as_books_are_shown_in_part(tmp_path: Path) -> None:
    value = {"key": "note", "value": {"stringValue": "v" * 3_000_000}}
    spans = (span(1, "n" * 3_000_000, 0, 9), span(2, "charge", 1, 2, parent=1) | {"attributes": [value]})
    rules = written(tmp_path, "rules.yaml", "rules:\n  - {id: one, evidence: [note], rule: 'never { span.where(note != x) }'}\n")
    result = run("check", written(tmp_path, "in.json", document(*spans, service="s" * 3_000_000)), "--rules", rules)
    assert result.exit_code == 1
    assert 'charge: note="vvv' in result.output
    assert len(result.output) < 5_000


def test_an_input_with_broken_groups_was_read_where_any_span_was(rules: Path, tmp_path: Path) -> None:
    body = json.loads(COMPLIANT)
    body["resourceSpans"] += [5, "x", None, {"scopeSpans": 7}]
    assert _judged(rules, written(tmp_path, "in.json", json.dumps(body)))[0] == 0


def test_the_recorded_shop_cut_anywhere_loses_nothing_in_silence(rules: Path, tmp_path: Path) -> None:
    lines = list(read_inputs([str(recording(SHOP_OTLP_LINES))]))[:12]
    whole = b"\n".join(line.value for line in lines if hasattr(line, "value"))
    chance = random.Random(SEED)
    for _ in range(12):
        place = chance.randrange(len(whole))
        status, refused, _ = _judged(rules, written(tmp_path, "in.jsonl", whole[:place]))
        assert status in {0, 2}
        assert refused in ({"truncated": 1}, {}) or place < 64
