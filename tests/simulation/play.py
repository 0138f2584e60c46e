"""A run from its seed to its judgement, a failing one made small."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processor.engines import EngineName
from tests.simulation.oracle import Compared, judge
from tests.simulation.scenario import PROFILES, Scenario
from tests.simulation.world import Setting, Step, World

_SHRINK_RUNS_MAX = 1_500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run: `error` is empty where everything was as it must be. `trace` is what happened, a line each step."""

    steps: tuple[Step, ...]
    setting: Setting
    compared: Compared
    trace: tuple[str, ...]
    error: str = ""


def play(seed: int, profile: str, engine: EngineName) -> Outcome:
    """Draw and do the steps of a seed, let the world come to rest, judge."""
    scenario = Scenario(seed, profile, engine)
    setting = scenario.setting()
    count = PROFILES[profile].steps

    def steps(world: World, done: list[Step]) -> None:
        for _ in range(count):
            step = scenario.next(world)
            done.append(step)
            world.do(step)

    return _run(setting, steps)


def again(setting: Setting, steps: Sequence[Step]) -> Outcome:
    """Do given steps; those that are not possible where they come are left out."""

    def all_steps(world: World, done: list[Step]) -> None:
        for step in steps:
            done.append(step)
            world.do(step)

    return _run(setting, all_steps)


def _run(setting: Setting, steps: Callable[[World, list[Step]], None]) -> Outcome:
    world, done, compared, error = World(setting), list[Step](), Compared(), ""
    try:
        steps(world, done)
        compared = judge(world.come_to_rest())
    except Exception as found:  # noqa: BLE001 - whatever the core or the oracle raises is the finding
        error = f"{type(found).__name__}: {found} {_place(found)}"
    finally:
        world.close()
    return Outcome(tuple(done), setting, compared, tuple(world.trace), error)


def _place(error: Exception) -> str:
    """Return where it was raised."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return "" if last is None else f"({last.tb_frame.f_code.co_filename}:{last.tb_lineno})"


def shrunk(outcome: Outcome) -> Outcome:
    """Return a run with as few steps as can be found that still fails in the same way."""
    best, kind, runs = outcome, _kind(outcome.error), 0
    size = max(1, len(best.steps) // 2)
    while runs < _SHRINK_RUNS_MAX:
        first, before = 0, len(best.steps)
        while first < len(best.steps) and runs < _SHRINK_RUNS_MAX:
            tried = again(best.setting, best.steps[:first] + best.steps[first + size :])
            runs += 1
            if _kind(tried.error) == kind:
                best = tried
            else:
                first += size
        if size == 1 and len(best.steps) == before:
            break
        size = max(1, size // 2)
    return best


def _kind(error: str) -> str:
    """Return which promise was broken, without the numbers of this run."""
    return "".join(letter for letter in re.split(r"[{\[]", error, maxsplit=1)[0][:60] if not letter.isdigit())
