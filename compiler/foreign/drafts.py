"""What an import makes of each piece of a foreign file: a draft of a rule, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler.foreign.conditions import Condition, condition_text
from compiler.foreign.text_reader import NotMapped
from compiler.source import Region, SourceFile
from compiler.yaml_nodes import Document, Node

VIOLATION, INVARIANT = POLARITIES = ("violation", "invariant")
SIZE_MAX_BYTES = 1024 * 1024

Locate: TypeAlias = Callable[[int], Region]


class UnreadableError(Exception):
    """A file in which nothing could be read: where, and a sentence."""

    def __init__(self, place: Region | str, message: str) -> None:
        super().__init__(f"{place}: {message}")


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be said of a piece of a file: of a rule what it does not say, or why there is no rule."""

    region: Region
    message: str

    def __str__(self) -> str:
        return f"{self.region}: {self.message}"


@dataclass(slots=True)
class Notes:
    """Collects what is to be said of one rule, each sentence once."""

    locate: Locate
    all: list[Note] = field(default_factory=list)

    def add(self, offset: int, message: str) -> None:
        """Say something of a place in the text."""
        if all(note.message != message for note in self.all):
            self.all.append(Note(self.locate(offset), message))


@dataclass(frozen=True, slots=True)
class ExampleTest:
    """A trace, in the test notation, of which the original says that it violates the rule."""

    name: str
    trace: str


@dataclass(frozen=True, slots=True)
class Excuse:
    """An exception of a rule."""

    name: str
    when: str
    reason: str


@dataclass(slots=True)
class Draft:
    """A rule as it will be written; `original` is the text that it comes from, `region` where that stands."""

    region: Region
    original: str
    rule: str
    name: str
    rule_id: str = ""
    description: str = ""
    severity: str = "medium"
    enabled: bool = True
    is_shadow: bool = False
    tags: Sequence[str] = ()
    controls: Sequence[str] = ()
    tests: Sequence[ExampleTest] = ()
    excuses: Sequence[Excuse] = ()
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class Refusal:
    """A piece of a file that became no rule, and why."""

    region: Region
    original: str
    what: str
    notes: list[Note]


@dataclass(slots=True)
class Aside:
    """A piece of a file that needs no rule of its own: what it says is said elsewhere, or is not about which traces are meant."""

    region: Region
    original: str
    what: str
    notes: list[Note]


Item: TypeAlias = "Draft | Aside | Refusal"


def refusal(problem: NotMapped, locate: Locate, original: str, what: str, offset: int = 0) -> Refusal:
    """Return the refusal of a piece of a file that begins at an offset."""
    return Refusal(locate(offset), original, what, [Note(locate(problem.offset), problem.message)])


def selection_rule(condition: Condition, polarity: str) -> str:
    """Return the rule of a condition that picks traces: such that are violations, or, as an invariant, all that are none."""
    clause = "never " if polarity == VIOLATION else "always"
    return f"{clause} {{ {condition_text(condition)} }}"


def source_text(node: Node) -> str:
    """Return a piece of YAML as it was written, without its indentation."""
    margin = " " * (node.document.region(node.start, node.start + 1).column - 1)
    return node.document.text[node.start : node.end].replace(f"\n{margin}", "\n").rstrip()


def document_of(source: SourceFile) -> Document:
    """Return a file as text that knows its places; raises UnreadableError where it is too large or no text."""
    if len(source.content) > SIZE_MAX_BYTES:
        raise UnreadableError(source.name, f"the file has {len(source.content)} bytes; the most is {SIZE_MAX_BYTES}")
    try:
        text = source.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(source.name, f"byte {error.start} is no UTF-8") from error
    return Document(source.name, text)
