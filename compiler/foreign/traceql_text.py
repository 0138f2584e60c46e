"""Queries of TraceQL: spansets, how they relate, and pipelines → rules of this language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING

from compiler.foreign.conditions import Atom, Condition, both, condition_text, either
from compiler.foreign.drafts import VIOLATION, Draft, Item, Locate, Notes, document_of, refusal, selection_rule
from compiler.foreign.text_reader import NotMapped, Piece, Token, TokenReader, pieces_of, tokens_of
from compiler.foreign.traceql_fields import COMPARISONS, LEXER, FieldReader, Value

if TYPE_CHECKING:
    from compiler.source import Region, SourceFile

_DESCRIPTION = (
    "Imported from a TraceQL query, which picks traces: each that it picks is a violation, counted and not alerted (mode: shadow)."
)
_INVARIANT = "Imported from a TraceQL query: each trace that it does not pick is a violation, counted and not alerted (mode: shadow)."
# Of the right side: how it stands to the left one, and whether it is the lower of the two.
_STRUCTURAL = {">": ("child of", True), ">>": ("under", True), "<": ("child of", False), "<<": ("under", False), "~": ("sibling of", True)}
_AGGREGATES = ("avg", "min", "max", "sum")
_METRICS = frozenset({"rate", "count_over_time", "min_over_time", "max_over_time", "avg_over_time", "sum_over_time", "quantile_over_time"})
_MORE_METRICS = frozenset({"histogram_over_time", "compare", "topk", "bottomk"})
_NAMES = ("x", "one", "it")
_JUDGED = "after `by( )` and a condition on its groups nothing further can be imported: it is of the groups that were kept"
_UNION = "of these operators only whether there are such spans can be imported"


@dataclass(frozen=True, slots=True)
class _Spans:
    """Spans picked by a chain of selectors, each related to the next: `at` says which of them; `beside` holds of their trace."""

    selectors: tuple[str, ...]
    relations: tuple[str, ...] = ()
    at: int = 0
    beside: tuple[Condition, ...] = ()
    group: str = ""
    is_judged: bool = False  # a condition on the groups has been read
    is_given: bool = False  # that there is such a span need not be asked
    is_union: bool = False

    @property
    def text(self) -> str:
        return " ".join([self.selectors[0], *(f"{word} {other}" for word, other in zip(self.relations, self.selectors[1:], strict=True))])

    def there(self) -> Condition:
        return both(self.beside) if self.is_given and self.beside else both([*self.beside, Atom(self.text)])


@dataclass(frozen=True, slots=True)
class _Held:
    """A condition on the trace; which spans it picks can no longer be said."""

    condition: Condition

    def there(self) -> Condition:
        return self.condition


@dataclass(frozen=True, slots=True)
class _Unrelated:
    """Spans to which no span of another kind stands in a relation."""

    spans: str
    related: str
    name: str
    token: Token

    def there(self) -> Condition:
        raise NotMapped(self.token.offset, f"`{self.token.text}` stands alone, as a rule `for each`; it joins with nothing")


_Picked = _Spans | _Held | _Unrelated


def traceql_items(source: SourceFile, polarity: str) -> Iterator[Item]:
    """Walk the queries of a file; a new one begins on a line of its own. Raises UnreadableError where the file cannot be read."""
    document = document_of(source)

    def locate(offset: int) -> Region:
        return document.region(offset, offset + 1)

    for piece in pieces_of(tokens_of(document.text, LEXER), _goes_on, _is_next):
        yield _query(piece, piece.text(document.text), locate, polarity)


def _goes_on(before: Token, token: Token) -> bool:
    return (before.kind == "sign" and before.text not in {"}", ")"}) or (token.kind == "sign" and token.text not in {"{", "("})


def _is_next(before: Token, token: Token, braces: int) -> bool:
    """Whether a line begins another query although a bracket is open: no spanset stands in another, nor right behind one."""
    return token.text == "{" and (braces > 0 or before.text in {"}", ")"})


def _query(piece: Piece, original: str, locate: Locate, polarity: str) -> Item:
    notes = Notes(locate)
    try:
        tokens = TokenReader(piece.tokens)
        reader = _Reader(tokens, notes)
        picked = reader.pipeline()
        if tokens.peek().kind != "end":
            tokens.fail("the end of the query")
        rule = _rule(picked, polarity)
    except NotMapped as problem:
        return refusal(problem, locate, original, "a query", piece.offset)
    region = locate(piece.offset)
    return Draft(
        region=region,
        original=original,
        rule=rule,
        name=piece.title or f"query {region.line}",
        description=_DESCRIPTION if polarity == VIOLATION else _INVARIANT,
        is_shadow=True,
        notes=notes.all,
    )


def _rule(picked: _Picked, polarity: str) -> str:
    if not isinstance(picked, _Unrelated):
        return selection_rule(picked.there(), polarity)
    if polarity != VIOLATION:
        raise NotMapped(picked.token.offset, f"`{picked.token.text}` cannot be demanded of a trace, only forbidden")
    return f"for each {picked.spans} as {picked.name}\nalways {{ {picked.related} }}"


class _Reader:
    """Reads one query."""

    def __init__(self, tokens: TokenReader, notes: Notes) -> None:
        self.tokens = tokens
        self.notes = notes
        self.fields = FieldReader(tokens, notes)

    def pipeline(self) -> _Picked:
        """Read stages joined by `|`."""
        picked = self._stage(None)
        while self.tokens.accept("|"):
            picked = self._stage(picked)
        return picked

    def _stage(self, before: _Picked | None) -> _Picked:
        token = self.tokens.peek()
        if token.kind == "word":
            if before is None:
                before = _Spans(("span",), is_given=True)
            return self._function(before)
        if before is None:
            return self._joined()
        if self.tokens.sees("{"):
            return self._filtered(before, token)
        raise NotMapped(token.offset, "after `|` a single `{ }` can be imported, no spansets that are joined")

    # ---- spansets -------------------------------------------------------------------------------------------------------------------

    def _joined(self) -> _Picked:
        """Read spansets joined by `&&` and `||`, which bind alike, from the left."""
        found = self._structural()
        while (token := self.tokens.accept("&&", "||")) is not None:
            sides = [found.there(), self._structural().there()]
            found = _Held(both(sides) if token.text == "&&" else either(sides))
        return found

    def _structural(self) -> _Picked:
        found = self._spanset()
        while (token := self.tokens.peek()).kind == "sign" and token.text.lstrip("!&") in _STRUCTURAL:
            self.tokens.take()
            found = _related(found, token, self._spanset())
        return found

    def _spanset(self) -> _Picked:
        if self.tokens.sees("{"):
            return self._filter()
        with self.tokens.deeper():
            if not self.tokens.accept("("):
                self.tokens.fail("`{`")
            inner = self.pipeline()
            self.tokens.expect(")")
        return inner

    def _filter(self) -> _Spans:
        found = self.fields.filter()
        beside = tuple(map(Atom, found.of_trace))
        if found.predicate is None:
            return _Spans(("span",), beside=beside, is_given=True)
        return _Spans((f"span.where({condition_text(found.predicate)})",), beside=beside)

    def _filtered(self, before: _Picked, token: Token) -> _Spans:
        spans = _spans(before, token)
        if spans.is_judged:
            raise NotMapped(token.offset, _JUDGED)
        if spans.is_union:
            raise NotMapped(token.offset, _UNION)
        narrower = self._filter()
        selectors = list(spans.selectors)
        selectors[spans.at] += narrower.selectors[0].removeprefix("span")
        is_given = spans.is_given and narrower.is_given
        return replace(spans, selectors=tuple(selectors), beside=(*spans.beside, *narrower.beside), is_given=is_given)

    # ---- pipelines ------------------------------------------------------------------------------------------------------------------

    def _function(self, before: _Picked) -> _Picked:
        token = self.tokens.take()
        if token.text == "by":
            return self._by(_spans(before, token), token)
        if token.text == "coalesce":
            self.tokens.expect("(")
            self.tokens.expect(")")
            return self._ungrouped(_spans(before, token), token)
        if token.text == "select":
            return self._select(before, token)
        if token.text == "count" or token.text in _AGGREGATES:
            return self._scalar(_spans(before, token), token)
        if token.text in _METRICS | _MORE_METRICS:
            raise NotMapped(token.offset, f"`{token.text}` is a number over time, and a rule speaks of one trace")
        raise NotMapped(token.offset, f"there is no `{token.text}`")

    def _ungrouped(self, spans: _Spans, token: Token) -> _Spans:
        if spans.is_judged:
            raise NotMapped(token.offset, _JUDGED)
        return replace(spans, group="")

    def _by(self, spans: _Spans, token: Token) -> _Spans:
        if spans.group:
            raise NotMapped(token.offset, "groups of groups have no equivalent")
        path = self._path()
        return replace(spans, group=path)

    def _select(self, before: _Picked, token: Token) -> _Picked:
        self.tokens.expect("(")
        shown = [self.fields.primary().text]
        while self.tokens.accept(","):
            shown.append(self.fields.primary().text)
        self.tokens.expect(")")
        self.notes.add(token.offset, f"`select` only shows {', '.join(shown)}: list what of it a violation should show under `evidence`")
        return before

    def _path(self) -> str:
        """Read one attribute or intrinsic in parentheses."""
        self.tokens.expect("(")
        value = self.fields.operand()
        if value.sort != "attribute" or value.element or value.paths != (value.text,):
            raise NotMapped(value.token.offset, "here a single attribute or intrinsic of the span can be imported")
        self.tokens.expect(")")
        return value.text

    def _scalar(self, spans: _Spans, token: Token) -> _Spans:
        """Read a condition on an aggregate of the spans that come."""
        if token.text == "count":
            self.tokens.expect("(")
            self.tokens.expect(")")
            of = spans.text
        else:
            if len(spans.selectors) > 1:
                raise NotMapped(token.offset, f"`{token.text}` of spans that are related has no equivalent; `count` has")
            of = f"{spans.selectors[0]}.{self._path()}"
        if spans.is_judged:
            raise NotMapped(token.offset, _JUDGED)
        if spans.at != 0 or spans.is_union:
            raise NotMapped(token.offset, _UNION)
        comparison = self.tokens.accept(*COMPARISONS) or self.tokens.fail("a comparison")
        value = self.fields.operand()
        if value.sort != "constant" or value.token.kind == "string":
            raise NotMapped(value.token.offset, "an aggregate is compared with a constant")
        by = f" by {spans.group}" if spans.group else ""
        some = "some " if spans.group else ""
        held: Condition = Atom(f"{some}{token.text}({of}{by}) {COMPARISONS[comparison.text]} {value.text}")
        if not spans.group and token.text in {"count", "sum"} and _holds_of_nothing(comparison, value, token):
            held = both([Atom(spans.text), held])
        # What follows speaks of the same spans; of groups only of those that were kept, which cannot be said.
        return replace(spans, beside=(*spans.beside, held), is_given=True, is_judged=bool(spans.group))


def _spans(picked: _Picked, token: Token) -> _Spans:
    if isinstance(picked, _Spans):
        return picked
    raise NotMapped(token.offset, "of spansets that are joined or negated only whether there are any can be imported")


def _holds_of_nothing(comparison: Token, value: Value, aggregate: Token) -> bool:
    """Whether a comparison is true of 0: a trace without such spans is not picked all the same."""
    try:
        number = float(value.text)
    except ValueError:
        return comparison.text in {"<", "<=", "!="}
    holds = {"=": number == 0, "!=": number != 0, "<": number > 0, "<=": number >= 0, ">": number < 0, ">=": number <= 0}[comparison.text]
    only_nothing = {"=": number == 0, "<": number <= 1, "<=": number < 1}.get(comparison.text, False)
    if aggregate.text == "count" and only_nothing:
        raise NotMapped(comparison.offset, "this picks nothing: a trace without such spans is no result of a query")
    return holds


def _related(left: _Picked, token: Token, right: _Picked) -> _Picked:
    """Return the spans of the right side that stand to the left one as an operator says."""
    first, second = _spans(left, token), _spans(right, token)
    word, is_lower = _STRUCTURAL[token.text.lstrip("!&")]
    if len(second.selectors) > 1 or first.group or second.group or first.is_union:
        raise NotMapped(token.offset, f"on the sides of `{token.text}` single spansets can be imported, at the left also such a chain")
    if token.text[0] == "!":
        return _unrelated(first, token, second)
    beside = (*first.beside, *second.beside)
    if (is_lower or token.text == "~") and first.at == 0:
        found = _Spans((second.selectors[0], *first.selectors), (word, *first.relations), 0, beside)
    elif (not is_lower or token.text == "~") and first.at == len(first.selectors) - 1:
        found = _Spans((*first.selectors, second.selectors[0]), (*first.relations, word), len(first.selectors), beside)
    else:
        raise NotMapped(token.offset, "one span in the middle of two relations has no equivalent")
    return replace(found, is_union=token.text[0] == "&")


def _unrelated(first: _Spans, token: Token, second: _Spans) -> _Unrelated:
    if first.beside or second.beside:
        raise NotMapped(token.offset, f"beside `{token.text}` nothing can be asked of the trace")
    word, is_lower = _STRUCTURAL[token.text.lstrip("!&")]
    if first.at != (0 if is_lower else len(first.selectors) - 1):
        raise NotMapped(token.offset, "one span in the middle of two relations has no equivalent")
    taken = set(re.findall(r"\w+", f"{first.text} {second.text}"))
    name = next(one for one in chain(_NAMES, (f"x{number}" for number in count(2))) if one not in taken)
    related = f"{name} {word} {first.text}" if is_lower else f"{first.text} {word} {name}"
    return _Unrelated(second.selectors[0], related, name, token)
