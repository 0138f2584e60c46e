"""No damaged record makes the engine read beyond its end, die or give an answer that is none; and the fuzz test can fail."""

from __future__ import annotations

from random import Random

from tests.differential import fuzz
from tests.differential.fuzz import run
from tests.differential.mutations import SIZE_MAX, Mutations, bases
from topics.otlp import decode_protobuf

SLICE = 8_000


def test_the_engine_survives_a_slice_of_the_damaged_records() -> None:
    """The smallest of those damaged systematically, some others of these, and some damaged at random, from a seed of its own."""
    systematic_count = Mutations(0).systematic_count
    start = Random(0).randrange(systematic_count - SLICE)
    for numbers in (range(SLICE), range(start, start + SLICE), range(systematic_count, systematic_count + SLICE)):
        counted, findings = run(0, numbers, "luajit", jobs=2)
        assert not findings, "\n".join(map(str, findings))
        assert counted["records"] == SLICE
        assert min(counted["traces"], counted["left to Python"], counted["explained"]) > 0


def test_a_sound_reader_is_not_accused() -> None:
    counted, findings = run(1, range(200), "reader")
    assert not findings
    assert counted["records"] == 200


def test_a_reader_that_reads_two_bytes_beyond_the_end_is_caught_with_the_record() -> None:
    """One byte may lie there; the record is named that is the first to lie right before a guard."""
    _, (finding,) = run(1, range(1, 200), "overreader")
    assert "signal" in finding.end
    assert finding.number is not None
    assert finding.number % 5
    assert Mutations(1).record(finding.number).hex() in str(finding)


def test_of_small_records_every_truncation_and_every_byte_is_damaged() -> None:
    mutations = Mutations(0)
    records = [mutations.record(number) for number in range(14 * len(bases()[0]))]
    assert {len(record) for record in records} == set(range(len(bases()[0]) + 1))
    assert len(set(records)) > 9 * len(bases()[0])


def test_a_number_names_one_record_and_records_stay_in_their_memory() -> None:
    numbers = [*range(0, 2_000, 97), *(Mutations(3).systematic_count + number for number in range(500))]
    records = [Mutations(3).record(number) for number in numbers]
    assert records == [Mutations(3).record(number) for number in numbers]
    assert max(map(len, records)) <= SIZE_MAX < 4096 * fuzz._PAGES
    assert sum(bool(decode_protobuf(record).spans) for record in records) > 100
