"""Whether the service can do its work: each dependency asked for real, each answer with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from api.view import ViewError
from topics.violation import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.feed import Feed
    from api.rule_files import LoadedRules
    from api.view import View


class CheckState(StrEnum):
    """`degraded`: something is wrong and the service still answers truly."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, how it stands, and why."""

    name: str
    state: CheckState
    reason: Text


def is_ready(checks: Sequence[Check]) -> bool:
    """Return whether no check failed."""
    return all(check.state is not CheckState.FAILED for check in checks)


def check_view(view: View) -> Check:
    """Write to the view."""
    try:
        view.check_writable()
    except ViewError as error:
        return Check("view", CheckState.FAILED, str(error))
    return Check("view", CheckState.OK, "the view can be written")


def check_topic(feed: Feed) -> Check:
    """Say whether the violations topic is read."""
    if not feed.is_running:
        return Check("topic", CheckState.FAILED, f"nobody reads {feed.topic}")
    if feed.problem:
        return Check("topic", CheckState.FAILED, feed.problem)
    return Check("topic", CheckState.OK, f"{feed.topic} is read, {len(feed.lag_records)} partitions")


def check_lag(feed: Feed, lag_records_max: int) -> Check:
    """Say whether the view has what the topic has."""
    lag = f"{feed.lag_total} records are not yet in the view"
    if not feed.is_caught_up:
        return Check("caught_up", CheckState.FAILED, f"the end of the topic was not reached yet; {lag}")
    if feed.lag_total > lag_records_max:
        return Check("caught_up", CheckState.FAILED, f"{lag}, {lag_records_max} may be")
    return Check("caught_up", CheckState.OK, lag)


def check_rules(loaded: LoadedRules) -> Check:
    """Say whether the rule files compile; while the last good set stands, that they do not is no failure."""
    if loaded.is_compiled:
        return Check("rules", CheckState.OK, f"{len(loaded.rules)} rules compiled")
    reason = loaded.problem or _refusal(loaded)
    if loaded.rule_set is None:
        return Check("rules", CheckState.FAILED, reason)
    return Check("rules", CheckState.DEGRADED, f"{reason}; the set before, {loaded.rule_set.fingerprint}, is shown")


def _refusal(loaded: LoadedRules) -> str:
    first = loaded.errors[0]
    more = f" and {len(loaded.errors) - 1} more" if len(loaded.errors) > 1 else ""
    return f"the rules are refused: {first.region}: {first.code.value}: {first.message}{more}"
