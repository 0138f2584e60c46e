"""The recordings that the tests play."""

from __future__ import annotations

from functools import cache

from processor.inputs import InputRecord, read_inputs
from topics.recordings import recording


@cache
def captured(name: str) -> tuple[InputRecord, ...]:
    """Return the records of a recording."""
    return tuple(item for item in read_inputs([str(recording(name))]) if isinstance(item, InputRecord))
