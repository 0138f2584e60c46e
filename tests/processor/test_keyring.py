"""Signatures and keyed redaction of what a worker says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from processor.keyring import Keyring
from processor.rule_settings import RuleSettings
from processor.settings import Settings
from tests.processor.logs import KEY, Log
from tests.processor.played import NEEDS_CHECK, rules, span
from topics.journal import read_entry, valid
from topics.signatures import hashed, is_signed

pytestmark = pytest.mark.usefixtures("engine")

SIGNING, REDACTION = b"s" * 32, b"r" * 32


def _judged(keyring: Keyring) -> Log:
    log = Log(rules(NEEDS_CHECK.replace("mask", "hash")), keyring=keyring)
    log.append(0, span("charge", 1, attributes={"amount": 5, "customer": "ann"}))
    owner = log.own()
    owner.read()
    owner.idle(30)
    return log


def test_violations_and_journal_records_are_signed_over_all_they_say() -> None:
    log = _judged(Keyring(SIGNING))
    (violation,) = [record.canonical_json() for record in log.outbox.sent]
    records = [log.journal.logs[KEY][placed.offset] for placed in valid(enumerate(log.journal.logs[KEY]))]
    assert records
    for value in (violation, *records):
        assert is_signed(value, SIGNING)
        assert not is_signed(value, b"other key, long enough")
        body = json.loads(value)
        changed = {name: other for name, other in body.items() if name != "signature"} | {"signature": body["signature"], "more": 1}
        assert not is_signed(json.dumps(changed).encode(), SIGNING)


def test_without_a_key_nothing_is_signed() -> None:
    log = _judged(Keyring())
    assert all(record.signature is None and b"signature" not in record.canonical_json() for record in log.outbox.sent)
    assert all(getattr(read_entry(value), "signature", None) is None for value in log.journal.logs[KEY])


def test_a_signature_changes_neither_id_nor_whether_something_is_new() -> None:
    signed, plain = _judged(Keyring(SIGNING)).outbox.sent, _judged(Keyring()).outbox.sent
    assert [record.model_copy(update={"signature": None}) for record in signed] == plain


def test_values_are_hashed_with_the_key_and_left_out_without_one() -> None:
    (record,) = _judged(Keyring(redaction_key=REDACTION)).outbox.sent
    assert record.offenders[0].attributes == {"amount": 5, "customer": hashed("ann", REDACTION), "region": "eu"}
    (record,) = _judged(Keyring()).outbox.sent
    assert record.offenders[0].attributes == {"amount": 5, "region": "eu"}


def test_a_key_has_a_name_that_does_not_tell_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(REDACTION + b"\n")
    (named,) = {Keyring(redaction_key=REDACTION).redaction_key_id, Settings(redaction_key_file=file).judged_with.redaction_key_id}
    assert named == RuleSettings(redaction_key_file=file).judged_with.redaction_key_id
    assert len(named) == 16
    assert Keyring(redaction_key=SIGNING).redaction_key_id != named
    assert Keyring().redaction_key_id == Settings().judged_with.redaction_key_id == ""


def test_keys_come_from_files_and_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(SIGNING + b"\n")
    core = Settings(signing_key_file=file).core("w")
    assert core.keyring == Keyring(SIGNING)
    assert "sss" not in repr(core)


@pytest.mark.parametrize("content", [b"short", b"", None])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValidationError, match=str(file)):
        Settings(redaction_key_file=file)
