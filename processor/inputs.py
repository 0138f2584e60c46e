"""The inputs of a check: files, directories and standard input, read as one stream of records and of what was refused."""

from __future__ import annotations

import io
import re
import stat
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import TypeAlias, cast

from processor.backend_documents import unwrapped
from processor.input_documents import ByteSource, Cut, Document, read_documents
from topics.captures import Headers, read_capture
from topics.otlp import RECORD_SIZE_MAX, Format
from topics.refusal import RefusalReason, RefusedError

STDIN = "-"
STDIN_TOPIC = "stdin"
SKIPPED_SUFFIXES = frozenset({".md", ".rst", ".py", ".sh", ".toml", ".yaml", ".yml"})

_OTLP_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"resourceSpans"')


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One record as it stood on a topic, or one document of a file as if it had.

    A record of a capture keeps partition and offset; a document has partition 0 and its index in the file. The topic is the file's name.
    `position` is how many bytes of all inputs, as they are stored, had been taken when it was read.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ns: int | None
    key: bytes | None
    headers: Headers
    value: bytes
    format: Format
    position: int


@dataclass(frozen=True, slots=True)
class RefusedInput:
    """An item that is no record: a file, line or document, with the reason; `offset` is its index in the file."""

    topic: str
    partition: int
    offset: int
    reason: RefusalReason
    position: int


Input: TypeAlias = InputRecord | RefusedInput


def read_inputs(
    paths: Sequence[str], *, stdin: io.BufferedIOBase | None = None, document_size_max: int = RECORD_SIZE_MAX
) -> Iterator[Input]:
    """Yield the records of all inputs in their order, one at a time; never raises for what the inputs are or hold.

    Each path is a file, `-` for standard input, or a directory: all files below it, sorted by name, but hidden ones and those that belong
    to people (SKIPPED_SUFFIXES). A file holds JSON lines or documents of OTLP, also as Tempo and Jaeger answer them, lines of a capture, or
    one protobuf ExportTraceServiceRequest, gzip'd or not; its form shows from its bytes. A line or document over `document_size_max` bytes
    is refused. A file of a directory is named by its path below that directory.
    """
    reader = _Reader(stdin, document_size_max)
    for path in paths:
        for topic, file in _files(path):
            yield from reader.read(topic, file)


def input_size(paths: Sequence[str]) -> int | None:
    """Return the bytes of all inputs as they are stored, which `position` grows to; None where an input cannot tell."""
    total = 0
    for path in paths:
        for _topic, file in _files(path):
            try:
                found = file.stat() if file is not None else None
            except OSError:  # refused when it is read
                continue
            if found is None or not stat.S_ISREG(found.st_mode):
                return None
            total += found.st_size
    return total


def _files(path: str) -> Iterator[tuple[str, Path | None]]:
    """Yield topic and file of everything a path stands for; standard input has no file."""
    if path == STDIN:
        yield STDIN_TOPIC, None
    elif Path(path).is_dir():
        yield from _files_below(Path(path))
    else:
        yield Path(path).name, Path(path)


def _files_below(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a directory; one that may not be listed stands for itself, to be refused when it is read."""
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        yield directory.name, directory
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from ((f"{entry.name}/{topic}", file) for topic, file in _files_below(entry))
        elif entry.is_file() and entry.suffix.lower() not in SKIPPED_SUFFIXES:
            yield entry.name, entry


class _Reader:
    """Reads one file after the other and keeps count of the bytes taken."""

    def __init__(self, stdin: io.BufferedIOBase | None, size_max: int) -> None:
        self.stdin = stdin
        self.size_max = size_max
        self.taken = 0

    def read(self, topic: str, file: Path | None) -> Iterator[Input]:
        """Yield the items of a file, whatever it is."""
        count = 0
        reason: RefusalReason | None = None
        try:
            with self._opened(file) as stream:
                source = ByteSource(b"", stream.read1)
                try:
                    for cut in read_documents(source, self.size_max):
                        yield _item(topic, count, cut, self.taken + source.taken)
                        count += 1
                finally:
                    self.taken += source.taken
        except EOFError:
            reason = RefusalReason.TRUNCATED
        except (BadGzipFile, zlib.error):
            reason = RefusalReason.MALFORMED
        except OSError:
            reason = RefusalReason.UNREADABLE
        if reason is not None:
            yield RefusedInput(topic, 0, count, reason, self.taken)

    def _opened(self, file: Path | None) -> AbstractContextManager[io.BufferedIOBase]:
        if file is not None:
            return file.open("rb")
        return nullcontext(self.stdin or cast("io.BufferedIOBase", sys.stdin.buffer))


def _item(topic: str, index: int, cut: Cut, position: int) -> Input:
    if isinstance(cut, RefusalReason):
        return RefusedInput(topic, 0, index, cut, position)
    if cut.format == "protobuf" or _OTLP_START.match(cut.value):
        return _document(topic, index, cut, position)
    try:
        record = read_capture(cut.value)
    except RefusedError as refused:
        if refused.reason is RefusalReason.NOT_TRACES:
            return _no_capture(topic, index, cut, position)
        return RefusedInput(topic, 0, index, refused.reason, position)
    return InputRecord(
        topic, record.partition, record.offset, record.timestamp_ns, record.key, record.headers, record.value, record.format, position
    )


def _no_capture(topic: str, index: int, cut: Document, position: int) -> Input:
    """Return JSON that is neither a capture nor begins as OTLP does."""
    try:
        return _document(topic, index, Document("json", unwrapped(cut.value)), position)
    except RefusedError as refused:
        # OTLP whose first member is another one, or that has no member: for the decoder.
        if refused.reason is RefusalReason.NOT_TRACES and (b'"resourceSpans"' in cut.value or b'"' not in cut.value):
            return _document(topic, index, cut, position)
        return RefusedInput(topic, 0, index, refused.reason, position)


def _document(topic: str, index: int, document: Document, position: int) -> InputRecord:
    return InputRecord(topic, 0, index, None, None, (), document.value, document.format, position)
