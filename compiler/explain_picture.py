"""Relations in time, drawn: two bars, and the gap that may be between them."""

from __future__ import annotations

from collections.abc import Iterator

from compiler import ir
from compiler.explain_words import duration_words
from compiler.ir_walk import walk

_BAR = "[=======]"
_LONG_BAR = "[===================]"


def pictures(program: ir.Rule) -> Iterator[str]:
    """Draw each relation in time of a rule once."""
    seen = set()
    for related in (node for node in walk(program) if isinstance(node, ir.Related)):
        before = related.selector
        for link in related.links:
            picture = _picture(_label(before), link, _label(link.selector))
            before = link.selector
            if picture and picture not in seen:
                seen.add(picture)
                yield picture


def _label(selector: ir.Selector) -> str:
    match selector.base:
        case ir.Named(name=name) | ir.Bound(name=name):
            return name
        case ir.Root():
            return "root"
        case ir.AnySpan():
            return "span"


def _picture(left: str, link: ir.Link, right: str) -> str:
    width = max(len(left), len(right))
    gap = "any gap" if link.within_ns is None else f"at most {duration_words(link.within_ns)}"
    later = f"{' ' * len(_BAR)}<- {gap} ->{_BAR}"
    rows = {
        "before": (_BAR, later),
        "after": (later, _BAR),
        "during": (f"{' ' * 6}{_BAR}", _LONG_BAR),
        "overlaps": (_BAR, f"{' ' * 5}{_BAR}"),
    }
    if link.relation not in rows:
        return ""
    first, second = ((left, rows[link.relation][0]), (right, rows[link.relation][1]))
    ordered = (second, first) if link.relation == "after" else (first, second)
    return "\n".join(f"{name.ljust(width)}  {bar}" for name, bar in ordered)
