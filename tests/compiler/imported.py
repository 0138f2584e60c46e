"""What becomes of a piece of another tool's text, and of traces under the rule that it becomes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from compiler import SourceFile, compile_sources
from compiler.foreign.drafts import Draft, Item
from compiler.foreign.rule_writer import RuleIds, compiled, file_text
from processor.rule_tests import run_rule_test


@dataclass(frozen=True)
class Imported:
    """The items of a file, and the rule file that they become."""

    items: list[Item]
    text: str

    @property
    def rules(self) -> list[str]:
        """The texts of the rules."""
        return [item.rule for item in self.items if isinstance(item, Draft)]

    @property
    def notes(self) -> list[str]:
        """What is said, without places."""
        return [note.message for item in self.items for note in item.notes]

    @property
    def places(self) -> list[tuple[int, int]]:
        """Lines and columns of what is said."""
        return [(note.region.line, note.region.column) for item in self.items for note in item.notes]

    def verdicts(self, *traces: str) -> list[object]:
        """What the only rule says of traces in the test notation, by the reference engine."""
        tests = "".join(f"\n      - trace: |\n{textwrap.indent(trace, ' ' * 10)}\n        expect: violated" for trace in traces)
        compilation = compile_sources([SourceFile("imported.yaml", f"{self.text.rstrip()}\n    tests:{tests}\n".encode())])
        assert compilation.rule_set is not None, compilation.diagnostics
        rule = compilation.rule_set.rules[0]
        return [run_rule_test(rule, test).actual for test in rule.tests]


def imported(items_of: Callable[[SourceFile], Iterable[Item]], content: str) -> Imported:
    """Import a file; what it becomes is a rule file without errors, whatever it was."""
    ids = RuleIds()
    items = [compiled(item, ids)[0] for item in items_of(SourceFile("theirs", content.encode()))]
    text = file_text(items, "imported")
    if any(isinstance(item, Draft) for item in items):
        assert compile_sources([SourceFile("imported.yaml", text.encode())]).errors == ()
    return Imported(items, text)
