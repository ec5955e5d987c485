"""The generated rights are enough, and each is needed: whoever lacks one is told which, on what, and for whom."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer

from schemas.events import ReplyKind
from schemas.operations import Kind
from service import topology
from service.adapters.kafka.log import KafkaLog
from service.cli.app import topics
from service.cli.backfill import backfill
from service.cli.browse import events, show
from service.cli.browse import list_ as browse_list
from service.cli.cancel import cancel
from service.cli.dlq import list_, replay
from service.cli.send import SentAttributes, send
from service.cli.watch import watch
from service.operator.access.kafka_acls import REPAIR
from service.operator.diagnostics.checks import check_kafka, halted_partitions, unusable
from service.operator.diagnostics.finding import Finding
from service.operator.repair.changelog_writer import write_changelog
from service.operator.repair.command_sender import build_command, sender
from service.runtime.ports import LogError, OutRecord, TopicPartition, Unfit
from service.settings import load
from tests.secured.clients import Environment, confluent, deprived, made, privileged
from tests.secured.fortress import Fortress
from tests.support.published_records import reply, sent

pytestmark = [pytest.mark.acceptance, pytest.mark.rights, pytest.mark.timeout(300)]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command of the service for somebody: its exit code, and all it says."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(variables: Environment, command: Callable[..., int], **options: Any) -> tuple[int, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = command(**options)
        said = capsys.readouterr()
        return code, said.out + said.err

    yield run
    logging.disable(logging.NOTSET)
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_check_is_content_with_exactly_these(fortress: Fortress) -> None:
    settings = load(environ=privileged(fortress, "service", made(fortress, "enough")))
    lines = [*await check_kafka(settings), *await halted_partitions(settings)]
    assert lines[-1].message.endswith("none is halted, as far as Kafka shows")
    assert [line for line in lines if not line.ok] == []
    assert len(lines) > 10


async def test_check_names_each_right_that_the_service_lacks(fortress: Fortress) -> None:
    people = deprived(fortress, "service", made(fortress, "least"))
    turn = asyncio.Semaphore(4)

    async def check(variables: Environment) -> list[Finding]:
        async with turn:
            return await check_kafka(load(environ=variables))

    told = await asyncio.gather(*(check(person.environment) for person in people))
    assert len(people) == 19
    for person, lines in zip(people, told, strict=True):
        wrong = [line.message for line in lines if not line.ok]
        assert wrong, f"nothing was wrong without: {person.lacks}"
        for message in wrong:
            assert person.is_told_in(message), (person.lacks, message)
            assert f"--allow-principal {person.lacks.principal} --operation {person.lacks.operation}" in message


def test_topics_needs_each(fortress: Fortress, run: Run) -> None:
    code, said = run(privileged(fortress, "topics", "maker"), topics)
    assert (code, said.count("created")) == (0, 7), said
    people = deprived(fortress, "topics", "maker", apart=True)
    assert len(people) == 21
    for person in people:
        code, said = run(person.environment, topics)
        assert code == 3, f"nothing was wrong without: {person.lacks}"
        assert person.is_told_in(said), (person.lacks, said)


def test_dlq_needs_each(fortress: Fortress, run: Run) -> None:
    prefix = made(fortress, "letters")
    headers = {"dlq_topic": f"{prefix}.commands", "dlq_partition": "0", "dlq_reason": "Undecodable"}
    fortress.produce(f"{prefix}.dead-letters", 0, b"k", b"lost", headers)
    variables = privileged(fortress, "dlq", prefix)
    assert "Undecodable" in run(variables, list_)[1]
    code, said = run(variables, replay, apply=True)
    assert code == 0, said
    people = deprived(fortress, "dlq", prefix)
    assert len(people) == 2
    for person in people:
        code, said = run(person.environment, replay, apply=True)
        assert code == 3, f"nothing was wrong without: {person.lacks}"
        assert person.is_told_in(said), (person.lacks, said)


def test_repair_needs_each(fortress: Fortress, run: Run) -> None:
    prefix = made(fortress, "mended")
    for name in ("jobs", "resources", "replies", "events", "dead-letters"):
        fortress.produce(f"{prefix}.{name}", 0, b"k", b"{}")
    fortress.produce(f"{prefix}.commands", 1, b"k", b"{}")  # its changelog's partition is empty, so it is rebuilt
    fortress.commit(f"group-{prefix}", f"{prefix}.commands", 1)
    variables = privileged(fortress, "repair", prefix)
    assert _repaired(run, variables) == (0, "")
    for name in ("jobs", "resources"):
        fortress.remove(f"{prefix}.{name}")
    code, said = run(variables, topics)
    assert (code, said.count("created")) == (0, 2), said
    fortress.produce(f"{prefix}.jobs", 0, b"k", b"{}")
    fortress.produce(f"{prefix}.resources", 0, b"k", b"{}")
    people = deprived(fortress, "repair", prefix)
    assert len(people) == 21
    for person in people:
        if person.lacks.operation == "Create":
            fortress.remove(person.lacks.name)
            code, said = run(person.environment, topics)
            made(fortress, prefix)
        else:
            code, said = _repaired(run, person.environment)
        assert code == 3, f"nothing was wrong without: {person.lacks}"
        assert person.is_told_in(said), (person.lacks, said)


def _repaired(run: Run, variables: Environment) -> tuple[int, str]:
    """All that the tools of repair do in Kafka: first what a dry backfill reads, then what is written."""
    code, said = run(variables, backfill)
    return (code, said) if code else asyncio.run(_write(variables))


async def _write(variables: Environment) -> tuple[int, str]:
    loaded = load(environ=variables)
    kafka, names = topology.kafka_settings(loaded), loaded.topics
    try:
        await write_changelog(kafka, TopicPartition(names.commands, 0), names.jobs, {b"k": None}, consumed=0)
        await write_changelog(kafka, TopicPartition(names.changes, 0), names.resources, {b"k": None})
        async with sender(kafka) as sending:
            await sending.send(build_command(Kind.TRACK, names.commands, 0, {}, target="", key="k"))
    except LogError as error:
        return 3, await unusable(error, loaded, REPAIR)
    return 0, ""


def test_a_publisher_needs_it(fortress: Fortress) -> None:
    prefix = made(fortress, "sent")
    assert _published(privileged(fortress, "publisher", prefix), prefix) is None
    (person,) = deprived(fortress, "publisher", prefix)
    assert _published(person.environment, prefix) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def _published(variables: Environment, prefix: str) -> int | None:
    """Sends a command idempotently, as a careful publisher does; gives the refusal."""
    refusals: list[KafkaError | None] = []
    producer = Producer({**confluent(variables), "enable.idempotence": True, "message.timeout.ms": 15_000})
    producer.produce(f"{prefix}.commands", b"{}", b"k", on_delivery=lambda error, _: refusals.append(error))
    producer.flush(30)
    (refusal,) = refusals
    return refusal.code() if refusal else None


def test_a_subscriber_needs_each(fortress: Fortress) -> None:
    prefix = made(fortress, "heard")
    for name in ("replies", "events"):
        fortress.produce(f"{prefix}.{name}", 0, b"k", b"{}")
    assert _heard(privileged(fortress, "subscriber", prefix), prefix) == {f"{prefix}.replies", f"{prefix}.events"}
    people = deprived(fortress, "subscriber", prefix)
    wanted = [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 2 + [KafkaError.GROUP_AUTHORIZATION_FAILED]
    assert [_heard(person.environment, prefix) for person in people] == wanted


def _heard(variables: Environment, prefix: str) -> set[str] | int:
    """Topics that a subscriber has read from, or the refusal."""
    topics = {f"{prefix}.replies", f"{prefix}.events"}
    group = {"group.id": f"{prefix}-subscriber-of-a-team", "auto.offset.reset": "earliest"}
    consumer = Consumer({**confluent(variables), **group, "enable.auto.commit": False})
    consumer.subscribe(sorted(topics))
    heard: set[str] = set()
    try:
        while heard != topics:
            record = consumer.poll(40)
            assert record is not None, "neither records nor a refusal"
            if error := record.error():
                return int(error.code())
            heard.add(str(record.topic()))
            consumer.commit(asynchronous=False)
        return heard
    finally:
        consumer.close()


def test_the_command_line_of_a_client_needs_each(fortress: Fortress, run: Run) -> None:
    """Send, wait, list, show, watch, events and cancel; without the right to read commands each partition is asked."""
    prefix = made(fortress, "typed")
    accepted = reply(sent("c-1", source="/s"), ReplyKind.ACCEPTED)
    headers = {name: (value or b"").decode() for name, value in accepted.headers}
    fortress.produce(f"{prefix}.replies", 0, accepted.key or b"", accepted.value or b"", headers)
    variables = privileged(fortress, "client", prefix)
    assert _typed(run, variables) == (0, "")
    code, said = run(variables, lambda: show("c-1"))
    assert code == 0
    assert "not known: this user must not read the commands topic" in said
    people = deprived(fortress, "client", prefix)
    assert len(people) == 3
    for person in people:
        code, said = _typed(run, person.environment)
        assert code == 3, f"nothing was wrong without: {person.lacks}"
        assert person.is_told_in(said), (person.lacks, said)


def _typed(run: Run, variables: Environment) -> tuple[int, str]:
    """All that a client's commands do in Kafka; no service answers, so that those that wait end with 124."""
    for command, ended in (
        (lambda: send("ListAudienceModels", SentAttributes(source="/s"), id="c-2", wait="0.5"), 124),
        (lambda: browse_list(state=("open", "ended")), 0),
        (lambda: cancel("c-1", wait=0.5), 124),
        (lambda: watch(wait="0.5"), 124),
        (events, 0),
    ):
        code, said = run(variables, command)
        if code != ended:
            return code, said
    return 0, ""


async def test_a_transaction_says_which_topic_has_refused_it(fortress: Fortress) -> None:
    """So that a reply topic which a publisher chose can be avoided; the service's own transaction then goes through."""
    prefix = made(fortress, "refusing")
    replies, jobs = f"{prefix}.replies", f"{prefix}.jobs"
    people = deprived(fortress, "service", prefix)
    wanted = ("Write", replies)
    (person,) = [one for one in people if (one.lacks.operation, one.lacks.name) == wanted]
    partition = TopicPartition(f"{prefix}.commands", 0)
    log = KafkaLog(topology.kafka_settings(load(environ=person.environment)), {partition.topic: jobs})
    own, refused = [OutRecord(jobs, b"k", b"v", (), 0)], OutRecord(replies, b"k", b"v")
    try:
        for seen in (False, True):  # hidden from us, and seen but not to be written to
            if seen:
                fortress.grant([dataclasses.replace(person.lacks, operation="Describe")])
            opened = await log.open(partition)
            with pytest.raises(Unfit) as told:
                await opened.commit([*own, refused], 0)
            assert told.value.topics == {replies}
            await opened.close()
        opened = await log.open(partition)
        await opened.commit(own, 0)
        await opened.close()
    finally:
        await log.close()
