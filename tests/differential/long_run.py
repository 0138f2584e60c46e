"""The differential test as a long run: `python -m tests.differential.long_run` (`make differential`).

Prints seed, number of examples and commit, then what was compared. At the first disagreement it makes the example small, prints it as a
case of the conformance suite where the notation can say it, writes it to a file that `--replay` plays again, and ends with exit code 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from pathlib import Path

from processor.reference_traces import ReferenceTraceEngine
from tests.differential.comparison import Disagreement, MakeEngine, Tally, compare
from tests.differential.engines import luajit, of_class
from tests.differential.example import MODES, Example, read_example
from tests.differential.exploring import explore

ENGINES: dict[str, MakeEngine] = {"luajit": luajit, "reference": of_class(ReferenceTraceEngine)}
_AT_ONCE = 50
_SAID_EVERY_S = 10


class _Failed(Exception):  # noqa: N818 - a finding on its way from a worker process
    """A disagreement as text, and its example as JSON."""

    def __init__(self, text: str, example: str) -> None:
        super().__init__(text, example)
        self.text = text
        self.example = example


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code: 1 at a disagreement or where a process died."""
    options = _options(arguments)
    faulthandler.enable()
    if options.replay is not None:
        return _replay(options.replay, ENGINES[options.engine])
    _say(f"differential test: seed {options.seed}, {options.examples} examples from number {options.first}")
    _say(f"engine {options.engine}, commit {commit()}")
    started = time.monotonic()
    try:
        tally = _run(options)
    except _Failed as failed:
        path = Path(tempfile.gettempdir()) / f"betrace-differential-{options.seed}.json"
        path.write_text(failed.example)
        _say(f"DISAGREEMENT\n{failed.text}\nexample: {path}  (play it again: python -m tests.differential.long_run --replay {path})")
        return 1
    except BrokenProcessPool:
        _say("A PROCESS DIED. Its examples are those not yet done; --jobs 1 runs them in this process, which names the example.")
        return 1
    _say(f"no disagreement: {tally}; {tally.examples / (time.monotonic() - started):.1f} examples/s")
    return 0


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.differential.long_run", description="Compare the engine with the reference.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first example")
    parser.add_argument("--jobs", type=int, default=1, help="processes; with 1 everything runs in this one")
    parser.add_argument("--engine", choices=sorted(ENGINES), default="luajit")
    parser.add_argument("--replay", type=Path, help="an example that a run wrote")
    return parser.parse_args(arguments)


def _replay(path: Path, engine: MakeEngine) -> int:
    example = read_example(path.read_text())
    for mode in MODES:
        try:
            _say(f"{mode.name}: {compare(example, engine, mode)}")
        except Disagreement as found:
            _say(f"DISAGREEMENT\n{found}")
            return 1
    return 0


def _run(options: argparse.Namespace) -> Tally:
    tally, said = Tally(), time.monotonic()
    for part in _parts(options):
        tally.add(part)
        if time.monotonic() - said > _SAID_EVERY_S:
            said = time.monotonic()
            _say(tally)
    return tally


def _parts(options: argparse.Namespace) -> Iterator[Tally]:
    behind = options.first + options.examples
    starts = iter(range(options.first, behind, _AT_ONCE))
    chunks = (range(start, min(behind, start + _AT_ONCE)) for start in starts)
    one = partial(_chunk, options.seed, engine=options.engine)
    if options.jobs == 1:
        yield from map(partial(one, named=True), chunks)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        running: set[Future[Tally]] = {pool.submit(one, chunk) for chunk in islice(chunks, 2 * options.jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(one, chunk) for chunk in islice(chunks, len(done))}
            yield from (future.result() for future in done)


def _chunk(seed: int, numbers: Sequence[int], engine: str, *, named: bool = False) -> Tally:
    """Compare some examples, each in the mode that its number gives; `named` says each number first, in case the process dies of it."""
    tally = Tally()
    marker = Path(tempfile.gettempdir()) / f"betrace-differential-{seed}-running"
    current = [0]

    def told() -> Iterator[int]:
        for number in numbers:
            current[0] = number
            if named:
                marker.write_text(str(number))
            yield number

    def check(example: Example) -> None:
        tally.add(compare(example, ENGINES[engine], MODES[current[0] % len(MODES)]))

    try:
        explore(check, seed, told())
    except Disagreement as found:
        text = "\n".join([str(found), *getattr(found, "__notes__", [])])
        raise _Failed(text, found.example.write()) from None
    return tally


def commit() -> str:
    """Return the commit of the work tree, with `+` where it has changes."""
    done = subprocess.run(["git", "describe", "--always", "--dirty=+", "--abbrev=12"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
