"""Keys of records that are trace ids, in lower-case hexadecimal digits: how to tell one, and many at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACE_ID = re.compile(rb"[0-9a-f]{32}")
_SIZE, _DIGITS = 32, b"0123456789abcdef"


def joined_ids(keys: Sequence[bytes | None]) -> bytes | None:
    """Return the keys one behind the other if each of them is a trace id; None where one is not, or there is none."""
    try:
        joined = b"".join(keys)  # type: ignore[arg-type]  # what is None raises
    except TypeError:
        return None
    is_all = set(map(len, keys)) == {_SIZE} and not joined.translate(None, _DIGITS)  # type: ignore[arg-type]  # as above
    return joined if is_all else None
