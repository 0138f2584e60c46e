"""The extension for Visual Studio Code: its grammars know every word, its colours are tested, and it can be packaged."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from compiler.editor_words import CALLS, METHODS
from compiler.kinds import INTRINSICS
from compiler.notation_line import RESERVED_KEYS
from compiler.spelling import RESERVED
from tests.architecture.tree import files
from tests.skipping import missing

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "editors" / "vscode"
_REACHED_S = 30
_DONE_S = 240
NAME = "variable.other.betrace"


def patterns(grammar: str) -> list[tuple[str, str]]:
    """The patterns of a grammar that name what they match, in the order in which they are tried."""
    body = json.loads((EXTENSION / "syntaxes" / f"{grammar}.tmLanguage.json").read_text(encoding="utf-8"))
    found = []
    for include in body["patterns"]:
        entry = body["repository"][include["include"].removeprefix("#")]
        for one in entry.get("patterns", [entry]):
            if "match" in one:
                captures = one.get("captures", {})
                found.append((one["match"], one.get("name") or " ".join(each.get("name", "") for each in captures.values())))
    return found


def scope_of(text: str, at: int) -> str:
    """What the first pattern of the rule language that matches at a place says of it."""
    return next((name for pattern, name in patterns("betrace") if re.compile(pattern).match(text, at)), "")


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_has_another_colour_than_a_name_and_none_behind_a_dot(word: str) -> None:
    assert scope_of(f"a {word} b", 2) not in {"", NAME}
    assert scope_of(f"cache.{word}", 0) == NAME


@pytest.mark.parametrize("word", sorted({*CALLS, *(f".{method}" for method in METHODS)}))
def test_a_function_is_one_only_before_its_bracket(word: str) -> None:
    assert "support.function" in scope_of(f"a{word}(" if word.startswith(".") else f"{word}(", 1 if word.startswith(".") else 0)
    assert "support.function" not in scope_of(f"{word.removeprefix('.')} > 1", 0)


@pytest.mark.parametrize("name", sorted(INTRINSICS))
def test_an_intrinsic_is_one_word(name: str) -> None:
    assert scope_of(f"{name} > 1", 0) == "support.variable.intrinsic.betrace"


def test_the_grammar_of_traces_knows_every_key_of_the_notation() -> None:
    text = (EXTENSION / "syntaxes" / "betrace-trace.tmLanguage.json").read_text(encoding="utf-8")
    assert [key for key in RESERVED_KEYS if not re.search(rf"[(|]{re.escape(key)}[|)]", text)] == []


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the extension with its packages; needs Node.js and the registry that npm is set up for."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        missing("no Node.js with npm on the path")
    folder = tmp_path_factory.mktemp("editors") / "editors" / "vscode"
    for path in files():
        if path.parts[:2] == ("editors", "vscode"):
            target = folder / path.relative_to("editors/vscode")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
    shutil.copy(ROOT / "LICENSE", folder.parents[1] / "LICENSE")
    try:
        reached = subprocess.run(["npm", "ping"], cwd=folder, check=False, capture_output=True, timeout=_REACHED_S).returncode == 0
    except subprocess.TimeoutExpired:
        reached = False
    if not reached:
        missing("npm reaches no registry")
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=False, capture_output=True, text=True, timeout=_DONE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_rules_and_traces_have_their_colours_in_yaml(extension: Path) -> None:
    done = subprocess.run(["npm", "test"], cwd=extension, check=False, capture_output=True, text=True, timeout=_DONE_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_extension_can_be_packaged_and_holds_what_it_names(extension: Path, tmp_path: Path) -> None:
    target = tmp_path / "betrace.vsix"
    done = subprocess.run(
        ["npm", "run", "package", "--", "--out", str(target)], cwd=extension, check=False, capture_output=True, text=True, timeout=_DONE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(target) as packed:
        names = {name.removeprefix("extension/") for name in packed.namelist()}
        manifest = json.loads(packed.read("extension/package.json"))
    grammars = {grammar["path"].removeprefix("./") for grammar in manifest["contributes"]["grammars"]}
    assert {"out/extension.js", "out/NOTICES.txt", "LICENSE.txt", "language-configuration.json", *grammars} <= names
    assert not [name for name in names if name.startswith(("node_modules", "test"))]


@pytest.mark.slow
def test_a_copy_without_the_licence_says_what_is_missing(extension: Path) -> None:
    licence = extension.parents[1] / "LICENSE"
    text = licence.read_text(encoding="utf-8")
    licence.unlink()
    try:
        done = subprocess.run(["node", "build.js"], cwd=extension, check=False, capture_output=True, text=True, timeout=_DONE_S)
    finally:
        licence.write_text(text, encoding="utf-8")
    assert done.returncode != 0
    assert "build it in a clone of the whole repository" in done.stderr
