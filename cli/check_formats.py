"""What `betrace check` found, for machines: JSON, NDJSON, JUnit XML, SARIF 2.1.0."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import PurePath
from urllib.parse import quote

from cli.check_names import unseen_json
from cli.shown_text import fit_json, shown_json, some_lines
from cli.violation_text import margin_of
from compiler import RuleSet
from processor.finite import FiniteOutcome, RuleCounts
from topics.violation import RuleMode, Violation

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# What XML 1.0 has no place for, and what else a terminal may obey.
_NO_XML = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}


def as_json(outcome: FiniteOutcome, rule_set: RuleSet) -> str:
    """Return `{rules, violations, unseen, refused}`; the order of rules is that of their files."""
    body = {
        "rules": [_counts_json(rule.id, outcome.counts[rule.id]) for rule in rule_set.enabled],
        "violations": [record.model_dump(mode="json") for record in outcome.records],
        "unseen": [unseen_json(one) for one in outcome.unseen],
        "refused": [{"reason": reason, "count": count} for reason, count in sorted(outcome.refused.items())],
    }
    return shown_json(body)


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
    """Return one violation record a line."""
    return fit_json("\n".join(said.record.value.decode() for said in outcome.violations if said.record is not None))


def as_junit(outcome: FiniteOutcome, rule_set: RuleSet) -> str:
    """Return JUnit XML: a test case per rule, a failure per violation; a rule that applied to no trace is skipped.

    Violations of a rule in mode shadow are told as the output of its case: shadow fails nothing.
    """
    by_rule = _by_rule(outcome)
    suite = ET.Element("testsuite", name="betrace check", tests=str(len(rule_set.enabled)), errors="0")
    failed = skipped = 0
    for rule in rule_set.enabled:
        case = ET.SubElement(suite, "testcase", classname=_xml_text(rule.region.file), name=rule.id)
        records = by_rule.get(rule.id, [])
        if not outcome.counts[rule.id].applicable:
            skipped += 1
            ET.SubElement(case, "skipped", message="the rule applied to no trace")
        elif records and rule.text.mode == "shadow":
            ET.SubElement(case, "system-out").text = "\n".join(map(_sentence, records))
        else:
            failed += bool(records)
            _add_failures(case, records)
    suite.set("failures", str(failed))
    suite.set("skipped", str(skipped))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _add_failures(case: ET.Element, records: list[Violation]) -> None:
    for record in records:
        failure = ET.SubElement(case, "failure", type=record.rule.severity.value, message=_sentence(record))
        failure.text = _xml_text("\n".join(_details(record)))


def as_sarif(outcome: FiniteOutcome, rule_set: RuleSet) -> str:
    """Return SARIF 2.1.0: a result per violation, placed at its rule, with the offenders as logical locations.

    Violations of a rule in mode shadow are suppressed results.
    """
    rules = [_sarif_rule(rule.id, rule.text.name or rule.id, rule.text.description, rule.text.severity) for rule in rule_set.enabled]
    index = {rule.id: number for number, rule in enumerate(rule_set.enabled)}
    files = {rule.id: (_uri(rule.region.file), rule.region.line) for rule in rule_set.enabled}
    driver = {"name": "BeTrace", "rules": rules}
    results = [_sarif_result(record, index[record.rule.id], *files[record.rule.id]) for record in outcome.records]
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return shown_json(log)


def _uri(file: str) -> str:
    """Return a file name as SARIF wants it: a URI, relative where the name is."""
    path = PurePath(file)
    return f"{'file://' if path.is_absolute() else ''}{quote(path.as_posix(), errors='surrogateescape')}"


def _sarif_rule(rule_id: str, name: str, description: str, severity: str) -> dict[str, object]:
    rule: dict[str, object] = {"id": rule_id, "shortDescription": {"text": name}, "defaultConfiguration": {"level": _LEVELS[severity]}}
    return rule | ({"fullDescription": {"text": description}} if description else {})


def _sarif_result(record: Violation, index: int, uri: str, line: int) -> dict[str, object]:
    suppressed = {"suppressions": [{"kind": "external", "justification": "The rule is in mode shadow."}]}
    return (suppressed if record.rule.mode is RuleMode.SHADOW else {}) | {
        "ruleId": record.rule.id,
        "ruleIndex": index,
        "level": _LEVELS[record.rule.severity.value],
        "message": {"text": _sentence(record)},
        "partialFingerprints": {"violationId/v1": record.id},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}},
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
    compared = [f"{one.text}: {one.left} against {one.right}, margin {margin_of(one)}" for one in record.comparisons]
    spans = [f"{offender.service} {offender.name} {offender.span_id}" for offender in record.offenders]
    return [*compared, *spans]


def _xml_text(text: str) -> str:
    """Return text that XML 1.0 can hold and a terminal does not obey: all else becomes U+FFFD."""
    return some_lines(_NO_XML.sub("\ufffd", text))


FORMATS: Mapping[str, Callable[[FiniteOutcome, RuleSet], str]] = {
    "json": as_json,
    "ndjson": as_ndjson,
    "junit": as_junit,
    "sarif": as_sarif,
}
