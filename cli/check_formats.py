"""What `betrace check` found, for machines: JSON, NDJSON, JUnit XML, SARIF 2.1.0."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping

from compiler import RuleSet
from processor.finite import FiniteOutcome, RuleCounts
from topics.violation import Violation

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}


def as_json(outcome: FiniteOutcome, rule_set: RuleSet) -> str:
    """Return `{rules, violations, refused}`; the order of rules is that of their files."""
    body = {
        "rules": [_counts_json(rule.id, outcome.counts[rule.id]) for rule in rule_set.enabled],
        "violations": [record.model_dump(mode="json") for record in outcome.records],
        "refused": [{"reason": reason, "count": count} for reason, count in sorted(outcome.refused.items())],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _counts_json(rule_id: str, counts: RuleCounts) -> dict[str, object]:
    return {
        "id": rule_id,
        "applicable": counts.applicable,
        "satisfied": counts.satisfied,
        "violated": counts.violated,
        "excused": counts.excused,
        "inconclusive": counts.inconclusive,
    }


def as_ndjson(outcome: FiniteOutcome, _rule_set: RuleSet) -> str:
    """Return one violation record a line, in canonical JSON."""
    return "\n".join(record.canonical_json().decode() for record in outcome.records)


def as_junit(outcome: FiniteOutcome, rule_set: RuleSet) -> str:
    """Return JUnit XML: a test case per rule, a failure per violation; a rule that applied to no trace is skipped."""
    by_rule = _by_rule(outcome)
    suite = ET.Element("testsuite", name="betrace check", tests=str(len(rule_set.enabled)), errors="0")
    failed = skipped = 0
    for rule in rule_set.enabled:
        case = ET.SubElement(suite, "testcase", classname=rule.region.file, name=rule.id)
        for record in by_rule.get(rule.id, []):
            failure = ET.SubElement(case, "failure", type=record.rule.severity.value, message=_sentence(record))
            failure.text = _xml_text("\n".join(_details(record)))
        counts = outcome.counts[rule.id]
        failed += bool(counts.violated)
        if not counts.applicable:
            skipped += 1
            ET.SubElement(case, "skipped", message="the rule applied to no trace")
    suite.set("failures", str(failed))
    suite.set("skipped", str(skipped))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def as_sarif(outcome: FiniteOutcome, rule_set: RuleSet) -> str:
    """Return SARIF 2.1.0: a result per violation, placed at its rule, with the offenders as logical locations."""
    rules = [_sarif_rule(rule.id, rule.text.name or rule.id, rule.text.description, rule.text.severity) for rule in rule_set.enabled]
    index = {rule.id: number for number, rule in enumerate(rule_set.enabled)}
    files = {rule.id: (rule.region.file, rule.region.line) for rule in rule_set.enabled}
    driver = {"name": "BeTrace", "rules": rules}
    results = [_sarif_result(record, index[record.rule.id], *files[record.rule.id]) for record in outcome.records]
    log = {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_rule(rule_id: str, name: str, description: str, severity: str) -> dict[str, object]:
    rule: dict[str, object] = {"id": rule_id, "shortDescription": {"text": name}, "defaultConfiguration": {"level": _LEVELS[severity]}}
    return rule | ({"fullDescription": {"text": description}} if description else {})


def _sarif_result(record: Violation, index: int, file: str, line: int) -> dict[str, object]:
    return {
        "ruleId": record.rule.id,
        "ruleIndex": index,
        "level": _LEVELS[record.rule.severity.value],
        "message": {"text": _sentence(record)},
        "partialFingerprints": {"violationId/v1": record.id},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": line}},
                "logicalLocations": [
                    {
                        "name": offender.name,
                        "fullyQualifiedName": f"{offender.service}/{offender.name}#{offender.span_id}",
                        "kind": "function",
                    }
                    for offender in record.offenders
                ],
            }
        ],
        "properties": {"trace_id": record.trace.id, "clauses": list(record.clauses), "mode": record.rule.mode.value},
    }


def _by_rule(outcome: FiniteOutcome) -> Mapping[str, list[Violation]]:
    found: dict[str, list[Violation]] = {}
    for record in outcome.records:
        found.setdefault(record.rule.id, []).append(record)
    return found


def _sentence(record: Violation) -> str:
    names = ", ".join(dict.fromkeys(offender.name for offender in record.offenders))
    blamed = f": {names}" if names else ""
    return _xml_text(f"trace {record.trace.id} violates {record.rule.id} ({' and '.join(record.clauses)}){blamed}")


def _details(record: Violation) -> list[str]:
    compared = [f"{one.text}: {one.left} against {one.right}, margin {one.margin}" for one in record.comparisons]
    spans = [f"{offender.service} {offender.name} {offender.span_id}" for offender in record.offenders]
    return [*compared, *spans]


def _xml_text(text: str) -> str:
    """Return text that XML 1.0 can hold: control characters become U+FFFD."""
    return "".join(mark if mark >= " " or mark in "\t\n\r" else "\ufffd" for mark in text)


FORMATS: Mapping[str, Callable[[FiniteOutcome, RuleSet], str]] = {
    "json": as_json,
    "ndjson": as_ndjson,
    "junit": as_junit,
    "sarif": as_sarif,
}
