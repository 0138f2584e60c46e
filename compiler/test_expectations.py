"""Rule files with other expectations in their tests; nothing else in them changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from compiler.ir_text import quoted
from compiler.literals import Malformed, read_duration
from compiler.source import Region, SourceFile
from compiler.yaml_nodes import Mapping as YamlMapping
from compiler.yaml_nodes import Node, Scalar, Sequence
from compiler.yaml_reader import read_yaml


class Expectation(NamedTuple):
    """What a test is to expect: a verdict's word, or words by moment in nanoseconds; and where it names offenders, which."""

    expect: str | Mapping[int, str]
    offenders: tuple[str, ...]


class _Edit(NamedTuple):
    """A piece of the text, from index to index, and what is to stand there."""

    start: int
    end: int
    text: str


def with_expectations(source: SourceFile, wanted: Mapping[Region, Expectation]) -> tuple[SourceFile, set[Region]]:
    """Return a rule file in which the tests at these regions expect what is wanted, and which of them are not written so in it."""
    root, _ = read_yaml(source)
    edits: list[_Edit] = []
    left = set(wanted)
    for test in _tests(root):
        name = test.get("name")
        region = test.region if name is None else name.region
        if region in left and (found := list(_edits(test, wanted[region]))):
            edits += found
            left.remove(region)
    text = source.content.decode("utf-8-sig")
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return SourceFile(source.name, text.encode()), left


def _tests(root: Node | None) -> Iterator[YamlMapping]:
    for rule in _items(root, "rules"):
        yield from _items(rule, "tests")


def _items(node: Node | None, key: str) -> Iterator[YamlMapping]:
    listed = node.get(key) if isinstance(node, YamlMapping) else None
    yield from (item for item in (listed.items if isinstance(listed, Sequence) else ()) if isinstance(item, YamlMapping))


def _edits(test: YamlMapping, wanted: Expectation) -> Iterator[_Edit]:
    expect, offenders = test.get("expect"), test.get("offenders")
    if isinstance(expect, Scalar) and isinstance(wanted.expect, str):
        yield _Edit(expect.start, expect.end, wanted.expect)
    elif isinstance(expect, YamlMapping) and not isinstance(wanted.expect, str):
        yield from _moments(expect, wanted.expect)
    if isinstance(offenders, Sequence):
        is_flow = offenders.document.text[offenders.start] == "["
        # A list in lines ends, for YAML, where the next thing begins.
        end = offenders.end if is_flow else offenders.items[-1].end
        yield _Edit(offenders.start, end, f"[{', '.join(map(quoted, wanted.offenders))}]")


def _moments(expect: YamlMapping, wanted: Mapping[int, str]) -> Iterator[_Edit]:
    for key, word in expect.entries:
        moment = read_duration(key.text)
        if isinstance(word, Scalar) and not isinstance(moment, Malformed) and moment.ns in wanted:
            yield _Edit(word.start, word.end, wanted[moment.ns])
