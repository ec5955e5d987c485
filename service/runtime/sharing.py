"""One replica lists a kind of resource for all: what its Lists show is heard by every replica.

The lister of a target's kind is the replica that owns one partition of the changes topic, so there is one while the
group agrees, and another one soon after it dies. It knows the jobs of the other replicas from the copies of their
partitions. What it shows is a hint: level-based, heard at most once, checked and judged as an own poll is. A
replica that hears nothing of a resource for too long polls by itself, so a lister that is dead, or wrong about being
it, costs calls and never an event.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from schemas import answers
from schemas.operations import RESOURCES, Kind, Resource
from service.core.job import Job, Phase, row, subject
from service.core.polling import Cadence
from service.runtime.poller import Poller
from service.runtime.ports import Broadcast, Telemetry, TopicPartition
from service.runtime.slots import Claim
from service.runtime.watches import SharedPage

_MEMBERS: Final = ("name", "status")
"""What is said of a resource that a Get can describe, beside its identity."""


class Sharing:
    """Says who lists, and carries what Lists show.

    Args:
        topic: The changes topic.
        partitions: How many partitions it has.
        owns: Whether this replica owns one of them now.
        broadcast: Reaches every replica.
        telemetry: Receives problems.
    """

    def __init__(
        self,
        topic: str,
        partitions: int,
        owns: Callable[[TopicPartition], bool],
        broadcast: Broadcast,
        telemetry: Telemetry,
    ) -> None:
        self._topic = topic
        self._partitions = partitions
        self._owns = owns
        self._broadcast = broadcast
        self._telemetry = telemetry
        self._name = uuid4().hex
        self._pollers: Mapping[str, Poller] = {}

    def serve(self, pollers: Mapping[str, Poller]) -> None:
        """These pollers receive what is heard."""
        self._pollers = pollers

    def lists(self, target: str, kind: str) -> bool:
        """Whether this replica lists the kind for all."""
        number = zlib.crc32(f"{target}/{kind}".encode()) % self._partitions
        return self._owns(TopicPartition(self._topic, number))

    def publish(
        self,
        target: str,
        resource: Resource,
        page: Iterable[Mapping[str, Any]],
        *,
        interval: float,
        number: int,
        last: bool,
    ) -> None:
        """Says what a page of a List shows, of resources that are watched."""
        members = (resource.identity, *_MEMBERS) if resource.get_operation else None
        shown = [{name: each[name] for name in members if name in each} if members else dict(each) for each in page]
        record = SharedPage(self._name, target, resource.kind, interval, number, last, shown)
        self._broadcast.send(msgspec.json.encode(record))

    def heard(self, value: bytes) -> None:
        """A record has come; what can't be read is of another release, and a hint less."""
        try:
            page = msgspec.json.decode(value, type=SharedPage)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._telemetry.problem("shared_list_unreadable", error=type(error).__name__)
            return
        poller = self._pollers.get(page.target)
        if poller is None or page.sender == self._name or page.kind not in RESOURCES:
            return
        if misfit := _misfit(RESOURCES[page.kind], page.summaries):
            self._telemetry.problem("shared_list_unreadable", error=misfit)
            return
        poller.heard(page)

    async def run(self) -> None:
        """Listens until cancelled."""
        await self._broadcast.run(self.heard)


def _misfit(resource: Resource, summaries: Sequence[Mapping[str, Any]]) -> str:
    """How what is heard differs from what an own List could show; empty when it fits."""
    if not resource.get_operation:
        return answers.misfit(resource.list_operation, {}, {resource.summaries: summaries})
    fits = all(isinstance(each.get(name, ""), str) for each in summaries for name in (resource.identity, *_MEMBERS))
    return "" if fits and all(resource.identity in each for each in summaries) else "a member has the wrong type"


class Fleet:
    """What other replicas watch, as the copies of their partitions show it.

    Args:
        pollers: By target.
        cadences: How often to poll a new resource, by its kind.
        removal: How often to poll one that is being deleted.
    """

    def __init__(self, pollers: Mapping[str, Poller], cadences: Mapping[str, Cadence], removal: Cadence) -> None:
        self._pollers = pollers
        self._cadences = cadences
        self._removal = removal
        self._claims: dict[TopicPartition, dict[Claim, tuple[str, str, str]]] = {}

    def note(self, claim: Claim, job: Job | None) -> None:
        """A copy shows how a job stands; None: it is no more."""
        claims = self._claims.setdefault(claim.partition, {})
        if job is None or job.phase is not Phase.RUNNING or job.command.target not in self._pollers:
            self._drop(claims, claim)
        elif claim not in claims:
            resource, target = subject(job.command), job.command.target
            removes = row(job.command).kind is Kind.REMOVAL
            cadence = self._removal if removes else self._cadences.get(resource.kind, self._removal)
            claims[claim] = (target, resource.kind, job.resource_id)
            self._pollers[target].watch_elsewhere(resource.kind, job.resource_id, job.accepted_at, cadence)

    def forget(self, partition: TopicPartition) -> None:
        """The partition has no copy here any more."""
        claims = self._claims.pop(partition, {})
        for claim in list(claims):
            self._drop(claims, claim)

    def _drop(self, claims: dict[Claim, tuple[str, str, str]], claim: Claim) -> None:
        if watched := claims.pop(claim, None):
            target, kind, resource_id = watched
            self._pollers[target].unwatch_elsewhere(kind, resource_id)
