"""Conditions that can never be true, or always are: only where it is certain for every trace, so that no warning is wrong."""

from __future__ import annotations

from compiler import ir
from compiler.ir_walk import walk
from compiler.shared_subjects import share_a_subject
from compiler.tableau import Node, Tableau, base_facts
from compiler.value_tests import FALSE, NOT_TRUE, TRUE
from compiler.values import Truth


def constant_truth(node: Node, tableau: Tableau) -> Truth:
    """Return True where a condition always is true, False where it never is, None where it depends on the trace, or may.

    Conditions inside of it were looked at before: nothing is said that already follows from one of them.
    """
    match node:
        case ir.And():
            return False if share_a_subject(node) and tableau.contradict([(node, TRUE)]) else None
        case ir.Or():
            return True if share_a_subject(node) and tableau.contradict([(node, NOT_TRUE)]) else None
        case ir.AllOf(selector=ir.Selector(where=None), predicate=predicate) if not _reads_base(predicate):
            return None
        case ir.AllOf():
            return True if tableau.contradict([(node, FALSE)]) else None
        case ir.Not(body=ir.Exists() | ir.In() as body):
            # `missing` and `not in` are one word.
            return False if _hangs_on_more(body) and tableau.contradict([(body, FALSE)]) else None
        case ir.Selected(related=ir.Related(selector=ir.Selector(base=ir.AnySpan() | ir.Bound(), where=None), links=())):
            return True
        case ir.Not() | ir.Selected():
            return None
        case _ if _hangs_on_more(node):
            return False if tableau.contradict([(node, TRUE)]) else True if tableau.contradict([(node, NOT_TRUE)]) else None
        case _:
            return None


def _hangs_on_more(test: ir.SpanTest | ir.TraceTest) -> bool:
    """Say whether a test alone could be decided: an attribute may be anything, and a constant it is held against too."""
    match test:
        case ir.Compare(left=left, right=right):
            return not isinstance(left, ir.Attribute) or left == right
        case ir.In(value=ir.Attribute(), items=items):
            return not items
        case ir.Matches(value=value) | ir.TextTest(value=value) | ir.Exists(value=value) | ir.IsTrue(value=value):
            return not isinstance(value, ir.Attribute)
        case _:
            return True


def _reads_base(predicate: ir.Predicate) -> bool:
    """Say whether a predicate asks for what the base of a selector may say: the name, the parent."""
    return any(isinstance(node, ir.Intrinsic) and node.name in {"span:name", "span:parentID"} for node in walk(predicate))


def selects_nothing(selector: ir.Selector, tableau: Tableau) -> bool:
    """Say whether no span of the base can meet the conditions of a selector together."""
    if selector.where is None:
        return False
    facts = [*base_facts(selector.base), (selector.where, TRUE)]
    return share_a_subject(*(node for node, _ in facts)) and tableau.contradict(facts)
