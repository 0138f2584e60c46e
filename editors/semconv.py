"""Writes compiler/semconv.json from the OpenTelemetry semantic conventions: `python -m editors.semconv` in a virtual environment.

It reads the sources of the package `opentelemetry-semantic-conventions` (Apache-2.0), which is installed for the occasion and is no
dependency: `pip install opentelemetry-semantic-conventions`. Of each attribute it keeps key, description and the words it may have.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

PACKAGE = "opentelemetry-semantic-conventions"
TARGET = Path(__file__).resolve().parents[1] / "compiler" / "semconv.json"
# A first sentence; the end of one is a point before a capital letter or the end.
_SENTENCE = re.compile(r"(.+?[.!])(?=\s+[A-Z`\[(]|\s*$)", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_LENGTH_MAX = 200


def main() -> None:
    """Write the file."""
    package = distribution(PACKAGE)
    sources = sorted(str(file) for file in package.files or () if "/attributes/" in str(file) and str(file).endswith("_attributes.py"))
    attributes: dict[str, dict[str, object]] = {}
    # The stable ones come last, so that their descriptions stand.
    for source in sorted(sources, key=lambda name: ("_incubating" not in name, name)):
        tree = ast.parse(Path(str(package.locate_file(source))).read_text(encoding="utf-8"))
        words = dict(_enumerations(tree))
        for name, key, text in _constants(tree):
            brief, short = _brief(text), name.replace("_", "")
            if not brief.startswith("Deprecated"):
                found = {"brief": brief} | ({"values": words[short]} if short in words else {})
                attributes[key] = attributes.get(key, {}) | found
    body = {
        "source": f"OpenTelemetry semantic conventions, {PACKAGE} {package.version}, Copyright The OpenTelemetry Authors, Apache-2.0",
        "attributes": dict(sorted(attributes.items())),
    }
    TARGET.write_text(json.dumps(body, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


def _constants(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield name, key and description of each attribute: an assignment, and the string below it."""
    for node, below in zip(tree.body, tree.body[1:], strict=False):
        match node, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(key))),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, key, text


def _enumerations(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield the words of each attribute that has some, by the name of its constant."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Values"):
            values = [each.value.value for each in node.body if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)]
            texts = [value for value in values if isinstance(value, str)]
            if texts:
                yield node.name.removesuffix("Values").upper(), texts


def _brief(text: str) -> str:
    plain = _LINK.sub(r"\1", " ".join(text.partition("\n\n")[0].split()))
    first = _SENTENCE.match(plain)
    found = first[1] if first else plain
    return found if len(found) <= _LENGTH_MAX else f"{found[: _LENGTH_MAX - 1]}…"


if __name__ == "__main__":
    main()
