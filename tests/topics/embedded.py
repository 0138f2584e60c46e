"""The embedded broker for tests of one room, also on a port of choice: so a test can bring it back after an end."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest.mock import patch

from cli import embedded_broker as embedded

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def embedded_broker(port: int = 0) -> Iterator[str]:
    """Run a broker that forgets everything when it ends, and give its address."""
    with ExitStack() as opened:
        folder = opened.enter_context(TemporaryDirectory())
        if port:
            opened.enter_context(patch.object(embedded, "free_port", lambda: port))
        yield opened.enter_context(embedded.embedded_broker(Path(folder) / "log"))
