"""Conditions on one span in the older dialects of BeTrace: what stands in `where( )`, and the fields `span.…`."""

from __future__ import annotations

import re

from compiler.foreign.condition_reader import connected, negated
from compiler.foreign.conditions import Atom, Condition, attribute, intrinsic, on_the_right
from compiler.foreign.drafts import Notes
from compiler.foreign.text_reader import NotMapped, Token, TokenReader
from compiler.ir_text import quoted

ORDER = ("<", "<=", ">", ">=")
COMPARISONS = ("==", "!=", *ORDER)
STATUSES = {"OK": "ok", "ERROR": "error", "UNSET": "unset"}
_ESCAPE = re.compile(r'\\([ntr"\\])')
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_NOTHING = frozenset({"null", "nil", "NULL", "None", "undefined"})
_FIELDS = {
    "status": "span:status",
    "name": "span:name",
    "operation_name": "span:name",
    "duration": "span:duration",
    "span_id": "span:id",
    "service_name": "service.name",
}
_BUILT_IN = {"duration": "span:duration", "duration_ms": "span:duration", "status": "span:status", "kind": "span:kind"}
ABSENT = "where the attribute is absent, the original took this for true; here the span is not selected"


class WhereReader:
    """Reads conditions on one span; `is_live` in the dialect of clauses, whose evaluator is known to have differed from its text."""

    def __init__(self, tokens: TokenReader, notes: Notes, *, is_live: bool) -> None:
        self.tokens = tokens
        self.notes = notes
        self.is_live = is_live

    def differs(self, token: Token, message: str) -> None:
        """Note that the original's evaluator did not do what its text says."""
        if self.is_live:
            self.notes.add(token.offset, message)

    # ---- connectives ----------------------------------------------------------------------------------------------------------------

    def condition(self, *, of_span: bool = False) -> Condition:
        """Read a condition on attributes, or on the fields `span.…`."""
        return connected(self.tokens, lambda: self._negation(of_span=of_span), lambda _token: None)

    def _negation(self, *, of_span: bool) -> Condition:
        test = self.field if of_span else self._attribute
        return negated(self.tokens, lambda: self.condition(of_span=of_span), test, self._not_alike)

    def _not_alike(self, token: Token) -> None:
        self.differs(token, f"under `not`, {ABSENT}")

    # ---- attributes -----------------------------------------------------------------------------------------------------------------

    def _attribute(self) -> Condition:
        token = self.tokens.peek()
        if self.tokens.sees("count", "("):
            raise NotMapped(token.offset, "`count` speaks of the trace and cannot stand in `where`; put it beside with `and`")
        key, is_dotted = self._key()
        if not self._is_test():
            if is_dotted:
                raise NotMapped(token.offset, f"`{key}` alone may be a span or an attribute; write `{key} == true` for the attribute")
            return Atom(attribute(key))
        if is_dotted:
            self.differs(token, f"the original refused the dotted attribute `{key}` without quotes")
        return self.attribute_test(key)

    def attribute_test(self, key: str) -> Condition:
        """Read what is asked of an attribute, and note where it has the name of something that OpenTelemetry records by itself."""
        if key in _BUILT_IN:
            self.notes.add(
                self.tokens.peek().offset,
                f"`{key}` is read as an attribute of the span; what OpenTelemetry itself records is `{_BUILT_IN[key]}`",
            )
        return self.test(attribute(key))

    def _key(self) -> tuple[str, bool]:
        token = self.tokens.peek()
        if token.kind == "string":
            return self.string(self.tokens.take()), False
        name = self.dotted("an attribute")
        return name, "." in name

    def dotted(self, what: str) -> str:
        """Read a dotted name."""
        if self.tokens.peek().kind != "word":
            self.tokens.fail(what)
        parts = [self.tokens.take().text]
        while (
            self.tokens.sees(".")
            and self.tokens.peek(1).kind == "word"
            and not (self.tokens.peek(1).text == "where" and self.tokens.peek(2).text == "(")
        ):
            self.tokens.take()
            parts.append(self.tokens.take().text)
        return ".".join(parts)

    def _is_test(self) -> bool:
        token = self.tokens.peek()
        return token.kind != "string" and token.text in {*COMPARISONS, "in", "matches", "contains", "not"}

    def test(self, path: str) -> Condition:
        """Read what is asked of an attribute, from the comparison on."""
        negation = self.tokens.accept("not")
        token = self.tokens.take()
        if token.text == "in":
            return Atom(f"{path} {'not ' if negation else ''}in [{self._items()}]")
        if negation is not None:
            raise NotMapped(negation.offset, "only `in` can follow `not` here")
        if token.text in {"matches", "contains"}:
            return Atom(f"{path} {token.text} {self._text_of(token)}")
        if token.text not in COMPARISONS or token.kind == "string":
            self.tokens.at -= 1
            self.tokens.fail("a comparison")
        if token.text in {"!=", "<", "<="}:
            self.differs(token, f"at `{token.text}`, {ABSENT}")
        return Atom(f"{path} {token.text} {self._value(token.text)}")

    def _text_of(self, word: Token) -> str:
        token = self.tokens.peek()
        if token.kind == "word" and word.text == "contains":
            return quoted(self.tokens.take().text)
        if token.kind != "string":
            self.tokens.fail("a string")
        return quoted(self.string(self.tokens.take()))

    def _items(self) -> str:
        self.tokens.expect("[")
        items: list[str] = []
        while not self.tokens.accept("]"):
            if items:
                self.tokens.expect(",")
            token = self.tokens.peek()
            if token.kind != "word" or token.text in {"true", "false"}:
                self.differs(token, "in lists the original took names only; quoted items never matched, others were refused")
            items.append(self._value("=="))
        return ", ".join(items)

    def _value(self, comparison: str) -> str:
        token = self.tokens.peek()
        if token.kind == "duration":
            raise NotMapped(token.offset, "an attribute is never a duration; how long a span took is `span:duration`")
        if token.kind == "string":
            return quoted(self.string(self.tokens.take()))
        if token.kind == "number" or (token.text == "-" and self.tokens.peek(1).kind == "number"):
            return self.number()
        if token.kind != "word":
            self.tokens.fail("a value")
        if token.text in _NOTHING:
            raise NotMapped(token.offset, f"`{token.text}` is no value; an attribute that is absent is `missing`")
        name = self.dotted("a value")
        if name in {"true", "false"}:
            if name == "false":
                self.differs(token, "the original read `false` as `true`; here it is false")
            return name
        if "." in name or comparison in ORDER:
            self.differs(
                token, f"the original compared with the text `{name}` or refused it; here it is the attribute `{name}` of the span"
            )
            path = on_the_right(attribute(name))
            if path is None:
                raise NotMapped(token.offset, f"an attribute named `{name}` cannot stand right of a comparison")
            return path if "." in name else name
        return quoted(name)

    def number(self) -> str:
        """Read a number with its sign."""
        sign = self.tokens.accept("-")
        if self.tokens.peek().kind != "number":
            self.tokens.fail("a number")
        token = self.tokens.take()
        if sign is not None or "e" in token.text.lower():
            self.differs(token, "the original had no negative numbers and no exponents")
        return f"{'-' if sign else ''}{token.text}"

    def string(self, token: Token) -> str:
        """Return what a string says: its escapes resolved as its documents teach, which the live dialect did not."""
        inner = token.text[1:-1]
        if not self.is_live:
            return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), inner)
        if "\\" in inner:
            self.differs(token, r"the original had no escapes, its documents have; here `\\` is one backslash, any other stays as it is")
        return inner.replace("\\\\", "\\")

    # ---- fields of the oldest dialect -----------------------------------------------------------------------------------------------

    def field(self) -> Condition:
        """Read a test of a field `span.…`."""
        start = self.tokens.expect("span")
        self.tokens.expect(".")
        name = self.tokens.peek()
        if self.tokens.accept("attributes"):
            return self._field_attribute()
        if name.text not in _FIELDS:
            known = ", ".join([*_FIELDS, "attributes"])
            raise NotMapped(name.offset, f"there is no field `span.{name.text}`; known are {known}")
        self.tokens.take()
        if name.text == "status":
            return self._status()
        if name.text == "duration":
            return self._duration()
        if not self._is_test():
            raise NotMapped(start.offset, f"`span.{name.text}` alone asks nothing")
        return self.test(attribute("service.name", "resource") if name.text == "service_name" else intrinsic(_FIELDS[name.text]))

    def _field_attribute(self) -> Condition:
        if self.tokens.accept("["):
            if self.tokens.peek().kind != "string":
                self.tokens.fail("the name of an attribute in quotes")
            key = self.string(self.tokens.take())
            self.tokens.expect("]")
        else:
            self.tokens.expect(".")
            key = self.dotted("the name of an attribute")
        path = attribute(key, "span")
        return self.test(path) if self._is_test() else Atom(path)

    def _status(self) -> Condition:
        comparison = self.tokens.accept("==", "!=") or self.tokens.fail("`==` or `!=`")
        token = self.tokens.take()
        word = token.text.strip('"').upper()
        if word not in STATUSES:
            raise NotMapped(token.offset, f"`{token.text}` is no status; there are {', '.join(STATUSES)}")
        return Atom(f"{intrinsic('span:status')} {comparison.text} {STATUSES[word]}")

    def _duration(self) -> Condition:
        comparison = self.tokens.accept(*COMPARISONS) or self.tokens.fail("a comparison")
        token = self.tokens.take()
        if token.kind != "duration":
            raise NotMapped(token.offset, "the unit of `span.duration` was ns in one evaluator and ms in another; write one: 500ms")
        return Atom(f"{intrinsic('span:duration')} {comparison.text} {token.text}")
