"""What may be lost outside the workers, beyond what any promise covers: journal, input, programs. What follows must be said to be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.programs import PROGRAM_COUNT, rule_set
from tests.simulation.uninterrupted import ValidRecord, valid_records

if TYPE_CHECKING:
    from processor.record import PartitionKey
    from tests.simulation.world import World


def lose(world: World, key: PartitionKey, what: str, share: float) -> bool:
    """Lose something of a partition, a share of it where that can be; say whether there was anything to lose.

    Nothing is lost where nothing was read yet; and not while somebody works on the partition without owning it, or stands in the middle
    of a call: logs are kept for longer than that.
    """
    records = list(valid_records(world.broker.journal.logs[key]))
    if (
        not records
        or not records[-1].record.standing.position
        or any(worker.is_alive and (worker.standing or key in world.lost(worker)) for worker in world.workers)
    ):
        return False
    if what == "program":
        return _lose_programs(world, key)
    if what == "journal":
        _lose_journal(world, key, records, share)
    elif what == "all of the journal":
        _lose_all_of_the_journal(world, key, records)
    else:
        _lose_input(world, key, records, share)
    world.broker.losses.add(key)
    return True


def _lose_programs(world: World, key: PartitionKey) -> bool:
    """Every program but the one in force is gone; whose state needs one finds out when the partition is taken."""
    del key
    gone = {rule_set(number).fingerprint[:16] for number in range(PROGRAM_COUNT) if number != world.rules.number}
    if world.rules.gone >= gone:
        return False
    world.rules.gone |= gone
    world.broker.losses.update(world.broker.keys)
    return True


def _lose_journal(world: World, key: PartitionKey, records: list[ValidRecord], share: float) -> None:
    """Its beginning is gone, up to the last record or to that as well; with all of its records gone, so is what they speak of."""
    journal = world.broker.journal
    offset = round(len(journal.logs[key]) * share)
    journal.remove_before(key, max(journal.first_offset(key), offset))
    if offset > records[-1].offset:
        _forget_input(world, key, records[-1].record.standing.position)


def _lose_all_of_the_journal(world: World, key: PartitionKey, records: list[ValidRecord]) -> None:
    """The topic is made anew, with all offsets from the beginning, and the input is gone as far as it was read.

    A worker that has the partition ends, as one does whose append fails.
    """
    broker = world.broker
    for worker in world.workers:
        if worker.is_alive and key in worker.owned:
            worker.crash()
    broker.journals_before[key].append(broker.journal.logs.pop(key))
    broker.journal.firsts.pop(key, None)
    _forget_input(world, key, records[-1].record.standing.position)


def _lose_input(world: World, key: PartitionKey, records: list[ValidRecord], share: float) -> None:
    """Retention took more than what nobody needs, up to all there is; who was still to read it goes on behind it."""
    needed = records[-1].record.rebuild_offset
    _forget_input(world, key, needed + round((world.broker.logs[key].end - needed) * share))


def _forget_input(world: World, key: PartitionKey, offset: int) -> None:
    log = world.broker.logs[key]
    log.first = max(log.first, offset)
