"""The same rules in other layouts: blanks, comments, brackets and the order of keys at random."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from itertools import count

from hypothesis import strategies as st

# What no blank may stand inside of: a method or function with its bracket, a relation of two words, an operator.
_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|(?:child|sibling) of|[.A-Za-z0-9_:]+(?:(?<=\.)(?:"(?:[^"\\\n]|\\.)*"|`[^`]*`))?\(?|[<>=!]+|\S'
)
_GAPS = ("", " ", " ", " ", "  ", "\n", "\n\n", "\n\n\n", "\t")
_COMMENTS = (" // {}\n", "\n# {}\n", "\n\n// {}\n", " /* {} */ ", "\n/* {} */ ", " /* {} */\n", " /* {}\n    on */ ", " /**/ # {}\n")
_COMMENTED = 1 / 6
_OPERAND = re.compile(r"[A-Za-z0-9_\"`)\]]\Z")
_WORD = re.compile(r"[A-Za-z0-9_.:\"`]")


@st.composite
def in_another_layout(draw: st.DrawFn, text: str) -> str:
    """The same tokens with other blanks and with comments, each comment numbered."""
    # A draw for each gap would be slow.
    chance = random.Random(draw(st.integers(0, 2**32)))
    numbers = count(1)
    parts = []
    before = ""
    for token in _TOKEN.findall(text):
        gap = chance.choice(_GAPS)
        if chance.random() < _COMMENTED:
            gap = chance.choice(_COMMENTS).format(f"c{next(numbers)}")
        needs_gap = not gap and (
            (_OPERAND.search(before) is not None and _WORD.match(token) is not None) or {before[-1:], token[0]} & {"-", "/", "*", "."}
        )
        parts += [" " if needs_gap and not token.startswith(".") else gap, token]
        before = token
    return "".join(parts).strip("\t")


@st.composite
def files_in_another_layout(draw: st.DrawFn, content: str) -> str:
    """A rule file in JSON: its keys in another order, the rules' texts in another layout, with blanks or without."""
    file = json.loads(content)
    rules = [draw(_shuffled(rule)) for rule in file["rules"]]
    for rule in rules:
        word = draw(st.sampled_from(("rule", "condition", "expression")))
        rule[word] = draw(in_another_layout(str(rule.pop("rule"))))
    return json.dumps({**file, "rules": rules}, indent=draw(st.sampled_from((None, 1, 4))), ensure_ascii=draw(st.booleans()))


def _shuffled(entry: Mapping[str, object]) -> st.SearchStrategy[dict[str, object]]:
    return st.permutations(list(entry.items())).map(dict)


@st.composite
def with_yaml_comments(draw: st.DrawFn, content: str) -> tuple[str, list[str]]:
    """A block file with comments and blank lines between its lines and behind them, and the comments."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    comments: list[str] = []
    lines: list[str] = []
    block = -1
    for line in content.splitlines():
        depth = len(line) - len(line.lstrip(" "))
        if block >= 0 and (depth > block or not line.strip()):
            lines.append(line)
            continue
        # Deeper than the key of a block scalar, a comment would be a part of it.
        deepest = depth + (2 if block < 0 else 0)
        block = depth + (2 if line.lstrip().startswith("- ") else 0) if re.search(r": [|>]-?$", line) else -1
        if chance.random() < _COMMENTED:
            comments.append(f"# c{len(comments)}.")
            indent = chance.choice((depth, depth, 0, deepest))
            lines += [*[""] * chance.randrange(3), " " * indent + comments[-1], *[""] * chance.randrange(2)]
        behind = ""
        if chance.random() < _COMMENTED:
            comments.append(f"# c{len(comments)}.")
            behind = f" {comments[-1]}"
        lines.append(line + behind)
    return "\n".join(lines) + draw(st.sampled_from(("", "\n", "\n\n# c end.\n"))), comments
