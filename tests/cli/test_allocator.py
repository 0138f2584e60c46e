"""Which allocator a worker gets: what is installed, unless somebody chose another; and that it really serves the process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from ctypes.util import find_library

import pytest

from cli.allocator import AllocatorError, environment_with
from tests.cli.processes import ROOT
from tests.skipping import missing

# Says of itself what serves it, and whether the arguments, the input and the number of the process have outlived the new beginning.
_ITSELF = """
import os, sys
from cli.allocator import begin_anew
from processor.free_memory import allocator
if len(sys.argv) == 2: sys.stdout.write(f"{os.getpid()} ")
begin_anew()
print(allocator(), sys.argv[1], sys.stdin.read(), os.getpid(), "libmimalloc" in open("/proc/self/maps").read())
"""


def _there(name: str) -> str | None:
    return f"lib{name}.so.2"


def _nowhere(_name: str) -> str | None:
    return None


def test_what_is_installed_is_loaded_before_everything_else() -> None:
    assert environment_with({"HOME": "/"}, _there) == {"HOME": "/", "LD_PRELOAD": "libmimalloc.so.2"}
    assert environment_with({"BETRACE_ALLOCATOR": "auto", "LD_PRELOAD": ""}, _there) is not None


@pytest.mark.parametrize(
    "environment", [{"BETRACE_ALLOCATOR": "system"}, {"LD_PRELOAD": "libjemalloc.so.2"}, {"LD_PRELOAD": "libmimalloc.so.2"}]
)
def test_a_choice_that_was_made_stands(environment: dict[str, str]) -> None:
    assert environment_with(environment, _there) is None


def test_where_nothing_is_installed_the_worker_goes_on_as_it_is() -> None:
    assert environment_with({}, _nowhere) is None


@pytest.mark.parametrize("environment", [{}, {"LD_PRELOAD": "libmimalloc.so.2"}])
def test_another_word_is_refused_whatever_is_there(environment: dict[str, str]) -> None:
    with pytest.raises(AllocatorError, match="BETRACE_ALLOCATOR: 'tcmalloc' is neither auto nor system"):
        environment_with({**environment, "BETRACE_ALLOCATOR": "tcmalloc"}, _nowhere)


@pytest.fixture
def _installed() -> None:
    if find_library("mimalloc") is None:
        missing("libmimalloc (apt-get install libmimalloc-dev)")


def _said(**environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in {"LD_PRELOAD", "BETRACE_ALLOCATOR"}}
    command = [sys.executable, "-c", _ITSELF, "argument"]
    done = subprocess.run(command, cwd=ROOT, env=clean | environment, input="input", capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout


@pytest.mark.usefixtures("_installed")
def test_the_process_is_the_same_one_and_has_its_arguments_and_input() -> None:
    said = re.fullmatch(r"(\d+) (\d+) mimalloc \d\.\d\.\d argument input (\d+) True\n", _said())
    assert said is not None
    assert said[1] == said[2] == said[3]


def test_the_system_serves_who_asks_for_it() -> None:
    assert re.fullmatch(r"(\d+) system argument input \1 False\n", _said(BETRACE_ALLOCATOR="system"))
