"""What the compiler says: data until rendered. Every code is a word with a page in docs/reference/diagnostics/."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from compiler.source import Region


class Severity(StrEnum):
    """An error refuses the whole rule set; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Code(StrEnum):
    """Every diagnostic there is (rule-language.md section 9)."""

    SYNTAX = "syntax"
    UNKNOWN_KEY = "unknown-key"
    MISSING_KEY = "missing-key"
    BAD_VALUE = "bad-value"
    DUPLICATE_KEY = "duplicate-key"
    DUPLICATE_ID = "duplicate-id"
    DUPLICATE_NAME = "duplicate-name"
    UNKNOWN_NAME = "unknown-name"
    UNKNOWN_INTRINSIC = "unknown-intrinsic"
    KIND_MISMATCH = "kind-mismatch"
    WRONG_SORT = "wrong-sort"
    BAD_PATTERN = "bad-pattern"
    PATTERN_TOO_LARGE = "pattern-too-large"
    NEEDS_ALWAYS_OR_NEVER = "needs-always-or-never"
    COMPARISON_NEEDS_ATTRIBUTE = "comparison-needs-attribute"
    NAME_NOT_A_SPAN = "name-not-a-span"
    UNGROUPED_QUANTIFIER = "ungrouped-quantifier"
    GROUPED_NEEDS_QUANTIFIER = "grouped-needs-quantifier"
    WITHIN_NEEDS_ORDER = "within-needs-order"
    NAME_NOT_BOUND = "name-not-bound"
    TOO_DEEP = "too-deep"
    TOO_LARGE = "too-large"
    BAD_TRACE = "bad-trace"
    EXPIRED_EXCEPTION = "expired-exception"
    NEVER_TRUE = "never-true"
    ALWAYS_TRUE = "always-true"
    CLAUSE_REPEATS_WHEN = "clause-repeats-when"
    NEVER_VIOLATED = "never-violated"
    ALWAYS_VIOLATED = "always-violated"
    DOUBLE_NEGATION = "double-negation"
    SOME_NOT_EVERY = "some-not-every"
    DUPLICATE_RULE = "duplicate-rule"
    IMPLIED_RULE = "implied-rule"
    UNUSED_LET = "unused-let"
    STRING_OR_ATTRIBUTE = "string-or-attribute"
    ATTRIBUTE_OR_INTRINSIC = "attribute-or-intrinsic"
    KEY_OF_BOUND_SPAN = "key-of-bound-span"
    KEY_OF_LET = "key-of-let"
    SPAN_OR_KEY = "span-or-key"
    DIFFERENT_SPANS = "different-spans"
    QUADRATIC_JOIN = "quadratic-join"
    NO_TESTS = "no-tests"
    DOUBTFUL_TEST = "doubtful-test"
    NAME_LOOKS_LIKE_ATTRIBUTE = "name-looks-like-attribute"
    ATTRIBUTE_IS_A_SPAN = "attribute-is-a-span"

    @property
    def severity(self) -> Severity:
        """Fixed per code: a code never changes its severity."""
        return Severity.WARNING if self in WARNINGS else Severity.ERROR


WARNINGS = frozenset(
    {
        Code.EXPIRED_EXCEPTION,
        Code.NEVER_TRUE,
        Code.ALWAYS_TRUE,
        Code.CLAUSE_REPEATS_WHEN,
        Code.NEVER_VIOLATED,
        Code.ALWAYS_VIOLATED,
        Code.DOUBLE_NEGATION,
        Code.SOME_NOT_EVERY,
        Code.DUPLICATE_RULE,
        Code.IMPLIED_RULE,
        Code.UNUSED_LET,
        Code.STRING_OR_ATTRIBUTE,
        Code.ATTRIBUTE_OR_INTRINSIC,
        Code.KEY_OF_BOUND_SPAN,
        Code.KEY_OF_LET,
        Code.SPAN_OR_KEY,
        Code.DIFFERENT_SPANS,
        Code.QUADRATIC_JOIN,
        Code.NO_TESTS,
        Code.DOUBTFUL_TEST,
        Code.NAME_LOOKS_LIKE_ATTRIBUTE,
        Code.ATTRIBUTE_IS_A_SPAN,
    }
)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: its code, where, a sentence, perhaps a hint of what to write instead."""

    code: Code
    region: Region
    message: str
    hint: str = ""

    @property
    def severity(self) -> Severity:
        """The severity of its code."""
        return self.code.severity
