"""Composition root: joins core, runtime and adapters as the settings say."""

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from schemas import shapes
from service import gauges, tenancy, topology
from service.adapters.aws.addresses import api_address, sts_address
from service.adapters.aws.api import AwsApi
from service.adapters.aws.clients import Clients
from service.adapters.clock import SystemClock
from service.adapters.expiries import Expiries
from service.adapters.garbage_collection import GarbageCollection
from service.adapters.http import LOOP, FleetRoutes, Liveness, StatusServer
from service.adapters.kafka.incidents import Incident
from service.adapters.kafka.log import KafkaLog
from service.adapters.memory import ContainerMemory
from service.adapters.telemetry import PrometheusTelemetry
from service.adapters.telemetry.tracing import TracesUnavailable, exported
from service.core import holding
from service.core.polling import Cadence
from service.policy import policy as core_policy
from service.runtime.activities import ActivityDependencies
from service.runtime.app import App
from service.runtime.assignment import Assignment
from service.runtime.changes import ChangeProcessor
from service.runtime.command_processor import CommandProcessor
from service.runtime.context import Context
from service.runtime.dispatch import CallTimeouts, Dispatch, RateLimitedApi
from service.runtime.fleet_view import FleetView, ReplicaIdentity
from service.runtime.group_snapshot import GroupWatch
from service.runtime.history import History
from service.runtime.limiter import Limiter
from service.runtime.poller import Poller
from service.runtime.ports import TopicPartition
from service.runtime.record_limits import RecordLimits
from service.runtime.shard import Shard
from service.runtime.sharing import Fleet, Sharing
from service.runtime.slots import Claim, SlotRegistry
from service.runtime.standby import Standby
from service.settings import PollInterval, Settings, SettingsError

if TYPE_CHECKING:
    from service.adapters.telemetry.traces import Traces

_log = structlog.get_logger("service")

_READY_TICK: Final = 0.1

_KAFKA: Final = "kafka"
"""The part of the process that polls Kafka, as liveness knows it."""

_SILENT_POLLS: Final = 2
"""Number of poll deadlines that may pass without a sign of the Kafka client, plus the time to close shards."""

_BLINDNESS: Final = 24
"""Number of observations during the time for which polls of a resource may fail."""


def _context(
    settings: Settings, clock: SystemClock, telemetry: PrometheusTelemetry, history: History, traced_by: str
) -> Context:
    return Context(
        clock=clock,
        telemetry=telemetry,
        policy=core_policy(settings),
        limits=tenancy.limits(settings),
        names=topology.output_topics(settings),
        regions={name: target.region for name, target in settings.targets.items()},
        cadences={kind: _cadence(pace) for kind, pace in settings.polling.kinds.items()},
        removal_cadence=_cadence(settings.polling.removal),
        max_batch=settings.runtime.max_batch,
        inbox_limit=settings.runtime.inbox_limit,
        open_jobs_limit=settings.runtime.open_jobs_limit,
        remembered_bytes=settings.runtime.remembered_bytes,
        ceilings=RecordLimits(topology.record_bytes(settings)),
        changed=history.changed,
        traced_by=traced_by,
    )


def _cadence(pace: PollInterval) -> Cadence:
    return Cadence(pace.first, pace.later, pace.after)


@dataclass(frozen=True, slots=True)
class Service:
    """The service, put together."""

    app: App
    log: KafkaLog
    sessions: Clients
    telemetry: PrometheusTelemetry
    liveness: Liveness
    server: StatusServer
    garbage: GarbageCollection
    group: GroupWatch
    traces: "Traces | None" = None

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until ``stop`` is set; HTTP starts first and stops last, so that a probe always has an answer."""
        try:
            http = await self.server.start()
            with self.garbage.tuned():
                await self._serve(stop, http)
        finally:
            await self.group.close()
            await self.log.close()
            await self.sessions.close()
            if self.traces is not None:
                await self.traces.close()
            await self.server.stop()

    async def _serve(self, stop: asyncio.Event, http: str) -> None:
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self.liveness.watch(), name="heartbeat"),
                tasks.create_task(self._announce(http), name="announce"),
            ]
            await self.app.run(stop)
            for helper in helpers:
                helper.cancel()

    async def _announce(self, http: str) -> None:
        """Says that it serves when it does: every partition that the group gave is being served, or halted."""
        while not self.app.ready:  # noqa: ASYNC110 - it follows from many shards, none of which knows of the others
            await asyncio.sleep(_READY_TICK)
        halted = {"halted": sorted(f"{each.topic}-{each.partition}" for each in self.app.halted)}
        _log.info("serving", http=http, **(halted if self.app.halted else {}))


def build(settings: Settings, release: str = "") -> Service:
    """Puts the service together; connects to nothing yet.

    Args:
        settings: Of the service.
        release: Which one it is, for the page.
    """
    shapes.preload()  # or the first commands would pay for it
    clock = SystemClock()
    traces = _traces(settings, release, clock)
    telemetry = PrometheusTelemetry(settings.targets, traces=traces)
    sessions = Clients(settings.targets)
    kafka = topology.kafka_settings(settings)
    limits = {
        LOOP: settings.runtime.heartbeat_limit,
        _KAFKA: _SILENT_POLLS * kafka.poll_deadline + settings.runtime.stop_deadline,
    }
    liveness = Liveness(clock, limits, telemetry.lag)
    log = KafkaLog(
        kafka, topology.changelogs(settings), topology.required_topics(settings), partial(liveness.beat, _KAFKA)
    )
    history = History(clock)
    limiters = _limiters(settings, clock)
    timing, blindness = settings.timing, settings.timing.search_limit / _BLINDNESS
    deadlines = CallTimeouts(write=timing.call_timeout, read=timing.read_timeout, listing=blindness)
    tenants = tenancy.limiters(settings, clock)
    api = AwsApi(sessions)
    caller = RateLimitedApi(api, limiters, clock, telemetry, deadlines, tenants)
    sharing = _sharing(settings, log, telemetry, lambda partition: partition in app.owned)
    pollers = _pollers(settings, clock, telemetry, caller, sharing, blindness)
    garbage = GarbageCollection()
    context = _context(settings, clock, telemetry, history, traces.process if traces is not None else "")
    app, standby = _app(settings, clock, telemetry, context, log, caller, pollers, limiters, tenants, garbage, sharing)
    group = GroupWatch(log.group, clock)
    gauges.register(telemetry, app, clock, api.skews, settings.timing.running_limit, partial(_ends, settings, group))
    gauges.register_process(telemetry, release, _expiries(settings, sessions), ContainerMemory())
    telemetry.counter(
        "kafka_incidents",
        "Failures of the Kafka client that it has survived",
        ("incident",),
        lambda: {(each.value,): float(log.incidents[each]) for each in Incident},
    )
    view = FleetView(
        _identity(settings, release),
        app,
        standby,
        context,
        history,
        caller.health,
        group.snapshot,
        lambda: log.membership.member_id,
    )
    server = _server(settings, app, telemetry, liveness, FleetRoutes(view))
    return Service(app, log, sessions, telemetry, liveness, server, garbage, group, traces)


def _limiters(settings: Settings, clock: SystemClock) -> dict[str, Limiter]:
    """The budget of each target."""
    return {
        name: Limiter(
            clock,
            reads_per_second=target.rate.reads_per_second,
            writes_per_second=target.rate.writes_per_second,
            connections=target.pool,
            window=settings.timing.call_window,
        )
        for name, target in settings.targets.items()
    }


def _pollers(
    settings: Settings,
    clock: SystemClock,
    telemetry: PrometheusTelemetry,
    caller: RateLimitedApi,
    sharing: Sharing | None,
    blindness: float,
) -> dict[str, Poller]:
    """The poller of each target."""
    return {
        name: Poller(
            name,
            caller,
            settings.polling.tick,
            clock,
            telemetry,
            settle=settings.timing.settle,
            blindness=blindness,
            sharing=sharing,
            silence=settings.kafka.session_timeout,
        )
        for name in settings.targets
    }


def _server(
    settings: Settings, app: App, telemetry: PrometheusTelemetry, liveness: Liveness, fleet: FleetRoutes
) -> StatusServer:
    """Probes, metrics and the page."""
    addresses = {
        name: {"Clean Rooms ML": api_address(target), "STS": sts_address(target)}
        for name, target in settings.targets.items()
    }
    return StatusServer(
        settings.http.host,
        settings.http.port,
        status=lambda: {**app.status(), "addresses": addresses},
        readiness=lambda: {**app.readiness(), "addresses": addresses},
        metrics=telemetry.render,
        as_openmetrics=telemetry.render_openmetrics,
        liveness=liveness,
        page=None if settings.http.page_port is None else (settings.http.page_host, settings.http.page_port),
        fleet=fleet,
    )


def require_traces(settings: Settings) -> bool:
    """Whether traces are exported.

    Raises:
        SettingsError: They are wanted, and can't be.
    """
    try:
        return exported(enabled=settings.tracing.enabled, environment=os.environ)
    except TracesUnavailable as error:
        raise SettingsError(str(error)) from error


def _traces(settings: Settings, release: str, clock: SystemClock) -> "Traces | None":
    """What makes spans; without traces, not even its packages are loaded."""
    if not require_traces(settings):
        return None
    try:
        from service.adapters.telemetry.traces import Traces

        return Traces(
            secrets.token_hex(4),
            replica=topology.replica_name(settings),
            release=release,
            group=settings.kafka.group_id,
            regions={name: target.region for name, target in settings.targets.items()},
            clock=clock,
        )
    except ValueError as error:  # the SDK reads a number or a choice only then, some when it is imported
        raise SettingsError(f"a variable of OpenTelemetry can't be used: {error}") from error


def _ends(settings: Settings, group: GroupWatch) -> dict[TopicPartition, int]:
    """Where each commands partition ends, when Kafka was last asked; asks for it again."""
    ends = group.snapshot().ends
    return {partition: end for partition, end in ends.items() if partition.topic != settings.topics.changes}


def _expiries(settings: Settings, sessions: Clients) -> Expiries:
    kafka = settings.kafka
    token = kafka.oauth.token_file if kafka.oauth is not None else None
    return Expiries(kafka.ssl_cert_file, token, os.environ, sessions.expiries)


def _identity(settings: Settings, release: str) -> ReplicaIdentity:
    return ReplicaIdentity(
        replica=topology.replica_name(settings),
        version=release,
        group=settings.kafka.group_id,
        accounts={name: (target.account or "", target.region) for name, target in settings.targets.items()},
        tenants=tuple(settings.tenants),
        addresses={name: api_address(target) for name, target in settings.targets.items()},
    )


def _app(
    settings: Settings,
    clock: SystemClock,
    telemetry: PrometheusTelemetry,
    context: Context,
    log: KafkaLog,
    caller: RateLimitedApi,
    pollers: Mapping[str, Poller],
    limiters: Mapping[str, Limiter],
    tenants: Mapping[str, Limiter],
    garbage: GarbageCollection,
    sharing: Sharing | None,
) -> tuple[App, Standby]:

    def wake(claim: Claim) -> None:
        assignment.wake(claim.partition, claim.key)

    slots = SlotRegistry({name: target.quotas for name, target in settings.targets.items()}, wake, clock.monotonic)
    standby = Standby(
        slots,
        telemetry,
        follows=settings.runtime.standby,
        serves=lambda job: not holding.obstacle(job, context.policy),
        fleet=Fleet(pollers, context.cadences, context.removal_cadence) if sharing else None,
        changed=context.changed,
    )
    if sharing is not None:
        sharing.serve(pollers)
    workshop = ActivityDependencies(Dispatch(caller, clock), pollers, slots)

    def make_shard(partition: TopicPartition) -> Shard:
        processor = ChangeProcessor if partition.topic == settings.topics.changes else CommandProcessor
        return Shard(partition, log, workshop, context, standby, processor)

    def resized(held: frozenset[TopicPartition]) -> None:
        """The budget of an account and region is split over the replicas by the partitions of commands they hold."""
        telemetry.rebalance()
        garbage.collect_all()
        calling = sum(partition.topic != settings.topics.changes for partition in held)
        share = calling / (settings.topics.partitions * len(settings.sources()))
        for limiter in limiters.values():
            limiter.share(min(1.0, share) or 1.0)
        tenancy.share(settings, tenants, assignment.shards)

    grace = settings.runtime.stop_deadline / 2
    assignment = Assignment(log.membership, make_shard, telemetry, grace=grace, resized=resized)
    app = App(
        log=log,
        assignment=assignment,
        pollers=pollers,
        limiters=limiters,
        slots=slots,
        standby=standby,
        telemetry=telemetry,
        stop_deadline=settings.runtime.stop_deadline,
        sharing=sharing,
        caller=caller,
    )
    return app, standby


def _sharing(
    settings: Settings, log: KafkaLog, telemetry: PrometheusTelemetry, owns: Callable[[TopicPartition], bool]
) -> Sharing | None:
    topics = settings.topics
    if not settings.polling.shared:
        return None
    return Sharing(topics.changes, topics.partitions, owns, log.broadcast(topics.lists), telemetry)
