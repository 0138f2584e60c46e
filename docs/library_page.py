"""The reference page of the rule library: every rule by domain, and what no rule can say yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import yaml

from cli.rule_library import LibraryRule, library_rules
from docs.markdown import table
from library import GAPS

INTRODUCTION: Final = """# Rule library

{rules} rules with {tests} tests, ready to copy. Each says what it expects from the instrumentation: the semantic conventions of
OpenTelemetry where there are some, else the spans and attributes that the application has to write. Lists, limits and paths in them
are yours to edit.

```console
$ betrace rules library list --control PCI-DSS        # or --tag, --severity
$ betrace rules library show card-data-access-is-audited
$ betrace rules library copy --tag audit --to rules/  # the rules with their tests, as files of your own
$ betrace rules test rules/
```

*Stands for* names the rules of BeTrace's first collections that a rule replaces."""


def library_page() -> str:
    """Return the page: domains, a table and the rules of each, the gaps."""
    rules = library_rules()
    domains = [(domain, list(found)) for domain, found in groupby(rules, key=lambda one: one.domain)]
    rows = [(f"[{domain}](#{domain})", str(len(found))) for domain, found in domains]
    parts = [
        INTRODUCTION.format(rules=len(rules), tests=sum(len(one.rule.tests) for one in rules)),
        table(("domain", "rules"), rows),
        *(part for domain, found in domains for part in _domain(domain, found)),
        *_gaps(),
    ]
    return "\n\n".join(parts)


def _domain(domain: str, found: Sequence[LibraryRule]) -> Iterator[str]:
    yield f"## {domain}"
    source = found[0].source.content.decode()
    yield leading_comment(source)
    yield from shared_names(source)
    texts = [one.rule.text for one in found]
    rows = [(f"[`{text.id}`](#{text.id.replace('.', '')})", text.severity, text.name, ", ".join(text.controls)) for text in texts]
    yield table(("rule", "severity", "what holds", "controls"), rows)
    for one in found:
        yield from _rule(one)


def _rule(one: LibraryRule) -> Iterator[str]:
    text = one.rule.text
    yield f"### `{text.id}`"
    yield f"**{text.name}.** {text.description.strip()}"
    yield f"```rule\n{text.rule.rstrip()}\n```"
    facts = [
        f"Severity {text.severity}",
        f"{len(one.rule.tests)} tests",
        *([f"controls {', '.join(text.controls)}"] if text.controls else []),
        *(["wants complete traces"] if text.requires == "complete" else []),
        *([f"stands for {', '.join(f'`{name}`' for name in text.replaces)}"] if text.replaces else []),
    ]
    yield f"{'; '.join(facts)}."


def _gaps() -> Iterator[str]:
    yield "## What no rule can say yet"
    yield "A rule sees one trace. Where a rule covers a part, it is named."
    rows = [
        (f"`{gap['original']}`", gap["intent"], gap["reason"], gap["needs"], _link(gap.get("partly")))
        for path in sorted(GAPS.glob("*.yaml"))
        for gap in _read(path)
    ]
    yield table(("original", "what was wanted", "why not", "what it would take", "in part"), rows)


def _link(rule_id: str | None) -> str:
    return f"[`{rule_id}`](#{rule_id})" if rule_id else ""


def _read(path: Path) -> Sequence[Mapping[str, str]]:
    found: Sequence[Mapping[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def shared_names(text: str) -> Iterator[str]:
    """Yield what a file says in `let`, as its rules share it; nothing where it says nothing."""
    begin, end = text.find("\nlet:\n"), text.find("\nrules:\n")
    if begin >= 0:
        yield "Names that its rules share, and that are copied with those that use them:"
        yield f"```yaml\n{text[begin + 1 : end]}\n```"


def leading_comment(text: str) -> str:
    """Return the comment that a file begins with, as a paragraph."""
    lines = text.splitlines()
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.lstrip("# ") for line in lines[:count])
