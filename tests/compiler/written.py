"""Texts as a test writes them: read, and compared with the places that are said of them."""

from __future__ import annotations

from compiler.diagnostics import Diagnostic
from compiler.source import Region, SourceFile
from compiler.yaml_reader import Mapping, Node, Scalar, read_yaml

FILE = "rules.yaml"


class PlainText:
    """A text that is a file of its own, so that places are easy to say."""

    def __init__(self, text: str) -> None:
        self.text = text

    def locate(self, offset: int, length: int = 1) -> Region:
        """Return line and column in the text itself; checks that the piece lies in it."""
        assert 0 <= offset <= len(self.text)
        assert length >= 1
        before = self.text[:offset]
        return Region(FILE, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, length)


def source(text: str | bytes) -> SourceFile:
    """Return a rule file of this text."""
    return SourceFile(FILE, text.encode() if isinstance(text, str) else text)


def node_of(text: str) -> Node:
    """Read a text that is right."""
    node, diagnostics = read_yaml(source(text))
    assert diagnostics == []
    assert node is not None
    return node


def scalar_of(text: str, key: str = "k") -> Scalar:
    """Return the scalar under a key of a mapping that is right."""
    node = node_of(text)
    assert isinstance(node, Mapping)
    value = node.get(key)
    assert isinstance(value, Scalar)
    return value


def places(diagnostics: list[Diagnostic] | tuple[Diagnostic, ...]) -> list[str]:
    """Return code, line, column and length of each diagnostic."""
    return [f"{found.code} {found.region.line}:{found.region.column}+{found.region.length}" for found in diagnostics]


def at(text: str, region: Region) -> str:
    """Return what stands in a text at a region."""
    line = text.removeprefix("\ufeff").split("\n")[region.line - 1]
    return line[region.column - 1 : region.column - 1 + region.length]
