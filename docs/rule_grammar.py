"""The grammar of the rule language for people: compiler/rules.lark as EBNF, with the remarks that end its lines.

The grammar is read by lark's own grammar of grammars, so nothing that spells the language can be left out here.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from lark import Lark, Token, Tree

Node: TypeAlias = Tree[Token] | Token

GRAMMAR: Final = Path(__file__).resolve().parents[1] / "compiler" / "rules.lark"
LEGEND: Final = "(* [ x ] at most once, { x } any number of times, /x/ a regular expression, ! ( x ) no x comes next *)"
WIDTH: Final = 118
# So wide are alternatives side by side.
ALTERNATIVES_WIDTH: Final = 53
# Where remarks stand, below each other, unless what they speak of is longer.
COLUMN: Final = 72
# What must not come next is written as a regular expression that begins with words.
_NO_WORDS = re.compile(r"/\(\?!\(\?:([a-z|]+)\)(.+)\)/")


def grammar_block(text: str | None = None) -> str:
    """Return the grammar as a block of Markdown: its productions in their order, then what stands between words."""
    text = GRAMMAR.read_text(encoding="utf-8") if text is None else text
    return "\n".join(["```ebnf", LEGEND, "", *grammar_lines(text), "```"])


def grammar_lines(text: str) -> Iterator[str]:
    """Yield the lines of the productions; an empty one stands between those of the parser and those of the lexer."""
    tree, remarks = _read(text)
    productions = [node for node in tree.children if isinstance(node, Tree) and node.data in {"rule", "token"}]
    margin = max(len(_name(node)) for node in productions)
    for before, node in zip([None, *productions], productions, strict=False):
        if before is not None and before.data != node.data:
            yield ""
        yield from _production(node, margin, remarks)
    ignored = [_text(node.children[0]) for node in tree.children if isinstance(node, Tree) and node.data == "ignore"]
    yield ""
    yield f"(* {' and '.join(ignored)} may stand between the words of a rule *)"


def _read(text: str) -> tuple[Tree[Token], dict[int, str]]:
    """Return the tree of a grammar, and by line the remarks that end one."""
    comments: list[Token] = []

    def keep(token: Token) -> Token:
        comments.append(token)
        return token

    callbacks = {"COMMENT": keep}
    options: dict[str, Any] = {"parser": "lalr", "maybe_placeholders": False, "propagate_positions": True, "lexer_callbacks": callbacks}
    tree: Tree[Token] = Lark.open_from_package("lark", "lark.lark", ["grammars"], **options).parse(text)
    lines = text.splitlines()
    return tree, {
        line: comment.strip().lstrip("/").strip()
        for comment in comments
        if not lines[(line := comment.end_line or 0) - 1].lstrip().startswith("//")
    }


def _name(production: Tree[Token]) -> str:
    return str(production.children[0]).lstrip("?!")


def _production(node: Tree[Token], margin: int, remarks: dict[int, str]) -> Iterator[str]:
    lead = f"{_name(node):<{margin}} = "
    for line, remark in _lines(_alternatives(node.children[-1], remarks)):
        first, *more = textwrap.wrap(line, WIDTH - margin, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate((first, *more)):
            said = f"  (* {remark} *)" if remark and number == len(more) else ""
            yield f"{lead + part:<{COLUMN}}{said}".rstrip()
            lead = " " * (margin + 3)
        lead = f"{' ' * margin} | "


def _lines(pieces: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Put alternatives side by side; one with a remark stands alone."""
    line = ""
    for text, remark in pieces:
        if line and (remark or len(line) + len(text) > ALTERNATIVES_WIDTH):
            yield line, ""
            line = ""
        if remark:
            yield text, remark
        else:
            line = f"{line} | {text}" if line else text
    if line:
        yield line, ""


def _alternatives(node: Node, remarks: dict[int, str]) -> list[tuple[str, str]]:
    """Return the alternatives of a production with their remarks."""
    nodes = list(node.children) if isinstance(node, Tree) and node.data == "expansions" else [node]
    return _folded([(_text(one), remarks.get((one if isinstance(one, Token) else one.meta).end_line or 0, "")) for one in nodes])


def _folded(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Say `x | x y { y }` as `x { y }`."""
    if [alone for alone, _ in pieces[:1]] != [longer.partition(" ")[0] for longer, _ in pieces[1:]]:
        return pieces
    (alone, remark), (longer, other) = pieces
    found = re.fullmatch(r"\S+ (.+) \{ (.+) \}", longer)
    if found is None or found[1] not in {found[2], f"( {found[2]} )"}:
        return pieces
    return [(f"{alone} {{ {found[2]} }}", other or remark)]


def _text(node: Node) -> str:
    """Return what a node of the grammar's tree spells."""
    if isinstance(node, Token):
        return str(node)
    match node.data:
        case "literal":
            return _literal(str(node.children[0]))
        case "name" | "alias":
            return _text(node.children[0])
        case "expansion":
            return " ".join(_grouped(part) for part in node.children)
        case "expansions":
            return " | ".join(_text(part) for part in node.children)
        case "expr":
            return _repeated(node.children[0], str(node.children[1]))
    message = f"the printer of the grammar does not know `{node.data}`"
    raise ValueError(message)


def _grouped(node: Node) -> str:
    return f"( {_text(node)} )" if isinstance(node, Tree) and node.data in {"expansions", "expansion"} else _text(node)


def _repeated(node: Node, sign: str) -> str:
    inside = _text(node)
    return {"?": f"[ {inside} ]", "*": f"{{ {inside} }}", "+": f"{_grouped(node)} {{ {inside} }}"}[sign]


def _literal(text: str) -> str:
    found = _NO_WORDS.fullmatch(text)
    if found is None:
        return text
    words = " | ".join(f'"{word}"' for word in found[1].split("|"))
    return f"! ( ( {words} ) /{found[2]}/ )"
