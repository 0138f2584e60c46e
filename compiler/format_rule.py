"""Rule text in its canonical form, printed from the syntax tree (rule-language.md section 2).

A clause a line, brackets only where they say something, long formulas broken at the loosest connective. Numbers, durations and strings
stay as their author wrote them, and so do the names: a quoted one is another tree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial

from compiler import syntax as s
from compiler.format_comments import place_comments
from compiler.layout import LINE, SOFT, SPACE, Doc, Fill, Gap, Group, Nest, Piece, lay_out
from compiler.parser import parse_formula, parse_rule, parse_selector

# How tightly a form binds: an operand that binds less than its place asks for stands in brackets.
_IMPLIES, _OR, _AND, _NOT, _TEST, _SUM, _PRODUCT, _FACTOR, _PRIMARY = range(1, 10)
_PRODUCT_SIGNS = frozenset("*/")
# A raw string that a block scalar of a rule file cannot hold as it stands.
_UNFIT_RAW = re.compile(r"[\n\r\t]")


def format_rule(text: str, width: int) -> list[str]:
    """Return the lines of a rule's text, which has no errors, in at most `width` columns where that can be."""
    tree = parse_rule(text).tree
    assert isinstance(tree, s.Rule)
    printer = _Printer(text)
    statements = printer.rule(tree)
    return lay_out(statements, place_comments(text, printer.pieces), printer.pieces, width)


def format_formula(text: str, width: int) -> list[str]:
    """Return the lines of a formula that stands alone, as in the `when` of an exception."""
    tree, _ = parse_formula(text)
    assert tree is not None
    return _format_alone(text, width, lambda printer: printer.expression(tree))


def format_selector(text: str, width: int) -> list[str]:
    """Return the lines of a selector that stands alone, as in the `let` of a rule file."""
    tree, _ = parse_selector(text)
    assert isinstance(tree, s.Selector)
    return _format_alone(text, width, lambda printer: printer.selector(tree))


def _format_alone(text: str, width: int, show: Callable[[_Printer], Doc]) -> list[str]:
    printer = _Printer(text)
    doc = show(printer)
    return lay_out([doc], place_comments(text, printer.pieces), printer.pieces, width)


def _bare(node: s.Expr) -> s.Expr:
    while isinstance(node, s.Group):
        node = node.body
    return node


def _binding(node: s.Expr) -> int:
    match node:
        case s.Implies():
            return _IMPLIES
        case s.Or():
            return _OR
        case s.And():
            return _AND
        case s.Not():
            return _NOT
        case s.Compare() | s.In() | s.TextTest() | s.Presence():
            return _TEST
        case s.Arithmetic(rest=rest):
            return _PRODUCT if rest[0][0] in _PRODUCT_SIGNS else _SUM
        case s.Negate():
            return _FACTOR
        case s.Number(text=text) | s.DurationText(text=text):
            return _FACTOR if text.startswith("-") else _PRIMARY
        case _:
            return _PRIMARY


class _Printer:
    """Turns nodes into documents; `pieces` are all words of them, in order."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[Piece] = []

    def _piece(self, text: str, source: str = "") -> Piece:
        piece = Piece(text, source or text, len(self.pieces))
        self.pieces.append(piece)
        return piece

    # statements

    def rule(self, tree: s.Rule) -> list[Doc]:
        words = [clause.word for clause in tree.clauses]
        words += ["when"] if isinstance(tree.head, s.When) or (tree.head and tree.head.when) else []
        keyword_width = max(map(len, words))
        name_width = max((len(let.name.text) for let in tree.lets), default=0)
        statements = [self._statement(partial(self._let, let, name_width)) for let in tree.lets]
        if isinstance(tree.head, s.ForEach):
            statements.append(self._statement(partial(self._for_each, tree.head)))
        condition = tree.head.formula if isinstance(tree.head, s.When) else tree.head.when if tree.head else None
        blocks = [("when", condition)] if condition is not None else []
        blocks += [(clause.word, clause.formula) for clause in tree.clauses]
        statements += [self._statement(partial(self._block, word, formula, keyword_width)) for word, formula in blocks]
        return statements

    def _statement(self, show: Callable[[], Doc]) -> Doc:
        first = len(self.pieces)
        doc = show()
        self.pieces[first].begins_statement = True
        return doc

    def _let(self, let: s.Let, name_width: int) -> Doc:
        name = let.name.text
        head = (self._piece("let"), SPACE, self._piece(name), Gap(name_width - len(name) + 1), self._piece("="), SPACE)
        value = self._list(let.value) if isinstance(let.value, s.ListText) else self.selector(let.value)
        return Group((*head, value))

    def _for_each(self, head: s.ForEach) -> Doc:
        words = (self._piece("for"), SPACE, self._piece("each"), SPACE)
        related = self._selection(head.related)
        return Group((*words, related, SPACE, self._piece("as"), SPACE, self._piece(head.name.text)))

    def _block(self, word: str, formula: s.Expr, keyword_width: int) -> Doc:
        head = (self._piece(word), Gap(keyword_width - len(word) + 1), self._piece("{"))
        body = self.expression(formula)
        return Group((*head, Nest((LINE, body)), LINE, self._piece("}")))

    # expressions

    def expression(self, node: s.Expr, least: int = _IMPLIES) -> Doc:
        """Show an expression whose place asks for a binding of at least `least`."""
        node = _bare(node)
        if _binding(node) < least:
            return self._bracketed(node)
        match node:
            case s.Implies() | s.Or() | s.And():
                return self._connective(node)
            case s.Not(body=body):
                return Group((self._piece("not"), SPACE, self.expression(body, _NOT)))
            case s.Compare() | s.In() | s.TextTest() | s.Presence():
                return self._test(node)
            case s.Arithmetic():
                return self._arithmetic(node)
            case s.Negate(operand=operand):
                return Group((self._piece("-"), self._negated(operand)))
            case _:
                return self._primary(node)

    def _bracketed(self, node: s.Expr) -> Doc:
        return self._in_brackets("(", partial(self.expression, node))

    def _in_brackets(self, opening: str, show: Callable[[], Doc]) -> Doc:
        head = self._piece(opening)
        body = show()
        return Group((head, Nest((SOFT, body)), SOFT, self._piece(")")))

    def _negated(self, operand: s.Expr) -> Doc:
        bare = _bare(operand)
        is_literal = isinstance(bare, s.Number | s.DurationText) and not bare.text.startswith("-")
        return self._bracketed(bare) if is_literal else self.expression(bare, _FACTOR)

    def _connective(self, node: s.Implies | s.Or | s.And) -> Doc:
        if isinstance(node, s.Implies):
            word, binding, sides = "implies", _OR, _implication(node)
        else:
            word, binding, sides = ("or", _AND, node.sides) if isinstance(node, s.Or) else ("and", _NOT, node.sides)
        parts: list[Doc] = [self._side(sides[0], binding)]
        for side in sides[1:]:
            parts += [LINE, self._piece(word), SPACE, self._side(side, binding)]
        return Group(tuple(parts))

    def _side(self, node: s.Expr, binding: int) -> Doc:
        """Show a side of a connective; one that is a tighter connective itself has its lines indented."""
        shown = self.expression(node, binding)
        return Nest((shown,)) if binding <= _binding(_bare(node)) < _NOT else shown

    def _test(self, node: s.Compare | s.In | s.TextTest | s.Presence) -> Doc:
        if isinstance(node, s.Presence):
            return Group((self._operand(node.operand), SPACE, self._piece(node.word)))
        if isinstance(node, s.In):
            left = self._operand(node.left)
            negation = (self._piece("not"), SPACE) if node.negated else ()
            word = self._piece("in")
            items = self._list(node.items) if isinstance(node.items, s.ListText) else self._piece(node.items.text)
            return Group((left, SPACE, *negation, word, SPACE, items))
        quantifier = (self._piece(node.quantifier), SPACE) if isinstance(node, s.Compare) and node.quantifier else ()
        left = self._operand(node.left)
        negation = (self._piece("not"), SPACE) if isinstance(node, s.TextTest) and node.negated else ()
        # What ends in a bracket breaks inside of it.
        gap = SPACE if isinstance(left, Group) and isinstance(left.parts[-1], Piece) else LINE
        return Group((*quantifier, left, Nest((gap, *negation, self._piece(node.word), SPACE, self._operand(node.right)))))

    def _operand(self, node: s.Expr) -> Doc:
        # `(USD)` is an attribute where `USD` is a string: of a lone selection the brackets say something.
        if isinstance(node, s.Group) and isinstance(_bare(node), s.Selector):
            return self._bracketed(_bare(node))
        return self.expression(node, _SUM)

    def _arithmetic(self, node: s.Arithmetic) -> Doc:
        binding = _binding(node) + 1
        parts: list[Doc] = [self.expression(node.first, binding)]
        for sign, operand in node.rest:
            parts.append(Nest((LINE, self._piece(sign), SPACE, self.expression(operand, binding))))
        return Group(tuple(parts))

    def _primary(self, node: s.Expr) -> Doc:
        match node:
            case s.Number(text=text) | s.DurationText(text=text):
                return self._piece(text)
            case s.Bool(value=value):
                return self._piece("true" if value else "false")
            case s.Selector() | s.Related():
                return self._selection(node)
            case s.Call(word=word, argument=argument):
                return self._in_brackets(f"{word}(", partial(self.expression, argument, _SUM))
            case s.Element(word=word, predicate=predicate):
                return self._in_brackets(f"{word}(", partial(self.expression, predicate))
            case s.Aggregate():
                return self._in_brackets(f"{node.word}(", partial(self._aggregated, node))
        raise AssertionError(node)

    # selections

    def _aggregated(self, node: s.Aggregate) -> Doc:
        related = self._selection(node.related)
        if not node.by:
            return related
        return Group((related, LINE, self._piece("by"), SPACE, self._paths(node.by)))

    def _selection(self, node: s.Selector | s.Related) -> Doc:
        if isinstance(node, s.Selector):
            return self.selector(node)
        parts: list[Doc] = [self.selector(node.selector)]
        parts += [Nest((LINE, *self._relation(relation))) for relation in node.relations]
        return Group(tuple(parts))

    def _relation(self, node: s.Relation) -> list[Doc]:
        parts: list[Doc] = [self._piece(node.word), SPACE, self.selector(node.selector)]
        if node.on:
            parts += [SPACE, self._piece("on"), SPACE, self._paths(node.on)]
        if node.within is not None:
            parts += [SPACE, self._piece("within"), SPACE, self._piece(node.within.text)]
        return parts

    def selector(self, node: s.Selector) -> Doc:
        """Show a base, its methods and the key behind them."""
        parts: list[Doc] = [self._word(node.base)]
        parts += [self._in_brackets(f".{method.word}(", partial(self.expression, method.argument)) for method in node.methods]
        if node.key is not None:
            parts.append(self._word(node.key, "."))
        return parts[0] if len(parts) == 1 else Group(tuple(parts))

    def _paths(self, paths: tuple[s.Path, ...]) -> Doc:
        return self._listed([partial(self._path, path) for path in paths])

    def _path(self, node: s.Path) -> Doc:
        name = self._word(node.name)
        return name if node.key is None else Group((name, self._word(node.key, ".")))

    # words

    def _list(self, node: s.ListText) -> Doc:
        opening = self._piece("[")
        items = self._listed([partial(self._literal, item) for item in node.items]) if node.items else None
        body = () if items is None else (Nest((SOFT, items)), SOFT)
        return Group((opening, *body, self._piece("]")))

    def _listed(self, shows: list[Callable[[], Doc]]) -> Doc:
        docs: list[Doc] = []
        for number, show in enumerate(shows, 1):
            item = show()
            docs.append(Group((item, self._piece(","))) if number < len(shows) else item)
        return docs[0] if len(docs) == 1 else Fill(tuple(docs))

    def _literal(self, node: s.Literal) -> Doc:
        return self._word(node) if isinstance(node, s.Name | s.Quoted | s.IntrinsicName) else self._primary(node)

    def _word(self, word: s.Word, before: str = "") -> Piece:
        match word:
            case s.Name(text=text):
                return self._piece(before + text)
            case s.IntrinsicName(prefix=prefix, text=text):
                return self._piece(before + (f"{prefix}.{text}" if prefix else text))
            case s.Quoted(text=text):
                written = self.text[word.at[0] : word.at[1]]
                shown = json.dumps(text, ensure_ascii=True) if _UNFIT_RAW.search(written) else written
                return self._piece(before + shown, before + written)


def _implication(node: s.Implies) -> tuple[s.Expr, ...]:
    """Return the sides of a chain of implications, which nest to the right."""
    sides: list[s.Expr] = []
    rest: s.Expr = node
    while isinstance(rest, s.Implies):
        sides.append(rest.left)
        rest = _bare(rest.right)
    return (*sides, rest)
