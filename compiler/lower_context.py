"""What lowering knows while it walks a rule: names in force, where text stands, what was found on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler import ir
from compiler import syntax as s
from compiler.diagnostics import Code, Diagnostic
from compiler.source import Region

Locate: TypeAlias = Callable[[int, int], Region]
LetValue: TypeAlias = "ir.Selector | tuple[ir.Literal, ...]"


@dataclass(slots=True)
class Let:
    """What a name stands for, and whether it was used; None where its own text was wrong."""

    value: LetValue | None
    region: Region
    used: bool = False


@dataclass(slots=True)
class NameUses:
    """How names were used in a rule: for warnings, each with its first place; of `lets` every use with its place."""

    as_string: dict[str, s.At] = field(default_factory=dict)
    as_attribute: dict[str, s.At] = field(default_factory=dict)
    as_truth: dict[str, s.At] = field(default_factory=dict)
    as_span: dict[str, s.At] = field(default_factory=dict)
    as_formula: dict[str, s.At] = field(default_factory=dict)
    in_direct_comparison: set[str] = field(default_factory=set)
    lets: list[tuple[str, s.At]] = field(default_factory=list)


@dataclass(slots=True)
class Context:
    """The state of lowering one text.

    `bound` is the name that `for each` bound where it can be used; `not_bound` the same name where it cannot (in its own head and in
    `let`). `element` is `event` or `link` inside of one.
    """

    text: str
    locate: Locate
    lets: dict[str, Let]
    diagnostics: list[Diagnostic]
    bound: str | None = None
    not_bound: str | None = None
    element: str = ""
    uses: NameUses = field(default_factory=NameUses)

    def region(self, at: s.At) -> Region:
        """Return the place of a range of offsets in the file."""
        return self.locate(at[0], at[1] - at[0])

    def report(self, code: Code, at: s.At, message: str, hint: str = "") -> None:
        """Keep a diagnostic."""
        self.diagnostics.append(Diagnostic(code, self.region(at), message, hint))

    def use(self, name: str, at: s.At) -> Let | None:
        """Return what a name stands for, marked as used at a place; None where it is no name of a `let`."""
        let = self.lets.get(name)
        if let is not None:
            let.used = True
            self.uses.lets.append((name, at))
        return let

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

    def check_bound(self, name: str, at: s.At) -> bool:
        """Refuse the bound name where it cannot be used."""
        if name == self.not_bound:
            hint = "a bound name is known in `when`, `always` and `never` of its rule; no span name of the rule may begin with it"
            self.report(Code.NAME_NOT_BOUND, at, f"`{name}` is not bound here", hint)
        return name != self.not_bound
