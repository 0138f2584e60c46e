"""The guard-page fuzz test: `python -m tests.differential.fuzz` (`make fuzz`).

Damaged records lie before (or behind) a page that cannot be read, in processes of their own; one NUL is between, as behind a bytes object.
A process that dies names the records it was given; they are tried one by one, and the one that kills is printed with number and bytes.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.differential.example import MODES
from tests.differential.fuzz_targets import TARGETS
from tests.differential.guarded_memory import GuardedMemory
from tests.differential.long_run import commit
from tests.differential.mutations import SIZE_MAX, Mutations

PER_PROCESS = 20_000
_AT_ONCE = 16
_CHECKED_EVERY = 512
_PAGES = SIZE_MAX // 4096 + 1
_SECONDS_MAX = 600


class Work(NamedTuple):
    """What one process does: records `first` to `behind` of a seed, so many a call.

    `tight`: some lie right before the guard, without the NUL that stands behind every bytes object.
    """

    seed: int
    first: int
    behind: int
    target: str
    tight: bool = False
    at_once: int = _AT_ONCE


class Finding(NamedTuple):
    """How a process ended that should not have, and the record that did it, where one alone does."""

    work: Work
    end: str
    number: int | None

    def __str__(self) -> str:
        """What to say, with all that is needed to do it again."""
        words = f"seed {self.work.seed}, target {self.work.target}, records {self.work.first} to {self.work.behind - 1}: {self.end}"
        if self.number is None:
            return f"{words}\nno record does it alone"
        return f"{words}\nrecord {self.number}: {Mutations(self.work.seed).record(self.number).hex()}"


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code: 1 where a process died or an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential.fuzz", description="Give the engine damaged records.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first record")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--tight", action="store_true", help="let no NUL stand behind some records")
    parser.add_argument("--target", choices=sorted(TARGETS), default="luajit")
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--progress", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work is not None:
        _say(json.dumps(_work(Work(*options.work), options.progress)))
        return 0
    _say(
        f"fuzz test: seed {options.seed}, {options.records} records from number {options.first}, target {options.target}, commit {commit()}"
    )
    started = time.monotonic()
    counted, findings = run(
        options.seed, range(options.first, options.first + options.records), options.target, options.jobs, tight=options.tight
    )
    for finding in findings:
        _say(finding)
    words = ", ".join(f"{count} {word}" for word, count in sorted(counted.items()))
    _say(f"{len(findings)} findings; {words}; {counted['records'] / (time.monotonic() - started):.0f} records/s")
    return 1 if findings else 0


def run(seed: int, numbers: range, target: str, jobs: int = 1, *, tight: bool = False) -> tuple[Counter[str], list[Finding]]:
    """Give a target the records of a seed with these numbers; return what became of them and what was found."""
    starts = range(numbers.start, numbers.stop, PER_PROCESS)
    works = [Work(seed, start, min(start + PER_PROCESS, numbers.stop), target, tight) for start in starts]
    counted: Counter[str] = Counter()
    findings: list[Finding] = []
    with ThreadPoolExecutor(jobs) as pool:
        for part, finding in pool.map(_watched, works):
            counted.update(part)
            findings += [finding] if finding is not None else []
    return counted, findings


# ---- the process that watches -------------------------------------------------------------------------------------------------------


def _watched(work: Work) -> tuple[Counter[str], Finding | None]:
    """Do the work in a process; where it ends badly, find the record."""
    with tempfile.NamedTemporaryFile() as progress:
        end, output = _process(work, progress.name)
        if end is None:
            return Counter(json.loads(output)), None
        reached = int(Path(progress.name).read_bytes() or b"0")
        suspects = range(max(work.first, reached), min(work.behind, reached + work.at_once))
        alone = partial(_process, progress=progress.name)
        killers = (one for one in suspects if alone(work._replace(first=one, behind=one + 1, at_once=1))[0] is not None)
        return Counter(), Finding(work, end, next(killers, None))


def _process(work: Work, progress: str) -> tuple[str | None, str]:
    """Return how the process ended where it ended badly, and what it said."""
    command = [sys.executable, "-m", "tests.differential.fuzz", "--work", json.dumps(work), "--progress", progress]
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return f"no end after {_SECONDS_MAX} s", ""
    if done.returncode == 0:
        return None, done.stdout
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    return f"{how}\n{done.stderr[-2000:]}", done.stdout


# ---- the process that works ---------------------------------------------------------------------------------------------------------


def _work(work: Work, progress: Path) -> Counter[str]:
    """Give the target its records; write down before each call how far it has come. Whatever goes wrong ends the process."""
    faulthandler.enable()
    # Most processes run compiled code; every fourth interprets, every eighth has the eager collector.
    turn = work.first // PER_PROCESS % 8
    target = TARGETS[work.target](MODES[1] if turn in {2, 6} else MODES[2] if turn == 4 else MODES[0])
    mutations = Mutations(work.seed)
    memories = [GuardedMemory(_PAGES) for _ in range(work.at_once)]
    with progress.open("wb", buffering=0) as said:
        for first in range(work.first, work.behind, work.at_once):
            said.seek(0)
            said.write(b"%020d" % first)
            numbers = range(first, min(first + work.at_once, work.behind))
            records = [mutations.record(number) for number in numbers]
            addresses = [
                _placed(memory, record, number, tight=work.tight)
                for memory, record, number in zip(memories, records, numbers, strict=False)
            ]
            target.take(addresses, [len(record) for record in records])
            if first // work.at_once % (_CHECKED_EVERY // _AT_ONCE) == 0:
                target.check()
    target.check()
    return target.counted


def _placed(memory: GuardedMemory, record: bytes, number: int, *, tight: bool) -> int:
    """Put a record where its number says: before the guard, now and then behind one."""
    place = number % 5
    return memory.behind_guard(record) if place == 0 else memory.before_guard(record, nul=not tight or place < 3)


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
