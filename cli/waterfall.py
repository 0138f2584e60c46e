"""A trace as a small waterfall: the offenders, their chain of parents, and what fits beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from cli.amounts import duration_text
from cli.shown_text import one_line
from compiler import Span, TraceView

LINE_COUNT_MAX = 16
BAR_WIDTH = 24
_NAME_WIDTH_MAX = 44
_SERVICE_WIDTH_MAX = 16
# Parents shown with an offender, the nearest ones; steps of indentation, so that a name deep in the tree can still be read.
_PARENT_COUNT_MAX = LINE_COUNT_MAX // 2
_INDENT_MAX = 12


@dataclass(frozen=True, slots=True)
class _Row:
    """A span and how deep it stands in the tree."""

    span: Span
    depth: int


def waterfall(view: TraceView, offenders: Sequence[Span]) -> list[Text]:
    """Return the lines of a trace, offenders marked; of a large trace those that matter to the offenders, gaps marked in place."""
    rows = [_Row(span, depth) for span, depth in view.tree]
    blamed = {span.span_id for span in offenders}
    chosen = _chosen(rows, view, blamed)
    shown = [rows[index] for index in chosen]
    names = _names(shown)
    services = _column([_service(row.span) for row in shown], _SERVICE_WIDTH_MAX)
    lines: list[Text] = []
    after = -1
    for index, row, name, service in zip(chosen, shown, names, services, strict=True):
        lines += _gap(index - after - 1)
        lines.append(_line(row.span, view, row.span.span_id in blamed, name, service))
        after = index
    return lines + _gap(len(rows) - after - 1)


def _gap(count: int) -> list[Text]:
    return [Text(f"    … {count} more span{'s' if count > 1 else ''}", style="dim")] if count else []


def _chosen(rows: list[_Row], view: TraceView, blamed: set[str]) -> list[int]:
    """Return the indices of the rows to show, in order: offenders first in rank, each with its parents, then what helps to read them."""
    if len(rows) <= LINE_COUNT_MAX:
        return list(range(len(rows)))
    index_of = {row.span.span_id: index for index, row in enumerate(rows)}
    wanted = [index for index, row in enumerate(rows) if row.span.span_id in blamed][: LINE_COUNT_MAX // 2]
    chosen: set[int] = set()
    for index in (*wanted, *sorted(range(len(rows)), key=lambda index: _distance(index, rows, wanted))):
        family = {index, *(index_of[parent] for parent in _parents(rows[index].span, view))} - chosen
        if len(chosen) + len(family) <= LINE_COUNT_MAX:
            chosen |= family
        elif len(chosen) == LINE_COUNT_MAX:
            break
        elif index in wanted:
            chosen.add(index)
    return sorted(chosen)


def _distance(index: int, rows: list[_Row], wanted: list[int]) -> int:
    """Rank the rest: near an offender; where only the whole trace is to blame, the spans that take longest."""
    if all(not rows[one].span.parent_id for one in wanted):
        return rows[index].span.start_ns - rows[index].span.end_ns
    return min(abs(index - one) for one in wanted)


def _parents(span: Span, view: TraceView) -> list[str]:
    found: list[str] = []
    parent = span.parent_id
    while parent in view.by_id and parent not in found and len(found) < _PARENT_COUNT_MAX:
        found.append(parent)
        parent = view.by_id[parent].parent_id
    return found


def _service(span: Span) -> str:
    name = span.resource.attributes.get("service.name")
    return _head(name, _SERVICE_WIDTH_MAX) if isinstance(name, str) else ""


def _names(rows: Sequence[_Row]) -> list[str]:
    """Return the column of names, indented by depth; where all stand deep, the least depth shown is where the indentation begins."""
    least = min((row.depth for row in rows), default=0)
    indented = ["  " * min(row.depth - least, _INDENT_MAX) + _head(row.span.name, _NAME_WIDTH_MAX) for row in rows]
    return _column(indented, _NAME_WIDTH_MAX)


def _head(text: str, width: int) -> str:
    """Return what of a text can matter in a column: a name may be megabytes long."""
    return one_line(text[: width + 1])


def _column(texts: Sequence[str], width_max: int) -> list[str]:
    """Return texts cut or filled to one width, as a terminal counts it."""
    width = min(width_max, max(map(cell_len, texts), default=0))
    return [set_cell_size(text if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…", width) for text in texts]


def _line(span: Span, view: TraceView, is_offender: bool, name: str, service: str) -> Text:  # noqa: FBT001  # one caller
    line = Text("  » " if is_offender else "    ", style="bold red" if is_offender else "")
    line.append(f"{service}  ", style="cyan")
    line.append(f"{name}  ", style="bold red" if is_offender else "")
    line.append(_bar(span, view), style="red" if is_offender else "blue")
    line.append(f"  {_times(span, view)}", style="dim")
    return line


def _bar(span: Span, view: TraceView) -> str:
    start, duration = view.first_start_ns, view.duration_ns
    if start is None or duration is None or not 0 < span.start_ns <= span.end_ns:
        return " " * BAR_WIDTH
    scale = BAR_WIDTH / max(1, duration)
    left = min(BAR_WIDTH - 1, int((span.start_ns - start) * scale))
    width = max(1, min(BAR_WIDTH - left, round((span.end_ns - span.start_ns) * scale)))
    return " " * left + "━" * width + " " * (BAR_WIDTH - left - width)


def _times(span: Span, view: TraceView) -> str:
    if view.first_start_ns is None or not 0 < span.start_ns <= span.end_ns:
        return "no times"
    return f"{duration_text(span.start_ns - view.first_start_ns)} +{duration_text(span.end_ns - span.start_ns)}"
