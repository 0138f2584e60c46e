"""Writes the reference pages that follow from code: `python -m docs.reference_pages`, with `--check` only compares.

A page written here begins with a comment that says so, where its form has comments; the page of the rule language is prose by hand,
and its parts that follow from code stand between comments. Examples are cases of the conformance suite, so this needs the tests, which
nothing that is shipped does. What a table of the code says is said once, in the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click
from fastapi import FastAPI
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from api.app import Parts, create_app
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from api.view import View
from cli.main import betrace
from compiler import rule_file_schema_text
from compiler.diagnostics import Code, Severity
from docs.language_examples import examples_page
from docs.language_page import language_page
from docs.library_page import library_page
from docs.markdown import table
from docs.rule_words import words_page
from processor.metrics import METRICS
from processor.rule_settings import RuleSettings
from processor.settings import Settings
from processor.shard_settings import ShardSettings
from topics.names import topic_page
from topics.schemas import SCHEMAS, schema_file, schema_text
from topics.settings import TopicSettings

REFERENCE: Final = Path(__file__).resolve().parent / "reference"
NOTE: Final = "<!-- Written by `make reference` from the code: change it there. -->"


def diagnostics_page() -> str:
    """Return the index of the diagnostics: code, severity, and the first sentence of its page."""
    parts = [
        "# Diagnostics",
        "What the compiler says of rule text. Each has a code, a place, a sentence, and a page with a wrong and a right example.",
    ]
    for severity in Severity:
        rows = [(f"[`{code}`]({code}.md)", _promise(code)) for code in Code if code.severity == severity]
        parts += [f"## {severity.value.capitalize()}s", severity_sentence(severity), table(("code", "what it means"), rows)]
    return "\n\n".join(parts)


def severity_sentence(severity: Severity) -> str:
    """Say what a severity does to the rule set."""
    return "The whole rule set is refused." if severity is Severity.ERROR else "The rule set is accepted."


def _promise(code: Code) -> str:
    page = (REFERENCE / "diagnostics" / f"{code}.md").read_text(encoding="utf-8")
    return page.split("\n\n")[1].replace("\n", " ")


def settings_page() -> str:
    """Return every setting: its variable, default and meaning."""
    parts = ["# Settings", "Each is read from the environment variable; a command's own flag goes before it."]
    commands: tuple[tuple[str, type[BaseSettings]], ...] = (
        ("betrace worker", Settings),
        ("betrace rules apply, betrace rules diff", RuleSettings),
        ("betrace topics", TopicSettings),
        ("betrace shard", ShardSettings),
        ("betrace api", ApiSettings),
    )
    for title, settings in commands:
        prefix = str(settings.model_config.get("env_prefix", ""))
        rows = [_setting(prefix, name, field) for name, field in settings.model_fields.items()]
        parts += [f"## `{title}`", table(("variable", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def _setting(prefix: str, name: str, field: FieldInfo) -> tuple[str, str, str]:
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = "required" if default is PydanticUndefined else f"`{default if default not in ('', None) else ' '}`"
    return (f"`{(prefix + name).upper()}`", "none" if shown == "` `" else shown, field.description or "")


def metrics_page() -> str:
    """Return every metric: name, kind, unit, labels and meaning."""
    rows = [(f"`{m.name}`", m.kind.value, m.unit, ", ".join(f"`{label}`" for label in m.labels), m.sentence) for m in METRICS]
    with _api() as (_, metrics):
        families = sorted(metrics.registry.collect(), key=lambda family: family.name)
    served = [(f"`{f.name}{'_total' if f.type == 'counter' else ''}`", f.type, f.documentation) for f in families]
    return "\n\n".join(
        (
            "# Metrics",
            "Served at `/metrics` in the Prometheus text format.",
            "## `betrace worker` and `betrace shard`",
            table(("name", "kind", "unit", "labels", "meaning"), rows),
            "## `betrace api`",
            table(("name", "kind", "meaning"), served),
        )
    )


@contextmanager
def _api() -> Iterator[tuple[FastAPI, ApiMetrics]]:
    """The API over an empty view: what it serves is known without a topic."""
    metrics = ApiMetrics()
    with closing(View(None)) as view:
        yield create_app(ApiSettings(), Parts(view, feed=None, rules=None, metrics=metrics)), metrics


def command_page() -> str:
    """Return every command with its arguments, options and help."""
    parts = ["# Command line", "Exit status everywhere: 0 fine; 1 violations or failed tests; 2 usage or input error."]
    return "\n\n".join([*parts, *_commands(betrace, None, "betrace")])


def _commands(shown: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(shown, parent=parent, info_name=name, max_content_width=100, terminal_width=100, **shown.context_settings)
    yield f"## `{context.command_path}`\n\n```text\n{shown.get_help(context).rstrip()}\n```"
    if isinstance(shown, click.Group):
        for child_name in sorted(shown.list_commands(context)):
            child = shown.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from _commands(child, context, child_name)


def http_page() -> str:
    """Return every route of the API with its parameters and answers."""
    with _api() as (app, _):
        document = app.openapi()
    parts = ["# HTTP API", "The OpenAPI document itself is served at `/openapi.json`, and as a page to read at `/docs`."]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(_route(method, path, operation))
    return "\n\n".join(parts)


def _route(method: str, path: str, operation: Mapping[str, object]) -> str:
    parts = [f"## `{method.upper()} {path}`", str(operation.get("description") or operation.get("summary", ""))]
    parameters = operation.get("parameters")
    if isinstance(parameters, list):
        rows = [(f"`{p['name']}`", p["in"], "yes" if p.get("required") else "no", p.get("description", "")) for p in parameters]
        parts.append(table(("parameter", "in", "required", "meaning"), rows))
    answers = operation.get("responses")
    if isinstance(answers, dict):
        parts.append(table(("status", "answer"), [(status, answer["description"]) for status, answer in answers.items()]))
    return "\n\n".join(parts)


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "command-line.md": command_page,
    "diagnostics/index.md": diagnostics_page,
    "http-api.md": http_page,
    "library.md": library_page,
    "metrics.md": metrics_page,
    "rule-language-by-example.md": examples_page,
    "rule-words.md": words_page,
    "settings.md": settings_page,
    "topics.md": topic_page,
    schema_file("rule-file"): rule_file_schema_text,
    **{schema_file(name): partial(schema_text, name) for name in SCHEMAS},
}


# Pages by hand of which some parts follow from code: the page with these parts written anew, from the page.
PARTLY: Final[Mapping[str, Callable[[str], str]]] = {"rule-language.md": language_page}


def wanted_pages() -> Iterator[tuple[str, str]]:
    """Yield every page that follows from code, in parts or in whole: its name and what it has to be; those that others quote come first."""
    for name, rewritten in PARTLY.items():
        yield name, rewritten((REFERENCE / name).read_text(encoding="utf-8"))
    for name, page in PAGES.items():
        yield name, f"{NOTE}\n\n{page().rstrip()}\n" if name.endswith(".md") else f"{page()}\n"


def run(*, is_check: bool) -> int:
    """Write the pages, or compare them; return the exit status."""
    stale = []
    for name, wanted in wanted_pages():
        target = REFERENCE / name
        if target.exists() and target.read_text(encoding="utf-8") == wanted:
            continue
        stale.append(name)
        if not is_check:
            target.write_text(wanted, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"{name} {'is not what the code says: run `make reference`' if is_check else 'written'}\n")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the reference pages that follow from code.")
    parser.add_argument("--check", action="store_true", help="only compare; exit status 1 when a page is stale")
    sys.exit(run(is_check=parser.parse_args().check))
