"""Looks for an example that fails: each is made from random bytes alone, so that no two are alike; one that fails is made small."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from hypothesis import HealthCheck, given, settings

from tests.differential.example import Example
from tests.differential.made_examples import examples
from tests.differential.reducing import reduced

# Most examples take less than two thousand bytes; one that runs out is left.
_SIZE = 8_000


def explore(check: Callable[[Example], object], seed: int, numbers: Iterable[int], reduce_seconds: float = 60) -> None:
    """Check the examples of a seed that have these numbers; at the first failure raises that of the smallest example found from it."""
    made: list[Example] = []

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(examples())
    def make(example: Example) -> None:
        made.append(example)

    # Hypothesis as a maker of examples from bytes: its own search would make many that are nearly the same. Its type does not say so.
    make_one: Callable[[bytes], object] = vars(make)["hypothesis"].fuzz_one_input
    for number in numbers:
        made.clear()
        make_one(Random(f"{seed}:{number}").randbytes(_SIZE))
        for example in made:
            if (failure := _failure(check, example)) is not None:
                smallest = reduced(example, lambda one: _failure(check, one) is not None, reduce_seconds)
                # An example that fails by chance alone may not fail again.
                failure = _failure(check, smallest) or failure
                failure.add_note(f"made small from example {number} of seed {seed}")
                raise failure


def _failure(check: Callable[[Example], object], example: Example) -> Exception | None:
    try:
        check(example)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is raised above
        return failure
    return None
