"""The simulation by hand: `python -m tests.simulation.run --seed N`, or many at once with `--seeds A:B`.

Prints seed, count and commit, then what was compared. A failing seed prints the command that repeats it, and the fewest steps found that
fail alike; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from processor.engines import EngineName
from tests.simulation.oracle import Compared
from tests.simulation.play import Outcome, play, shrunk
from tests.simulation.scenario import PROFILES, profile_of

_AT_ONCE = 20


class Failed(NamedTuple):
    """A seed that failed, and how."""

    seed: int
    error: str


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code: 1 where a seed failed."""
    options = _options(arguments)
    seeds = range(options.seed, options.seed + 1) if options.seeds is None else options.seeds
    engine = EngineName(options.engine)
    _say(f"simulation: seeds {seeds.start}:{seeds.stop} ({len(seeds)}), profile {options.profile or 'each in turn'}")
    _say(f"engine {engine}, commit {_commit()}")
    started, compared, failed = time.monotonic(), Compared(), list[Failed]()
    for part, found in _parts(seeds, options.profile, engine, options.jobs, stops=not options.keep_going):
        compared.add(part)
        failed += found
        for one in found:
            _tell(one, options.profile, engine, options.shrink_max > 0)
            options.shrink_max -= 1
        if found and not options.keep_going:
            break
    seconds = time.monotonic() - started
    _say(f"{compared.records} journal records, {compared.statements} statements, {compared.states} states, {compared.batch} batch verdicts")
    _say(f"{len(failed)} failed; {seconds:.1f} s, {len(seeds) / seconds:.1f} seeds/s")
    if options.trace:
        _say("\n".join(play(seeds.start, profile_of(seeds.start, options.profile), engine).trace))
    return 1 if failed else 0


def command(seed: int, profile: str, engine: EngineName) -> str:
    """Return the command that repeats a seed and shows its steps."""
    return f"python -m tests.simulation.run --seed {seed} --profile {profile} --engine {engine} --trace"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run", description="Run the core in a simulated world.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=_range, help="A:B, from A up to, not including, B; instead of --seed")
    parser.add_argument("--profile", choices=sorted(PROFILES), help="what is common in the run; left out: each in turn")
    parser.add_argument("--engine", choices=[str(name) for name in EngineName], default=str(EngineName.REFERENCE))
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trace", action="store_true", help="show the steps of the (first) seed")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first seed that fails")
    parser.add_argument("--shrink-max", type=int, default=1, help="how many failing seeds are made small")
    return parser.parse_args(arguments)


def _range(text: str) -> range:
    first, _, behind = text.partition(":")
    return range(int(first), int(behind))


def _parts(seeds: range, profile: str | None, engine: EngineName, jobs: int, *, stops: bool) -> Iterator[tuple[Compared, list[Failed]]]:
    some = [seeds[first : first + _AT_ONCE] for first in range(0, len(seeds), _AT_ONCE)]
    one = partial(_some, profile=profile, engine=engine, stops=stops)
    if jobs == 1:
        yield from map(one, some)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(one, some)


def _some(seeds: Sequence[int], profile: str | None, engine: EngineName, *, stops: bool) -> tuple[Compared, list[Failed]]:
    compared, failed = Compared(), list[Failed]()
    for seed in seeds:
        outcome = play(seed, profile_of(seed, profile), engine)
        compared.add(outcome.compared)
        if outcome.error:
            failed.append(Failed(seed, outcome.error))
            if stops:
                break
    return compared, failed


def _tell(failed: Failed, named: str | None, engine: EngineName, shrinks: bool) -> None:
    profile = profile_of(failed.seed, named)
    _say(f"FAILED: seed {failed.seed}: {failed.error}")
    _say(f"repeat: {command(failed.seed, profile, engine)}")
    if shrinks:
        small = shrunk(play(failed.seed, profile, engine))
        _say(f"made small, {len(small.steps)} steps: {small.error}")
        _say(_listed(small))


def _listed(outcome: Outcome) -> str:
    rest = outcome.trace.index("-- faults end") if "-- faults end" in outcome.trace else len(outcome.trace)
    return "\n".join(f"  {line}" for line in outcome.trace[:rest])


def _commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
