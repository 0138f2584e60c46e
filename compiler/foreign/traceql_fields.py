"""Conditions of TraceQL on one span: what stands in `{ }`, and what `by( )`, `avg( )` and the like speak of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from compiler.foreign.conditions import Atom, Condition, Not, attribute, both, either, intrinsic, on_the_right
from compiler.foreign.drafts import Notes
from compiler.foreign.text_reader import NotMapped, Token, TokenReader
from compiler.ir_text import duration_of, quoted
from compiler.literals import Malformed, read_duration

LEXER = re.compile(
    r"(?P<comment>//[^\n]*|\#[^\n]*|/\*.*?\*/)"
    r'|(?P<string>"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`)'
    r"|(?P<duration>(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h|d))+(?![A-Za-z0-9_]))"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_]))"
    r"|(?P<intrinsic>(?:span|trace|event|link|instrumentation):[A-Za-z]+)"
    r'|(?P<attribute>(?:(?:parent\.)?(?:span|resource)|event|link|instrumentation|parent)?\.(?:[^\s{}()=!<>&|~,^"]|"(?:[^"\\\n]|\\[^\n])*")+)'
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||!>>|!<<|&>>|&<<|!>|!<|&>|&<|&~|!~|>>|<<|=~|!=|<=|>=|[=<>!~|+\-*/%^{}(),])",
    re.DOTALL,
)
COMPARISONS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
STATUSES = frozenset({"ok", "error", "unset"})
KINDS = frozenset({"unspecified", "internal", "server", "client", "producer", "consumer"})
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
# Names without a scope, and what they became.
_OLD_NAMES = {
    "name": "span:name",
    "duration": "span:duration",
    "status": "span:status",
    "statusMessage": "span:statusMessage",
    "kind": "span:kind",
    "rootName": "trace:rootName",
    "rootServiceName": "trace:rootService",
    "traceDuration": "trace:duration",
}
_INTRINSICS = frozenset(
    {"span:name", "span:duration", "span:status", "span:statusMessage", "span:kind", "span:id", "span:parentID"}
    | {"instrumentation:name", "instrumentation:version", "event:name", "event:timeSinceStart", "link:traceID", "link:spanID"}
    | {"trace:id", "trace:duration", "trace:rootName", "trace:rootService"}
)
_ALWAYS_THERE = frozenset({"span:name", "span:status", "span:kind", "span:id"})
_SCOPES = {"": "", "span": "span", "resource": "resource", "instrumentation": "scope", "event": "", "link": ""}
_ELEMENTS = ("event", "link")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_DURATION_PART = re.compile(r"[0-9]+(?:\.[0-9]+)?[a-zµ]+")
_DAY_NS = 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Value:
    """An operand: its text, of what it is (attribute, constant, nil, enum, trace, bool), and in which event or link it is looked up."""

    text: str
    sort: str
    token: Token
    element: str = ""
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfTrace:
    """A test of the trace inside of `{ }`."""

    text: str


@dataclass(frozen=True, slots=True)
class Filter:
    """What `{ }` asks: of the span (None: nothing), and beside it of the trace."""

    predicate: Condition | None
    of_trace: tuple[str, ...] = ()


class FieldReader:
    """Reads the inside of `{ }`."""

    def __init__(self, tokens: TokenReader, notes: Notes) -> None:
        self.tokens = tokens
        self.notes = notes

    def filter(self) -> Filter:
        """Read `{ … }`."""
        start = self.tokens.expect("{")
        if self.tokens.accept("}"):
            return Filter(None)
        found = self._split(self._connected(), start)
        self.tokens.expect("}")
        return found

    def _split(self, condition: _Parsed, start: Token) -> Filter:
        """Part what is asked of the trace from what is asked of the span: `and` alone keeps them apart."""
        sides = condition.sides if isinstance(condition, _Joined) and condition.is_and else (condition,)
        of_trace = tuple(side.text for side in sides if isinstance(side, OfTrace))
        rest = [_of_span(side, start) for side in sides if not isinstance(side, OfTrace)]
        wanted = [side for side in rest if side != _TRUE]
        return Filter(both(wanted) if wanted else None, of_trace)

    def _connected(self) -> _Parsed:
        """Read operands joined by `&&` and `||`, which bind alike, from the left."""
        found = self._negation()
        last = ""
        while (token := self.tokens.accept("&&", "||")) is not None:
            right = self._negation()
            is_and = token.text == "&&"
            sides = found.sides if isinstance(found, _Joined) and found.is_and == is_and else (found,)
            found = _Joined(is_and, (*sides, right))
            if last not in {"", token.text}:
                self.notes.add(token.offset, "`&&` and `||` bind alike in TraceQL, from the left; the parentheses here say so")
            last = token.text
        return found

    def _negation(self) -> _Parsed:
        with self.tokens.deeper():
            token = self.tokens.accept("!")
            if token is None:
                return self._test()
            body = self._unary()
            if self.tokens.peek().text in {*COMPARISONS, "=~", "!~"}:
                raise NotMapped(token.offset, "`!` binds tighter than a comparison in TraceQL: write !(… = …) if that is meant")
            if body == _TRUE:
                raise NotMapped(token.offset, "`!true` is never true, so this picks no span")
            return Not(_of_span(body, token))

    def _unary(self) -> _Parsed:
        if self.tokens.sees("!"):
            return self._negation()
        if self.tokens.sees("("):
            return self._grouped()
        return self._bare(self.primary())

    def _grouped(self) -> _Parsed:
        self.tokens.expect("(")
        inner = self._connected()
        self.tokens.expect(")")
        return inner

    def _test(self) -> _Parsed:
        # A parenthesis may hold a condition or an operand: try the operand first.
        start = self.tokens.at
        if self.tokens.sees("("):
            try:
                left = self.operand()
            except NotMapped:
                left = None
            if left is None or self.tokens.peek().text not in {*COMPARISONS, "=~", "!~"}:
                self.tokens.at = start
                return self._grouped()
        else:
            left = self.operand()
        token = self.tokens.accept(*COMPARISONS, "=~", "!~")
        if token is None:
            return self._bare(left)
        right = self.operand()
        if left.sort in {"constant", "nil", "enum", "bool"} and right.sort not in {"constant", "nil", "enum", "bool"}:
            left, right = right, left
            token = Token(token.kind, _FLIPPED.get(token.text, token.text), token.offset)
        return self._comparison(left, token, right)

    def _bare(self, value: Value) -> _Parsed:
        if value.sort == "bool":
            if value.text == "false":
                raise NotMapped(value.token.offset, "`false` is never true, so this picks no span")
            return _TRUE
        if value.sort != "attribute" or value.element or not value.paths or ":" in value.text:
            raise NotMapped(value.token.offset, f"`{value.token.text}` alone asks nothing that is true or false")
        return Atom(value.text, f"({value.text} missing or not {value.text})")

    # ---- comparisons ----------------------------------------------------------------------------------------------------------------

    def _comparison(self, left: Value, token: Token, right: Value) -> _Parsed:
        if left.sort in {"constant", "nil", "enum", "bool"}:
            raise NotMapped(left.token.offset, "it compares two constants")
        if right.element:
            raise NotMapped(right.token.offset, "an event or link is compared with constants only")
        if left.sort == "trace" or right.sort == "trace":
            return self._of_trace(left, token, right)
        if right.sort == "nil":
            return self._presence(left, token)
        text = self._tested(left.text, token, right)
        if left.element:
            return self._in_element(left, token, right)
        absent = " or ".join(f"{path} missing" for path in dict.fromkeys((*left.paths, *right.paths)) if path not in _ALWAYS_THERE)
        return Atom(text, f"({absent} or not ({text}))" if absent else f"not ({text})")

    def _of_trace(self, left: Value, token: Token, right: Value) -> OfTrace:
        if left.sort != "trace" or right.sort not in {"constant", "enum"}:
            raise NotMapped(left.token.offset, "a value of the trace is compared with constants only")
        if token.text in {"=~", "!~"}:
            raise NotMapped(token.offset, "a value of the trace has no pattern to match")
        return OfTrace(f"{left.text} {COMPARISONS[token.text]} {right.text}")

    def _presence(self, left: Value, token: Token) -> Atom:
        if token.text not in {"=", "!="}:
            raise NotMapped(token.offset, "`nil` is compared with `=` and `!=` only")
        if not left.paths or len(left.paths) > 1 or left.text != left.paths[0]:
            raise NotMapped(left.token.offset, "only an attribute is there or not")
        is_there = token.text == "!="
        if left.element:
            text, opposite = f"{left.element}({left.text} exists)", f"not {left.element}({left.text} exists)"
        else:
            text, opposite = f"{left.text} exists", f"{left.text} missing"
        return Atom(text, opposite) if is_there else Atom(opposite, text)

    def _in_element(self, left: Value, token: Token, right: Value) -> Atom:
        """Return a test of some event or link; `!=` and `!~` ask that none of them has the value, though one has the attribute."""
        positive = {"!=": "=", "!~": "=~"}.get(token.text)
        if positive is None:
            text = f"{left.element}({self._tested(left.text, token, right)})"
            return Atom(text, f"not {text}")
        held = f"{left.element}({self._tested(left.text, Token('sign', positive, token.offset), right)})"
        there = f"{left.element}({left.paths[0]} exists)"
        return Atom(f"({there} and not {held})", f"(not {there} or {held})")

    def _tested(self, left: str, token: Token, right: Value) -> str:
        if token.text in COMPARISONS:
            text = on_the_right(right.text) if right.paths == (right.text,) else right.text
            if text is None:
                raise NotMapped(right.token.offset, "an attribute of such a name cannot stand right of a comparison")
            return f"{left} {COMPARISONS[token.text]} {text}"
        if right.token.kind != "string":
            raise NotMapped(right.token.offset, "a pattern is a string")
        return f"{left} {'not ' if token.text == '!~' else ''}matches {quoted(anchored(unquoted(right.token)))}"

    # ---- operands -------------------------------------------------------------------------------------------------------------------

    def operand(self) -> Value:
        """Read a value with arithmetic."""
        found = self._product()
        while (token := self.tokens.accept("+", "-")) is not None:
            found = _calculated(found, token, self._product())
        return found

    def _product(self) -> Value:
        found = self._signed()
        while (token := self.tokens.accept("*", "/", "%", "^")) is not None:
            if token.text in {"%", "^"}:
                raise NotMapped(token.offset, f"there is no `{token.text}`")
            found = _calculated(found, token, self._signed())
        return found

    def _signed(self) -> Value:
        with self.tokens.deeper():
            token = self.tokens.accept("-")
            if token is None:
                return self.primary()
            value = self._signed()
            if value.sort not in {"constant", "attribute"} or value.element:
                raise NotMapped(token.offset, "only numbers and durations have a sign")
            return Value(f"-{value.text}", value.sort, token, "", value.paths)

    def primary(self) -> Value:
        """Read a constant, an attribute, an intrinsic or something in parentheses."""
        token = self.tokens.peek()
        if self.tokens.accept("("):
            with self.tokens.deeper():
                inner = self.operand()
            self.tokens.expect(")")
            return Value(f"({inner.text})", inner.sort, token, inner.element, inner.paths)
        match token.kind:
            case "string":
                return Value(quoted(unquoted(self.tokens.take())), "constant", token)
            case "number":
                return Value(self.tokens.take().text, "constant", token)
            case "duration":
                return Value(duration(self.tokens.take()), "constant", token)
            case "attribute":
                return _attribute(self.tokens.take())
            case "intrinsic":
                return _intrinsic(self.tokens.take(), token.text)
            case "word":
                return _word(self.tokens.take())
        return self.tokens.fail("an attribute or a value")


@dataclass(frozen=True, slots=True)
class _Joined:
    """Conditions joined by `&&` or `||`."""

    is_and: bool
    sides: tuple[_Parsed, ...]


_Parsed: TypeAlias = "Condition | OfTrace | _Joined"
_TRUE = Atom("true", "false")


def _of_span(parsed: _Parsed, start: Token) -> Condition:
    """Return a condition of the span alone."""
    if isinstance(parsed, OfTrace):
        raise NotMapped(start.offset, f"`{parsed.text}` is of the trace: beside what is asked of the span it stands with `&&` alone")
    if not isinstance(parsed, _Joined):
        return parsed
    sides = [_of_span(side, start) for side in parsed.sides]
    if _TRUE in sides and not parsed.is_and:
        raise NotMapped(start.offset, "beside `true` the other conditions are idle")
    sides = [side for side in sides if side != _TRUE] or [_TRUE]
    return both(sides) if parsed.is_and else either(sides)


def _calculated(left: Value, token: Token, right: Value) -> Value:
    for side in (left, right):
        if side.sort not in {"constant", "attribute"} or side.element or side.token.kind == "string":
            raise NotMapped(side.token.offset, "arithmetic is of numbers and durations of the span")
    sort = "attribute" if "attribute" in {left.sort, right.sort} else "constant"
    return Value(f"{left.text} {token.text} {right.text}", sort, left.token, "", (*left.paths, *right.paths))


def _attribute(token: Token) -> Value:
    scope, _, key = token.text.partition(".")
    if scope == "parent":
        raise NotMapped(token.offset, "`parent.` has no equivalent in a condition on one span; write `{ } > { }`")
    key = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda found: _ESCAPE.sub(r"\1", found[1]), key)
    if scope in _ELEMENTS:
        path = attribute(key)
        return Value(path, "attribute", token, scope, (path,))
    path = attribute(key, _SCOPES[scope])
    return Value(path, "attribute", token, "", (path,))


def _intrinsic(token: Token, name: str) -> Value:
    if name not in _INTRINSICS:
        raise NotMapped(token.offset, f"`{token.text}` has no equivalent")
    scope = name.partition(":")[0]
    if scope == "trace":
        return Value(intrinsic(name), "trace", token)
    return Value(intrinsic(name), "attribute", token, scope if scope in _ELEMENTS else "", (intrinsic(name),))


def _word(token: Token) -> Value:
    if token.text in _OLD_NAMES:
        return _intrinsic(token, _OLD_NAMES[token.text])
    if token.text in STATUSES | KINDS:
        return Value(token.text, "enum", token)
    if token.text in {"true", "false"}:
        return Value(token.text, "bool", token)
    if token.text == "nil":
        return Value("nil", "nil", token)
    return _unknown(token)


def _unknown(token: Token) -> NoReturn:
    raise NotMapped(token.offset, f"`{token.text}` has no equivalent; attributes begin with a dot or a scope")


def unquoted(token: Token) -> str:
    """Return what a string says: in backticks as it stands, else with its escapes resolved."""
    inner = token.text[1:-1]
    return inner if token.text[0] == "`" else _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), inner)


def duration(token: Token) -> str:
    """Return a duration, which may have several parts (1h30m)."""
    total = 0
    for part in _DURATION_PART.findall(token.text):
        if part.endswith("d"):
            total += round(float(part[:-1]) * _DAY_NS)
            continue
        found = read_duration(part.replace("µ", "u"))
        if isinstance(found, Malformed):
            raise NotMapped(token.offset, found.message)
        total += found.ns
    return duration_of(total)


def anchored(pattern: str) -> str:
    """Return a pattern that has to match all of a text."""
    flag = "(?i)" if pattern.startswith("(?i)") else ""
    return f"{flag}^(?:{pattern.removeprefix(flag)})$"
