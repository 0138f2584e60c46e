"""Reads the fields of a mapping in a rule file: each of one shape, what does not have it is reported where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.diagnostics import Code, Diagnostic
from compiler.near_names import did_you_mean
from compiler.yaml_nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Sequence as Several

    from compiler.rule_file_keys import Key
    from compiler.source import Region

_HINTED_MAX = 100
_SHOWN_MAX = 40


def shown(text: str) -> str:
    """Return a text as a message quotes it: at most 40 code points of one line."""
    line = text.split("\n", 1)[0]
    return line if line == text and len(text) <= _SHOWN_MAX else f"{line[:_SHOWN_MAX]}…"


class Findings:
    """Collects diagnostics; near names are looked for in the first 100 only, since that is slow."""

    def __init__(self) -> None:
        self.all: list[Diagnostic] = []

    def add(self, code: Code, region: Region, message: str, hint: str = "") -> None:
        """Collect one diagnostic."""
        self.all.append(Diagnostic(code, region, message, hint))

    def bad(self, node: Node, message: str, hint: str = "") -> None:
        """Collect a `bad-value` of a node."""
        self.add(Code.BAD_VALUE, node.region, message, hint)

    def near(self, word: str, known: Several[str]) -> str:
        """Return a hint that names the nearest of the known words."""
        return did_you_mean(word, known) if len(self.all) < _HINTED_MAX else ""

    def choice(self, node: Node, what: str, known: Several[str], repairs: dict[str, str] | None = None) -> str | None:
        """Return the text of a node that is one of the known words, else report it; `repairs` are hints for words that are not."""
        if isinstance(node, Scalar) and node.text in known:
            return node.text
        word = node.text if isinstance(node, Scalar) else ""
        hint = (repairs or {}).get(word) or self.near(word, known)
        self.bad(node, f"{what} is one of {', '.join(known)}", hint)
        return None

    def text(self, node: Node, what: str) -> Scalar | None:
        """Return a node that is a text, else report it."""
        if isinstance(node, Scalar) and node.value is not None:
            return node
        self.bad(node, f"{what} is a text", 'an empty text is written ""' if isinstance(node, Scalar) else "")
        return None

    def mapping(self, node: Node, what: str) -> Mapping | None:
        """Return a node that is a mapping, else report it."""
        if isinstance(node, Mapping):
            return node
        self.bad(node, f"{what} is a mapping of keys to values")
        return None

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        """Return the items of a node that is a list, else report it."""
        if isinstance(node, Sequence):
            return node.items
        hint = f"[{shown(node.text)}]" if isinstance(node, Scalar) and node.text else ""
        self.bad(node, f"{what} is a list", hint)
        return ()

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        """Return the texts of a list of texts, and report what is none; an item is not empty."""
        found = []
        for item in self.items(node, what):
            text = self.text(item, f"an item of {what}")
            if text is not None and not text.text:
                self.bad(item, f"an item of {what} is not empty")
            elif text is not None:
                found.append(text.text)
        return tuple(found)


class Fields:
    """The fields of one mapping; keys that are not known are reported at once, with the nearest known key."""

    def __init__(self, mapping: Mapping, known: Several[str], findings: Findings, what: str) -> None:
        self.mapping = mapping
        self.findings = findings
        self.what = what
        self._nodes = {key.text: (key, node) for key, node in mapping.entries}
        for key, _ in mapping.entries:
            if key.text not in known:
                findings.add(Code.UNKNOWN_KEY, key.region, f"{what} has no key `{shown(key.text)}`", findings.near(key.text, known))

    def get(self, key: str) -> Node | None:
        """Return the value of a key; None where it is absent."""
        return self._nodes[key][1] if key in self._nodes else None

    def only(self, *aliases: str) -> Node | None:
        """Return the value of the one of several keys of one meaning that is there; a second one is a `duplicate-key`."""
        there = [alias for alias in self._nodes if alias in aliases]
        for alias in there[1:]:
            message = f"`{alias}` says the same as `{there[0]}`"
            self.findings.add(Code.DUPLICATE_KEY, self._nodes[alias][0].region, message, "keep one of them")
        return self._nodes[there[0]][1] if there else None

    def missing(self, key: str) -> None:
        """Report that a key has to be there."""
        self.findings.add(Code.MISSING_KEY, self.mapping.region, f"{self.what} needs the key `{key}`")

    def text(self, key: str, default: str = "") -> str:
        """Return a text."""
        return self._read(key, default, lambda node: _text_of(self.findings.text(node, f"`{key}`")))

    def required_text(self, key: str) -> Scalar | None:
        """Return a text that has to be there, as the scalar it is."""
        node = self.get(key)
        if node is None:
            self.missing(key)
            return None
        return self.findings.text(node, f"`{key}`")

    def texts(self, *aliases: str) -> tuple[str, ...]:
        """Return a list of texts."""
        node = self.only(*aliases)
        return () if node is None else self.findings.texts(node, f"`{aliases[0]}`")

    def choice(self, key: Key) -> str:
        """Return one of the words of a key."""
        return self._read(key.name, str(key.default), lambda node: self.findings.choice(node, f"`{key.name}`", key.choices))

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        node = self.get(key)
        if node is None:
            return default
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.findings.bad(node, f"`{key}` is true or false")
        return default

    def entries(self, key: str) -> Iterator[tuple[Scalar, Node]]:
        """Walk the entries of a mapping."""
        node = self.get(key)
        mapping = None if node is None else self.findings.mapping(node, f"`{key}`")
        yield from mapping.entries if mapping else ()

    def mappings(self, key: str, what: str) -> Iterator[Mapping]:
        """Walk the mappings of a list of mappings, and report the items that are none."""
        node = self.get(key)
        for item in () if node is None else self.findings.items(node, f"`{key}`"):
            mapping = self.findings.mapping(item, what)
            if mapping is not None:
                yield mapping

    def _read(self, key: str, default: str, read: Callable[[Node], str | None]) -> str:
        node = self.get(key)
        value = None if node is None else read(node)
        return default if value is None else value


def _text_of(scalar: Scalar | None) -> str | None:
    return None if scalar is None else scalar.text
