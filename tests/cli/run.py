"""Runs the command line in this process, and files for it to read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from cli.main import betrace

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_CHECK = """
rules:
  - id: needs-check
    name: Charges are checked
    severity: critical
    evidence: [amount]
    rule: |
      when   { charge.where(amount > 1000) }
      always { check before charge }
      never  { count(bypass) > 1 }
"""
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
START_NS = 1_767_225_600 * 10**9


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    """Run `betrace` with these arguments."""
    return CliRunner().invoke(betrace, [str(argument) for argument in arguments], input=stdin, catch_exceptions=False)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def span(
    number: int, name: str, start_ms: int, end_ms: int, *, parent: int = 0, trace_id: str = TRACE_ID, **attributes: int
) -> dict[str, object]:
    """One span as OTLP JSON."""
    return {
        "traceId": trace_id,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(START_NS + start_ms * 10**6),
        "endTimeUnixNano": str(START_NS + end_ms * 10**6),
        "attributes": [{"key": key, "value": {"intValue": str(value)}} for key, value in attributes.items()],
    }


def document(*spans: dict[str, object], service: str = "shop") -> str:
    """An OTLP JSON document of these spans."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]})


VIOLATING = document(span(1, "checkout", 0, 90), span(2, "charge", 10, 31, parent=1, amount=5000), span(3, "check", 40, 52, parent=1))
COMPLIANT = document(span(1, "checkout", 0, 90), span(2, "charge", 10, 31, parent=1, amount=5000), span(3, "check", 1, 5, parent=1))
