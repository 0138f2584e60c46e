"""One example of the differential test: a rule set, and what is done to both engines. It can be written down and played again."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from compiler import RuleSet, SourceFile, compile_sources
from processor.trace_engine import TakenRecord, TakePolicy

NO_LIMITS = TakePolicy(10_000)


@lru_cache(maxsize=8)
def compiled_file(rule_file: str) -> RuleSet | None:
    """Return the rules of a file; None where it is refused."""
    return compile_sources([SourceFile("made.yaml", rule_file.encode())]).rule_set


@dataclass(frozen=True)
class Step:
    """Records that are taken in one call."""

    partition: int
    records: tuple[TakenRecord, ...]


@dataclass(frozen=True)
class Mode:
    """How the engine under test runs: compiled or interpreted, with a collector that works as often as it can or not."""

    jit: bool = True
    collect_eagerly: bool = False

    @property
    def name(self) -> str:
        """The mode as a word of a test's id."""
        return "eager collector" if self.collect_eagerly else "compiled" if self.jit else "interpreted"


MODES = (Mode(), Mode(jit=False), Mode(collect_eagerly=True))


@dataclass(frozen=True)
class Example:
    """Rules, and records in their order.

    Before step `move_before` all traces are exported and loaded into another engine, `move_at_once` in a call; before step `drop_before`
    every other trace is dropped.
    The same is done `copy_count` times more in other partitions, so that code gets hot and traces could meet.
    """

    rule_file: str
    steps: tuple[Step, ...]
    skew_tolerance_ns: int = 0
    offender_count_max: int = 16
    policy: TakePolicy = NO_LIMITS
    move_before: int | None = None
    drop_before: int | None = None
    move_at_once: int = 1_000
    copy_count: int = 0

    @property
    def rule_set(self) -> RuleSet:
        """The rules, compiled; the file is one that compiles."""
        rule_set = compiled_file(self.rule_file)
        assert rule_set is not None, self.rule_file
        return rule_set

    def write(self) -> str:
        """Return the example as JSON."""
        return json.dumps(asdict(self) | {"policy": self.policy._asdict()}, default=_as_base64, indent=1)


def read_example(text: str) -> Example:
    """Return the example that was written."""
    found: dict[str, Any] = json.loads(text)
    steps = tuple(Step(step["partition"], tuple(_record(record) for record in step["records"])) for step in found["steps"])
    return Example(**{**found, "steps": steps, "policy": TakePolicy(**found["policy"])})


def _record(fields: list[Any]) -> TakenRecord:
    value, record_format, arrived_ns, *keys = fields
    return TakenRecord(b64decode(value), record_format, arrived_ns, *(None if key is None else b64decode(key) for key in keys))


def _as_base64(value: object) -> str:
    assert isinstance(value, bytes)
    return b64encode(value).decode("ascii")
