"""The syntax tree of a rule's text, before names and sorts are known. Every node knows its place.

`at` is the half-open range of offsets (code points of the rule's text) that a node stands at; places say nothing about meaning, so they
take no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

At: TypeAlias = tuple[int, int]
# Right of these a bare NAME alone is a string; in brackets it is an attribute, as everywhere else.
NAME_IS_STRING = frozenset({"==", "!=", "contains", "startswith", "endswith"})


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes share: their place."""

    at: At = field(compare=False)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number as written, `-` included."""

    text: str


@dataclass(frozen=True, slots=True)
class DurationText(Node):
    """A duration as written, `-` included."""

    text: str


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A bare NAME or DOTTED."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted(Node):
    """A STRING, its escapes resolved."""

    text: str


@dataclass(frozen=True, slots=True)
class IntrinsicName(Node):
    """`span:duration`, perhaps with a dotted prefix (`payment.span:duration`, `p.span:id`)."""

    prefix: str
    text: str


Word: TypeAlias = Name | Quoted | IntrinsicName


@dataclass(frozen=True, slots=True)
class Path(Node):
    """A key in `on` or `by`: a name and perhaps one more key behind it."""

    name: Word
    key: Word | None


@dataclass(frozen=True, slots=True)
class Method(Node):
    """`.where( )`, `.all( )`, `.any( )` or `.none( )`."""

    word: str
    argument: Expr


@dataclass(frozen=True, slots=True)
class Selector(Node):
    """A base, its methods, and perhaps a key behind them. A lone attribute is a selector too until sorts are known."""

    base: Word
    methods: tuple[Method, ...] = ()
    key: Word | None = None


@dataclass(frozen=True, slots=True)
class Relation(Node):
    """`before b on k within 5s`: one link of a chain."""

    word: str
    selector: Selector
    on: tuple[Path, ...]
    within: DurationText | None


@dataclass(frozen=True, slots=True)
class Related(Node):
    """A selector and the relations it must have."""

    selector: Selector
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class Group(Node):
    """Parentheses."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """`count(x by k)` and its like."""

    word: str
    related: Selector | Related
    by: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`lower(x)` and its like."""

    word: str
    argument: Expr


@dataclass(frozen=True, slots=True)
class Element(Node):
    """`event(p)` or `link(p)`."""

    word: str
    predicate: Expr


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """A chain of one precedence, evaluated from the left: `first (sign operand)…`."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """Unary minus."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`left cmp right`, perhaps under `some` or `every` (else `quantifier` is empty)."""

    left: Expr
    word: str
    right: Expr
    quantifier: str = ""


@dataclass(frozen=True, slots=True)
class ListText(Node):
    """A list as written."""

    items: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class In(Node):
    """`x in list` or `x not in list`."""

    left: Expr
    items: ListText | Name
    negated: bool


@dataclass(frozen=True, slots=True)
class TextTest(Node):
    """`matches`, `contains`, `startswith`, `endswith`, each perhaps with `not`."""

    left: Expr
    word: str
    right: Expr
    negated: bool


@dataclass(frozen=True, slots=True)
class Presence(Node):
    """`x exists` or `x missing`."""

    operand: Expr
    word: str


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`not x`."""

    body: Expr


@dataclass(frozen=True, slots=True)
class And(Node):
    """Two or more sides."""

    sides: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Two or more sides."""

    sides: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Implies(Node):
    """`left implies right`, right-associative."""

    left: Expr
    right: Expr


Literal: TypeAlias = Number | DurationText | Bool | Name | Quoted | IntrinsicName
Expr: TypeAlias = (
    Number
    | DurationText
    | Bool
    | Selector
    | Related
    | Group
    | Aggregate
    | Call
    | Element
    | Arithmetic
    | Negate
    | Compare
    | In
    | TextTest
    | Presence
    | Not
    | And
    | Or
    | Implies
)


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let name = …`."""

    name: Name
    value: Selector | ListText


@dataclass(frozen=True, slots=True)
class When(Node):
    """`when { f }`."""

    formula: Expr


@dataclass(frozen=True, slots=True)
class ForEach(Node):
    """`for each s as x`, perhaps `when { f }`."""

    related: Selector | Related
    name: Name
    when: Expr | None


@dataclass(frozen=True, slots=True)
class Clause(Node):
    """`always { f }` or `never { f }`."""

    word: str
    formula: Expr


@dataclass(frozen=True, slots=True)
class Rule(Node):
    """A whole rule: lets, head, clauses (at least one once checked)."""

    lets: tuple[Let, ...]
    head: When | ForEach | None
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class BareCondition(Node):
    """A condition that says neither always nor never: parsed so that the message can show both rewrites."""

    lets: tuple[Let, ...]
    condition: Expr


def lone_name(node: Expr) -> str:
    """Return the bare NAME a node consists of, or nothing."""
    if isinstance(node, Selector) and isinstance(node.base, Name) and not node.methods and node.key is None:
        return node.base.text if "." not in node.base.text else ""
    return ""
