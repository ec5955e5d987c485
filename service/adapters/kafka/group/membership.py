"""Membership in the consumer group, and delivery of what its partitions hold.

aiokafka rebalances eagerly: every member gives up everything, and positions are lost even for partitions that stay. A
partition that has no position makes aiokafka fetch the committed offset, at once and even while it is paused; with
``auto_offset_reset="none"`` it then begins to fetch by itself, or fails and holds up the other partitions of the same
broker. So every newly assigned partition is paused and given a stand-in position before aiokafka's fetcher runs again:
it does nothing until :meth:`Group.start` seeks and resumes it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import HeartbeatRequest

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.aiokafka_patches import lenient_headers
from service.adapters.kafka.client_options import KafkaSettings, client_options, milliseconds
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.group.assignor import own_class
from service.adapters.kafka.group.delivery import Delivery
from service.adapters.kafka.group.static_membership import StaticIdentity
from service.adapters.kafka.incidents import Incident, Incidents
from service.adapters.kafka.reconnection import Attempts, Rejoin
from service.runtime.ports import Assignee, LogError, TopicPartition

FETCH_WAIT: Final = 0.5
"""Seconds after which a broker without new records answers. A partition that is started or resumed waits for that
answer, since aiokafka asks each broker once at a time. But each answer costs CPU, most of what an idle one takes."""

_log = structlog.get_logger(__name__)


class GroupMember:
    """One member; survives broken connections by building a new session.

    Implements :class:`service.runtime.ports.Membership`.
    """

    def __init__(
        self, settings: KafkaSettings, topics: Collection[str], incidents: Incidents, alive: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._topics = sorted(topics)
        self._incidents = incidents
        self._alive = alive
        self._held: frozenset[TopicPartition] = frozenset()
        self._session: Session | None = None
        self._rejoin = Rejoin()
        self._identity = StaticIdentity(settings.group_instance_id)
        self._assignor = own_class()

    async def consume(self, assignee: Assignee) -> None:
        """Joins the group and delivers until cancelled; then leaves the group."""
        attempts = Attempts()
        while True:
            self._alive()
            async with attempts.next():
                await self._attempt(assignee)
            if self._identity.superseded:
                await self._superseded_by_peer(assignee)
            else:
                await self._revoke(assignee)

    async def _attempt(self, assignee: Assignee) -> None:
        try:
            await self._run_session(assignee)
        except (KafkaError, LogError, OSError) as error:
            if not self._identity.superseded:
                self._incidents[Incident.SESSION_LOST] += 1
                _log.warning("Kafka session lost; reconnecting", group=self._settings.group_id, error=repr(error))

    async def holds(self, partition: TopicPartition) -> bool:
        """Whether the coordinator confirms now that this member owns the partition."""
        session = self._session
        if session is None or partition not in self._held:
            return False
        confirmed = await session.confirmed()
        return confirmed and session is self._session and partition in self._held

    @property
    def member_id(self) -> str:
        """The group's name for this process; empty while it is no member."""
        return self._session.member_id if self._session is not None else ""

    def start(self, partition: TopicPartition, offset: int) -> None:
        """Delivers from this offset on."""
        if self._session is not None and partition in self._held:
            self._session.delivery.start(partition, offset)

    def pause(self, partition: TopicPartition) -> None:
        """Stops delivery."""
        if self._session is not None and partition in self._held:
            self._session.delivery.pause(partition)

    def resume(self, partition: TopicPartition) -> None:
        """Delivers again, from where delivery stopped."""
        if self._session is not None and partition in self._held:
            self._session.delivery.resume(partition)

    def rejoin(self) -> None:
        """Asks for a fresh assignment, soon."""
        self._rejoin.want()

    async def _superseded_by_peer(self, assignee: Assignee) -> None:
        """Serves nothing, and asks for its instance id again when the other process may have stopped."""
        settings, pause = self._settings, self._settings.session_timeout / 2
        self._held = frozenset()
        await assignee.superseded_by_peer(
            f"another process has joined the group {settings.group_id} as instance {settings.group_instance_id!r}, so"
            f" this one serves nothing; it asks again every {pause:g} s and comes back when the"
            " other one has gone. If both are to run, give each its own kafka.instance_id, or none"
        )
        await asyncio.sleep(pause)

    async def _run_session(self, assignee: Assignee) -> None:
        consumer = self._make_consumer()
        try:
            async with deadline(self._settings.open_deadline, "connecting to Kafka"):
                await consumer.start()
            self._identity.guard(consumer)
            self._session = Session(consumer, Delivery(consumer, assignee, self._incidents))
            consumer.subscribe(self._topics, listener=_Listener(self, self._session, assignee))
            await self._poll(self._session)
        finally:
            self._session = None
            # Leaves the group, unless the membership is static: then the broker keeps our membership for the session
            # timeout, and a restart within it moves no partition.
            await shut_down(consumer, self._settings.stop_deadline)

    async def _poll(self, session: "Session") -> None:
        while True:
            if self._rejoin.due():
                self._incidents[Incident.REJOIN] += 1
                session.ask_again()
            async with deadline(self._settings.poll_deadline, "polling"):
                await session.delivery.poll()
            self._alive()
            if session.failure is not None:
                raise session.failure

    async def revoked(self, session: "Session", assignee: Assignee) -> None:
        """The group rebalances; returns when what is under way has been drained."""
        session.delivery.drop()
        await self._revoke(assignee)

    async def assigned(self, session: "Session", partitions: Iterable[KafkaPartition], assignee: Assignee) -> None:
        """The group has given us these."""
        self._held = frozenset(TopicPartition(each.topic, each.partition) for each in partitions)
        session.delivery.hold(self._held)  # before anything is awaited: the fetcher must find a position
        self._assignor.on_generation_assignment(session.generation)
        self._rejoin.granted()
        await assignee.assigned(self._held)

    async def _revoke(self, assignee: Assignee) -> None:
        held, self._held = self._held, frozenset()
        if held:
            await assignee.revoked(held)

    def _make_consumer(self) -> Any:
        settings = self._settings
        lenient_headers.install()
        # A JoinGroup is answered only when every member has joined, and aiokafka gives it no more time than any other
        # request.
        request_timeout = max(settings.request_timeout, settings.rebalance_timeout + 5)
        return AIOKafkaConsumer(
            **client_options(settings, "group", request_timeout),
            group_id=settings.group_id,
            group_instance_id=settings.group_instance_id,
            partition_assignment_strategy=(self._assignor,),
            session_timeout_ms=milliseconds(settings.session_timeout),
            heartbeat_interval_ms=milliseconds(settings.heartbeat_interval),
            rebalance_timeout_ms=milliseconds(settings.rebalance_timeout),
            fetch_max_wait_ms=milliseconds(FETCH_WAIT),
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
        )


class Session:
    """One consumer's life."""

    def __init__(self, consumer: Any, delivery: Delivery) -> None:
        self.delivery = delivery
        self.failure: Exception | None = None
        self._consumer = consumer

    @property
    def generation(self) -> int:
        """The group's generation that we are in."""
        return int(self._consumer._coordinator.generation)

    @property
    def member_id(self) -> str:
        """The group's name for us."""
        return str(self._consumer._coordinator.member_id)

    async def confirmed(self) -> bool:
        """Whether the coordinator answers a heartbeat of this generation with a plain yes."""
        coordinator = self._consumer._coordinator
        generation = coordinator.generation
        request = HeartbeatRequest(coordinator.group_id, generation, coordinator.member_id)
        try:
            answer = await coordinator._send_req(request)
        except KafkaError:
            return False
        return bool(answer.error_code == 0 and generation == coordinator.generation)

    def ask_again(self) -> None:
        """Joins again under the same member id, as Java's ``enforceRebalance`` does.

        The public way, to unsubscribe and subscribe, leaves the group in a task of its own that races with the join.
        """
        self._consumer._coordinator.request_rejoin()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Informs the member of rebalances; aiokafka would log a failure and go on, so it is kept for the poll loop."""

    def __init__(self, group: GroupMember, session: Session, assignee: Assignee) -> None:
        self._group = group
        self._session = session
        self._assignee = assignee

    async def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        try:
            await self._group.revoked(self._session, self._assignee)
        except Exception as error:
            self._session.failure = error

    async def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        try:
            await self._group.assigned(self._session, assigned, self._assignee)
        except Exception as error:
            self._session.failure = error
