"""The live view of a demo as a picture: a scene and a size of the terminal in, something to draw out. No clock, no state."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich import box
from rich.align import Align
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.demo_scene import PartitionScene, Phase, Scene, Told, Tone, WorkerScene
from cli.rule_files import count_of
from cli.shown_text import brief
from cli.violation_text import OUTCOMES
from compiler import RuleSet
from processor.finite import RuleCounts
from topics.violation import Violation

COLUMNS_MIN, LINES_MIN = 80, 24
# From here on there is room for every verdict, and for the clauses of a violation.
_WIDE_COLUMNS, _TALL_LINES = 140, 34
_HEADER_LINES, _FIGURE_LINES, _FRAME_LINES, _TITLE_LINES = 3, 2, 2, 1
_STAFF_ROWS_MAX = 8
_WORKERS_SHARE, _PARTITIONS_SHARE = 21, 19
_STORY_SHARE, _STORY_LINES_MIN, _STORY_LINES_MAX = 3, 5, 9
_TRACE_DIGITS = 8
_PHASE_STYLES = {
    Phase.STARTING: "yellow",
    Phase.JOINING: "yellow",
    Phase.REPLAYING: "bold magenta",
    Phase.JUDGING: "green",
    Phase.IDLE: "dim",
    Phase.DRAINING: "cyan",
    Phase.DEAD: "bold red",
    Phase.ENDED: "dim",
}
# Whose counts are seen no more.
_PAST = {Phase.DEAD, Phase.DRAINING, Phase.ENDED}
_TONE_STYLES = {Tone.PLAIN: "", Tone.BAD: "bold red", Tone.GOOD: "green"}


def screen(scene: Scene, rule_set: RuleSet, api: str, columns: int, lines: int) -> RenderableType:
    """Return the picture for a terminal of this size; for one that is too small, a sentence."""
    if columns < COLUMNS_MIN or lines < LINES_MIN:
        return Align.center(Text(too_small(columns, lines), justify="center"), vertical="middle")
    staff_rows = max(1, min(max(len(scene.workers), len(scene.partitions)), _STAFF_ROWS_MAX))
    staff_lines = staff_rows + _TITLE_LINES + _FRAME_LINES
    left = lines - _HEADER_LINES - staff_lines - _FIGURE_LINES
    story_lines = max(_STORY_LINES_MIN, min(_STORY_LINES_MAX, left // _STORY_SHARE))
    inner = left - story_lines - _FRAME_LINES
    whole, staff, findings = Layout(), Layout(size=staff_lines), Layout()
    whole.split_column(
        Layout(_header(scene, api, columns), size=_HEADER_LINES),
        staff,
        Layout(_figures(scene), size=_FIGURE_LINES),
        findings,
        Layout(_panel("what happens", _story(scene.story, story_lines - _FRAME_LINES)), size=story_lines),
    )
    staff.split_row(
        Layout(_panel("workers", _workers(scene.workers[:staff_rows])), ratio=_WORKERS_SHARE),
        Layout(_panel("partitions", _partitions(scene.partitions[:staff_rows])), ratio=_PARTITIONS_SHARE),
    )
    findings.split_row(
        Layout(_verdicts(scene.verdicts, rule_set, inner - _TITLE_LINES, is_wide=columns >= _WIDE_COLUMNS)),
        Layout(_panel(_said(scene), _violations(scene.violations, rule_set, inner, is_tall=lines >= _TALL_LINES))),
    )
    return whole


def too_small(columns: int, lines: int) -> str:
    """Say what the view needs and what there is; empty where there is enough."""
    if columns >= COLUMNS_MIN and lines >= LINES_MIN:
        return ""
    return f"the live view needs {COLUMNS_MIN} columns and {LINES_MIN} lines; the terminal has {columns} and {lines}"


def _header(scene: Scene, api: str, columns: int) -> RenderableType:
    title = Table.grid(expand=True)
    title.add_column()
    title.add_column(justify="center")
    title.add_column(justify="right")
    minutes, seconds = divmod(int(scene.elapsed_s), 60)
    title.add_row(Text(" BeTrace demo", style="bold cyan"), Text(f"{api}/docs" if api else "", style="dim"), f"{minutes:02}:{seconds:02} ")
    bar = Table.grid(expand=True, padding=(0, 1))
    bar.add_column(width=columns // 2)
    bar.add_column(justify="right")
    progress = ProgressBar(max(1, scene.record_count), scene.played_count, complete_style="cyan", finished_style="green")
    bar.add_row(progress, f"{scene.played_count:,} of {scene.record_count:,} records played")
    doing = Text(f" {scene.doing}" if scene.doing else " Ctrl-C ends the demo", style="bold yellow" if scene.doing else "dim")
    doing.no_wrap, doing.overflow = True, "ellipsis"
    header = Table.grid(expand=True)
    for row in (title, bar, doing):
        header.add_row(row)
    return header


def _figures(scene: Scene) -> RenderableType:
    reasons = [f"{count} {reason}" for reason, count in sorted(scene.closed.items())]
    untold = scene.traces_judged - sum(scene.closed.values())
    if untold > 0 and any(worker.restart_count or worker.phase in _PAST for worker in scene.workers):
        reasons.append(f"{untold} by workers that have ended")
    closed = ", ".join(reasons) or "none"
    journal = f"{count_of(scene.journal_count, 'record')} · {count_of(scene.fence_count, 'fence')} · {scene.void_count} void"
    store = ", ".join(f"{count} {outcome}" for outcome, count in sorted(scene.store_writes.items())) or "none"
    rows = Table.grid(expand=True, padding=(0, 1))
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    traces = f"{scene.traces_begun} begun · {scene.traces_open} open · {scene.traces_judged} judged · closed: {closed}"
    rows.add_row(" traces", traces)
    rows.add_row(" journal", f"{journal}   store writes: {store}")
    return rows


def _workers(workers: Sequence[WorkerScene]) -> Table:
    table = _table()
    for name, justify in (("", "left"), ("pid", "right"), ("phase", "left"), ("restarts", "right"), ("owns", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # the words are those of rich
    for it in workers:
        number = Text(f"● {it.number}", style=_PHASE_STYLES[it.phase])
        restarts = Text(str(it.restart_count), style="bold" if it.restart_count else "dim")
        table.add_row(number, str(it.pid), Text(it.phase, style=_PHASE_STYLES[it.phase]), restarts, ",".join(map(str, it.partitions)))
    return table


def _partitions(partitions: Sequence[PartitionScene]) -> Table:
    table = _table()
    table.add_column("")
    table.add_column("owner", no_wrap=True)
    for name in ("position", "lag", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for it in partitions:
        owner = Text("nobody", style="bold red") if it.owner is None else Text(f"worker {it.owner.number}", _PHASE_STYLES[it.owner.phase])
        lag = Text(f"{it.lag:,}", style="dim" if not it.lag else "yellow" if it.owner is not None else "bold red")
        clock = time.strftime("%H:%M:%S", time.gmtime(it.time_s)) if it.time_s else "-"
        table.add_row(str(it.number), owner, f"{it.position:,}", lag, clock)
    return table


def _verdicts(verdicts: Mapping[str, RuleCounts], rule_set: RuleSet, rows: int, *, is_wide: bool) -> Panel:
    table = _table()
    table.add_column("rule", no_wrap=True, overflow="ellipsis", ratio=1)
    columns = ("applicable", "satisfied", "violated", "excused", "inconclusive") if is_wide else ("applicable", "violated")
    shown = {"inconclusive": "unsure"}
    for column in columns:
        table.add_column(shown.get(column, column), justify="right", no_wrap=True)
    counts = [(rule.id, verdicts.get(rule.id, RuleCounts())) for rule in rule_set.enabled]
    counts.sort(key=lambda it: -it[1].violated)
    for rule, numbers in counts[:rows]:
        cells = [(column, getattr(numbers, column)) for column in columns]
        table.add_row(rule, *(Text(str(count), style=_count_style(column, count)) for column, count in cells))
    some = f": {rows} of {len(counts)}" if rows < len(counts) else ""
    return _panel(f"verdicts by rule{some}", table)


def _count_style(column: str, count: int) -> str:
    if not count:
        return "dim"
    return "bold red" if column == "violated" else ""


def _said(scene: Scene) -> str:
    again = f", {scene.again_count} again" if scene.again_count else ""
    return f"newest violations: {scene.said_count} said{again}"


def _violations(violations: Sequence[Violation], rule_set: RuleSet, lines: int, *, is_tall: bool) -> Group:
    shown: list[RenderableType] = []
    for record in violations[: lines // 2 if is_tall else lines]:
        row = Table.grid(expand=True, padding=(0, 1, 0, 0))
        row.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        cells = [Text.assemble(("✗ ", "bold red"), (record.rule.id, "bold")), Text(record.trace.id[:_TRACE_DIGITS], style="dim")]
        row.add_row(*cells, *([] if is_tall else [", ".join(record.clauses)]))
        shown.append(row)
        if is_tall:
            texts = rule_set[record.rule.id].clauses
            clauses = "; ".join(f"{OUTCOMES[word]}: {brief(texts.get(word, word))}" for word in record.clauses)
            shown.append(Text(f"  {clauses}", style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*shown)


def _story(story: Sequence[Told], lines: int) -> Table:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for told in story[-lines:]:
        table.add_row(f"{told.at_s:.1f} s", Text(told.text, style=_TONE_STYLES[told.tone]))
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, expand=True, header_style="dim", padding=(0, 1, 0, 0))


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=Text(title, style="bold"), title_align="left", box=box.ROUNDED, border_style="bright_black", padding=(0, 1))
