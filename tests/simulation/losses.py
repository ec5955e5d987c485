"""What topics and the group lose, and what an operator does about it once the service is stopped."""

from functools import partial

from schemas import records
from schemas.records import Position
from service.runtime.ports import TopicPartition
from tests.simulation.day import Day, action
from tests.simulation.families import Family
from tests.support.messages import COMMANDS


@action(3, Family.OFFSETS)
async def lose_offsets(day: Day) -> None:
    """The group's offset of a partition expires; who opens it next may not begin anywhere by itself."""
    partition = TopicPartition(COMMANDS, day.random.randrange(day.rig.options.partitions))
    broker = day.rig.broker
    # Without its changelog, too, it would be a new installation: nothing says that it is not.
    if broker.committed(partition) is None or day.rig.options.consumed[COMMANDS] in day.made_anew:
        return
    broker.forget_offset(partition)
    day.repairs.append(lambda: broker.set_offset(partition, day.monitor.offset(partition)))
    broker.fence(partition)


@action(3, Family.OFFSETS)
async def truncate(day: Day) -> None:
    """Records of a changelog are deleted, all of them or the first; an operator restores them."""
    partition = _any_partition(day)
    log = day.rig.broker.partition(day.rig.options.consumed[partition.topic], partition.partition)
    if not log.stable_end:
        return
    day.restart = True
    log.start = day.random.choice((log.stable_end, day.random.randint(1, log.stable_end)))
    day.monitor.note(f"{log.topic}-{log.number} begins at {log.start} of {log.end}")
    day.monitor.damaged.add(partition)

    def repair() -> None:
        log.start = 0
        day.monitor.repaired(partition, day.monitor.offset(partition))

    day.repairs.append(repair)
    _notice(day, partition)


@action(2, Family.OFFSETS)
async def replace_changelog(day: Day) -> None:
    """A changelog is deleted and made anew; an operator rebuilds it."""
    commands, changelog = day.random.choice(sorted(day.rig.options.consumed.items()))
    broker, places = day.rig.broker, _partitions(day, commands)
    consumed = {each for each in places if day.monitor.offset(each)}
    if commands in day.made_anew or any(broker.committed(each) is None for each in consumed):
        return  # as above: nothing would be left that says what was there
    day.restart = True
    day.made_anew.add(changelog)
    broker.recreate(changelog)
    for each in places:
        day.monitor.repaired(each, day.monitor.offset(each))  # of records that were deleted before nothing is left
    day.monitor.damaged |= consumed
    for each in places:
        day.repairs.append(partial(_rebuild, day, each, changelog))
        _notice(day, each)


@action(2, Family.OFFSETS)
async def replace_commands(day: Day) -> None:
    """A commands topic is deleted and made anew; what was not consumed is sent again, and the rest is not."""
    broker, places = day.rig.broker, _partitions(day, COMMANDS)
    if day.made_anew & {COMMANDS, day.rig.options.consumed[COMMANDS]}:
        return
    day.restart = True
    day.made_anew.add(COMMANDS)
    left = [record for each in places for record in broker.partition(*each).committed(day.monitor.offset(each))]
    broker.recreate(COMMANDS)
    for record in left:
        _comes_twice(day, dict(record.headers))
        broker.produce(COMMANDS, record.key, record.value, record.headers, record.partition)
    day.monitor.damaged |= {each for each in places if day.monitor.offset(each)}
    for each in places:
        day.repairs.append(partial(_begin_anew, day, each, day.rig.options.consumed[COMMANDS]))
        _notice(day, each)


def _any_partition(day: Day) -> TopicPartition:
    topic = day.random.choice(sorted(day.rig.options.consumed))
    return TopicPartition(topic, day.random.randrange(day.rig.options.partitions))


def _partitions(day: Day, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(day.rig.options.partitions)]


def _notice(day: Day, partition: TopicPartition) -> None:
    """Its owner has to read its state again; or goes on, and only the next one does."""
    if day.random.random() < 0.5:
        day.rig.broker.fence(partition)
    else:
        day.monitor.counters["topic replaced under its reader"] += 1


# What an operator does, as ``offsets set`` and ``backfill`` do: under the fence of the shard.


def _rebuild(day: Day, partition: TopicPartition, changelog: str) -> None:
    """A changelog's content, as good as it can be rebuilt, and the position; its tenant may be gone by now."""
    broker = day.rig.broker
    broker.fence(partition)
    log = broker.partition(changelog, partition.partition)
    for key, record in day.monitor.folds[partition].items():
        broker.produce(log.topic, key, records.encode(record), partition=log.number)
    _set_offset(day, partition, day.monitor.offset(partition), changelog)


def _begin_anew(day: Day, partition: TopicPartition, changelog: str) -> None:
    """All of the new topic is read, also what its reader has consumed that did not notice."""
    day.rig.broker.fence(partition)
    for record in day.rig.broker.partition(*partition).committed(0):
        _comes_twice(day, dict(record.headers))
    day.monitor.promises.begin_anew(partition)
    _set_offset(day, partition, 0, changelog)


def _comes_twice(day: Day, headers: dict[str, bytes | None]) -> None:
    day.monitor.copies[(headers.get("ce_id") or b"").decode()] += 1


def _set_offset(day: Day, partition: TopicPartition, offset: int, log: str) -> None:
    broker = day.rig.broker
    start = broker.partition(log, partition.partition).start
    ids = broker.topic_id(partition.topic), broker.topic_id(log)
    position = Position(offset, broker.group_id, ids[0], start, ids[1])
    broker.produce(log, records.POSITION_KEY, records.encode(position), partition=partition.partition)
    broker.set_offset(partition, offset)
    day.monitor.repaired(partition, offset)
