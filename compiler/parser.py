"""Rule text → syntax tree. The only file that knows lark.

Spelling is rules.lark's; this file turns its tree into ours, refuses what a grammar cannot (reserved words, escapes, numbers beyond
int64) and puts lark's complaints into words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Any, TypeVar, cast

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.visitors import Transformer_NonRecursive

from compiler import syntax as s
from compiler.diagnostics import Code
from compiler.literals import Malformed, read_duration, read_number, read_string
from compiler.mends import mend_for
from compiler.nesting import NESTING_MAX, too_deep
from compiler.spelling import describe, reserved_at
from compiler.unit_reductions import drop_unit_reductions

RULE_SIZE_MAX_BYTES = 64 * 1024
_SHOWN_MAX = 40

Numeric = TypeVar("Numeric", s.Number, s.DurationText)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a rule's text: a diagnostic whose place is still a range of offsets."""

    code: Code
    at: s.At
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The tree (None where there is none) and every problem."""

    tree: s.Rule | s.BareCondition | None
    problems: tuple[Problem, ...] = ()


def parse_rule(text: str) -> Parsed:
    """Parse the text of one rule; never raises."""
    return _parse(text, "start")


def parse_selector(text: str) -> tuple[s.Selector | s.Related | None, tuple[Problem, ...]]:
    """Parse a selector that stands alone, as in the `let` of a rule file."""
    return _parse_part(text, "selector")


def parse_formula(text: str) -> tuple[s.Expr | None, tuple[Problem, ...]]:
    """Parse a formula that stands alone, as in the `when` of an exception."""
    return _parse_part(text, "expr")


def words_after(text: str, start: str = "start") -> frozenset[str]:
    """Return the names of the terminals with which a text could go on; none where it is wrong before its end. Never raises.

    `start` is `start`, `selector` or `expr`: a rule, a selector or a formula that stands alone.
    """
    if len(text) > RULE_SIZE_MAX_BYTES or too_deep(text) is not None:
        return frozenset()
    parser = rule_parser().parse_interactive(text, start=start)
    try:
        parser.exhaust_lexer()
    except UnexpectedInput:
        return frozenset()
    return frozenset(parser.accepts())  # type: ignore[no-untyped-call]  # lark types its parser, but not this


@cache
def rule_parser() -> Lark:
    """Return lark's parser of rules, selectors and formulas."""
    grammar = FilePath(__file__).with_name("rules.lark").read_text(encoding="utf-8")
    lark = Lark(grammar, parser="lalr", start=["start", "selector", "expr"], tree_class=Placed)
    # No other way leads to the table and to what makes the trees.
    parser: Any = lark.parser
    parser = parser.parser.parser
    parser.callbacks.update({rule: _placing(callback) for rule, callback in parser.callbacks.items()})
    drop_unit_reductions(parser.parse_table.states, parser.callbacks)
    return lark


class Placed(Tree[Any]):
    """A tree that knows, as a token does, the offsets in the text at which it begins and ends."""

    start_pos = end_pos = 0


def _placing(callback: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    """Return what gives the tree of a reduction its place: what lark does if it is asked to, which finds lines and columns too, is slow."""

    def placed(parts: list[Any]) -> object:
        if not parts:
            return callback(parts)
        start, end = parts[0].start_pos, parts[-1].end_pos
        made = callback(parts)
        made.start_pos, made.end_pos = start, end
        return made

    return placed


def _parse_part(text: str, start: str) -> tuple[Any, tuple[Problem, ...]]:
    parsed = _parse(text, start)
    return parsed.tree, parsed.problems


def _parse(text: str, start: str) -> Parsed:
    if len(text.encode("utf-8", "surrogatepass")) > RULE_SIZE_MAX_BYTES:
        message = f"a rule has at most {RULE_SIZE_MAX_BYTES} bytes"
        return Parsed(None, (Problem(Code.TOO_LARGE, (0, 1), message, "split it into several rules"),))
    offset = too_deep(text)
    if offset is not None:
        message = f"nested deeper than {NESTING_MAX} levels"
        return Parsed(None, (Problem(Code.TOO_DEEP, (offset, offset + 1), message, "name parts with let"),))
    builder = _Builder()
    try:
        tree = builder.transform(rule_parser().parse(text, start=start))
    except UnexpectedInput as error:
        return Parsed(None, (_syntax_problem(error, text),))
    return Parsed(None if builder.problems else tree, tuple(builder.problems))


def _syntax_problem(error: UnexpectedInput, text: str) -> Problem:
    at, found = _unexpected(error, text)
    expected = _expected(error)
    mend = None if found is None else mend_for(text, at, expected)
    if mend is not None and mend.message:
        return Problem(Code.SYNTAX, mend.at, mend.message, mend.hint)
    if mend is not None and found is not None:
        at, found = mend.at, max(found, text[mend.at[0] : mend.at[1]], key=len)
    shown = "the end of the text" if found is None else f"`{found[:_SHOWN_MAX]}`"
    return Problem(Code.SYNTAX, at, f"unexpected {shown}; expected {describe(expected)}", "" if mend is None else mend.hint)


def _unexpected(error: UnexpectedInput, text: str) -> tuple[s.At, str | None]:
    """Return where the parser stopped, and at what; None at the end of the text."""
    if isinstance(error, UnexpectedCharacters):
        offset = cast("int", error.pos_in_stream)
        found = reserved_at(text, offset) or text[offset]
        return (offset, offset + len(found)), found
    assert isinstance(error, UnexpectedToken)  # LALR(1) stops at a character or at a token, also at the end
    token = error.token
    if token.type != "$END":
        return (token.start_pos or 0, token.end_pos or 1), str(token)
    last = max(0, len(text.rstrip()) - 1)
    return (last, last + 1), None


def _expected(error: UnexpectedInput) -> frozenset[str]:
    """Return the names of the terminals with which the text could have gone on: those of the lexer are more than the parser takes."""
    return frozenset(error.interactive_parser.accepts())  # type: ignore[no-untyped-call]  # lark types its parser, but not this


class _Builder(Transformer_NonRecursive):  # type: ignore[type-arg]  # lark's own generic is of no use here
    """One method per alternative of rules.lark, in its order."""

    def __init__(self) -> None:
        super().__init__(visit_tokens=False)
        self.problems: list[Problem] = []

    def _call_userfunc(self, tree: Tree[Any], new_children: list[Any] | None = None) -> Any:  # noqa: ANN401 - a method's own kind
        """Call the method of a tree with its place and parts."""
        assert isinstance(tree, Placed)
        return getattr(self, str(tree.data))((tree.start_pos, tree.end_pos), tree.children if new_children is None else new_children)

    def _refuse(self, at: s.At, problem: Malformed) -> None:
        start = at[0] + problem.offset
        end = start + problem.length if problem.length else max(start + 1, at[1])
        self.problems.append(Problem(problem.code, (start, end), problem.message, problem.hint))

    # statements

    def rule(self, at: s.At, parts: list[Any]) -> s.Rule:
        lets = tuple(part for part in parts if isinstance(part, s.Let))
        heads = [part for part in parts if isinstance(part, s.When | s.ForEach)]
        return s.Rule(at, lets, heads[0] if heads else None, tuple(part for part in parts if isinstance(part, s.Clause)))

    def bare_condition(self, at: s.At, parts: list[Any]) -> s.BareCondition:
        return s.BareCondition(at, tuple(parts[:-1]), parts[-1])

    def let(self, at: s.At, parts: list[Any]) -> s.Let:
        return s.Let(at, _name(parts[0]), parts[1])

    def when(self, at: s.At, parts: list[Any]) -> s.When:
        return s.When(at, parts[0])

    def for_each(self, at: s.At, parts: list[Any]) -> s.ForEach:
        return s.ForEach(at, parts[0], _name(parts[1]), parts[2] if parts[2:] else None)

    def clause(self, at: s.At, parts: list[Any]) -> s.Clause:
        return s.Clause(at, str(parts[0]), parts[1])

    def block(self, _at: s.At, parts: list[Any]) -> s.Expr:
        body: s.Expr = parts[0]
        return body

    # connectives and tests

    def implies(self, at: s.At, parts: list[Any]) -> s.Implies:
        return s.Implies(at, *parts)

    def or_(self, at: s.At, parts: list[Any]) -> s.Or:
        return s.Or(at, tuple(parts))

    def and_(self, at: s.At, parts: list[Any]) -> s.And:
        return s.And(at, tuple(parts))

    def not_(self, at: s.At, parts: list[Any]) -> s.Not:
        return s.Not(at, parts[0])

    def compare(self, at: s.At, parts: list[Any]) -> s.Compare:
        return s.Compare(at, parts[0], str(parts[1]), parts[2])

    def quantified(self, at: s.At, parts: list[Any]) -> s.Compare:
        return s.Compare(at, parts[1], str(parts[2]), parts[3], quantifier=str(parts[0]))

    def in_(self, at: s.At, parts: list[Any]) -> s.In:
        return s.In(at, parts[0], parts[1], negated=False)

    def not_in(self, at: s.At, parts: list[Any]) -> s.In:
        return s.In(at, parts[0], parts[1], negated=True)

    def word(self, at: s.At, parts: list[Any]) -> s.TextTest:
        return s.TextTest(at, parts[0], str(parts[1]), parts[2], negated=False)

    def not_word(self, at: s.At, parts: list[Any]) -> s.TextTest:
        return s.TextTest(at, parts[0], str(parts[1]), parts[2], negated=True)

    def presence(self, at: s.At, parts: list[Any]) -> s.Presence:
        return s.Presence(at, parts[0], str(parts[1]))

    # operands

    def arithmetic(self, at: s.At, parts: list[Any]) -> s.Arithmetic:
        return s.Arithmetic(at, parts[0], tuple((str(parts[i]), parts[i + 1]) for i in range(1, len(parts), 2)))

    def negate(self, at: s.At, parts: list[Any]) -> s.Expr:
        operand: s.Expr = parts[1]
        # `-5` is a literal, kept exact; `--5` and `-(5)` are arithmetic.
        if isinstance(operand, s.Number | s.DurationText) and not operand.text.startswith("-"):
            self.problems = [problem for problem in self.problems if problem.at != operand.at]
            return self._negative(at, parts)
        return s.Negate(at, operand)

    def number(self, at: s.At, parts: list[Any]) -> s.Number:
        return self._checked(s.Number(at, str(parts[0])))

    def duration(self, at: s.At, parts: list[Any]) -> s.DurationText:
        return self._checked(s.DurationText(at, str(parts[0])))

    def _negative(self, at: s.At, parts: list[Any]) -> s.Number | s.DurationText:
        literal: s.Number | s.DurationText | Token = parts[1]
        text = "-" + (str(literal) if isinstance(literal, Token) else literal.text)
        return self._checked(s.DurationText(at, text)) if text[-1].isalpha() else self._checked(s.Number(at, text))

    negative_number = negative_duration = _negative

    def _checked(self, literal: Numeric) -> Numeric:
        text = literal.text
        value = read_duration(text) if text[-1].isalpha() else read_number(text)
        if isinstance(value, Malformed):
            self._refuse(literal.at, value)
        return literal

    def bool(self, at: s.At, parts: list[Any]) -> s.Bool:
        return s.Bool(at, parts[0] == "true")

    def group(self, at: s.At, parts: list[Any]) -> s.Group:
        return s.Group(at, parts[0])

    def aggregate(self, at: s.At, parts: list[Any]) -> s.Aggregate:
        return s.Aggregate(at, str(parts[0]), parts[1], tuple(parts[2:]))

    def call(self, at: s.At, parts: list[Any]) -> s.Call:
        return s.Call(at, str(parts[0]), parts[1])

    def element(self, at: s.At, parts: list[Any]) -> s.Element:
        return s.Element(at, str(parts[0]), parts[1])

    # selections

    def related(self, at: s.At, parts: list[Any]) -> s.Related:
        return s.Related(at, parts[0], tuple(parts[1:]))

    def relation(self, at: s.At, parts: list[Any]) -> s.Relation:
        on = [part for part in parts[2:] if isinstance(part, tuple)]
        within = [part for part in parts[2:] if isinstance(part, s.DurationText)]
        word = " ".join(str(parts[0]).split())
        return s.Relation(at, word, parts[1], on[0] if on else (), within[0] if within else None)

    def on(self, _at: s.At, parts: list[Any]) -> tuple[s.Path, ...]:
        return tuple(parts)

    def within(self, at: s.At, parts: list[Any]) -> s.DurationText:
        return self.duration(at, parts)

    def selector(self, at: s.At, parts: list[Any]) -> s.Selector:
        key = self._key(parts[-1]) if isinstance(parts[-1], Token) else None
        return s.Selector(at, parts[0], tuple(part for part in parts[1:] if isinstance(part, s.Method)), key)

    def method(self, at: s.At, parts: list[Any]) -> s.Method:
        token: Token = parts[0]
        word = token.strip().lstrip(".").strip()
        end = token.end_pos or 0
        return s.Method((end - len(word), at[1]), word, parts[1])

    def path(self, at: s.At, parts: list[Any]) -> s.Path:
        return s.Path(at, parts[0], self._key(parts[1]) if len(parts) > 1 else None)

    # names

    def path_name(self, _at: s.At, parts: list[Any]) -> s.Name:
        return _name(parts[0])

    list_name = path_name

    def intrinsic_name(self, _at: s.At, parts: list[Any]) -> s.IntrinsicName:
        token: Token = parts[0]
        return _intrinsic(str(token), (token.start_pos or 0, token.end_pos or 0))

    def string_name(self, _at: s.At, parts: list[Any]) -> s.Quoted:
        token: Token = parts[0]
        return self._string(str(token), (token.start_pos or 0, token.end_pos or 0))

    def _string(self, text: str, at: s.At) -> s.Quoted:
        value = read_string(text)
        if isinstance(value, Malformed):
            self._refuse(at, value)
            value = ""
        return s.Quoted(at, value)

    def _key(self, token: Token) -> s.Word:
        text, at = token[1:], ((token.start_pos or 0) + 1, token.end_pos or 0)
        if text[0] in '"`':
            return self._string(text, at)
        return _intrinsic(text, at) if ":" in text else s.Name(at, text)

    # lists

    def list(self, at: s.At, parts: Sequence[Any]) -> s.ListText:
        return s.ListText(at, tuple(parts))

    def literal_name(self, _at: s.At, parts: Sequence[Any]) -> s.Word:
        word: s.Word = parts[0]
        return word


def _name(token: Token) -> s.Name:
    return s.Name((token.start_pos or 0, token.end_pos or 0), str(token))


def _intrinsic(text: str, at: s.At) -> s.IntrinsicName:
    colon = text.index(":")
    dot = text.rfind(".", 0, colon)
    return s.IntrinsicName(at, text[:dot] if dot >= 0 else "", text[dot + 1 :])
