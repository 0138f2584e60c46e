"""The keys of a rule file, each with its shape and meaning: one table for the reader, the formatter and the JSON Schema.

Keys stand in the order in which a formatted file has them (rule-language.md section 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto


class Shape(StrEnum):
    """What the value of a key looks like."""

    ID = auto()
    TEXT = auto()
    FLAG = auto()
    CHOICE = auto()
    TEXTS = auto()
    DATE = auto()
    RULE = auto()
    FORMULA = auto()
    TRACE = auto()
    EXPECTATION = auto()
    LETS = auto()
    REDACTIONS = auto()
    ATTRIBUTES = auto()
    RULES = auto()
    EXCEPTIONS = auto()
    TESTS = auto()
    EXAMPLE = auto()
    EXAMPLE_SPANS = auto()


@dataclass(frozen=True, slots=True)
class Key:
    """A key; `instead` is the present spelling of an old one, `choices` the words of a CHOICE and `default` the one it has when absent."""

    name: str
    shape: Shape
    meaning: str
    is_required: bool = False
    choices: tuple[str, ...] = ()
    default: str | bool | None = None
    instead: str = ""


SEVERITIES = ("critical", "high", "medium", "low", "info")
MODES = ("enforce", "shadow")
REQUIREMENTS = ("any", "complete")
REDACTIONS = ("drop", "hash", "mask")
VERDICTS = ("satisfied", "violated", "excused", "inconclusive", "not_applicable")
CLOSE_REASONS = ("root_ended", "idle", "max_age", "span_limit", "evicted", "shed", "drained")
LIST_LENGTH_MAX = 10_000
RULE_ID = r"[a-z0-9][a-z0-9._-]{0,127}"
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

FILE_KEYS = (
    Key("let", Shape.LETS, "Names for the rules of this file: selectors and lists."),
    Key("rules", Shape.RULES, "The rules of this file.", is_required=True),
)

RULE_KEYS = (
    Key("id", Shape.ID, "The rule's id, unique in the rule set.", is_required=True),
    Key("name", Shape.TEXT, "What the rule states, for people."),
    Key("description", Shape.TEXT, "Why the rule is there."),
    Key("severity", Shape.CHOICE, "How bad a violation is.", choices=SEVERITIES, default="medium"),
    Key("enabled", Shape.FLAG, "Whether the rule judges.", default=True),
    Key("mode", Shape.CHOICE, "A shadow rule is judged and counted and never alerts.", choices=MODES, default="enforce"),
    Key("owner", Shape.TEXT, "Who is asked about the rule."),
    Key("runbook", Shape.TEXT, "Where it says what to do about a violation."),
    Key("tags", Shape.TEXTS, "Words by which rules are found."),
    Key("controls", Shape.TEXTS, "The controls that the rule is evidence of, FRAMEWORK:NUMBER each."),
    Key("compliance_frameworks", Shape.TEXTS, "The old spelling of `controls`.", instead="controls"),
    Key("replaces", Shape.TEXTS, "Names of older rules that this one stands for."),
    Key(
        "requires",
        Shape.CHOICE,
        "What makes a trace incomplete for the rule; complete: orphans or no root span.",
        choices=REQUIREMENTS,
        default="any",
    ),
    Key("evidence", Shape.TEXTS, "Attributes of offenders that may leave in a violation."),
    Key("redact", Shape.REDACTIONS, "How an attribute is shown in a violation."),
    Key("rule", Shape.RULE, "The rule's text: `when`, `always`, `never`, `for each`.", is_required=True),
    Key("condition", Shape.RULE, "The old spelling of `rule`.", instead="rule"),
    Key("expression", Shape.RULE, "The old spelling of `rule`.", instead="rule"),
    Key("exceptions", Shape.EXCEPTIONS, "Conditions that excuse violations."),
    Key("tests", Shape.TESTS, "Traces, and what the rule says of them."),
    Key("example_violation", Shape.EXAMPLE, "The old form of a test that expects a violation.", instead="tests"),
)

EXCEPTION_KEYS = (
    Key("name", Shape.TEXT, "The exception's name, unique in its rule.", is_required=True),
    Key("when", Shape.FORMULA, "A formula: where it is true, a violation is excused.", is_required=True),
    Key("owner", Shape.TEXT, "Who has granted it."),
    Key("reason", Shape.TEXT, "Why."),
    Key("expires", Shape.DATE, "The last day on which it excuses, UTC."),
)

TEST_KEYS = (
    Key("name", Shape.TEXT, "What the test shows."),
    Key("trace", Shape.TRACE, "A span a line: name start..end items.", is_required=True),
    Key("close", Shape.CHOICE, "How the trace closes.", choices=CLOSE_REASONS, default="drained"),
    Key("expect", Shape.EXPECTATION, "The verdict, or moments with the verdict by then.", is_required=True),
    Key("offenders", Shape.TEXTS, "The names of the offenders of the violation."),
)

EXAMPLE_KEYS = (
    Key("description", Shape.TEXT, "What the example shows."),
    Key("trace", Shape.EXAMPLE_SPANS, "The spans: each a root, one after the other.", is_required=True),
)

EXAMPLE_SPAN_KEYS = (
    Key("span", Shape.TEXT, "The span's name.", is_required=True),
    Key("attributes", Shape.ATTRIBUTES, "The span's attributes."),
)


def names_of(keys: tuple[Key, ...]) -> tuple[str, ...]:
    """Return the names of some keys."""
    return tuple(key.name for key in keys)


def key_of(keys: tuple[Key, ...], name: str) -> Key:
    """Return the key of a name, which is one of some keys."""
    return next(key for key in keys if key.name == name)


def spellings(keys: tuple[Key, ...], name: str) -> tuple[str, ...]:
    """Return every spelling of a key, the present one first."""
    return (name, *(key.name for key in keys if key.instead == name))
