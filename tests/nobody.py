"""A test as a user who may not do everything: root is another user meanwhile."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOBODY = 65_534


@contextmanager
def nobody() -> Iterator[Path]:
    """Give a folder of the user who is bound by permissions: whoever runs the tests, or nobody in place of root."""
    with tempfile.TemporaryDirectory() as made:
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(made, _NOBODY, _NOBODY)
            os.seteuid(_NOBODY)
        try:
            yield Path(made)
        finally:
            if is_root:
                os.seteuid(0)
