"""What lowering knows while it walks a rule: names in force, where text stands, what was found on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler import ir
from compiler import syntax as s
from compiler.diagnostics import Code, Diagnostic
from compiler.source import Region
from compiler.spelling import RESERVED
from compiler.tableau import Tableau

Locate: TypeAlias = Callable[[int, int], Region]
CONSTANT_HINT = "look at its bounds and constants: one of them is not what was meant"
LetValue: TypeAlias = "ir.Selector | tuple[ir.Literal, ...]"


@dataclass(slots=True)
class Let:
    """What a name stands for, and whether it was used; None where its own text was wrong. `rests_on` are the lets its own text names."""

    value: LetValue | None
    region: Region
    rests_on: tuple[Let, ...] = ()
    used: bool = False

    def use(self) -> None:
        """Note that a rule uses the name, and with it those that it rests on."""
        pending = [self]
        while pending:
            let = pending.pop()
            if not let.used:
                let.used = True
                pending.extend(let.rests_on)


@dataclass(slots=True)
class NameUses:
    """How names were used in a rule: for warnings, each with its first place; of `lets` every use with its place.

    `split` are span names cut from a path, with the key.
    """

    as_string: dict[str, s.At] = field(default_factory=dict)
    as_attribute: dict[str, s.At] = field(default_factory=dict)
    as_truth: dict[str, s.At] = field(default_factory=dict)
    as_span: dict[str, s.At] = field(default_factory=dict)
    as_formula: dict[str, s.At] = field(default_factory=dict)
    in_direct_comparison: set[str] = field(default_factory=set)
    as_selector: set[str] = field(default_factory=set)
    split: dict[str, tuple[str, s.At]] = field(default_factory=dict)
    lets: list[tuple[str, s.At]] = field(default_factory=list)


@dataclass(slots=True)
class Context:
    """The state of lowering one text.

    `bound` is the name that `for each` bound where it can be used; `not_bound` the same name where it cannot (in its own head and in
    `let`); `clashing` is it where the name of spans begins so there, which was reported. `element` is `event` or `link` inside of one,
    `looked_at` the name whose spans a `where` looks at. `named_by_let` are the lets that the text of a let names, None outside of one.
    `constants` are the places of conditions that were found to be constant.
    """

    text: str
    locate: Locate
    lets: dict[str, Let]
    diagnostics: list[Diagnostic]
    bound: str | None = None
    not_bound: str | None = None
    clashing: str | None = None
    element: str = ""
    looked_at: str = ""
    uses: NameUses = field(default_factory=NameUses)
    named_by_let: list[Let] | None = None
    constants: list[s.At] = field(default_factory=list)
    tableau: Tableau = field(default_factory=Tableau)

    def region(self, at: s.At) -> Region:
        """Return the place of a range of offsets in the file."""
        return self.locate(at[0], at[1] - at[0])

    def report(self, code: Code, at: s.At, message: str, hint: str = "") -> None:
        """Keep a diagnostic."""
        self.diagnostics.append(Diagnostic(code, self.region(at), message, hint))

    def use(self, name: str, at: s.At) -> Let | None:
        """Return what a name stands for, used at a place by the rule or by a let that may itself not be used; None where it is no let."""
        let = self.lets.get(name)
        if let is not None:
            self.uses.lets.append((name, at))
            if self.named_by_let is None:
                let.use()
            else:
                self.named_by_let.append(let)
        return let

    def report_constant(self, at: s.At, truth: bool, hint: str = CONSTANT_HINT) -> None:  # noqa: FBT001  # the truth it always has
        """Keep that a condition is constant, unless that follows from a condition inside of it."""
        if self.has_constant(at):
            return
        self.constants.append(at)
        code, word = (Code.ALWAYS_TRUE, "always") if truth else (Code.NEVER_TRUE, "never")
        self.report(code, at, f"`{self.written(at)}` is {word} true", hint)

    def has_constant(self, at: s.At) -> bool:
        """Say whether a condition at a place, or inside of it, was found to be constant."""
        return any(at[0] <= start and end <= at[1] for start, end in self.constants)

    def written(self, at: s.At) -> str:
        """Return what stands at a place, on one line."""
        shown = ""
        for line in self.text[at[0] : at[1]].splitlines():
            words = " ".join(line.split())
            is_close = not shown or not words or shown[-1] in "([" or words[0] in ")]"
            shown += words if is_close else f" {words}"
        return shown

    def is_base(self, name: str) -> bool:
        """Say whether a first segment names spans by itself, so that the rest is a path: `span`, `root`, a let, the bound name."""
        return name in {"span", "root"} or name in self.lets or name == self.bound

    def check_bound_span(self, name: str, at: s.At) -> bool:
        """Refuse, once, the name of spans that begins with the bound name, before that is bound."""
        first = name.partition(".")[0]
        if first != self.not_bound:
            return True
        if self.clashing is None:
            also = f"begins the span name `{name}`" if name != first else "names spans"
            hint = f"call it something else, e.g. `as {self._free_name(first)}`"
            self.report(Code.NAME_NOT_BOUND, at, f"`{first}` is the bound name and also {also}", hint)
        self.clashing = first
        return False

    def _free_name(self, name: str) -> str:
        """Return a short name that the rule does not use."""
        taken = {*re.findall(r"[A-Za-z_][A-Za-z0-9_]*", self.text), *RESERVED, *self.lets}
        beginnings = (name[:length].lower() for length in range(1, len(name)))
        return next((short for short in beginnings if short not in taken), f"{name}_1")

    def check_bound(self, name: str, at: s.At) -> bool:
        """Refuse the bound name where it cannot be used."""
        if name == self.not_bound:
            hint = "a bound name is known in `when`, `always` and `never` of its rule"
            self.report(Code.NAME_NOT_BOUND, at, f"`{name}` is not bound here", hint)
        return name != self.not_bound
