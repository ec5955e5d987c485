"""The load: commands of all kinds at a steady rate, by seed, to every partition; and a ledger of what was sent.

One draw in twelve is a whole campaign, sent at once: more than a third of the commands beside the probes.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka.errors import KafkaError

from tests.faults import chains
from tests.faults.ground import Ground
from tests.faults.history import TERMINAL, Identity, Sent
from tests.faults.publisher import Publisher
from tests.faults.subscriber import Subscriber
from tests.faults.workers import until

CHAINS = 1 / 12
"""Share of the draws."""
OPERATOR = "/operator/lab"
_DELETABLE = {"CreateTrainingDataset": "trainingDatasetArn", "CreateAudienceModel": "audienceModelArn"}


class Load:
    """Publishes to the commands topics of some tenants; ``async with``."""

    def __init__(
        self,
        bootstrap: str,
        topics: Mapping[str, str],
        grounds: Sequence[Ground],
        partitions: int,
        replies: Subscriber,
        reply_topic: str,
    ) -> None:
        self.sent: list[Sent] = []
        self.offsets: list[Any] = []
        """Where the acknowledged ones lie."""
        self.grounds = list(grounds)
        self._topics, self._partitions = topics, partitions
        self._subscriber, self._reply_topic = replies, reply_topic
        self.errors: Counter[str] = Counter()
        """What publishing failed with."""
        self._publisher = Publisher(bootstrap)
        self._pending: set[asyncio.Task[None]] = set()
        self._deleted: set[str] = set()
        self._numbers = 0
        self.chained = True
        """Whether campaigns are among what is drawn."""
        self._going = asyncio.Event()
        self._going.set()

    async def __aenter__(self) -> "Load":
        await self._publisher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._pending:
            task.cancel()
        await self._publisher.stop()

    # One command

    def publish(
        self,
        ground: Ground,
        operation: str,
        data: Mapping[str, Any],
        *,
        source: str,
        name: str,
        partition: int,
        misuse: bool = False,
        key: str = "",
        extensions: Mapping[str, str] | None = None,
    ) -> Sent:
        """Sends a command in the background; the ledger has it at once."""
        place = self._enter(
            ground, operation, data, source, name, partition, misuse=misuse, key=key, extensions=extensions or {}
        )
        self._begin(self._send(place), name)
        return self.sent[place]

    def campaign(self, ground: Ground, chain: chains.Chain, *, source: str, key: str, partition: int) -> list[Sent]:
        """Sends the commands of a chain at once, with one key; each when Kafka has the one before.

        A successor that overtakes its predecessor because that was sent again is, rightly, refused.
        """
        places = []
        for link in chain:
            data = {**link.data, "commandSource": source} if link.operation == "CancelCommand" else link.data
            places.append(
                self._enter(
                    ground, link.operation, data, source, link.id, partition, key=key, extensions=link.extensions
                )
            )

        async def send_all() -> None:
            for place in places:
                await self._send(place)

        self._begin(send_all(), key)
        return [self.sent[place] for place in places]

    def _enter(
        self,
        ground: Ground,
        operation: str,
        data: Mapping[str, Any],
        source: str,
        name: str,
        partition: int,
        *,
        misuse: bool = False,
        key: str,
        extensions: Mapping[str, str],
    ) -> int:
        """Where the ledger has a command that is about to be sent."""
        self.sent.append(
            Sent(
                ground.tenant,
                source,
                name,
                operation,
                data,
                partition,
                time.monotonic(),
                acknowledged=False,
                misuse=misuse,
                key=key,
                extensions={"target": ground.target, **extensions},
            )
        )
        return len(self.sent) - 1

    def _begin(self, sending: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(sending, name=f"send {name}")
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    def foreign(self, tenant: str, source: str, name: str, operation: str, partition: int) -> None:
        """Enters a command that was published by other means: it may be answered, and need not be."""
        self.sent.append(
            Sent(tenant, source, name, operation, {}, partition, time.monotonic(), acknowledged=False, misuse=False)
        )

    async def _send(self, place: int) -> None:
        sent = self.sent[place]
        headers = {
            "ce_specversion": "1.0",
            "ce_id": sent.id,
            "ce_source": sent.source,
            "ce_type": f"cleanroomsml.command.{sent.operation}",
            "content-type": "application/json",
            **{f"ce_{name}": value for name, value in sent.extensions.items()},
        }
        encoded = [(name, text.encode()) for name, text in headers.items()]
        topic, value = self._topics[sent.tenant], json.dumps(sent.data).encode()
        while True:
            try:
                place_in_log = await self._publisher.send(
                    topic, value, key=(sent.key or sent.id).encode(), partition=sent.partition, headers=encoded
                )
            except KafkaError as error:  # doubtful: again it is a copy, for which the ledger has an entry too
                self.errors[type(error).__name__] += 1
                self.sent.append(sent)
                await asyncio.sleep(0.5)
            else:
                self.sent[place] = replace(sent, acknowledged=True)
                self.offsets.append(place_in_log)
                return

    # The load

    @asynccontextmanager
    async def running(self, source: str, chance: random.Random, *, pulse: float, work: float) -> AsyncIterator[None]:
        """Within the block: a cheap read every ``pulse`` seconds per partition, and ``work`` commands a second."""
        self.proceed()
        tasks = [asyncio.create_task(self._pulse(source, pulse)), asyncio.create_task(self._work(source, chance, work))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled() and (error := task.exception()):
                    raise error

    def pause(self) -> None:
        """Publishes nothing more for now."""
        self._going.clear()

    def proceed(self) -> None:
        """Goes on publishing."""
        self._going.set()

    async def _pulse(self, source: str, interval: float) -> None:
        while await self._going.wait():
            for ground in self.grounds:
                for partition in range(self._partitions):
                    self._numbers += 1
                    data = ground.get_dataset("")
                    name = f"pulse-{self._numbers}"
                    self.publish(ground, "GetTrainingDataset", data, source=source, name=name, partition=partition)
            await asyncio.sleep(interval)

    async def _work(self, source: str, chance: random.Random, rate: float) -> None:
        while await self._going.wait():
            self.one(source, chance)
            await asyncio.sleep(chance.expovariate(1) * 0.2 / rate + 0.8 / rate)

    def one(self, source: str, chance: random.Random) -> None:
        """One command, copy, misuse, deletion or cancellation, by lot."""
        ground, partition = chance.choice(self.grounds), chance.randrange(self._partitions)
        self._numbers += 1
        name = f"{source}-{self._numbers}"
        if self.chained and chance.random() < CHAINS:
            chain = chains.drawn(chance, ground, name)
            self.campaign(ground, chain, source=source, key=name, partition=partition)
            return
        former = [
            sent
            for sent in self.sent[-60:]
            if sent.source == source
            and sent.tenant == ground.tenant
            and not sent.misuse
            # no copy of a chain's command comes before its predecessors
            and (not sent.key or (self.chained and sent.acknowledged))
        ]
        lot = chance.random()
        if former and lot < 0.08:
            self._copy(ground, chance.choice(former))
        elif former and lot < 0.11:
            self._misuse(ground, chance.choice(former))
        elif former and lot < 0.14:
            old = chance.choice(former)
            cancel = {"commandId": old.id, "commandSource": source}
            self.publish(ground, "CancelCommand", cancel, source=source, name=name, partition=old.partition)
        elif lot < 0.22 and (doomed := self._doomed(ground, source)):
            self.publish(ground, *doomed, source=source, name=name, partition=partition)
        else:
            operation, data = ground.command(chance, name)
            self.publish(ground, operation, data, source=source, name=name, partition=partition)

    def _copy(self, ground: Ground, old: Sent) -> None:
        self.publish(
            ground,
            old.operation,
            old.data,
            source=old.source,
            name=old.id,
            partition=old.partition,
            key=old.key,
            extensions=old.extensions,
        )

    def _misuse(self, ground: Ground, old: Sent) -> None:
        other = {"audienceModelArn": ground.model}
        self.publish(
            ground,
            "GetAudienceModel",
            other,
            source=old.source,
            name=old.id,
            partition=old.partition,
            misuse=True,
            key=old.key,
        )

    def _doomed(self, ground: Ground, source: str) -> tuple[str, dict[str, str]] | None:
        """The deletion of something that this load has made, and that no chain needs."""
        operations = {
            sent.identity: sent.operation for sent in self.sent[-200:] if sent.source == source and not sent.key
        }
        for reply in self._subscriber.told[self._reply_topic][-200:]:
            member = _DELETABLE.get(operations.get(reply.command, ""), "")
            if reply.kind != "succeeded" or not member or reply.command[0] != ground.tenant:
                continue
            arn = reply.data["result"].get(member)
            if arn and arn not in self._deleted:
                self._deleted.add(arn)
                return operations[reply.command].replace("Create", "Delete"), {member: arn}
        return None

    # The end

    def ended(self) -> set[Identity]:
        """Commands that have a terminal reply."""
        return {reply.command for reply in self._subscriber.told[self._reply_topic] if reply.kind in TERMINAL}

    def unpublished(self) -> str:
        """How many commands Kafka has not acknowledged, and why: those say nothing of the service."""
        errors = ", ".join(f"{name} {count}" for name, count in self.errors.items())
        return f"{len(self._pending)} commands not acknowledged by Kafka ({errors or 'no error'})"

    def open(self) -> set[Identity]:
        """Commands whose end is still to come."""
        return {sent.identity for sent in self.sent if sent.source != "/poison"} - self.ended()

    async def settled(self, seconds: float) -> float:
        """Waits until everything is published and every command has ended; how long that took.

        What is parked, and keeps others waiting, is given up: a person would have to decide about it.
        """
        began = time.monotonic()
        await until(lambda: not self._pending, seconds, "commands can't be published")

        def ended() -> bool:
            self._give_up()
            return not self.open()

        await until(
            ended,
            seconds,
            lambda: f"{len(self.open())} commands have no end: {sorted(self.open())[:5]}",
        )
        return time.monotonic() - began

    def _give_up(self) -> None:
        """Parked commands for which others wait."""
        open_ones, decided = self.open(), {sent.data.get("commandId") for sent in self.sent if sent.source == OPERATOR}
        waiting = {
            (sent.tenant, sent.source, name) for sent in self.sent if sent.identity in open_ones for name in sent.names
        }
        for reply in self._subscriber.told[self._reply_topic]:
            if reply.kind == "parked" and reply.command in waiting and reply.command[2] not in decided:
                decided.add(reply.command[2])
                self.decide(reply.command, "fail")

    def decide(self, parked: Identity, resolution: str, **more: str) -> None:
        """What a person says of a parked command."""
        tenant, source, name = parked
        sent = next(each for each in self.sent if each.identity == parked)
        ground = next(each for each in self.grounds if each.tenant == tenant)
        data = {"commandId": name, "commandSource": source, "resolution": resolution, **more}
        self.publish(
            ground, "ResolveCommand", data, source=OPERATOR, name=f"{resolution}-{name}", partition=sent.partition
        )

    def first_replies(self, *, ended: bool = False) -> dict[Identity, float]:
        """When each command was answered for the first time, or was told its end."""
        answered: dict[Identity, float] = {}
        for reply in self._subscriber.told[self._reply_topic]:
            if not ended or reply.kind in TERMINAL:
                answered.setdefault(reply.command, reply.at)
        return answered

    def resumption(self, since: float) -> dict[tuple[str, int], float]:
        """By tenant and partition: when the first command sent after a moment was answered, in seconds after it."""
        first: dict[tuple[str, int], float] = {}
        answered = self.first_replies()
        for sent in self._originals():
            if sent.at >= since and (at := answered.get(sent.identity)):
                place = (sent.tenant, sent.partition)
                first[place] = min(first.get(place, float("inf")), at - since)
        return first

    def _originals(self) -> Iterable[Sent]:
        """What was sent for the first time: a copy may have been answered before it was sent."""
        return {sent.identity: sent for sent in reversed(self.sent)}.values()

    def waits(self, since: float, tenant: str | None = None, *, ended: bool = False) -> list[float]:
        """How long each cheap command that was sent after a moment waited for its first reply, the longest last."""
        answered, now = self.first_replies(ended=ended), time.monotonic()
        return sorted(
            max(0.0, answered.get(sent.identity, now) - sent.at)
            for sent in self._originals()
            if sent.at >= since and tenant in {None, sent.tenant} and sent.operation == "GetTrainingDataset"
        )
