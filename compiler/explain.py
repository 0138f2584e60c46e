"""What a rule means, as a colleague would explain it: from its lowered form and what the compiler reports of it.

Sentences are data (`Explanation`) until shown as text or Markdown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler import ir
from compiler.explain_picture import pictures
from compiler.explain_words import Mood, formula_words, keys_words, listed, related_words
from compiler.ir_text import Writer
from compiler.ir_walk import walk
from compiler.report import RuleClass
from compiler.rule_set import Rule, RuleException

_DAY_NS = 86_400 * 10**9
_UNIX_EPOCH = dt.date(1970, 1, 1)
_REDACTED = {"drop": "left out", "hash": "as a keyed hash", "mask": "masked"}
_DECIDED = {
    RuleClass.EARLY_VIOLATION: "A violation can be known while the trace is still open, and is then said at once.",
    RuleClass.EARLY_SATISFACTION: "A violation is known when the trace closes; that there is none may be known before.",
    RuleClass.AT_CLOSE: "When the trace closes.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The parts of an explanation: `meaning` is the rule itself, an item that begins with `- ` is one of a list.

    `pictures` are drawings of several lines, `facts` pairs of a label and a text.
    """

    rule_id: str
    title: str
    meaning: tuple[str, ...]
    pictures: tuple[str, ...]
    fine_print: tuple[str, ...]
    exceptions: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def explain(rule: Rule) -> Explanation:
    """Return the explanation of a rule of an accepted set."""
    return Explanation(
        rule_id=rule.id,
        title=rule.text.name,
        meaning=tuple(_sentence(line) for line in _meaning(rule.program)),
        pictures=tuple(pictures(rule.program)),
        fine_print=tuple(_fine_print(rule.program)),
        exceptions=tuple(map(_exception, rule.exceptions)),
        facts=tuple(_facts(rule)),
    )


def _sentence(text: str) -> str:
    return text if text.startswith("- ") else text[:1].upper() + text[1:]


# ---- the rule -----------------------------------------------------------------------------------------------------------------------


def _meaning(program: ir.Rule) -> Iterator[str]:
    if program.for_each is not None:
        spans = related_words(program.for_each.related, "every")
        yield f"Looks at {spans}, one by one; the one looked at is called `{program.for_each.name}`."
        if program.when is not None:
            yield from _clause("It applies to those for which", program.when, Mood.IS)
        lead = "For each of them,"
    elif program.when is None:
        yield "Applies to every trace."
        lead = ""
    else:
        yield from _clause("Applies to a trace in which", program.when, Mood.IS)
        lead = "Then"
    if program.always is not None:
        yield from _clause(lead, program.always, Mood.MUST)
        lead = "And" if lead else ""
    if program.never is not None:
        yield from _clause(lead, program.never, Mood.MUST_NOT)


def _clause(lead: str, formula: ir.Formula, mood: Mood) -> Iterator[str]:
    """Say a formula as one sentence; several that all must hold, or of which none may, as a list."""
    splits = ir.Or if mood is Mood.MUST_NOT else ir.And
    items: Sequence[ir.Formula] = formula.sides if isinstance(formula, splits) else ()
    if not items:
        said = formula_words(formula, mood)
        yield f"{lead}{' ' if lead else ''}{said}."
        return
    yield f"{lead.rstrip(',') or 'All of this holds'}:"
    for number, side in enumerate(items, 1):
        yield f"- {formula_words(side, mood)}{'.' if number == len(items) else ', and'}"


# ---- what is easily overlooked ------------------------------------------------------------------------------------------------------


def _fine_print(program: ir.Rule) -> Iterator[str]:
    nodes = list(walk(program))
    yield from _about_missing(nodes, Writer.of(program))
    if any(isinstance(node, ir.Selected) for part in (program.always, program.when) for node in walk(part)):
        yield "That a span is absent is known only when the trace has closed: until then it may still come."
    if any(isinstance(node, ir.AllOf) for node in nodes):
        yield "What is asked of every such span holds where there is none; a span of which it is unknown breaks it."
    yield from _about_comparisons(nodes)
    yield from _about_times(nodes)
    when = "with a span whose parent is missing, or without a root span, or " if program.requires_complete else ""
    yield (
        f"A trace that closed incomplete ({when}cut off by a limit of size, age or memory) is judged by what was seen: "
        "what that does not decide is inconclusive, and nobody is alerted."
    )


def _about_missing(nodes: Sequence[object], writer: Writer) -> Iterator[str]:
    asked = {read for node in nodes if isinstance(node, ir.Exists) for read in walk(node)}
    compared = dict.fromkeys(
        f"`{read.key}`"
        for node in nodes
        if isinstance(node, ir.Compare | ir.In | ir.Matches | ir.TextTest | ir.IsTrue)
        for read in walk(node)
        if isinstance(read, ir.Attribute) and read.scope is not ir.AttributeScope.ELEMENT and read not in asked
    )
    if compared:
        yield (
            f"A span without {listed([*compared], 'or')} is not selected by a test of it, nor by the test's opposite: what is missing, "
            "or of another kind, is unknown, and only what is true counts."
        )
    # One is enough to show it, and the shortest is read.
    denied = [(writer.condition(test), writer.value(key)) for node in nodes for test, key in _denied(node) if key not in asked]
    if denied:
        written, key = min(denied, key=lambda one: (len(one[0]), one[0]))
        yield f"`{written}` is not true of a span without `{key}`; where it is meant to be, add `or {key} missing`."


def _denied(node: object) -> Iterator[tuple[ir.Predicate, ir.Attribute]]:
    """Yield a test that says of an attribute what it is not, which reads as if one that is missing were meant too."""
    match node:
        case ir.Compare(word="!=", left=value) | ir.Not(body=ir.Compare(word="==", left=value)):
            test = node
        case ir.Not(body=ir.In(value=value) | ir.Matches(value=value) | ir.TextTest(value=value) | ir.IsTrue(value=value)):
            test = node
        case _:
            return
    if isinstance(value, ir.Attribute) and value.scope is not ir.AttributeScope.ELEMENT:
        yield test, value


def _about_comparisons(nodes: Sequence[object]) -> Iterator[str]:
    aggregates = [node for node in nodes if isinstance(node, ir.Aggregate)]
    if any(node.word in {"avg", "min", "max"} for node in aggregates):
        yield "Of no values there is no average, smallest or largest: the comparison is then unknown, which is not true."
    if any(node.of is not None for node in aggregates):
        yield "Values that are no numbers or durations are left out of sums, averages, smallest and largest."
    grouped = [node for node in aggregates if node.by]
    if grouped:
        keys = keys_words(grouped[0].by)
        quantifiers = {node.quantifier for node in nodes if isinstance(node, ir.Comparison)}
        none = "holds" if "every" in quantifiers else "does not hold"
        yield f"Spans without {keys} are in no group; where there is no group at all, the comparison {none}."


def _about_times(nodes: Sequence[object]) -> Iterator[str]:
    relations = {node.relation for node in nodes if isinstance(node, ir.Link)}
    if relations & {"before", "after", "during", "overlaps"}:
        yield "Times count to the nanosecond, give or take the pipeline's `skew_tolerance`; a span without good times stands in no order."
    if "under" in relations:
        yield "Where a parent on the way up is missing, the span is below nothing above it."


# ---- exceptions and facts -----------------------------------------------------------------------------------------------------------


def _exception(exception: RuleException) -> str:
    until = ""
    if exception.expires_ns is not None:
        last = _UNIX_EPOCH + dt.timedelta(days=exception.expires_ns // _DAY_NS - 1)
        until = f" until the end of {last.isoformat()} (UTC)"
    notes = [note for note in (exception.reason.rstrip("."), f"granted by {exception.owner}" if exception.owner else "") if note]
    why = f" ({'; '.join(notes)})" if notes else ""
    return f"{exception.name}{why}: a violation is excused{until} if {formula_words(exception.formula)}."


def _facts(rule: Rule) -> Iterator[tuple[str, str]]:
    text = rule.text
    mode = "never alerts: it runs in the shadow, judged and counted" if text.mode == "shadow" else "enforced"
    yield "Severity", f"{text.severity}, {mode if text.enabled else 'switched off'}"
    yield "Decided", _DECIDED[rule.report.rule_class]
    yield "Keeps of an open trace", _state(rule)
    demand = [_field(name) for name in rule.report.demand if not name.endswith("(evidence)")]
    yield "Reads", ", ".join(demand) or "nothing but that spans exist"
    yield "May leave in a violation", _leaving(rule)
    if text.redact:
        yield "Redacted", ", ".join(f"`{key}` ({_REDACTED[way]})" for key, way in text.redact)
    for label, known in (("Controls", ", ".join(text.controls)), ("Owner", text.owner), ("Runbook", text.runbook)):
        if known:
            yield label, known


def _field(name: str) -> str:
    of, is_attribute, key = name.rpartition("attribute ")
    return f"{of}`{key}`" if is_attribute else f"`{name}`"


def _state(rule: Rule) -> str:
    state = rule.report.state
    parts = [
        (state.bits, "bit", "whether something was seen"),
        (state.counters, "counter", "a number that grows"),
        (state.captured_rows, "list", "the spans of a selector, with what is read of them"),
    ]
    said = [f"{count} {noun}{'s' if count > 1 else ''} ({what})" for count, noun, what in parts if count]
    return ", ".join(said) or "nothing"


def _leaving(rule: Rule) -> str:
    parts = ["names, ids and times of the offenders"]
    if rule.text.evidence:
        parts.append(f"their {listed([f'`{key}`' for key in rule.text.evidence])}")
    sides = dict.fromkeys(f"`{node.text}`" for node in walk(rule.program) if isinstance(node, ir.Comparison))
    if sides:
        parts.append(f"the two sides of {listed([*sides])}")
    return "; ".join(parts)
