"""The pages are true: every code has its page, every link leads somewhere, every example does what it says."""

from __future__ import annotations

import re
import textwrap
from pathlib import PurePosixPath

import pytest

from compiler import compile_sources
from compiler.diagnostics import Code
from compiler.source import SourceFile
from tests.architecture.tree import ROOT, files, text

DIAGNOSTICS = PurePosixPath("docs/reference/diagnostics")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^## (Wrong|Right)\n\n```(rule|yaml)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
# 2026-01-01: an example of an expired exception has to stay expired, one in force has to stay so.
TODAY_NS = 1_767_225_600 * 10**9
# Joined here, so that this file names none of them itself.
REGISTRIES = tuple(
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("golang", "org"),
        ("maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("crates", "io"),
    )
)

PAGES = [path for path in files() if path.suffix == ".md"]


def codes_of(example: str, language: str) -> set[Code]:
    """What the compiler says of an example: the text of a rule, or a rule file."""
    if language == "rule":
        example = "rules:\n  - id: example\n    rule: |\n" + textwrap.indent(example, " " * 6)
    found = compile_sources([SourceFile("example.yaml", example.encode())], today_ns=TODAY_NS)
    return {diagnostic.code for diagnostic in found.diagnostics}


def examples(code: Code) -> dict[str, tuple[str, str]]:
    """The examples of a diagnostic's page: heading to (language, text)."""
    return {heading: (language, body) for heading, language, body in EXAMPLE.findall(text(DIAGNOSTICS / f"{code}.md"))}


def test_every_diagnostic_has_a_page_and_every_page_a_diagnostic() -> None:
    pages = {path.stem for path in files() if path.parent == DIAGNOSTICS} - {"index"}
    assert pages == {code.value for code in Code}


@pytest.mark.parametrize("code", Code)
def test_a_diagnostics_page_has_its_parts_in_order(code: Code) -> None:
    page = text(DIAGNOSTICS / f"{code}.md")
    assert page.startswith(f"# `{code}`\n\n")
    assert f"\n\n{'An error' if code.severity == 'error' else 'A warning'}: " in page
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == ["Wrong", "Right"]


@pytest.mark.parametrize("code", [code for code in Code if examples(code)])
def test_the_wrong_example_shows_the_diagnostic_and_the_right_one_nothing(code: Code) -> None:
    shown = examples(code)
    assert code in codes_of(shown["Wrong"][1], shown["Wrong"][0])
    assert codes_of(shown["Right"][1], shown["Right"][0]) <= {Code.NO_TESTS} - {code}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_of_a_page_leads_to_a_file(page: PurePosixPath) -> None:
    targets = [link.split("#")[0] for link in LINK.findall(FENCE.sub("", text(page))) if "://" not in link]
    missing = [target for target in targets if target and not (ROOT / page.parent / target).exists()]
    assert not missing


def anchors(page: str) -> set[str]:
    """The fragments of a page's headings, as GitHub and Visual Studio Code make them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(FENCE.sub("", page))}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_into_a_page_leads_to_one_of_its_headings(page: PurePosixPath) -> None:
    links = [link.partition("#") for link in LINK.findall(FENCE.sub("", text(page))) if "://" not in link and "#" in link]
    targets = {(path or page.name, fragment) for path, _, fragment in links}
    assert not [target for target in targets if target[1] not in anchors((ROOT / page.parent / target[0]).read_text("utf-8"))]


def test_every_page_is_reached_from_the_first_one() -> None:
    reached, waiting = set[str](), [PurePosixPath("docs/index.md")]
    while waiting:
        page = waiting.pop()
        if str(page) in reached or page.suffix != ".md":
            continue
        reached.add(str(page))
        links = [link.split("#")[0] for link in LINK.findall(FENCE.sub("", text(page))) if "://" not in link]
        found = [(ROOT / page.parent / link).resolve() for link in links if link]
        waiting += [PurePosixPath(path.relative_to(ROOT)) for path in found if path.is_relative_to(ROOT / "docs") and path.exists()]
    assert {str(path) for path in PAGES if path.parts[0] == "docs"} == reached


def test_no_file_names_the_host_of_a_package_registry() -> None:
    found = [f"{path}: {host}" for path in files() if path.suffix not in {".gz", ".png"} for host in REGISTRIES if host in text(path)]
    assert not found, "\n".join(found)
