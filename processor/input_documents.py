"""One input stream cut into documents: lines, documents over several lines, or one protobuf message; never all of it in memory.

The first bytes tell text from protobuf. Text is JSON lines, or JSON documents printed over several lines; a line that cannot be JSON is a
document of its own, for the decoder to refuse, and the next line starts afresh.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from topics.json_text import read_json
from topics.refusal import RefusalReason, RefusedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from topics.otlp import Format

_HEAD_SIZE = 64
_BUFFER_SIZE = 128 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_TEXT_SHARE_MIN = 0.9

_JSON_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:[{\[]\s*(?:["{}\[\]]|\Z)|\Z)')
# A protobuf request begins with a line feed, too, and a length that can be an open brace.
_JSON_HEAD_AFTER_LINE_FEED = re.compile(rb'\s*(?:\{\s*"[A-Za-z]|\Z)')
_CONTROL = re.compile(rb"[^\t\r\n\x20-\x7e]")
_ITEM_START = re.compile(rb'\{\s*"(?:resourceSpans|partition|seq)"')
_CONTINUATION = re.compile(rb'\s*(?:["{}\[\],:0-9-]|true|false|null|\Z)')
_ESCAPE = re.compile(rb"\\.", re.DOTALL)


class Document(NamedTuple):
    """The bytes of one document; JSON may also be a line of a capture."""

    format: Format
    value: bytes


Cut: TypeAlias = "Document | RefusalReason"


class ByteSource(io.RawIOBase):
    """A stream of some bytes already read and the rest; counts what it has taken of the rest."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self.taken = 0
        self._head = head
        self._read = read

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer as far as one read of what is behind it goes."""
        room = memoryview(buffer).cast("B")
        if self._head:
            some, self._head = self._head[: len(room)], self._head[len(room) :]
        else:
            some = self._read(len(room))
            self.taken += len(some)
        room[: len(some)] = some
        return len(some)

    def buffered(self) -> io.BufferedReader:
        """Return the stream to read lines from."""
        return io.BufferedReader(self, _BUFFER_SIZE)


def read_documents(source: ByteSource, size_max: int) -> Iterator[Cut]:
    """Yield the documents of a stream, and a reason for each that is over the size; undoes gzip.

    Raises what reading raises: OSError, and EOFError or zlib.error of a damaged gzip.
    """
    stream = source.buffered()
    head, stream = _ahead(stream, len(_GZIP_MAGIC))
    if head == _GZIP_MAGIC:
        stream = ByteSource(b"", gzip.GzipFile(fileobj=stream, mode="rb").read1).buffered()
    head, stream = _ahead(stream, _HEAD_SIZE)
    if _is_text(head):
        return _texts(stream, size_max)
    return _message(stream, size_max)


def _ahead(stream: io.BufferedReader, size: int) -> tuple[bytes, io.BufferedReader]:
    head = stream.read(size)
    return head, ByteSource(head, stream.read1).buffered()


def _is_text(head: bytes) -> bool:
    """Say whether a stream that begins so is JSON or was meant to be; a damaged first line must not cost the lines behind it."""
    if head.startswith(b"\n"):
        return bool(_JSON_HEAD_AFTER_LINE_FEED.match(head)) or not _CONTROL.search(head)
    return bool(_JSON_HEAD.match(head)) or len(_CONTROL.findall(head)) <= len(head) * (1 - _TEXT_SHARE_MIN)


def _message(stream: io.BufferedReader, size_max: int) -> Iterator[Cut]:
    value = stream.read(size_max + 1)
    yield RefusalReason.TOO_LARGE if len(value) > size_max else Document("protobuf", value)


def _lines(stream: io.BufferedReader, size_max: int) -> Iterator[bytes | None]:
    """Yield the lines; None for one over the size, which is passed over piece by piece."""
    while line := stream.readline(size_max + 1):
        if len(line) <= size_max or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_BUFFER_SIZE)
        yield None


def _texts(stream: io.BufferedReader, size_max: int) -> Iterator[Cut]:
    printed = _Printed(size_max)
    for line in _lines(stream, size_max):
        if line is None:
            yield from printed.end()
            yield RefusalReason.TOO_LARGE
        elif printed.goes_on_with(line):
            yield from printed.add(line)
        else:
            yield from printed.end()
            if _is_whole(line):
                yield Document("json", line)
            elif not line.isspace():
                yield from printed.add(line)
    yield from printed.end()


def _is_whole(line: bytes) -> bool:
    """Say whether a line is a document, sound or not; else it may be the first line of one that is printed over several."""
    text = line.strip()
    if not text.startswith((b"{", b"[")):
        return bool(text)
    if text.endswith(b"}") and text.count(b"{") == text.count(b"}"):
        return True
    if _ESCAPE.sub(b"", text).count(b'"') % 2:  # cut inside a string, which no next line can end
        return True
    try:
        read_json(text)
    except RefusedError as refused:
        return refused.reason is not RefusalReason.TRUNCATED
    return True


class _Printed:
    """A document over several lines, as far as it is read. One over the size is passed over up to its end, and refused once."""

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        self.text = bytearray()
        self.open = 0
        self.over = False

    def goes_on_with(self, line: bytes) -> bool:
        """Say whether a document has begun and the line can be part of it."""
        return bool(self.text or self.over) and not _ITEM_START.match(line) and bool(_CONTINUATION.match(line))

    def add(self, line: bytes) -> Iterator[Cut]:
        """Take the line; yield the document where that was its last."""
        self.open += line.count(b"{") - line.count(b"}")
        if not self.over:
            self.text += line
        if len(self.text) > self.size_max:
            self.over = True
            self.text.clear()
        if line.startswith(b"}") and self.open <= 0:
            yield from self.end()

    def end(self) -> Iterator[Cut]:
        """Yield the document, complete or not, where one has begun."""
        if self.over:
            yield RefusalReason.TOO_LARGE
        elif self.text:
            yield Document("json", bytes(self.text))
        self.text.clear()
        self.open = 0
        self.over = False
