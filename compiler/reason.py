"""Why a part of a rule is true, false or unknown of a trace, as data: what `betrace check --why` shows."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.interpreter import Trace
from compiler.ir_text import Writer
from compiler.trace import Span
from compiler.values import Truth, Value

# So many spans, pairs of spans or groups are named where there are more.
NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What a part of a rule came to: its text and its value; None is missing or undefined."""

    text: str
    value: Value


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one part is what it is.

    `text` is the part in the words of the language. `found` are the values compared, `spans` those it speaks of, at most NAMED_MAX of
    `span_count`. `is_near`: they do not make it true, but come nearest to it. `note` says what no value can say. `parts` are the parts of
    it that decide. `missing_span` is the name that no span of the trace has, where it is that which decides.
    """

    text: str
    truth: Truth
    found: tuple[Found, ...] = ()
    spans: tuple[Span, ...] = ()
    span_count: int = 0
    is_near: bool = False
    note: str = ""
    parts: tuple[Reason, ...] = ()
    missing_span: str = ""


def writer_of(trace: Trace) -> Writer:
    """Return what writes the parts of a rule whose spans are bound as in this trace."""
    return Writer(next(iter(trace.bound), None))
