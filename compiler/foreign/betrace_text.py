"""Rule text of the older dialects of BeTrace: clauses, `trace.has( )`, and conditions on `span.…` → rules of this language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compiler.foreign.betrace_where import COMPARISONS, WhereReader
from compiler.foreign.condition_reader import connected, negated
from compiler.foreign.conditions import Atom, Both, Condition, Either, Not, OfSpan, both, condition_text, either, spans_named
from compiler.foreign.drafts import INVARIANT, Notes
from compiler.foreign.text_reader import NotMapped, Piece, Token, TokenReader, pieces_of, tokens_of

_TOKENS = (
    r"(?P<comment>//[^\n]*|\#[^\n]*|/\*.*?\*/)"
    r"|(?P<duration>[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h)(?![A-Za-z0-9_]))"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_]))"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>==|!=|<=|>=|[<>(){}\[\],.-])"
)
_LEXER = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")|' + _TOKENS, re.DOTALL)
# In the live dialect a backslash is itself, so the first quote ends a string.
_LIVE_LEXER = re.compile(r'(?P<string>"[^"]*")|' + _TOKENS, re.DOTALL)
_CLAUSES = ("when", "always", "never")
_CLAUSE = re.compile(r"\b(?:when|always|never)\s*\{")
_JOINING = frozenset({"and", "or", "not", "always", "never", "in", "matches", "contains"})


def betrace_pieces(text: str) -> list[Piece]:
    """Return the expressions of a text; a new one begins on a line of its own."""
    lexer = _LIVE_LEXER if _CLAUSE.search(text) else _LEXER
    return list(pieces_of(tokens_of(text, lexer), _goes_on))


def _goes_on(before: Token, token: Token) -> bool:
    joins = {"and", "or", "always", "never", "in", "matches", "contains", ".", "{", "-", *COMPARISONS}
    return before.text in _JOINING or before.text in {".", "-", *COMPARISONS} or (token.kind != "string" and token.text in joins)


@dataclass(frozen=True, slots=True)
class BetraceText:
    """Text that was read: a rule with its clauses, or a condition of which it has to be said what it means."""

    rule: str
    condition: Condition | None = None


def read_betrace(piece: Piece, notes: Notes) -> BetraceText:
    """Return what an expression says; raises NotMapped where that has no equivalent."""
    tokens = TokenReader(piece.tokens)
    is_live = any(token.text in _CLAUSES and after.text == "{" for token, after in zip(piece.tokens, piece.tokens[1:], strict=False))
    reader = _Reader(tokens, notes, is_live=is_live)
    found = BetraceText(reader.clauses()) if is_live else BetraceText("", reader.condition())
    if tokens.peek().kind != "end":
        tokens.fail("the end of the rule")
    return found


class _Reader:
    """Reads conditions on a trace."""

    def __init__(self, tokens: TokenReader, notes: Notes, *, is_live: bool) -> None:
        self.tokens = tokens
        self.notes = notes
        self.is_live = is_live
        self.where = WhereReader(tokens, notes, is_live=is_live)

    def clauses(self) -> str:
        """Read `when`, `always` and `never`, in any order."""
        found: dict[str, str] = {}
        start = self.tokens.peek()
        while (token := self.tokens.accept(*_CLAUSES)) is not None:
            if token.text in found:
                raise NotMapped(token.offset, f"`{token.text}` is there twice; join both with `and`")
            if found and _CLAUSES.index(token.text) < max(map(_CLAUSES.index, found)):
                self.where.differs(token, "the original refused clauses in another order than when, always, never")
            self.tokens.expect("{")
            found[token.text] = condition_text(self.condition())
            self.tokens.expect("}")
        if not found.keys() & {"always", "never"}:
            raise NotMapped(start.offset, "it has neither `always` nor `never`, so it demands nothing; the original could not evaluate it")
        if "when" not in found:
            self.where.differs(start, "the original refused a rule without `when`")
        return "\n".join(f"{clause:<6} {{ {found[clause]} }}" for clause in _CLAUSES if clause in found)

    def condition(self) -> Condition:
        """Read a condition on a trace."""
        return connected(self.tokens, self._negation, self._mixed)

    def _mixed(self, token: Token) -> None:
        if not self.is_live:
            self.notes.add(token.offset, "`and` binds tighter than `or` here, as the original's text says; its grammar had them alike")

    def _negation(self) -> Condition:
        return negated(self.tokens, self.condition, self._test, lambda _token: None)

    def _test(self) -> Condition:
        tokens = self.tokens
        if tokens.sees("trace", ".", "has", "("):
            return self._has()
        if tokens.sees("trace", ".", "count", "("):
            tokens.at += 2
            return self._count_test()
        if tokens.sees("count", "("):
            return self._count_test()
        token = tokens.peek()
        if tokens.sees("span", ".") and tokens.peek(2).kind == "word":
            if self.is_live:
                raise NotMapped(token.offset, "`span.…` is of the dialect without clauses; in one with clauses it does not say which span")
            return OfSpan(self.where.field())
        if token.kind != "word":
            tokens.fail("a span's name, `trace.has(` or `count(`")
        return self._span_test()

    def _has(self) -> Condition:
        self.tokens.at += 4
        ahead = self.tokens.at
        if self.tokens.peek().kind == "word" and self.tokens.peek().text != "not":
            name = self.where.dotted("a span's name")
            if self.tokens.sees(")") or self.tokens.sees("."):
                selector = self._chain(spans_named(name))
                self.tokens.expect(")")
                return Atom(self._chain(selector))
            self.tokens.at = ahead
        predicate = self.where.condition(of_span=True)
        self.tokens.expect(")")
        return Atom(self._chain(f"span.where({condition_text(predicate)})"))

    def _chain(self, selector: str) -> str:
        """Read `.where( )` as often as it comes."""
        while self.tokens.sees(".", "where", "("):
            self.tokens.at += 3
            selector += f".where({condition_text(self.where.condition())})"
            self.tokens.expect(")")
        return selector

    def _count_test(self) -> Condition:
        left = self._count()
        comparison = self.tokens.accept(*COMPARISONS) or self.tokens.fail("a comparison")
        if self.tokens.sees("count", "(") or self.tokens.sees("trace", ".", "count", "("):
            self.tokens.at += 0 if self.tokens.sees("count") else 2
            return Atom(f"{left} {comparison.text} {self._count()}")
        token = self.tokens.peek()
        if token.kind != "number" and token.text != "-":
            raise NotMapped(token.offset, "a count is compared with a number or with another count")
        return Atom(f"{left} {comparison.text} {self.where.number()}")

    def _count(self) -> str:
        self.tokens.at += 2
        selector = self._chain(spans_named(self.where.dotted("a span's name")))
        self.tokens.expect(")")
        return f"count({self._chain(selector)})"

    def _span_test(self) -> Condition:
        """Read a span's name with its filters, or a direct comparison of an attribute of it."""
        token = self.tokens.peek()
        name = self.where.dotted("a span's name")
        after = self.tokens.peek()
        if after.kind == "string" or after.text not in {*COMPARISONS, "in", "matches", "contains", "not"}:
            return Atom(self._chain(spans_named(name)))
        base, _, key = name.rpartition(".")
        if not base:
            raise NotMapped(token.offset, f"`{name}` is a span, and which attribute of it is compared is not said")
        self.where.differs(
            token, f"the original looked for a span named `{name}`; here `{key}` is an attribute of `{base}`, as its guide says"
        )
        return Atom(f"{spans_named(base)}.where({condition_text(self.where.attribute_test(key))})")


# ---- what a condition without clauses means ---------------------------------------------------------------------------------------------


def condition_rule(condition: Condition, polarity: str, notes: Notes, offset: int) -> str:
    """Return the rule of a condition that describes a violation, or an invariant."""
    lifted = _lifted(condition, polarity, offset)
    if polarity == INVARIANT:
        return f"always {{ {condition_text(lifted)} }}" if OfSpan in _kinds(condition) else _invariant(lifted, notes, offset)
    sides = lifted.sides if isinstance(lifted, Both) else (lifted,)
    wanted = [side.body for side in sides if isinstance(side, Not)]
    there = [side for side in sides if not isinstance(side, Not)]
    if there and wanted:
        return _when(both(there), either(wanted))
    return f"never  {{ {condition_text(lifted)} }}"


def _invariant(condition: Condition, notes: Notes, offset: int) -> str:
    sides = condition.sides if isinstance(condition, Both) else (condition,)
    if len(sides) == 1 or isinstance(sides[0], Not):
        notes.add(offset, "every trace must satisfy it, also those of other matters: give it a `when` if that is not meant")
        return f"always {{ {condition_text(condition)} }}"
    notes.add(offset, "what is named first became `when`: else every trace without it would be a violation")
    return _when(sides[0], both(sides[1:]))


def _when(head: Condition, demanded: Condition) -> str:
    return f"when   {{ {condition_text(head)} }}\nalways {{ {condition_text(demanded)} }}"


def _lifted(condition: Condition, polarity: str, offset: int) -> Condition:
    """Return a condition that was judged of each span as one of the trace: of a violation some span, of an invariant all."""
    kinds = _kinds(condition)
    if OfSpan not in kinds:
        return condition
    if kinds == {OfSpan}:
        predicate = condition_text(_predicate(condition))
        return Atom(f"span.all({predicate})" if polarity == INVARIANT else f"span.where({predicate})")
    if isinstance(condition, Both | Either):
        of_span = [side for side in condition.sides if _kinds(side) == {OfSpan}]
        others = [side for side in condition.sides if OfSpan not in _kinds(side)]
        if len(of_span) + len(others) == len(condition.sides):
            joined = type(condition)(tuple(of_span)) if len(of_span) > 1 else of_span[0]
            return type(condition)((_lifted(joined, polarity, offset), *others))
    raise NotMapped(offset, "conditions on one span and on the whole trace are interwoven: say with `trace.has( )` which spans are meant")


def _kinds(condition: Condition) -> set[type[Condition]]:
    if isinstance(condition, Both | Either):
        return {kind for side in condition.sides for kind in _kinds(side)}
    return _kinds(condition.body) if isinstance(condition, Not) else {type(condition)}


def _predicate(condition: Condition) -> Condition:
    if isinstance(condition, Both | Either):
        return type(condition)(tuple(map(_predicate, condition.sides)))
    if isinstance(condition, Not):
        return Not(_predicate(condition.body))
    return condition.predicate if isinstance(condition, OfSpan) else condition
