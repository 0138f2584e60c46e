"""Looks for an example that fails: each is made from random bytes alone, so that none resembles the one before; one that fails shrinks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.database import InMemoryExampleDatabase

from tests.differential.example import Example
from tests.differential.made_examples import examples

# Most examples take less than two thousand bytes; one that runs out is left.
_SIZE = 8_000


class _EnoughError(BaseException):
    """Shrinking has had its time; no `except Exception` of the shrinker holds it."""


def explore(check: Callable[[Example], object], seed: int, numbers: Iterable[int], shrink_seconds: float = 60) -> None:
    """Check the examples of a seed that have these numbers; at the first failure raises that of the smallest example found from it."""
    failures: list[tuple[int, Exception]] = []
    until = [float("inf")]

    @settings(
        database=InMemoryExampleDatabase(),
        deadline=None,
        phases=[Phase.reuse, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(examples())
    def one(example: Example) -> None:
        if time.monotonic() > until[0]:
            raise _EnoughError
        try:
            check(example)
        except Exception as failure:
            failures.append((len(example.write()), failure))
            raise

    # The decorator adds it, unseen by its type.
    try_one: Callable[[bytes], object] = vars(one)["hypothesis"].fuzz_one_input
    for number in numbers:
        try:
            try_one(Random(f"{seed}:{number}").randbytes(_SIZE))
        except Exception:  # noqa: BLE001 - whatever it is, it is kept and raised below
            until[0] = time.monotonic() + shrink_seconds
            # Where shrinking itself fails, what was found so far stands.
            with suppress(Exception, _EnoughError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                one()
            smallest = min(failures, key=lambda failure: failure[0])[1]
            smallest.add_note(f"made small from example {number} of seed {seed}")
            raise smallest from None
