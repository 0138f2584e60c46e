"""The attributes of OpenTelemetry's semantic conventions that are not deprecated, as an editor offers and explains them.

`editors/semconv.py` writes the file that they are read from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Convention:
    """An attribute: its key, one sentence, and the words that it may have where the conventions name some."""

    key: str
    brief: str
    values: tuple[str, ...] = ()


@cache
def conventions() -> Mapping[str, Convention]:
    """Return every attribute by its key."""
    body = json.loads(Path(__file__).with_name("semconv.json").read_text(encoding="utf-8"))
    found = {key: Convention(key, one["brief"], tuple(one.get("values", ()))) for key, one in body["attributes"].items()}
    return MappingProxyType(found)
