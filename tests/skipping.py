"""What a test does where a real part cannot be had: it is skipped and says why. In CI, which brings all parts, it fails."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def is_ci() -> bool:
    """Whether the environment says `CI`."""
    return "CI" in os.environ


def missing(reason: str) -> NoReturn:
    """Skip the test for want of something outside it; in CI, fail it."""
    __tracebackhide__ = True
    if is_ci():
        pytest.fail(f"nothing may be missing in CI: {reason}", pytrace=False)
    pytest.skip(reason)
