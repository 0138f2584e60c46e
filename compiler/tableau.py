"""Whether conditions can hold together: a semantic tableau (Smullyan, First-Order Logic, 1968) in three values.

A fact is a condition with the truths that it may have. Connectives are taken apart, an alternative splits the branch, and a branch closes
where its atoms cannot be as they would have to be (compiler/value_facts.py, compiler/trace_facts.py). What closes happens in no trace; of
what stays open nothing is said: the search is bounded, and knows less than the engines do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from compiler import ir
from compiler.bound_span import of_bound_span
from compiler.shared_subjects import share_a_subject
from compiler.trace_facts import Claims, claims_of
from compiler.value_facts import values_contradict
from compiler.value_tests import (
    ANY,
    FALSE,
    KNOWN,
    NOT_FALSE,
    NOT_TRUE,
    SWAPPED,
    TRUE,
    UNKNOWN,
    Atom,
    canonical,
    domain,
)

Node: TypeAlias = "ir.Predicate | ir.Formula"
Fact: TypeAlias = tuple[Node, int]
Split: TypeAlias = "Sequence[Sequence[Fact]]"

STEP_COUNT_MAX = 4_000
_NAME = ir.Intrinsic("span:name")


class Tableau:
    """Judges the facts of one rule, all together in a bounded number of steps; `bound` is the name of its `for each`."""

    def __init__(self, bound: str | None = None, steps: int = STEP_COUNT_MAX) -> None:
        self.bound = bound
        self._steps = steps

    def contradict(self, facts: Sequence[Fact], splits: Iterable[Split] = ()) -> bool:
        """Say whether it is certain that no trace, or no span, has all facts and one alternative of each split."""
        return self._closes({}, list(splits), facts)

    def domain(self, node: Node) -> int:
        """Return the truths that a quantified comparison may have: of no group `some` is false and `every` true."""
        if not isinstance(node, ir.Comparison) or not node.quantifier:
            return domain(node)
        of_one = ir.Comparison("", node.word, node.left, node.right, "")
        possible = sum(truth for truth in (TRUE, FALSE, UNKNOWN) if not self.contradict([(of_one, truth)]))
        return possible | (FALSE if node.quantifier == "some" else TRUE)

    def _closes(self, atoms: dict[Atom, int], splits: list[Split], facts: Sequence[Fact]) -> bool:
        if not self._take(atoms, splits, facts):
            return True
        if self._steps <= 0:
            return False
        if values_contradict(atoms) or self._elements_contradict(atoms):
            return True
        if self._spans_contradict(claims_of(atoms)):
            return True
        if not splits:
            return False
        chosen = splits.pop()
        return all(self._closes(dict(atoms), list(splits), alternative) for alternative in chosen)

    # ---- connectives ----------------------------------------------------------------------------------------------------------------

    def _take(self, atoms: dict[Atom, int], splits: list[Split], facts: Sequence[Fact]) -> bool:
        """Take facts apart; return False where one of them cannot be."""
        pending = list(facts)
        while pending and self._steps > 0:
            self._steps -= 1
            node, mask = pending.pop()
            match node:
                case ir.Not(body=body):
                    pending.append((body, SWAPPED[mask]))
                case ir.And(sides=sides) | ir.Or(sides=sides):
                    # All sides of an `and` are what it is, if it is true or at least not false; of an `or` the other way round.
                    together = (TRUE, NOT_FALSE) if isinstance(node, ir.And) else (FALSE, NOT_TRUE)
                    if mask in together:
                        pending.extend((side, mask) for side in sides)
                    elif mask in {TRUE, FALSE, NOT_FALSE, NOT_TRUE}:
                        splits.append([((side, mask),) for side in sides])
                case ir.Selected(related=ir.Related(selector=ir.Selector(base=ir.Bound(), where=where), links=())):
                    if not self._take_bound(where, None, mask, pending, splits):
                        return False
                case ir.AllOf(selector=ir.Selector(base=ir.Bound(), where=where), predicate=predicate):
                    if not self._take_bound(where, predicate, SWAPPED[mask], pending, splits):
                        return False
                case _ if not self._meet(atoms, node, mask):
                    return False
        return True

    def _meet(self, atoms: dict[Atom, int], node: Node, mask: int) -> bool:
        atom, mask = canonical(node, mask)
        known = atoms.get(atom)
        if known is None:
            known = self.domain(atom)
        if known & mask != ANY:
            atoms[atom] = known & mask
        return bool(known & mask)

    def _take_bound(
        self, where: ir.Predicate | None, predicate: ir.Predicate | None, mask: int, pending: list[Fact], splits: list[Split]
    ) -> bool:
        """Take that the bound span is selected, and the predicate not true of it; or, where the mask says no, that it is not so."""
        facts = [] if where is None else [(self._at_bound(where), TRUE)]
        if predicate is not None:
            facts.append((self._at_bound(predicate), NOT_TRUE))
        mask &= KNOWN
        if mask == TRUE:
            pending.extend(facts)
        elif mask != KNOWN:
            contrary: list[Sequence[Fact]] = [((node, TRUE if truth == NOT_TRUE else NOT_TRUE),) for node, truth in facts]
            if len(contrary) == 1:
                pending.extend(contrary[0])
            elif contrary:
                splits.append(contrary)
            return bool(contrary)
        return True

    def _at_bound(self, predicate: ir.Predicate) -> ir.Predicate:
        return predicate if self.bound is None else of_bound_span(predicate, self.bound)

    def _elements_contradict(self, atoms: dict[Atom, int]) -> bool:
        """Say whether an event or link that there is would have to be one that there is not."""
        found = [(atom, mask) for atom, mask in atoms.items() if isinstance(atom, ir.SomeElement)]
        absent = [(atom.word, atom.predicate) for atom, mask in found if mask == FALSE]
        return any(
            self.contradict([(atom.predicate, TRUE), *((predicate, NOT_TRUE) for word, predicate in absent if word == atom.word)])
            for atom, mask in found
            if mask == TRUE and absent
        )

    # ---- spans ----------------------------------------------------------------------------------------------------------------------

    def _spans_contradict(self, claims: Claims | None) -> bool:
        """Say whether a span that there is would have to be one that there is not."""
        if claims is None:
            return False
        for witness in claims.witnesses:
            splits = [
                _alternatives(witness.selector.base, denied.selector, denied.predicate)
                for denied in claims.denied
                if _may_share(witness.selector.base, denied.selector.base)
            ]
            if (splits or witness.not_true is not None) and self._excludes(witness.selector, witness.not_true, splits):
                return True
        if any(self._entails(there, absent) for absent in claims.absent for there in claims.there):
            return True
        return any(self._entails(more, less, is_whole=True) for more, less in claims.more_than)

    def _excludes(self, selector: ir.Selector, not_true: ir.Predicate | None, splits: Sequence[Split]) -> bool:
        """Say whether no span that is selected (and of which `not_true` is not true) has one alternative of each split."""
        facts = base_facts(selector.base)
        if selector.where is not None:
            facts.append((selector.where, TRUE))
        if not_true is not None:
            facts.append((not_true, NOT_TRUE))
        asked = (node for split in splits for alternative in split for node, _ in alternative)
        return (not all(splits) or share_a_subject(*(node for node, _ in facts), *asked)) and self.contradict(facts, splits)

    def _entails(self, there: ir.Related, absent: ir.Related, *, is_whole: bool = False) -> bool:
        """Say whether spans with these relations are spans with those: of the whole chain, or somewhere in it."""
        chain = [there.selector, *(link.selector for link in there.links)]
        for start in range(1 if is_whole else len(chain)):
            links = there.links[start : start + len(absent.links)]
            if (
                len(links) == len(absent.links)
                and all(_is_as_near(near, far) for near, far in zip(links, absent.links, strict=True))
                and self._is_within(chain[start], absent.selector)
                and all(self._is_within(near.selector, far.selector) for near, far in zip(links, absent.links, strict=True))
            ):
                return True
        return False

    def _is_within(self, inner: ir.Selector, outer: ir.Selector) -> bool:
        """Say whether every span of one selector is one of the other."""
        if inner == outer:
            return True
        if not _may_share(inner.base, outer.base):
            return False
        return self._excludes(inner, None, [_alternatives(inner.base, outer, None)])


def _may_share(one: ir.Base, other: ir.Base) -> bool:
    """Say whether facts about spans of one base say something of the other's: a bound span is looked at by its own name."""
    if isinstance(one, ir.Bound) or isinstance(other, ir.Bound):
        return one == other
    return one == other or not (isinstance(one, ir.Named) and isinstance(other, ir.Named))


def _alternatives(base: ir.Base, selector: ir.Selector, predicate: ir.Predicate | None) -> Split:
    """Return what a span of a base can be if there is none of a kind: of another base, not selected, or with the predicate true."""
    others = [] if selector.base == base else base_facts(selector.base)
    alternatives: list[Sequence[Fact]] = [((node, SWAPPED[mask] | UNKNOWN),) for node, mask in others]
    if selector.where is not None:
        alternatives.append(((selector.where, NOT_TRUE),))
    if predicate is not None:
        alternatives.append(((predicate, TRUE),))
    return alternatives


def base_facts(base: ir.Base) -> list[Fact]:
    """Return what is known of every span of a base."""
    match base:
        case ir.Named(name=name):
            return [(ir.Compare("==", _NAME, ir.Literal(name)), TRUE)]
        case ir.Root():
            return [(ir.Exists(ir.Intrinsic("span:parentID")), FALSE)]
        case _:
            return []


def _is_as_near(near: ir.Link, far: ir.Link) -> bool:
    """Say whether one relation holds wherever the other does, their selectors aside."""
    return (
        near.relation == far.relation
        and set(far.on) <= set(near.on)
        and (far.within_ns is None or (near.within_ns is not None and near.within_ns <= far.within_ns))
    )
