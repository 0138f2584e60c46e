"""What a benchmark prints and keeps: one JSON object, or the same as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.corpora.corpus import Facts
from loadtest.rows import Row
from loadtest.rule_sample import RuleSample

HERE = Path(__file__).parent
RESULTS, BASELINES = HERE / "results", HERE / "baselines"


@dataclass(frozen=True, slots=True)
class Report:
    """A finished benchmark. `name` is the benchmark's, `engine` what was measured, `raw` every run behind the medians."""

    name: str
    engine: str
    quick: bool
    machine: Mapping[str, str | int | float]
    commit: str
    versions: Mapping[str, str]
    rows: Sequence[Row]
    corpora: Sequence[Facts]
    rules: Sequence[RuleSample]
    raw: Sequence[Mapping[str, object]]

    @property
    def holds(self) -> bool:
        """Say whether no bar is missed."""
        return all(row.bar.holds(row.figure) for row in self.rows)

    def as_json(self) -> dict[str, object]:
        """Return the one object that is printed."""
        return {
            "machine": dict(self.machine),
            "commit": self.commit,
            "versions": dict(self.versions),
            "rows": [row.as_json() for row in self.rows],
            "benchmark": self.name,
            "engine": self.engine,
            "quick": self.quick,
            "corpora": [asdict(facts) for facts in self.corpora],
            "rules": [sample.as_json() for sample in self.rules],
        }

    def keep(self, folder: Path | None = None) -> Path:
        """Write the report with every run behind it to a file of its own, and return its path."""
        folder = folder or RESULTS
        folder.mkdir(exist_ok=True)
        made = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        file = folder / f"{self.name}-{self.engine}-{made}-{self.commit[:12]}.json"
        file.write_text(_dumped(self.as_json() | {"made": made, "measurements": list(self.raw)}), encoding="utf-8")
        return file

    def keep_as_baseline(self, folder: Path | None = None) -> Path:
        """Make this run the one that later runs of the engine are shown beside."""
        folder = folder or BASELINES
        folder.mkdir(exist_ok=True)
        file = folder / f"{self.name}.json"
        kept = self.as_json()
        kept["rules"] = [{key: value for key, value in sample.as_json().items() if key != "violated"} for sample in self.rules]
        file.write_text(_dumped(kept), encoding="utf-8")
        return file


def as_text(report: Report, baseline: Mapping[tuple[int, str], float]) -> Iterator[str]:
    """Yield the lines of a report as a person reads them; the baseline's figures stand beside those of the run."""
    machine = report.machine
    yield f"{report.name}: {report.engine}, {'quick, ' if report.quick else ''}commit {report.commit}"
    yield f"{machine['processor']}, {machine['processor_count']} processors, {machine['memory_gib']} GiB, {machine['system']}"
    yield f"load average {machine['load_average']} at the start; a turn of a loop in Python takes {machine['python_loop_ns']} ns"
    yield ", ".join(f"{name} {found}" for name, found in report.versions.items())
    yield ""
    yield f"{'row':>3}  {'figure':>10}  {'bar':>7}  {'goal':>7}  {'baseline':>10}  {'unit':<14} {'holds':<6} what"
    for row in report.rows:
        before = baseline.get((row.row, row.name))
        known = (_number(value) for value in (row.figure, row.bar.bar, row.bar.goal, before))
        figure, bar, goal, kept = known
        holds = "-" if row.figure is None else "yes" if row.bar.holds(row.figure) else "MISSED"
        runs = f"{row.runs} runs" if row.figure is not None else row.compared_with
        yield f"{row.row:>3}  {figure:>10}  {bar:>7}  {goal:>7}  {kept:>10}  {row.unit:<14} {holds:<6} {row.name} ({runs})"
    yield ""
    yield "corpora: records, spans, traces, spans a record, attributes a span, bytes a span"
    for facts in report.corpora:
        counts = f"{facts.record_count:>7} {facts.span_count:>8} {facts.trace_count:>7} {facts.spans_per_record:>8} "
        yield f"  {counts}{facts.attributes_per_span:>6} {facts.bytes_per_span:>8}  {facts.name}, {facts.form}, {facts.layout}"
    yield ""
    yield "rules: how many, how many fired, the fraction of traces that each one that fired violates"
    for sample in report.rules:
        shares = sorted(share for share in sample.violated.values() if share)
        middle = shares[len(shares) // 2]
        yield f"  {len(shares):>4} of {len(sample.violated):<4} {shares[0]:.1%} to {shares[-1]:.1%}, half over {middle:.1%}  {sample.name}"


def read_baseline(name: str, engine: str, folder: Path | None = None) -> dict[tuple[int, str], float]:
    """Return the figures of the tracked baseline by row and name; none where there is no baseline of this engine."""
    file = (folder or BASELINES) / f"{name}.json"
    if not file.exists():
        return {}
    kept: dict[str, Any] = json.loads(file.read_bytes())
    if kept["engine"] != engine:
        return {}
    return {(row["row"], row["name"]): row["figure"] for row in kept["rows"] if row["figure"] is not None}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if value < 10_000 else f"{value:.0f}"  # noqa: PLR2004 - four digits


def _dumped(value: object) -> str:
    # A list of figures on one line reads better than a column of them.
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+([-\d.e,\s]+?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n"
