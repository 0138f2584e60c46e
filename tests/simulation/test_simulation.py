"""The core in the simulated world: a slice of seeds, the same each time."""

from __future__ import annotations

import re
from itertools import product

import pytest

import processor.recovery
from processor.engines import EngineName
from processor.record import PartitionKey
from processor.store import Delta, Written
from tests.doubles.store import MemoryStore
from tests.simulation.oracle import Compared
from tests.simulation.play import again, play, shrunk
from tests.simulation.run import command, main
from tests.simulation.scenario import PROFILES, profile_of

SEED_COUNT = 300
AT_ONCE = 25
# Among these a store that writes onto whatever is there is found out.
BROKEN_STORE_SEEDS = range(30)


def passes(seed: int, profile: str, engine: EngineName = EngineName.REFERENCE) -> Compared:
    outcome = play(seed, profile, engine)
    assert not outcome.error, f"{outcome.error}\n{command(seed, profile, engine)}"
    return outcome.compared


@pytest.mark.parametrize("first", range(0, SEED_COUNT, AT_ONCE))
def test_whatever_dies_every_trace_is_judged_once_in_effect(first: int) -> None:
    compared = Compared()
    for seed in range(first, first + AT_ONCE):
        compared.add(passes(seed, profile_of(seed, None)))
    assert min(compared.records, compared.statements, compared.states, compared.batch) > AT_ONCE


def test_what_is_lost_drained_and_evicted_is_compared_too() -> None:
    """Of traces that may have begun before a loss, marks that close what is open, and such that relieve the memory."""
    compared = {profile: Compared() for profile in ("loss", "drain", "memory")}
    for profile, seed in product(compared, range(8)):
        compared[profile].add(passes(seed, profile))
    assert min(compared["loss"].lost, compared["drain"].drained, compared["memory"].evicted) >= 8


@pytest.mark.parametrize("profile", PROFILES)
def test_the_luajit_engine_is_judged_alike(profile: str) -> None:
    assert passes(1, profile, EngineName.LUAJIT).records
    assert passes(2, profile, EngineName.LUAJIT).records


def test_the_last_record_is_found_however_little_of_the_journal_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor.recovery, "_WINDOWS", (1, 2, 3, 5))
    for seed in range(40):
        passes(seed, "zombie")


@pytest.mark.parametrize("profile", ["mixed", "zombie"])
def test_the_same_seed_takes_the_same_steps_to_the_same_end(profile: str) -> None:
    first, second = (play(7, profile, EngineName.REFERENCE) for _ in range(2))
    assert first == second
    assert again(first.setting, first.steps).trace == first.trace


def test_neighbouring_seeds_have_little_in_common() -> None:
    assert len({play(seed, "plain", EngineName.REFERENCE).trace for seed in range(20)}) == 20


def test_all_kinds_of_steps_and_answers_are_drawn() -> None:
    lines = [line for seed in range(60) for line in play(seed, profile_of(seed, None), EngineName.REFERENCE).trace]
    kinds = {line.split()[0] for line in lines}
    answers = {found for line in lines for found in re.findall(r"\[(\w+) at", line)}
    assert kinds >= {"append", "clock", "take", "poll", "checkpoint", "move", "learn", "start", "stop", "crash", "resume", "store", "trim"}
    assert kinds >= {"rules", "evict", "skew", "lose"}
    assert answers == {"crash", "pause", "lost", "refused"}


@pytest.fixture
def broken_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store take a change onto any state: what a fail-over may then do to a partition must be seen."""
    write = MemoryStore._write

    def careless(self: MemoryStore, key: PartitionKey, delta: Delta) -> Written:
        there = self.snapshots.get(key)
        return write(self, key, delta if there is None or delta.base is None else delta._replace(base=there.label))

    monkeypatch.setattr(MemoryStore, "_write", careless)


@pytest.mark.usefixtures("broken_store")
def test_a_run_that_fails_is_made_small_and_fails_alike() -> None:
    failing = next(it for seed in BROKEN_STORE_SEEDS if (it := play(seed, "fail-over", EngineName.REFERENCE)).error)
    small = shrunk(failing)
    assert small.error
    assert len(small.steps) < len(failing.steps) / 2
    assert again(small.setting, small.steps).error == small.error


@pytest.mark.usefixtures("broken_store")
def test_a_failing_seed_prints_the_command_that_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", f"0:{BROKEN_STORE_SEEDS.stop}", "--profile", "fail-over"]) == 1
    printed = capsys.readouterr().out
    told = re.search(r"repeat: python -m tests\.simulation\.run (.*)", printed)
    assert told is not None
    assert main([*told[1].split(), "--shrink-max", "0"]) == 1
    failed = re.search(r"FAILED: seed \d+: .*", printed)
    assert failed is not None
    assert failed[0] in capsys.readouterr().out


def test_a_good_range_of_seeds_ends_with_zero_and_says_what_it_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "0:8", "--profile", "plain"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"seeds 0:8 \(8\), profile plain\nengine reference, commit \w+", printed)
    assert re.search(r"[1-9]\d* journal records, [1-9]\d* statements, [1-9]\d* states, [1-9]\d* batch verdicts\n0 failed", printed)
