"""A replica whose memory is filled by a test: real copies, a real view of them, and no Kafka."""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas import records
from schemas.records import Job, ResourceState, job_key, resource_key
from service.adapters.http import FleetRoutes, Liveness, StatusServer
from service.core.polling import Cadence
from service.core.timing import Policy
from service.runtime.app import App
from service.runtime.assignment import Assignment
from service.runtime.catalogue import Catalogue
from service.runtime.context import Context, OutputTopics, TenantTopics
from service.runtime.fleet_view import FleetView, ReplicaIdentity
from service.runtime.group_snapshot import GroupSnapshot
from service.runtime.history import History
from service.runtime.limiter import Limiter
from service.runtime.ports import Clock, TopicPartition
from service.runtime.slots import SlotRegistry
from service.runtime.standby import Standby
from service.runtime.target_health import TargetHealth
from tests.support.clock import ManualClock
from tests.support.log import MemoryBroker
from tests.support.messages import CHANGES, COMMANDS
from tests.support.recording_telemetry import Story

QUOTAS = {"audience-models": 2, "audience-generation-jobs": 10, "audience-export-jobs": 20}


class Scene:
    """What a replica knows of partitions that others own, and its page.

    Args:
        clock: Time.
        partitions: Of each topic.
        accounts: Account and Region by target.
        tenants: Names of tenants.
        replica: Name of this replica.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        partitions: int = 2,
        accounts: Mapping[str, tuple[str, str]] | None = None,
        tenants: tuple[str, ...] = (),
        replica: str = "crml-0",
    ) -> None:
        self.clock = clock or ManualClock()
        self.accounts = dict(accounts or {"default": ("111122223333", "eu-west-1")})
        self.story = Story()
        self.history = History(self.clock)
        self.slots = SlotRegistry(dict.fromkeys(self.accounts, QUOTAS), lambda _: None, self.clock.monotonic)
        self.standby = Standby(self.slots, self.story, follows=True, changed=self.history.changed)
        self.group = GroupSnapshot()
        self.health = {name: TargetHealth() for name in self.accounts}
        self.partitions = [
            TopicPartition(topic, number) for topic in (COMMANDS, CHANGES) for number in range(partitions)
        ]
        for partition in self.partitions:
            self.standby.wanted(partition)
            self.standby.replicated(partition, [], 0, current=True)
        log = MemoryBroker(partitions, wall=self.clock.wall).log("scene")
        self.assignment = Assignment(log.membership, lambda _: _none(), self.story, grace=1.0, resized=lambda _: None)
        self.limiters = {
            name: Limiter(self.clock, reads_per_second=5.0, writes_per_second=1.0) for name in self.accounts
        }
        self.app = App(
            log=log,
            assignment=self.assignment,
            pollers={},
            limiters=self.limiters,
            slots=self.slots,
            standby=self.standby,
            telemetry=self.story,
            stop_deadline=1.0,
        )
        outputs = TenantTopics("replies", "events", "dead-letters")
        self.context = Context(
            clock=self.clock,
            telemetry=self.story,
            policy=Policy(),
            limits={},
            names=OutputTopics(changelogs={}, changes=CHANGES, shared=outputs, source="svc"),
            regions={},
            cadences={"audience-model": Cadence(15.0, 60.0, 600.0)},
            removal_cadence=Cadence(5.0, 30.0, 60.0),
        )
        identity = ReplicaIdentity(
            replica=replica,
            version="0.1.0",
            group="cleanroomsml-service",
            accounts=self.accounts,
            tenants=tenants,
            addresses=dict.fromkeys(self.accounts, "https://cleanrooms-ml.eu-west-1.amazonaws.com"),
        )
        self.view = FleetView(
            identity, self.app, self.standby, self.context, self.history, self.health, lambda: self.group
        )
        self.catalogue = Catalogue(self.standby)
        self._server: StatusServer | None = None

    def put(self, *jobs: Job, partition: int = 0, topic: str = COMMANDS) -> None:
        """These are in a partition now."""
        pairs = [(job_key(job.command.source, job.command.id), records.encode(job)) for job in jobs]
        self.write(TopicPartition(topic, partition), pairs)

    def put_resources(self, *states: ResourceState, partition: int = 0) -> None:
        pairs = [(resource_key(state.kind, state.id), records.encode(state)) for state in states]
        self.write(TopicPartition(CHANGES, partition), pairs)

    def forget(self, job: Job, partition: int = 0) -> None:
        key = job_key(job.command.source, job.command.id)
        self.write(TopicPartition(COMMANDS, partition), [(key, None)])

    def write(self, partition: TopicPartition, pairs: Iterable[tuple[bytes, bytes | None]]) -> None:
        self.standby.wanted(partition)
        self.standby.replicated(partition, list(pairs), 0, current=True)

    async def serve(self, port: int = 0) -> str:
        """The page's address."""
        await self.assignment.assigned(frozenset())
        self._server = StatusServer(
            "127.0.0.1",
            port,
            status=lambda: {"ready": True},
            metrics=bytes,
            liveness=Liveness(self.clock, {}),
            fleet=FleetRoutes(self.view),
        )
        return f"http://{await self._server.start()}"

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()


def _none() -> Any:
    raise AssertionError("no shard is opened")
