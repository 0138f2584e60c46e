"""A syntax tree as an s-expression: the canonical text of a rule, blind to spacing, comments and redundant brackets."""

from __future__ import annotations

import json

from compiler import syntax as s


def dump(node: s.Node | tuple[s.Path, ...]) -> str:
    """Return the s-expression of a tree: `(and (> (name a.b) 5) …)`.

    `and`, `or` and arithmetic nest to the left as they are evaluated, `implies` to the right.
    """
    match node:
        case tuple():
            return " ".join(dump(path) for path in node)
        case s.Number(text=text) | s.DurationText(text=text):
            return text
        case s.Bool(value=value):
            return "true" if value else "false"
        case s.Name(text=text):
            return f"(name {text})"
        case s.Quoted(text=text):
            return json.dumps(text, ensure_ascii=False)
        case s.IntrinsicName():
            return f"{node.prefix}.{node.text}" if node.prefix else node.text
        case s.Rule() | s.BareCondition() | s.Let() | s.When() | s.ForEach() | s.Clause():
            return _statement(node)
        case s.Selector() | s.Related() | s.Relation() | s.Path() | s.Aggregate():
            return _selection(node)
        case _:
            return _expression(node)


def _list(*parts: str) -> str:
    return f"({' '.join(part for part in parts if part)})"


def _statement(node: s.Node) -> str:
    match node:
        case s.Rule(lets=lets, head=head, clauses=clauses):
            return _list("rule", *map(dump, lets), dump(head) if head else "", *map(dump, clauses))
        case s.BareCondition(lets=lets, condition=condition):
            return _list("bare", *map(dump, lets), dump(condition))
        case s.Let(name=name, value=value):
            return _list("let", name.text, dump(value))
        case s.When(formula=formula):
            return _list("when", dump(formula))
        case s.ForEach(related=related, name=name, when=when):
            return _list("for-each", dump(related), "as", name.text, _list("when", dump(when)) if when else "")
        case s.Clause(word=word, formula=formula):
            return _list(word, dump(formula))
    raise AssertionError(node)


def _selection(node: s.Node) -> str:
    match node:
        case s.Selector(base=base, methods=methods, key=key):
            text = dump(base)
            for method in methods:
                text = _list(method.word, text, dump(method.argument))
            return _list("key", text, _key(key)) if key else text
        case s.Related(selector=selector, relations=relations):
            return _list("related", dump(selector), *map(dump, relations))
        case s.Relation(word=word, selector=selector, on=on, within=within):
            return _list(word, dump(selector), _list("on", dump(on)) if on else "", _list("within", dump(within)) if within else "")
        case s.Path(name=name, key=key):
            return _list("key", dump(name), _key(key)) if key else _key(name)
        case s.Aggregate(word=word, related=related, by=by):
            return _list(word, dump(related), _list("by", dump(by)) if by else "")
    raise AssertionError(node)


def _key(word: s.Word) -> str:
    return word.text if isinstance(word, s.Name) else dump(word)


def _chain(word: str, sides: tuple[s.Expr, ...]) -> str:
    text = dump(sides[0])
    for side in sides[1:]:
        text = _list(word, text, dump(side))
    return text


def _expression(node: s.Node) -> str:
    match node:
        case s.Group(body=body):
            return dump(body)
        case s.Arithmetic(first=first, rest=rest):
            text = dump(first)
            for sign, operand in rest:
                text = _list(sign, text, dump(operand))
            return text
        case s.Negate(operand=operand):
            return _list("neg", dump(operand))
        case s.Compare(left=left, word=word, right=right, quantifier=quantifier):
            test = _list(word, dump(left), _right(word, right))
            return _list(quantifier, test) if quantifier else test
        case s.And(sides=sides):
            return _chain("and", sides)
        case s.Or(sides=sides):
            return _chain("or", sides)
        case s.Implies(left=left, right=right):
            return _list("implies", dump(left), dump(right))
        case s.Not(body=body):
            return _list("not", dump(body))
        case _:
            return _test(node)


def _right(word: str, node: s.Expr) -> str:
    """Return what stands right of a test: `USD` is a string there and `(USD)` an attribute, so those brackets stay."""
    body = node
    while isinstance(body, s.Group):
        body = body.body
    return _list("group", dump(body)) if body is not node and word in s.NAME_IS_STRING and s.lone_name(body) else dump(body)


def _test(node: s.Node) -> str:
    match node:
        case s.Call(word=word, argument=argument):
            return _list(word, dump(argument))
        case s.Element(word=word, predicate=predicate):
            return _list(word, dump(predicate))
        case s.ListText(items=items):
            return _list("list", *map(dump, items))
        case s.In(left=left, items=items, negated=negated):
            return _list("not-in" if negated else "in", dump(left), dump(items))
        case s.TextTest(left=left, word=word, right=right, negated=negated):
            return _list(f"not-{word}" if negated else word, dump(left), _right(word, right))
        case s.Presence(operand=operand, word=word):
            return _list(word, dump(operand))
    raise AssertionError(node)
