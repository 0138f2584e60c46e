"""The meaning of a rule, resolved: names are gone, every node is of one sort. Read this file first.

Three sorts: a *value* (of a span or of a trace), a *predicate* (of one span) and a *formula* (of one trace). Connectives are shared by
predicates and formulas. `implies` is lowered to `not x or y`, `missing` to `not exists`, `not in` and its like to `not`, `x.none(p)` to
`not x.where(p)`, chained `where` to one predicate, `let` to what it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from compiler.pattern import Pattern
from compiler.values import Duration

# ---- values -------------------------------------------------------------------------------------------------------------------------


class AttributeScope(StrEnum):
    """Where an attribute is looked up; ANY: on the span, then on its resource."""

    ANY = "any"
    SPAN = "span"
    RESOURCE = "resource"
    SCOPE = "scope"
    ELEMENT = "element"


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant. `true` and 1 are different constants, whatever Python says of them."""

    value: bool | int | float | str | Duration

    def __eq__(self, other: object) -> bool:
        """Equal kinds and values."""
        return isinstance(other, Literal) and (isinstance(self.value, bool), self.value) == (isinstance(other.value, bool), other.value)

    def __hash__(self) -> int:
        """Hash what is compared."""
        return hash((isinstance(self.value, bool), self.value))


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the span looked at, or of the bound span `of`; ELEMENT: of the event or link looked at."""

    scope: AttributeScope
    key: str
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """An intrinsic such as `span:duration`, of the span (event, link) looked at, or of the bound span `of`."""

    name: str
    of: str | None = None


Path: TypeAlias = Attribute | Intrinsic


@dataclass(frozen=True, slots=True)
class Call:
    """`lower`, `length`, `number` or `abs` of a value."""

    word: str
    argument: Value


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A chain of one precedence, evaluated from the left."""

    first: Value
    rest: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Negate:
    """Unary minus."""

    operand: Value


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`count` of selected spans, or sum / avg / min / max / distinct of their `of`; grouped when `by` is not empty. Formulas only."""

    word: str
    related: Related
    of: Path | None
    by: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class TraceValue:
    """A trace intrinsic such as `trace:duration`. Formulas only."""

    name: str


Value: TypeAlias = Literal | Attribute | Intrinsic | Call | Arithmetic | Negate | Aggregate | TraceValue

# ---- connectives --------------------------------------------------------------------------------------------------------------------

SortT_co = TypeVar("SortT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class And(Generic[SortT_co]):
    """Kleene and of two or more sides."""

    sides: tuple[SortT_co, ...]


@dataclass(frozen=True, slots=True)
class Or(Generic[SortT_co]):
    """Kleene or of two or more sides."""

    sides: tuple[SortT_co, ...]


@dataclass(frozen=True, slots=True)
class Not(Generic[SortT_co]):
    """Kleene not."""

    body: SortT_co


# ---- predicates ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compare:
    """`left cmp right` of one span."""

    word: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class In:
    """`value in items`."""

    value: Value
    items: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """`value matches pattern`."""

    value: Value
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class TextTest:
    """`contains`, `startswith` or `endswith`."""

    word: str
    value: Value
    part: Value


@dataclass(frozen=True, slots=True)
class Exists:
    """The value is there; never unknown."""

    value: Value


@dataclass(frozen=True, slots=True)
class IsTrue:
    """The value is the boolean true; unknown where it is no boolean."""

    value: Value


@dataclass(frozen=True, slots=True)
class SomeElement:
    """Some `event` or `link` of the span makes the predicate true; never unknown."""

    word: str
    predicate: Predicate


SpanTest: TypeAlias = Compare | In | Matches | TextTest | Exists | IsTrue | SomeElement
Predicate: TypeAlias = "And[Predicate] | Or[Predicate] | Not[Predicate] | SpanTest"

# ---- selections ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """The spans of exactly this name."""

    name: str


@dataclass(frozen=True, slots=True)
class AnySpan:
    """Every span."""


@dataclass(frozen=True, slots=True)
class Root:
    """The spans without a parent id."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The span that `for each … as name` bound."""

    name: str


Base: TypeAlias = Named | AnySpan | Root | Bound


@dataclass(frozen=True, slots=True)
class Selector:
    """The spans of a base for which the predicate is true; `reads_bound` says that they depend on the bound span."""

    base: Base
    where: Predicate | None = None
    reads_bound: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """One relation of a chain: to a span of `selector`, equal at each key of `on`, at most `within_ns` apart."""

    relation: str
    selector: Selector
    on: tuple[Path, ...] = ()
    within_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Related:
    """The spans of `selector` that have such relations; each link speaks of its neighbours."""

    selector: Selector
    links: tuple[Link, ...] = ()


# ---- formulas -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selected:
    """Some span is selected."""

    related: Related


@dataclass(frozen=True, slots=True)
class AllOf:
    """The predicate is true of every selected span, if any."""

    selector: Selector
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left cmp right` of a trace; `quantifier` is `some` or `every` over groups, else empty. `text` is what the author wrote."""

    quantifier: str
    word: str
    left: Value
    right: Value
    text: str


TraceTest: TypeAlias = Selected | AllOf | Comparison
Formula: TypeAlias = "And[Formula] | Or[Formula] | Not[Formula] | TraceTest"

# ---- rules --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ForEach:
    """One instance per selected span, bound to `name`."""

    related: Related
    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: instances (one per trace, or per bound span), each with a head and its clauses; None: true head, no such clause."""

    for_each: ForEach | None
    when: Formula | None
    always: Formula | None
    never: Formula | None
    requires_complete: bool = False
