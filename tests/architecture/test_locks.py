"""The locks pin everything, and only that."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath

import pytest

from tests.architecture.tree import text

PIN = re.compile(r"^([A-Za-z0-9._-]+)==\S+$")


def normal(name: str) -> str:
    """A distribution's name in the one spelling that compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock: str) -> set[str]:
    """The names a lock pins; any line that is neither a pin nor a comment stops the test."""
    lines = [line for line in text(PurePosixPath(lock)).splitlines() if line and not line.startswith("#")]
    matches = [PIN.match(line) for line in lines]
    assert None not in matches
    return {normal(match[1]) for match in matches if match}


def wanted(*extras: str) -> set[str]:
    """The names pyproject.toml asks for."""
    project = tomllib.loads(text(PurePosixPath("pyproject.toml")))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {normal(re.split(r"[\s<>=!~;\[]", line)[0]) for line in lines}


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", ()), ("requirements-dev.lock", ("dev",))])
def test_a_lock_pins_every_dependency_and_holds_nothing_but_pins(lock: str, extras: tuple[str, ...]) -> None:
    assert wanted(*extras) <= pinned(lock)


def test_what_runs_is_what_is_tested() -> None:
    """Each pin of the application stands unchanged in the lock of the developers."""
    assert set(text(PurePosixPath("requirements.lock")).splitlines()) <= set(text(PurePosixPath("requirements-dev.lock")).splitlines())
