"""The house stays tidy: sizes, names, marks and the root folder. There is no list of exceptions."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from tests.architecture.tree import ROOMS, definitions, files, functions, python_files, text, tree

FUNCTION_LINE_COUNT_MAX = 60
FILE_LINE_COUNT_MAX = 400
BANNED = {"utils", "util", "common", "helpers", "helper", "core", "base", "models", "manager"}
# In functions these two say something: the base of a selector, the core schema of YAML.
SPOKEN = {"base", "core"}
TEXT_SUFFIXES = {".py", ".lark", ".lua", ".md", ".toml", ".yaml", ".yml", ".ts", ".tsx", ".js", ".sh", ".sql", ".html", ".css"}
# Split, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
STALE = re.compile(r"(?:_old|_v\d+|_new|_backup)$")
ROOT_ENTRIES = {
    *{".ci", ".dockerignore", ".gitignore", ".github", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "Makefile", "README.md"},
    *{"pyproject.toml", "requirements.lock", "requirements-dev.lock", "compose.yaml", "action.yml"},
    *{"topics", "compiler", "processor", "api", "cli", "library", "editors", "helm", "loadtest", "docs", "tests"},
}
SENTENCE_WORD_COUNT_MIN = 4


def words(name: str) -> set[str]:
    """Split a name in snake_case or CamelCase into its words in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}


def test_a_function_has_at_most_sixty_lines() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}: {size} lines"
        for path in python_files()
        for node in functions(path)
        if (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINE_COUNT_MAX
    ]
    assert not long, "\n".join(long)


def test_a_python_file_has_at_most_four_hundred_lines() -> None:
    long = [f"{path}: {size} lines" for path in python_files() if (size := text(path).count("\n")) > FILE_LINE_COUNT_MAX]
    assert not long, "\n".join(long)


def test_no_file_or_folder_is_named_after_nothing() -> None:
    found = [str(path) for path in files() if any(words(PurePosixPath(part).stem) & BANNED for part in path.parts)]
    assert not found, "name the duty instead:\n" + "\n".join(found)


def test_no_class_or_function_is_named_after_nothing() -> None:
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path in python_files(*ROOMS)
        for node in definitions(path)
        if words(node.name) & (BANNED - SPOKEN)
    ]
    assert not found, "name the duty instead:\n" + "\n".join(found)


def test_no_file_is_a_left_over() -> None:
    found = [str(path) for path in files() if STALE.search(path.stem) or path.suffix in {".bak", ".orig", ".rej", ".disabled", ".tmp"}]
    assert not found, "history lives in git:\n" + "\n".join(found)


def test_nothing_is_marked_unfinished() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in files()
        if path.suffix in TEXT_SUFFIXES
        for number, line in enumerate(text(path).splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not found, "\n".join(found)


def test_the_root_holds_only_what_was_agreed() -> None:
    assert {path.parts[0] for path in files()} <= ROOT_ENTRIES


def test_every_public_name_of_the_rooms_has_a_docstring() -> None:
    found = [
        f"{path}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', 'the module')}"
        for path in python_files(*ROOMS)
        for node in (tree(path), *(child for child in tree(path).body if isinstance(child, ast.FunctionDef | ast.ClassDef)))
        if not getattr(node, "name", "").startswith("_") and not ast.get_docstring(node)
    ]
    assert not found, "\n".join(found)


def test_every_test_says_one_sentence_in_its_name_or_docstring() -> None:
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path in python_files("tests")
        if path.name.startswith("test_")
        for node in functions(path)
        if node.name.startswith("test_") and not _says_a_sentence(node)
    ]
    assert not found, "\n".join(found)


def _says_a_sentence(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    docstring = ast.get_docstring(node)
    if docstring is not None:
        return docstring.split("\n\n")[0].rstrip().endswith((".", "?"))
    return len(node.name.removeprefix("test_").split("_")) >= SENTENCE_WORD_COUNT_MIN


def test_every_test_file_is_found_by_pytest() -> None:
    """A file with test functions has a name that pytest collects, so no test sleeps unseen."""
    found = [
        str(path)
        for path in python_files("tests")
        if not path.name.startswith("test_") and any(node.name.startswith("test_") for node in functions(path))
    ]
    assert not found, "\n".join(found)
