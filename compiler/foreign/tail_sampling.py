"""Policies of the Collector's tail sampling processor: each says which traces are interesting → rules of this language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from compiler.foreign.conditions import Atom, Condition, Not, attribute, both, condition_text, either
from compiler.foreign.drafts import (
    VIOLATION,
    Aside,
    Draft,
    Excuse,
    Item,
    Note,
    Notes,
    UnreadableError,
    document_of,
    refusal,
    selection_rule,
    source_text,
)
from compiler.foreign.ottl_text import read_ottl
from compiler.foreign.text_reader import NotMapped
from compiler.ir_text import duration_of, quoted
from compiler.rule_file_fields import shown
from compiler.yaml_nodes import Document, Mapping, Node, Scalar, Sequence
from compiler.yaml_reader import read_yaml

if TYPE_CHECKING:
    from compiler.source import SourceFile

_MILLISECOND_NS = 10**6
_PROCESSOR = "tail_sampling"
_HOW_MANY = frozenset({"always_sample", "probabilistic", "rate_limiting", "bytes_limiting"})
_STATUSES = {"OK": "ok", "ERROR": "error", "UNSET": "unset"}


class _HowMany(NotMapped):
    """A policy that says how many traces are kept, not which."""


def tail_sampling_items(source: SourceFile, polarity: str) -> Iterator[Item]:
    """Walk the policies of a file: a whole configuration, the processor's part of it, or a list of policies.

    What a policy drops is an exception of each rule. Raises UnreadableError where there are no policies.
    """
    document = document_of(source)
    root, diagnostics = read_yaml(source)
    if root is None or diagnostics:
        found = diagnostics[0] if diagnostics else None
        raise UnreadableError(found.region if found else source.name, found.message if found else "the file says nothing")
    policies = list(_policies(root))
    if not policies:
        raise UnreadableError(root.region, f"there are no policies: neither `processors.{_PROCESSOR}.policies` nor a list of them")
    read = [_Policy(node, document) for node in policies]
    excuses = [policy.excuse for policy in read if policy.excuse is not None]
    yield from (item for policy in read if (item := policy.item(polarity, excuses)) is not None)


def _policies(root: Node) -> Iterator[Node]:
    if isinstance(root, Sequence):
        yield from root.items
    elif isinstance(root, Mapping):
        for key, node in root.entries:
            if key.text == "policies" and isinstance(node, Sequence):
                yield from node.items
            elif key.text == "processors" or key.text.partition("/")[0] == _PROCESSOR:
                yield from _policies(node)


class _Policy:
    """One policy at the top: a rule, an exception to all rules, or nothing."""

    def __init__(self, node: Node, document: Document) -> None:
        self.node = node
        self.document = document
        self.notes = Notes(lambda offset: document.region(offset, offset + 1))
        self.name = _text(node, "name") or "without a name"
        self.type = _text(node, "type")
        self.condition: Condition | None = None
        self.problem: NotMapped | None = None
        self.excuse: Excuse | None = None
        try:
            self.condition = _Reader(self.notes).policy(node)
        except NotMapped as problem:
            self.problem = problem
        if self.type == "drop" and self.condition is not None:
            reason = f"the policy {self.name} of the tail sampling processor drops such traces"
            self.excuse = Excuse(self.name, condition_text(self.condition), reason)

    def item(self, polarity: str, excuses: list[Excuse]) -> Item | None:
        what = f"policy `{shown(self.name)}` ({shown(self.type)})"
        original = source_text(self.node)
        if isinstance(self.problem, _HowMany):
            said = Note(self.notes.locate(self.problem.offset), f"{self.problem.message}: no rule")
            return Aside(self.node.region, original, what, [said])
        if self.problem is not None:
            return refusal(self.problem, self.notes.locate, original, what, self.node.start)
        assert self.condition is not None
        if self.excuse is not None:
            self.notes.add(self.node.start, "it says which traces are of no interest: an exception of each rule")
            return Aside(self.node.region, original, what, self.notes.all)
        for excuse in excuses:
            self.notes.add(self.node.start, f"what the policy `{shown(excuse.name)}` drops is excused")
        meaning = "each such trace is" if polarity == VIOLATION else "each trace that is not such is"
        description = (
            f"Imported from the policy {self.name} ({self.type}) of the tail sampling processor, which keeps the traces that are such: "
            f"{meaning} a violation, counted and not alerted (mode: shadow)."
        )
        return Draft(
            region=self.node.region,
            original=original,
            rule=selection_rule(self.condition, polarity),
            name=self.name,
            description=description,
            is_shadow=True,
            excuses=excuses,
            notes=self.notes.all,
        )


class _Reader:
    """Reads policies as conditions on a trace; NotMapped has the place in the file."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self._kinds: dict[str, Callable[[Mapping], Condition]] = {
            "latency": _latency,
            "numeric_attribute": _numeric,
            "string_attribute": _string,
            "boolean_attribute": _boolean,
            "status_code": _status,
            "span_count": _span_count,
            "ottl_condition": self._ottl,
            "and": lambda of: self._all(_sub_policies(of, "and_sub_policy")),
            "drop": lambda of: self._all(_sub_policies(of, "drop_sub_policy")),
            "not": lambda of: Not(self._nested(_need(of, "not_sub_policy"))),
            "composite": self._composite,
        }

    def policy(self, node: Node) -> Condition:
        """Return which traces a policy is interested in."""
        if not isinstance(node, Mapping):
            raise NotMapped(node.start, "a policy is a mapping with `name` and `type`")
        kind = _text(node, "type")
        if kind in _HOW_MANY:
            raise _HowMany(node.start, f"`{kind}` says how many traces are kept, not which")
        if kind not in self._kinds:
            raise NotMapped(node.start, f"`{shown(kind)}` has no equivalent" if kind else "it has no `type`")
        of = _need(node, kind)
        if not isinstance(of, Mapping):
            raise NotMapped(of.start, f"`{kind}` is a mapping")
        return self._kinds[kind](of)

    def _nested(self, node: Node) -> Condition:
        # The YAML reader bounds how deep policies nest.
        return self.policy(node)

    def _all(self, nodes: tuple[Node, ...]) -> Condition:
        return both(self._which(nodes))

    def _which(self, nodes: tuple[Node, ...]) -> list[Condition]:
        """Return those that say which traces; that others say how many is noted, unless there are no others."""
        found: list[Condition] = []
        last: _HowMany | None = None
        for node in nodes:
            try:
                found.append(self._nested(node))
            except _HowMany as problem:
                self.notes.add(problem.offset, f"{problem.message}: left out")
                last = problem
        if not found:
            raise last or NotMapped(0, "it has no policies")
        return found

    def _composite(self, of: Mapping) -> Condition:
        nodes = _sub_policies(of, "composite_sub_policy")
        order = of.get("policy_order")
        if isinstance(order, Sequence):
            wanted = [item.text for item in order.items if isinstance(item, Scalar)]
            nodes = tuple(node for node in nodes if _text(node, "name") in wanted)
        self.notes.add(of.start, "order and rates of a composite policy say how many traces are kept: left out")
        return either(self._which(nodes))

    def _ottl(self, of: Mapping) -> Condition:
        found: list[Condition] = []
        for key in ("span", "spanevent"):
            node = of.get(key)
            for item in node.items if isinstance(node, Sequence) else ():
                if not isinstance(item, Scalar):
                    raise NotMapped(item.start, "a condition is a text")
                found.append(self._ottl_condition(item, is_event=key == "spanevent"))
        if not found:
            raise NotMapped(of.start, "it has no conditions")
        return either(found)

    def _ottl_condition(self, item: Scalar, *, is_event: bool) -> Condition:
        try:
            predicate = condition_text(read_ottl(item.text, is_event=is_event))
        except NotMapped as problem:
            region = item.locate(problem.offset)
            start = item.document.line_starts[region.line - 1] + region.column - 1
            raise NotMapped(start, problem.message) from problem
        return Atom(f"span.where(event({predicate}))" if is_event else f"span.where({predicate})")


# ---- the policies that ask for one thing ------------------------------------------------------------------------------------------------


def _latency(of: Mapping) -> Condition:
    """Milliseconds are whole ones there: longer than 5 means at least 6."""
    least, most = _whole(of, "threshold_ms"), _whole(of, "upper_threshold_ms")
    if not most:
        return Atom(f"trace:duration >= {duration_of((least or 0) * _MILLISECOND_NS)}")
    above, below = ((bound + 1) * _MILLISECOND_NS for bound in (least or 0, most))
    return both([Atom(f"trace:duration >= {duration_of(above)}"), Atom(f"trace:duration < {duration_of(below)}")])


def _span_count(of: Mapping) -> Condition:
    least, most = _whole(of, "min_spans"), _whole(of, "max_spans")
    found = [Atom(f"trace:spanCount >= {least or 0}"), *([Atom(f"trace:spanCount <= {most}")] if most else [])]
    return both(found)


def _numeric(of: Mapping) -> Condition:
    least, most = _whole(of, "min_value"), _whole(of, "max_value")
    if least is None and most is None:
        raise NotMapped(of.start, "it has neither `min_value` nor `max_value`")
    bounds = [(">=", least), ("<=", most)]
    return _anywhere(of, lambda path: " and ".join(f"{path} {sign} {bound}" for sign, bound in bounds if bound is not None))


def _string(of: Mapping) -> Condition:
    values = [value for value in _texts(of, "values") if value]
    if not values:
        raise NotMapped(of.start, "it has no `values`")
    if _flag(of, "enabled_regex_matching"):
        return _anywhere(of, lambda path: " or ".join(f"{path} matches {quoted(value)}" for value in values))
    return _anywhere(of, lambda path: f"{path} in [{', '.join(map(quoted, values))}]")


def _boolean(of: Mapping) -> Condition:
    value = "true" if _flag(of, "value") else "false"
    return _anywhere(of, lambda path: f"{path} == {value}")


def _status(of: Mapping) -> Condition:
    words = _texts(of, "status_codes")
    if not words or any(word not in _STATUSES for word in words):
        raise NotMapped(of.start, f"`status_codes` is a list of {', '.join(_STATUSES)}")
    return Atom(f"span.where({' or '.join(f'span:status == {_STATUSES[word]}' for word in words)})")


def _anywhere(of: Mapping, test: Callable[[str], str]) -> Condition:
    """Return that some span, or the resource of one, has such an attribute; inverted that none has."""
    key = _text(of, "key")
    if not key:
        raise NotMapped(of.start, "it has no `key`")
    found = Atom(f"span.where({' or '.join(test(attribute(key, scope)) for scope in ('span', 'resource'))})")
    return Not(found) if _flag(of, "invert_match") else found


# ---- fields -----------------------------------------------------------------------------------------------------------------------------


def _need(of: Mapping, key: str) -> Node:
    node = of.get(key)
    if node is None:
        raise NotMapped(of.start, f"it has no `{key}`")
    return node


def _sub_policies(of: Mapping, key: str) -> tuple[Node, ...]:
    node = _need(of, key)
    if not isinstance(node, Sequence) or not node.items:
        raise NotMapped(node.start, f"`{key}` is a list of policies")
    return node.items


def _text(node: Node, key: str) -> str:
    found = node.get(key) if isinstance(node, Mapping) else None
    return found.text if isinstance(found, Scalar) else ""


def _texts(of: Mapping, key: str) -> list[str]:
    node = of.get(key)
    return [item.text for item in node.items if isinstance(item, Scalar)] if isinstance(node, Sequence) else []


def _whole(of: Mapping, key: str) -> int | None:
    node = of.get(key)
    if node is None:
        return None
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**62:
        raise NotMapped(node.start, f"`{key}` is a whole number")
    return value


def _flag(of: Mapping, key: str) -> bool:
    node = of.get(key)
    if node is None:
        return False
    if not isinstance(node, Scalar) or not isinstance(node.value, bool):
        raise NotMapped(node.start, f"`{key}` is true or false")
    return node.value
