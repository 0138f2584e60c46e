"""What has to be written to the rules topic so that given rules are in force: versions, records, deletions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from topics.names import DAY_MS
from topics.rfc3339 import parse_ns
from topics.rule_records import RuleMetadata, RuleRecord, RuleSetRecord, RuleState
from topics.rules_log import RulesContents

# Rules in these states are somebody's work that is in force nowhere: who puts a whole set in force does not know of them.
_NOT_IN_FORCE = frozenset({RuleState.DRAFT, RuleState.VALIDATED})
_KEPT_NS = DAY_MS * 10**6


class GivenRule(NamedTuple):
    """A rule that is to be in force; `digest` is the same for the same meaning, whatever the layout of the text."""

    id: str
    text: str
    digest: str
    state: RuleState
    metadata: RuleMetadata


class Change(StrEnum):
    """How a rule differs: `reworded` means the same, its layout, comments or tests are others."""

    ADDED = "added"
    CHANGED = "changed"
    REWORDED = "reworded"
    REMOVED = "removed"


class RuleChange(NamedTuple):
    """A rule that differs, and its texts before and after; empty where it is not there."""

    rule: str
    change: Change
    before: str
    after: str


class Written(NamedTuple):
    """Who writes, and when (RFC 3339)."""

    at: str
    by: str = ""


def rule_changes(before: Mapping[str, GivenRule], after: Mapping[str, GivenRule]) -> list[RuleChange]:
    """Return the rules that differ, in the order of their ids."""
    found = []
    for rule_id in sorted(before.keys() | after.keys()):
        old, new = before.get(rule_id), after.get(rule_id)
        texts = ("" if old is None else old.text, "" if new is None else new.text)
        if old is None:
            found.append(RuleChange(rule_id, Change.ADDED, *texts))
        elif new is None:
            found.append(RuleChange(rule_id, Change.REMOVED, *texts))
        elif old.digest != new.digest:
            found.append(RuleChange(rule_id, Change.CHANGED, *texts))
        elif old.text != new.text:
            found.append(RuleChange(rule_id, Change.REWORDED, *texts))
    return found


def next_versions(contents: RulesContents, in_force: Mapping[str, GivenRule], given: Mapping[str, GivenRule]) -> dict[str, int]:
    """Return the counters of a set of given rules: one more where a rule changed, the last one of rules that are gone.

    `in_force`: the rules of the newest set on the topic.
    """
    versions = contents.counters()
    newest = contents.newest
    for rule in given.values():
        known = versions.get(rule.id, 0)
        record, standing = contents.rules.get(rule.id), in_force.get(rule.id)
        is_in_record = record is not None and record.version == known and record.text == rule.text
        is_in_force = (
            standing is not None and standing.digest == rule.digest and newest is not None and newest.versions.get(rule.id) == known
        )
        versions[rule.id] = known if is_in_record or is_in_force else known + 1
    return versions


def rule_entries(
    contents: RulesContents, given: Mapping[str, GivenRule], versions: Mapping[str, int], written: Written
) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the records of single rules that are not on the topic as they should be, and deletions of those that are gone.

    Raises RecordSizeError where a rule is too large.
    """
    for rule in given.values():
        record = RuleRecord(
            id=rule.id,
            version=versions[rule.id],
            state=rule.state,
            text=rule.text,
            metadata=rule.metadata,
            written_at=written.at,
            written_by=written.by,
        )
        there = contents.rules.get(rule.id)
        if there is None or record != there.model_copy(update={"written_at": written.at, "written_by": written.by}):
            yield record.key, record.canonical_json()
    for rule_id, record in contents.rules.items():
        if rule_id not in given and record.state not in _NOT_IN_FORCE:
            yield record.key, None


def set_entries(contents: RulesContents, record: RuleSetRecord) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the record of the set unless it is the newest on the topic; raises RecordSizeError where it is too large."""
    newest = contents.sets[-1].record if contents.sets else None
    if newest is None or record != newest.model_copy(update={"written_at": record.written_at}):
        yield record.key, record.canonical_json()


def expired_sets(contents: RulesContents, in_force: RuleSetRecord, needed: Collection[str], now_ns: int) -> list[bytes]:
    """Return the keys of sets that nobody needs any more: another followed them a day ago, and no journal names their program."""
    followers: Sequence[RuleSetRecord | None] = [placed.record for placed in contents.sets[1:]]
    return [
        placed.key
        for placed, follower in zip(contents.sets, followers, strict=False)
        if placed.key != in_force.key
        and follower is not None
        and now_ns - parse_ns(follower.written_at) > _KEPT_NS
        and placed.key.decode("utf-8", "replace").rpartition(":")[2] not in needed
    ]
