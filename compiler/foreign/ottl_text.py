"""Conditions of OTTL on a span or an event of it, as `ottl_condition` of the tail sampling processor has them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compiler.foreign.condition_reader import connected, negated
from compiler.foreign.conditions import Atom, Condition, attribute, intrinsic
from compiler.foreign.text_reader import NotMapped, Token, TokenReader, tokens_of
from compiler.ir_text import duration_of, quoted
from compiler.literals import Malformed, read_duration

_LEXER = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_]))"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>==|!=|<=|>=|[<>()\[\],.+*/-])",
    re.DOTALL,
)
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_ALWAYS_THERE = frozenset({"span:name", "span:status", "span:kind", "span:duration", "event:name"})
_STATUSES = {"STATUS_CODE_UNSET": "unset", "STATUS_CODE_OK": "ok", "STATUS_CODE_ERROR": "error", "0": "unset", "1": "ok", "2": "error"}
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_KIND_WORDS = {f"SPAN_KIND_{kind.upper()}": kind for kind in _KINDS} | {str(number): kind for number, kind in enumerate(_KINDS)}
_SPAN_PATHS = {"name": "span:name", "status.code": "span:status", "status.message": "span:statusMessage", "kind": "span:kind"}
_SCOPE_PATHS = {"name": "instrumentation:name", "version": "instrumentation:version"}
_DURATIONS = {("end_time", "start_time"): "time", ("end_time_unix_nano", "start_time_unix_nano"): "number"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class _Path:
    """A path, and what it is compared with: a value, a status, a kind, a time (`Duration( )`) or a number of nanoseconds."""

    text: str
    of: str = "value"

    @property
    def absent(self) -> str:
        return "" if self.text in _ALWAYS_THERE else f"{self.text} missing or "


def read_ottl(text: str, *, is_event: bool) -> Condition:
    """Return a condition as a predicate of a span, or of an event; raises NotMapped with an offset into the text.

    Comparisons are two-valued in OTTL: an absent attribute is nil, which differs from every value and is neither less nor greater.
    """
    tokens = TokenReader(tokens_of(text, _LEXER))
    found = _Reader(tokens, is_event=is_event).condition()
    if tokens.peek().kind != "end":
        tokens.fail("the end of the condition")
    return found


class _Reader:
    def __init__(self, tokens: TokenReader, *, is_event: bool) -> None:
        self.tokens = tokens
        self.is_event = is_event

    def condition(self) -> Condition:
        return connected(self.tokens, self._negation, lambda _token: None)

    def _negation(self) -> Condition:
        return negated(self.tokens, self.condition, self._test, lambda _token: None)

    def _test(self) -> Condition:
        token = self.tokens.peek()
        if self.tokens.sees("IsRootSpan", "(", ")") and not self.is_event:
            self.tokens.at += 3
            return Atom("span:parentID missing", "span:parentID exists")
        if self.tokens.sees("IsMatch", "("):
            return self._match()
        if token.kind == "word" and self.tokens.peek(1).text == "(":
            raise NotMapped(token.offset, f"the function `{token.text}` has no equivalent")
        path = self._path()
        comparison = self.tokens.accept(*_COMPARISONS) or self.tokens.fail("a comparison")
        return self._comparison(path, comparison)

    def _match(self) -> Condition:
        self.tokens.at += 2
        path = self._path()
        self.tokens.expect(",")
        pattern = quoted(_unquoted(self._string("a pattern")))
        self.tokens.expect(")")
        if path.of != "value":
            raise NotMapped(self.tokens.peek().offset, "only texts match a pattern")
        absent = f"({path.absent}{path.text} not matches {pattern})" if path.absent else f"{path.text} not matches {pattern}"
        return Atom(f"{path.text} matches {pattern}", absent)

    def _string(self, what: str) -> Token:
        return self.tokens.take() if self.tokens.peek().kind == "string" else self.tokens.fail(what)

    # ---- paths ----------------------------------------------------------------------------------------------------------------------

    def _path(self) -> _Path:
        token = self.tokens.peek()
        words = self._words()
        context = words[0] if len(words) > 1 and words[0] in {"span", "spanevent", "resource", "instrumentation_scope", "scope"} else ""
        rest = ".".join(words[1:] if context else words)
        if not context:
            context = "spanevent" if self.is_event else "span"
        if context == "spanevent" and not self.is_event:
            raise NotMapped(token.offset, "a condition on a span cannot name an event of it")
        if rest == "attributes":
            return _Path(self._attribute(context))
        if context == "span" and rest in {start for start, _ in _DURATIONS}:
            return self._duration(rest)
        known = {"span": _SPAN_PATHS, "spanevent": {"name": "event:name"}, "resource": {}}.get(context, _SCOPE_PATHS)
        if rest not in known:
            raise NotMapped(token.offset, f"`{'.'.join(words)}` has no equivalent")
        return _Path(intrinsic(known[rest]), {"status.code": "status", "kind": "kind"}.get(rest, "value"))

    def _words(self) -> list[str]:
        if self.tokens.peek().kind != "word":
            self.tokens.fail("a path")
        words = [self.tokens.take().text]
        while self.tokens.accept("."):
            if self.tokens.peek().kind != "word":
                self.tokens.fail("a path")
            words.append(self.tokens.take().text)
        return words

    def _attribute(self, context: str) -> str:
        self.tokens.expect("[")
        key = _unquoted(self._string("the name of an attribute"))
        self.tokens.expect("]")
        if self.tokens.sees("["):
            raise NotMapped(self.tokens.peek().offset, "what is inside of an attribute has no equivalent")
        return attribute(key, {"span": "span", "resource": "resource", "spanevent": ""}.get(context, "scope"))

    def _duration(self, end: str) -> _Path:
        sign = self.tokens.expect("-")
        start = ".".join(self._words()).removeprefix("span.")
        if (end, start) not in _DURATIONS:
            raise NotMapped(sign.offset, "of times only how long a span took has an equivalent: end_time - start_time")
        return _Path(intrinsic("span:duration"), _DURATIONS[end, start])

    # ---- comparisons ----------------------------------------------------------------------------------------------------------------

    def _comparison(self, path: _Path, comparison: Token) -> Condition:
        token = self.tokens.peek()
        if token.text == "nil" and path.of == "value":
            self.tokens.take()
            if comparison.text not in {"==", "!="} or not path.absent:
                raise NotMapped(comparison.offset, "only an attribute is nil or not")
            found = Atom(f"{path.text} missing", f"{path.text} exists")
            return found if comparison.text == "==" else Atom(found.negated, found.text)
        value = self._value(path, token)
        if comparison.text == "!=":
            return Atom(f"({path.absent}{path.text} != {value})" if path.absent else f"{path.text} != {value}", f"{path.text} == {value}")
        text = f"{path.text} {comparison.text} {value}"
        opposite = f"{path.text} != {value}" if comparison.text == "==" else f"not ({text})"
        return Atom(text, f"({path.absent}{opposite})" if path.absent else opposite)

    def _value(self, path: _Path, token: Token) -> str:
        if path.of == "time":
            return self._duration_literal()
        words = {"status": _STATUSES, "kind": _KIND_WORDS}.get(path.of)
        if words is not None:
            if token.text not in words:
                raise NotMapped(token.offset, f"`{token.text}` is no {path.of}")
            return words[self.tokens.take().text]
        if path.of == "number":
            return duration_of(round(float(self._number())))
        if token.kind == "string":
            return quoted(_unquoted(self.tokens.take()))
        if token.text in {"true", "false"}:
            return self.tokens.take().text
        return self._number()

    def _number(self) -> str:
        sign = "-" if self.tokens.accept("-") else ""
        if self.tokens.peek().kind != "number":
            self.tokens.fail("a string, a number, true, false or nil")
        return sign + self.tokens.take().text

    def _duration_literal(self) -> str:
        self.tokens.expect("Duration")
        self.tokens.expect("(")
        token = self._string("a duration in quotes")
        self.tokens.expect(")")
        found = read_duration(_unquoted(token))
        if isinstance(found, Malformed):
            raise NotMapped(token.offset, found.message)
        return duration_of(found.ns)


def _unquoted(token: Token) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), token.text[1:-1])
