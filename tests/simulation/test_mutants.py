"""The simulation can fail: without any one line of the protocol it does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from processor.engines import EngineName
from tests.architecture.tree import ROOT
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.play import play
from tests.simulation.run import command

# Some that are caught soon, in every run; the others where time is.
_FAST = frozenset({"marks", "ack", "order", "resay", "recount", "wipe"})


def _parameters() -> list[ParameterSet]:
    return [pytest.param(mutant, id=mutant.name, marks=() if mutant.name in _FAST else pytest.mark.slow) for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_line_of_a_mutant_is_there_once(mutant: Mutant) -> None:
    spec = importlib.util.find_spec(mutant.module)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).read_text().count(mutant.before) == 1, f"{mutant.module}: {mutant.before}"
    assert mutant.after != mutant.before


@pytest.mark.parametrize("mutant", _parameters())
def test_the_protocol_without_one_of_its_lines_is_caught(mutant: Mutant) -> None:
    """Of the seeds that find the mutant the same one passes with the line in its place."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutated", mutant.name], cwd=ROOT, capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    caught = re.search(r"caught by seed (\d+) ", done.stdout)
    assert caught is not None
    seed, engine = int(caught[1]), EngineName(mutant.engine)
    control = play(seed, mutant.profile, engine)
    assert not control.error, f"{control.error}\n{command(seed, mutant.profile, engine)}"
