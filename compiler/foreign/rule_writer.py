"""Writes imported rules as a rule file: each beside the text that it comes from, and what could not be imported as comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import count

from compiler import syntax as s
from compiler.compile import compile_sources
from compiler.diagnostics import Code, Severity
from compiler.foreign.drafts import Aside, Draft, ExampleTest, Excuse, Item, Note, Refusal
from compiler.format import format_rule_file
from compiler.parser import parse_rule
from compiler.rule_set import Compilation, Rule
from compiler.rule_skeleton import rule_id_of
from compiler.source import SourceFile
from compiler.yaml_text import quoted_scalar, sayable

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
# Plain words that YAML or a reader could take for something else than text.
_TYPED = frozenset({"true", "false", "null", "yes", "no", "on", "off"})
_WITHOUT_RULE = {Aside: "NO RULE OF ITS OWN", Refusal: "NOT IMPORTED"}
_SHOWN_LINES_MAX = 60
_SHOWN_WIDTH_MAX = 240
_WIDTH = 110


class RuleIds:
    """Gives each rule of a file an id of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, draft: Draft) -> str:
        """Return the id of a draft: its own where it has one that is free, else one made of its name."""
        wished = draft.rule_id or draft.name
        plain = wished if _ID.fullmatch(wished) else rule_id_of(wished) or f"rule-{draft.region.line}"
        found = next(one for one in (plain if number == 1 else f"{plain}-{number}" for number in count(1)) if one not in self._taken)
        self._taken.add(found)
        if draft.rule_id and found != draft.rule_id:
            draft.notes.append(
                Note(draft.region, f"the id `{draft.rule_id[:_SHOWN_WIDTH_MAX]}` became `{found}`: ids are lower case and unique")
            )
        return found


def compiled(item: Item, ids: RuleIds) -> tuple[Item, Rule | None]:
    """Return an item with its rule; a draft that is refused by the compiler becomes a refusal that says why."""
    if not isinstance(item, Draft):
        return item, None
    item.rule_id = ids.take(item)
    compilation = _compilation(item)
    if any(found.code is Code.DOUBLE_NEGATION for found in compilation.diagnostics):
        item.rule = _demanding(item.rule)
        compilation = _compilation(item)
    if compilation.rule_set is not None:
        return item, compilation.rule_set.rules[0]
    errors = [found for found in compilation.diagnostics if found.severity is Severity.ERROR]
    said = dict.fromkeys(f"as a rule it is refused: {error.message} [{error.code}]" for error in errors)
    notes = [Note(item.region, message) for message in said]
    return Refusal(item.region, item.original, f"rule `{item.name}`", [*item.notes, *notes]), None


def _compilation(draft: Draft) -> Compilation:
    return compile_sources([SourceFile(draft.region.file, f"rules:\n{_rule(draft)}\n".encode())])


def _demanding(text: str) -> str:
    """Return the text of a rule with `never { not x }`, which is `always { x }` by what the compiler says, written so.

    Beside an `always` it stays as it is.
    """
    tree = parse_rule(text).tree
    clauses = {clause.word: clause for clause in tree.clauses} if isinstance(tree, s.Rule) else {}
    if clauses.keys() != {"never"}:
        return text
    denied = clauses["never"].formula
    while isinstance(denied, s.Group):
        denied = denied.body
    assert isinstance(denied, s.Not)
    (start, end), (first, last) = clauses["never"].at, denied.body.at
    return f"{text[:start]}always {{ {text[first:last]} }}{text[end:]}"


def file_text(items: Sequence[Item], heading: str) -> str:
    """Return a rule file, in its canonical form, of drafts that compile; what became no rule stands in it as comments."""
    has_rules = any(isinstance(item, Draft) for item in items)
    parts = [_comment(heading), "rules:" if has_rules else "rules: []"]
    parts += ["\n".join([textwrap.indent(_said(item), "  "), *([_rule(item)] if isinstance(item, Draft) else []), ""]) for item in items]
    text = "\n".join(parts).rstrip("\n") + "\n"
    formatted = format_rule_file(SourceFile("imported", text.encode())).content
    return text if formatted is None else formatted.decode()


def _said(item: Item) -> str:
    """Return the comments beside a rule, or in the place of one."""
    what = f"From {item.region}:" if isinstance(item, Draft) else f"{_WITHOUT_RULE[type(item)]}, {item.what}, {item.region}:"
    lines = textwrap.dedent(item.original).strip("\n").splitlines()
    shown = [f"  {line}" for line in lines[:_SHOWN_LINES_MAX]]
    left_out = len(lines) - _SHOWN_LINES_MAX
    more = [f"  … {left_out} more lines"] if left_out > 0 else []
    return _comment("\n".join([what, *shown, *more, *(line for note in item.notes for line in textwrap.wrap(str(note), _WIDTH))]))


def _comment(text: str) -> str:
    return "\n".join(f"# {_shown(line)}".rstrip() for line in text.split("\n"))


def _shown(line: str) -> str:
    """Return a line that can stand in a comment of a rule file."""
    cut = line if len(line) <= _SHOWN_WIDTH_MAX else f"{line[:_SHOWN_WIDTH_MAX]}…"
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in cut.replace("\t", "  ").rstrip("\r"))


def _rule(draft: Draft) -> str:
    lines = [
        f"id: {_text(draft.rule_id)}",
        *([f"name: {_text(draft.name)}"] if draft.name else []),
        *_description(draft.description),
        f"severity: {draft.severity}",
        *([] if draft.enabled else ["enabled: false"]),
        *(["mode: shadow"] if draft.is_shadow else []),
        *_list("tags", draft.tags),
        *_list("controls", draft.controls),
        "rule: |",
        textwrap.indent(draft.rule, "  "),
        *(["exceptions:", *map(_excuse, draft.excuses)] if draft.excuses else []),
        *(["tests:", *map(_test, draft.tests)] if draft.tests else []),
    ]
    return textwrap.indent("\n".join(lines), "    ").replace("    ", "  - ", 1)


def _description(text: str) -> Iterator[str]:
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]
    if paragraphs:
        yield "description: >"
        for number, paragraph in enumerate(paragraphs):
            yield from [""] * (number > 0)
            yield from (f"  {sayable(line)}" for line in textwrap.wrap(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _list(key: str, items: Sequence[str]) -> list[str]:
    return [f"{key}: [{', '.join(map(_text, items))}]"] if items else []


def _excuse(excuse: Excuse) -> str:
    return f"  - name: {_text(excuse.name)}\n    when: {_text(excuse.when)}\n    reason: {_text(excuse.reason)}"


def _test(test: ExampleTest) -> str:
    return f"  - name: {_text(test.name)}\n    trace: |\n{textwrap.indent(test.trace, '      ')}\n    expect: violated"


def _text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _TYPED else quoted_scalar(text)
