"""The parts of docs/reference/rule-language.md that follow from code; they stand between comments, the prose around them is by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from compiler.diagnostics import Code, Severity
from compiler.editor_words import INTRINSICS
from compiler.kinds import ELEMENT_INTRINSICS, SPAN_INTRINSICS, TRACE_INTRINSICS, Kind, spoken
from compiler.lower_predicate import LIST_LENGTH_MAX
from compiler.lower_selector import LET_CONJUNCT_COUNT_MAX
from compiler.nesting import NESTING_MAX
from compiler.parser import RULE_SIZE_MAX_BYTES
from compiler.pattern_parser import REPEAT_PRODUCT_MAX, STATES_MAX
from docs.markdown import table
from docs.rule_grammar import grammar_block

PLACES: Final[tuple[tuple[str, Mapping[str, Kind]], ...]] = (
    ("predicates", SPAN_INTRINSICS),
    ("`event( )`, `link( )`", ELEMENT_INTRINSICS),
    ("formulas", TRACE_INTRINSICS),
)

_BLOCK = re.compile(r"(?<=<!-- )(?P<name>[a-z]+): begin -->\n.*?<!-- (?P=name): end(?= -->)", re.DOTALL)


def language_page(page: str) -> str:
    """Return the page with its parts written anew; ValueError where one is missing or nobody knows it."""
    parts = {"diagnostics": _diagnostics(), "grammar": grammar_block(), "intrinsics": _intrinsics(), "limits": _limits()}
    named = sorted(found["name"] for found in _BLOCK.finditer(page))
    if named != sorted(parts):
        message = f"the page has the parts {named}, the code knows {sorted(parts)}"
        raise ValueError(message)
    return _BLOCK.sub(lambda found: f"{found['name']}: begin -->\n\n{parts[found['name']]}\n\n<!-- {found['name']}: end", page)


def _intrinsics() -> str:
    rows = [(f"`{name}`", spoken(kind), place, INTRINSICS[name]) for place, names in PLACES for name, kind in names.items()]
    return table(("intrinsic", "kind", "stands in", "meaning"), rows)


def _limits() -> str:
    limits = (
        (
            "nesting: open brackets, `not`, `-` of an operand, right sides of `implies`; no braces",
            f"{NESTING_MAX} levels",
            Code.TOO_DEEP,
        ),
        ("the text of a rule", f"{RULE_SIZE_MAX_BYTES // 1024} KiB", Code.TOO_LARGE),
        ("the items of a list", f"{LIST_LENGTH_MAX}", Code.TOO_LARGE),
        ("the conditions of a selector in `let`, with those of the names it uses", f"{LET_CONJUNCT_COUNT_MAX}", Code.TOO_LARGE),
        ("repeats inside of each other in a pattern, multiplied", f"{REPEAT_PRODUCT_MAX}", Code.PATTERN_TOO_LARGE),
        ("the states that a pattern needs", f"{STATES_MAX}", Code.PATTERN_TOO_LARGE),
    )
    return table(("limit", "at most", "beyond it"), [(what, most, _link(code)) for what, most, code in limits])


def _diagnostics() -> str:
    return "\n\n".join(
        f"{severity.value.capitalize()}s at least:\n" + ",\n".join(_link(code) for code in Code if code.severity == severity) + "."
        for severity in Severity
    )


def _link(code: Code) -> str:
    return f"[`{code}`](diagnostics/{code}.md)"
