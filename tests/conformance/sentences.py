"""Number the sentences of the normative language page, so that a case can say which one it proves.

A *sentence* is, in the order of the page and counted anew in every section: a sentence of prose or of a list item, a row of a
table, a production of the grammar, a line of the rule-file example that carries a key. Section 0 is what stands before section 1. A
line that is only a link, or a comment between which a part written from code stands, says nothing. Productions and intrinsics are
not numbered but named, so that a new one moves no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "rule-language.md"

_HEADING = re.compile(r"^## (\d+)\. ")
_ITEM = re.compile(r"^(?:- |\d+\. )")
# A full stop ends a sentence when a new one (capital letter, code, bold, bracket) follows; "e.g." and numbers do not occur so.
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*(x])")
_PRODUCTION = re.compile(r"^([A-Za-z_]+) +=")
_INTRINSIC = re.compile(r"^\| `([a-z]+:[A-Za-z]+)` \|")
_SAYS_NOTHING = re.compile(r"# .*|<!--.*-->|\[[^\]]*\]\([^)]*\)|\s*")
_KEY = re.compile(r"^\s*(?:- )?\{?[a-z.]+:")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One provable statement: section number, what it is within the section (`sentence 1`, `production test`), and its text."""

    section: int
    place: str
    text: str
    is_code: bool

    @property
    def label(self) -> str:
        """The form in which a case names it: `language.md 6, sentence 3`."""
        return f"language.md {self.section}, {self.place}"


def sentences(page: Path = PAGE) -> list[Sentence]:
    """Return every sentence of the page, in order."""
    found: list[Sentence] = []
    section, number = 0, 0
    for kind, text in _blocks(page.read_text(encoding="utf-8").splitlines()):
        if kind == "heading":
            section, number = int(text), 0
            continue
        named = _named(kind, text)
        for part in [text] if named else _split(kind, text):
            number += not named
            found.append(Sentence(section, named or f"sentence {number}", part, is_code=kind == "code"))
    return found


def _named(kind: str, text: str) -> str:
    """Return the name of what is not numbered, or nothing."""
    production, intrinsic = _PRODUCTION.match(text), _INTRINSIC.match(text)
    if kind == "code" and production:
        return f"production {production[1]}"
    return f"intrinsic {intrinsic[1]}" if kind == "row" and intrinsic else ""


def _split(kind: str, text: str) -> list[str]:
    return [text] if kind != "prose" else [part for part in _END.split(text) if part]


def _blocks(lines: list[str]) -> list[tuple[str, str]]:
    """Return (kind, text) per heading, paragraph or list item, table row and meaningful line of a code block."""
    blocks: list[tuple[str, str]] = []
    paragraph: list[str] = []
    code = False

    def flush() -> None:
        if paragraph:
            blocks.append(("prose", " ".join(paragraph)))
            paragraph.clear()

    for line in lines:
        if line.startswith("```"):
            flush()
            code = not code
        elif code:
            if _PRODUCTION.match(line) or _KEY.match(line):
                blocks.append(("code", line.strip()))
            elif blocks and _PRODUCTION.match(blocks[-1][1]):
                blocks[-1] = ("code", f"{blocks[-1][1]} {line.strip()}".strip())
        elif heading := _HEADING.match(line):
            flush()
            blocks.append(("heading", heading[1]))
        elif line.startswith("|"):
            flush()
            blocks.append(("row", line))
        elif _SAYS_NOTHING.fullmatch(line):
            flush()
        else:
            if _ITEM.match(line):
                flush()
            paragraph.append(_ITEM.sub("", line).strip())
    flush()
    return _without_table_heads(blocks)


def _without_table_heads(blocks: list[tuple[str, str]]) -> list[tuple[str, str]]:
    rules = {i for i, (kind, text) in enumerate(blocks) if kind == "row" and set(text) <= set("|- ")}
    return [block for i, block in enumerate(blocks) if i not in rules and i + 1 not in rules]
