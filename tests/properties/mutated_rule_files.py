"""Rule files by number, as nobody should write them: real ones of a rule each, with comments, layouts and signs at odd places.

Most mutations keep what a file says, so that it is still one; the others damage it. Comments that are put in have a mark of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random

from compiler import SourceFile, compile_sources, format_rule_file
from compiler.editor_pieces import cut
from tests.architecture.tree import ROOT
from tests.conformance.case import CheckCase, JudgeCase, StreamCase, load_cases

MARK = re.compile(r"qz[0-9]+z")
_FOLDERS = (("library", "rules"), ("cli", "shop_rules"), ("tests", "e2e"))
_DAMAGED = 1 / 5
_SIGNS = (
    *(
        "\t",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\u0085",
        "\u2028",
        "\u2029",
        "\x0b",
        "\x0c",
        "\x00",
        "\x7f",
        "\ufeff",
        "\u00a0",
        "\u200b",
        "\u200f",
        "é",
    ),
    *(
        "🦊",
        "e\u0301",
        "#",
        " #",
        "# ",
        "'",
        '"',
        "''",
        "\\",
        '\\"',
        "`",
        "|",
        ">",
        "|-\n",
        "- ",
        ": ",
        ":",
        ",",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
    ),
    *("!!str ", "!x ", "?", "%", "@", "~", "null", "---\n", "...\n", "/*", "*/", "//", "<<: *a", "-", "+", "0x1", "1e999", "2027-01-31"),
)
_COMMENTS = ("# {}", "#{}", "#\t{} \t", "# {} # {}", "# {}: é 🦊 \u2028 x", "#! {} 'a \"b", "# - {}: [", "# {} " + "long " * 300, "# {} \\")
_IN_RULE = (" /* {} */ ", " // {}\n", "\n# {}\n", "/* {}\n   two */", " /**/ # {}\n", "\n\n\n// {}\n\n")
_HEADS = ("\ufeff", "---\n", "%YAML 1.2\n---\n", "# {}\n", "# {}\n\n\n", "\n\n", "--- # {}\n", " \n", "\t\n", "# {}\n---\n# {}\n")
_TAILS = ("...\n", "# {}", "\n\n# {}\n\n", "   # {}\n", "--- \n", " ", "\t", "\n# {}\n...\n# {}\n", "        # {}")
_BLOCK = re.compile(r"(?<=: )[|>][-+0-9]*$", re.MULTILINE)
_ENTRY = re.compile(r"^( *(?:- )?[a-z_]+: )([^|>&*!\"'\[{\n#][^#\n]*)$", re.MULTILINE)
_TEXT = re.compile(r"^( *(?:- )?(?:name|description|owner|runbook|reason): )([^|>&*!\"'\[{\n#][^#\n]*)$", re.MULTILINE)
_OPERATOR = re.compile(r"(?<= )(?:and|or|==|!=|>|before|in|\{|\})(?= |$)", re.MULTILINE)


@cache
def bases() -> tuple[tuple[str, ...], ...]:
    """Sound files of three sorts: each rule of the library and the shop by itself, and what the conformance suite judges and checks."""
    paths = [path for folder in _FOLDERS for path in sorted(ROOT.joinpath(*folder).rglob("*.yaml"))]
    cases = load_cases()
    judged = [case for case in cases if isinstance(case, JudgeCase | StreamCase)]
    checked = [case for case in cases if isinstance(case, CheckCase)]
    sorts = (
        [text for path in paths for text in _alone(path)],
        [_written({**({"let": case.let} if case.let else {}), "rules": case.entries()}) for case in judged],
        [text for case in checked for text in (*([case.file] if case.file else []), *(case.files or {}).values())],
    )
    return tuple(tuple(text for text in sort if not compile_sources([SourceFile("", text.encode())]).errors) for sort in sorts)


def _alone(path: Path) -> list[str]:
    pieces = cut(path.read_text(encoding="utf-8"))
    return [pieces.frame.replace("rules: []\n", piece.as_file, 1) for piece in pieces.pieces]


def _written(file: object) -> str:
    """Return a file as most are written; in JSON where that has no form."""
    text = json.dumps(file, indent=1, ensure_ascii=False)
    content = format_rule_file(SourceFile("", text.encode())).content
    return text if content is None else content.decode()


class MutatedFiles:
    """The files of a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def file(self, number: int) -> bytes:
        """Return a file; the same for a seed and a number in every process."""
        return _Mutation(Random(f"{self._seed} {number}")).file()


class _Mutation:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._marks = 0

    def file(self) -> bytes:
        text = self._chance.choice(self._chance.choice(bases()))
        usual = (self._comment_line, self._comment_behind, self._comment_in_rule, self._blank, self._block, self._quotes, self._brackets)
        more = (self._grow, self._grow, self._breaks, self._indent, self._long, self._blanks_behind, self._head)
        # These seldom leave a rule file.
        odd = (self._anchor, self._tail, self._sign_in_text, self._swap)
        ways: Sequence[Callable[[str], str]] = (*usual * 4, *more * 2, *odd)
        for _ in range(self._chance.choice((1, 2, 3, 4, 6))):
            text = self._chance.choice(ways)(text)
        if self._chance.random() < _DAMAGED:
            text = self._damaged(text)
        content = text.encode("utf-8", "surrogatepass")
        if self._chance.random() < _DAMAGED / 10:
            at = self._chance.randrange(len(content) + 1)
            content = content[:at] + bytes([self._chance.randrange(256)]) + content[at + self._chance.randrange(2) :]
        return content

    # ---- comments -----------------------------------------------------------------------------------------------------------------------

    def _marked(self, form: str) -> str:
        while "{}" in form:
            self._marks += 1
            form = form.replace("{}", f"qz{self._marks}z", 1)
        return form

    def _comment_line(self, text: str) -> str:
        lines = text.split("\n")
        at = self._chance.randrange(len(lines) + 1)
        near = lines[min(at, len(lines) - 1)]
        indent = self._chance.choice((0, 1, 2, 3, 4, 6, 8, 12, len(near) - len(near.lstrip()), len(near) - len(near.lstrip())))
        lines.insert(at, " " * indent + self._marked(self._chance.choice(_COMMENTS)))
        return "\n".join(lines)

    def _comment_behind(self, text: str) -> str:
        lines = text.split("\n")
        at = self._chance.randrange(len(lines))
        lines[at] += self._chance.choice((" ", "  ", "\t")) + self._marked(self._chance.choice(_COMMENTS))
        return "\n".join(lines)

    def _comment_in_rule(self, text: str) -> str:
        form = self._marked(self._chance.choice(_IN_RULE))
        return self._at_one(_OPERATOR, text, lambda found: self._chance.choice((form + found[0], found[0] + form)))

    # ---- layout -------------------------------------------------------------------------------------------------------------------------

    def _at_one(self, pattern: re.Pattern[str], text: str, change: Callable[[re.Match[str]], str]) -> str:
        """Change one of the places where a pattern is found; lines that a change adds are indented like the key or text of their first."""
        places = list(pattern.finditer(text))
        if not places:
            return text
        found = self._chance.choice(places)
        line = text[text.rfind("\n", 0, found.start()) + 1 :]
        indent = " " * (len(line) - len(line.lstrip(" -")))
        return text[: found.start()] + change(found).replace("\n", f"\n{indent}") + text[found.end() :]

    def _blank(self, text: str) -> str:
        lines = text.split("\n")
        lines.insert(self._chance.randrange(len(lines) + 1), self._chance.choice(("", "", " ", "      ", "\t")))
        return "\n".join(lines)

    def _blanks_behind(self, text: str) -> str:
        return self._at_one(re.compile(r"$", re.MULTILINE), text, lambda _: self._chance.choice((" ", "   ", "\t", " \t ")))

    def _block(self, text: str) -> str:
        header = self._chance.choice(("|", "|-", "|+", ">", ">-", ">+", "|2", "|4", "|-  # {}", "> # {}", "| \t"))
        return self._at_one(_BLOCK, text, lambda _: self._marked(header))

    def _quotes(self, text: str) -> str:
        def quoted(found: re.Match[str]) -> str:
            value = found[2].rstrip()
            double = json.dumps(value, ensure_ascii=self._chance.random() < 1 / 2)
            return found[1] + self._chance.choice((double, "'" + value.replace("'", "''") + "'", f"\n  {value}", f">-\n    {value}"))

        return self._at_one(_ENTRY, text, quoted)

    def _brackets(self, text: str) -> str:
        operand = re.compile(r"(?<=[ (])[a-z]+(?:\.[a-z_]+)*(?=[ )])|(?<=[ (])[0-9]+(?=[ )])")
        return self._at_one(operand, text, lambda found: self._chance.choice(("({})", "( {} )", "(({}))")).format(found[0]))

    def _grow(self, text: str) -> str:
        """Repeat a predicate, so that lines break."""
        count = self._chance.choice((2, 3, 5, 12, 40))
        word = self._chance.choice((" and ", " or "))
        predicate = re.compile(r"(?<=where\()[^()\n]+(?=\))")
        return self._at_one(predicate, text, lambda found: word.join([found[0]] * count))

    def _anchor(self, text: str) -> str:
        text = self._at_one(_TEXT, text, lambda found: f"{found[1]}&a {found[2]}")
        return text if self._chance.random() < 1 / 2 else self._at_one(_TEXT, text, lambda found: f"{found[1]}*a")

    def _head(self, text: str) -> str:
        return self._marked(self._chance.choice(_HEADS)) + text

    def _tail(self, text: str) -> str:
        return (text.rstrip("\n") if self._chance.random() < 1 / 3 else text) + self._marked(self._chance.choice(_TAILS))

    def _long(self, text: str) -> str:
        word = self._chance.choice(("x" * 3_000, "words of a sentence " * 200, "é🦊" * 600, "a, b:c #d " * 100))
        return self._at_one(_TEXT, text, lambda found: f"{found[0]} {word}")

    def _sign_in_text(self, text: str) -> str:
        def signed(found: re.Match[str]) -> str:
            at = self._chance.randrange(len(found[2]) + 1)
            return found[1] + found[2][:at] + self._chance.choice(_SIGNS) + found[2][at:]

        return self._at_one(_TEXT, text, signed)

    def _breaks(self, text: str) -> str:
        lines = text.split("\n")
        every = self._chance.random() < 1 / 2
        return "".join(line + ("\r\n" if every or self._chance.random() < 1 / 4 else "\n") for line in lines[:-1]) + lines[-1]

    def _swap(self, text: str) -> str:
        lines = text.split("\n")
        at = self._chance.randrange(len(lines))
        lines[at : at + 2] = reversed(lines[at : at + 2])
        return "\n".join(lines)

    def _indent(self, text: str) -> str:
        deeper = self._chance.choice((" ", "  "))
        return "\n".join(deeper + line if line else line for line in text.split("\n"))

    # ---- damage -------------------------------------------------------------------------------------------------------------------------

    def _damaged(self, text: str) -> str:
        for _ in range(self._chance.randint(1, 3)):
            at, length = self._chance.randrange(len(text) + 1), self._chance.choice((0, 0, 1, 2, 8))
            text = text[:at] + self._chance.choice(_SIGNS) + text[at + length :]
        return text
