"""What the atoms of a trace claim: spans that there are, spans that there are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler import ir
from compiler.value_facts import whole_bounds
from compiler.value_tests import FALSE, TRUE, Atom


@dataclass(frozen=True, slots=True)
class Witness:
    """A span that is selected; if `not_true` is given, one of which that is not true."""

    selector: ir.Selector
    not_true: ir.Predicate | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """There is no span that is selected, or if a predicate is given none of which it is not true."""

    selector: ir.Selector
    predicate: ir.Predicate | None = None


@dataclass(slots=True)
class Claims:
    """What there is and what there is not; `there` and `absent` with their relations, `more_than` where one is counted above another."""

    witnesses: list[Witness] = field(default_factory=list)
    denied: list[Denied] = field(default_factory=list)
    there: list[ir.Related] = field(default_factory=list)
    absent: list[ir.Related] = field(default_factory=list)
    more_than: list[tuple[ir.Related, ir.Related]] = field(default_factory=list)

    def is_there(self, related: ir.Related) -> None:
        """Note that a selection has a span, and so has each of its relations."""
        if related.links:
            self.there.append(related)
        self.witnesses.append(Witness(related.selector))
        self.witnesses += [Witness(link.selector) for link in related.links]

    def is_absent(self, related: ir.Related) -> None:
        """Note that a selection has no span."""
        if related.links:
            self.absent.append(related)
        else:
            self.denied.append(Denied(related.selector))


def claims_of(atoms: Mapping[Atom, int]) -> Claims | None:
    """Return what the atoms of a trace claim, None where there are none."""
    if not any(isinstance(atom, ir.Selected | ir.AllOf) or isinstance(getattr(atom, "left", None), ir.Aggregate) for atom in atoms):
        return None
    claims = Claims()
    counts: dict[ir.Related, list[tuple[ir.Compare, int]]] = {}
    for atom, mask in atoms.items():
        if mask not in {TRUE, FALSE}:
            continue
        match atom:
            case ir.Selected(related=related):
                (claims.is_there if mask == TRUE else claims.is_absent)(related)
            case ir.AllOf(selector=selector, predicate=predicate):
                if mask == TRUE:
                    claims.denied.append(Denied(selector, predicate))
                else:
                    claims.witnesses.append(Witness(selector, predicate))
            case ir.Compare(left=ir.Aggregate(word="count", related=related, by=()), right=ir.Literal()):
                counts.setdefault(related, []).append((atom, mask))
    if counts:
        _count(counts, claims)
    if any(isinstance(denied.selector.base, ir.AnySpan) for denied in claims.denied):
        claims.witnesses.append(Witness(ir.Selector(ir.AnySpan())))  # a trace has a span
    return claims if claims.witnesses and (claims.denied or claims.absent or claims.more_than or _has_condition(claims)) else None


def _has_condition(claims: Claims) -> bool:
    return any(witness.not_true is not None for witness in claims.witnesses)


def _count(counts: Mapping[ir.Related, list[tuple[ir.Compare, int]]], claims: Claims) -> None:
    bounds = {related: whole_bounds(0, tests) for related, tests in counts.items()}
    for related, (low, high) in bounds.items():
        if low >= 1:
            claims.is_there(related)
        if high < 1:
            claims.is_absent(related)
    if len(bounds) > 1:
        claims.more_than = [
            (more, less) for more, (low, _) in bounds.items() for less, (_, high) in bounds.items() if low > high and more != less
        ]
