"""Composition root: joins core, runtime and adapters as the settings say."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from schemas import shapes, sizes
from service import gauges, tenancy
from service.adapters.aws.addresses import api_address, sts_address
from service.adapters.aws.api import AwsApi
from service.adapters.aws.clients import Sessions
from service.adapters.clock import SystemClock
from service.adapters.http import Liveness, StatusServer
from service.adapters.kafka.log import KafkaLog
from service.adapters.kafka.auth.security import security
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topics import TopicSpec, changelog, inlet, stream
from service.adapters.telemetry import Telemetry
from service.core import holding
from service.core.pacing import Cadence
from service.core.policy import Policy
from service.runtime import commands as intake
from service.runtime import changes as numbering
from service.runtime.activities import Workshop
from service.runtime.app import App
from service.runtime.assignment import Assignment
from service.runtime.record_limits import Ceilings
from service.runtime.context import Context, Names
from service.runtime.dispatch import Caller, Deadlines, Dispatch
from service.runtime.limiter import Limiter
from service.runtime.poller import Poller
from service.runtime.ports import TopicPartition
from service.runtime.shard import Shard
from service.runtime.slots import Claim, SlotRegistry
from service.runtime.standby import Standby
from service.settings import Settings, SettingsError
from service.settings.running import Pace

SOURCE: Final = "cleanroomsml-service"
"""CloudEvents ``source`` of what we publish."""

_log = structlog.get_logger("service")

_READY_TICK: Final = 0.1
_BATCH_BYTES: Final = 512 * 1024
_COMMANDS_KEPT: Final = 7 * 86_400.0
_OUTPUT_KEPT: Final = 7 * 86_400.0


def record_bytes(settings: Settings) -> int:
    """Largest record of ours: a command is wrapped into job records and dead letters, which must always fit."""
    return sizes.largest_record(settings.topics.max_message_bytes)


def kafka_settings(settings: Settings) -> KafkaSettings:
    """What the Kafka adapter needs; it reads the TLS files.

    Raises:
        SettingsError: They can't be used.
    """
    kafka = settings.kafka
    try:
        options = security(kafka, fips=any(target.fips for target in settings.targets.values()))
    except OSError as error:
        files = {name: getattr(kafka, name) for name in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")}
        files["oauth.ca_file"] = kafka.oauth.ca_file if kafka.oauth else None
        given = [f"{name} {file}" for name, file in files.items() if file]
        raise SettingsError(f"kafka: TLS can't be set up from {', '.join(given)}: {error}") from error
    return KafkaSettings(
        bootstrap_servers=",".join(kafka.bootstrap_servers),
        group_id=kafka.group_id,
        client_id=kafka.client_id,
        application=kafka.group_id,
        group_instance_id=kafka.instance_id,
        principal=kafka.known_as(),
        by_iam=kafka.oauth is not None and kafka.oauth.provider == "msk_iam",
        security=options,
        heartbeat_interval=kafka.heartbeat_interval,
        session_timeout=kafka.session_timeout,
        rebalance_timeout=kafka.rebalance_timeout,
        transaction_timeout=kafka.transaction_timeout,
        request_timeout=kafka.request_timeout,
        batch_bytes=min(_BATCH_BYTES, record_bytes(settings)),
        record_bytes=record_bytes(settings),
    )


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic that the service needs, as it must be."""
    topics, largest = settings.topics, record_bytes(settings)
    specs: list[TopicSpec] = []
    for commands, jobs in settings.sources():
        # What a tenant sends is bounded as sent; compression is the broker's affair, or a small batch could be a bomb.
        source = inlet(
            commands,
            topics.partitions,
            retention=_COMMANDS_KEPT,
            record_bytes=sizes.largest_command(topics.max_message_bytes),
            at_most=largest,
        )
        specs += [source, changelog(jobs, source, record_bytes=largest)]
    changes = stream(topics.changes, topics.partitions, retention=_OUTPUT_KEPT, record_bytes=largest)
    specs += [changes, changelog(topics.resources, changes, record_bytes=largest)]
    for name in settings.outputs():
        specs.append(stream(name, topics.partitions, retention=_OUTPUT_KEPT, record_bytes=largest))
    return specs


def consumed(settings: Settings) -> dict[str, str]:
    """Topics that shards consume, each with its changelog: commands, and changes to be numbered."""
    return {**dict(settings.sources()), settings.topics.changes: settings.topics.resources}


def outlets(settings: Settings) -> dict[str, frozenset[str]]:
    """Topics without which a shard is not served, by the topic it consumes; a command's `replyto` is not among them."""
    topics, tenants = settings.topics, settings.places().values()
    shared = {topics.changes, topics.replies, topics.events, topics.dead_letters}
    needed = {places.commands: frozenset({*shared, *places[2:]}) for places in tenants}
    return {**needed, topics.changes: frozenset({*shared, *(places.events for places in tenants)})}


_BLINDNESS: Final = 24
"""Into how many observations the time is divided for which looks at a resource may fail."""


def policy(settings: Settings) -> Policy:
    """The numbers for the core."""
    timing = settings.timing
    return Policy(
        call_window=timing.call_window,
        settle=timing.settle,
        search_delays=timing.search_delays,
        accepted_limit=timing.accepted_search_limit,
        search_limit=timing.search_limit,
        read_patience=timing.read_retry_limit,
        write_patience=timing.write_retry_limit,
        backoff_base=timing.retry_base,
        backoff_cap=timing.retry_cap,
        backoffs={
            name: (target.retry_base or timing.retry_base, target.retry_cap or timing.retry_cap)
            for name, target in settings.targets.items()
        },
        quota_retry=timing.quota_retry,
        retention=timing.retention,
        targets={name: (facts.account, facts.region) for name, facts in tenancy.facts(settings).items()},
    )


def _context(settings: Settings, clock: SystemClock, telemetry: Telemetry) -> Context:
    topics = settings.topics
    return Context(
        clock=clock,
        telemetry=telemetry,
        policy=policy(settings),
        limits=tenancy.limits(settings),
        names=Names(
            changelogs=consumed(settings),
            changes=topics.changes,
            replies=topics.replies,
            events=topics.events,
            dead_letters=topics.dead_letters,
            source=SOURCE,
            own=tenancy.outlets(settings),
        ),
        regions={name: target.region for name, target in settings.targets.items()},
        cadences={kind: _cadence(pace) for kind, pace in settings.polling.kinds.items()},
        removal_cadence=_cadence(settings.polling.removal),
        max_batch=settings.runtime.max_batch,
        inbox_limit=settings.runtime.inbox_limit,
        open_jobs_limit=settings.runtime.open_jobs_limit,
        remembered_bytes=settings.runtime.remembered_bytes,
        ceilings=Ceilings(record_bytes(settings)),
    )


def _cadence(pace: Pace) -> Cadence:
    return Cadence(pace.first, pace.later, pace.after)


@dataclass(frozen=True, slots=True)
class Service:
    """The service, put together."""

    app: App
    log: KafkaLog
    sessions: Sessions
    telemetry: Telemetry
    liveness: Liveness
    server: StatusServer

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until ``stop`` is set; HTTP starts first and stops last, so that a probe always has an answer."""
        try:
            http = await self.server.start()
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self.liveness.watch(), name="heartbeat"),
                    tasks.create_task(self._announce(http), name="announce"),
                ]
                await self.app.run(stop)
                for helper in helpers:
                    helper.cancel()
        finally:
            await self.log.close()
            await self.sessions.close()
            await self.server.stop()

    async def _announce(self, http: str) -> None:
        """Says that it serves when it does: every partition that the group gave is being served."""
        while not self.app.ready:  # noqa: ASYNC110 - it follows from many shards, none of which knows of the others
            await asyncio.sleep(_READY_TICK)
        _log.info("serving", http=http)


def build(settings: Settings) -> Service:
    """Puts the service together; connects to nothing yet."""
    shapes.preload()  # or the first commands would pay for it
    clock = SystemClock()
    telemetry = Telemetry(settings.targets)
    sessions = Sessions(settings.targets)
    log = KafkaLog(kafka_settings(settings), consumed(settings), outlets(settings))
    limiters = {
        name: Limiter(
            clock,
            reads_per_second=target.rate.reads_per_second,
            writes_per_second=target.rate.writes_per_second,
        )
        for name, target in settings.targets.items()
    }
    timing, blindness = settings.timing, settings.timing.search_limit / _BLINDNESS
    deadlines = Deadlines(write=timing.call_timeout, read=timing.read_timeout, listing=blindness)
    tenants = tenancy.limiters(settings, clock)
    api = AwsApi(sessions)
    caller = Caller(api, limiters, clock, telemetry, deadlines, tenants)
    pollers = {
        name: Poller(
            name,
            caller,
            settings.polling.tick,
            clock,
            telemetry,
            patience=timing.settle,
            blindness=blindness,
        )
        for name in settings.targets
    }
    app = _app(settings, clock, telemetry, log, caller, pollers, limiters, tenants)
    liveness = Liveness(clock, settings.runtime.heartbeat_limit, telemetry.lag)
    telemetry.pull(app.jobs, app.inboxes)
    telemetry.pull_slots(app.slots)
    gauges.register(telemetry, app, clock, api.skews)
    addresses = {
        name: {"Clean Rooms ML": api_address(target), "STS": sts_address(target)}
        for name, target in settings.targets.items()
    }
    server = StatusServer(
        settings.http.host,
        settings.http.port,
        status=lambda: {**app.status(), "addresses": addresses},
        metrics=telemetry.render,
        as_openmetrics=telemetry.render_openmetrics,
        liveness=liveness,
        page=None if settings.http.page_port is None else (settings.http.page_host, settings.http.page_port),
    )
    return Service(app, log, sessions, telemetry, liveness, server)


def _app(
    settings: Settings,
    clock: SystemClock,
    telemetry: Telemetry,
    log: KafkaLog,
    caller: Caller,
    pollers: Mapping[str, Poller],
    limiters: Mapping[str, Limiter],
    tenants: Mapping[str, Limiter],
) -> App:
    context = _context(settings, clock, telemetry)

    def wake(claim: Claim) -> None:
        assignment.wake(claim.partition, claim.key)

    slots = SlotRegistry({name: target.quotas for name, target in settings.targets.items()}, wake, clock.monotonic)
    standby = Standby(
        slots,
        telemetry,
        follows=settings.runtime.standby,
        serves=lambda job: not holding.obstacle(job, context.policy),
    )
    workshop = Workshop(Dispatch(caller, clock), pollers, slots)

    def make_shard(partition: TopicPartition) -> Shard:
        receive = numbering.receive if partition.topic == settings.topics.changes else intake.receive
        return Shard(partition, log, workshop, context, standby, receive)

    def resized(held: frozenset[TopicPartition]) -> None:
        """The budget of an account and region is split over the replicas by the partitions of commands they hold."""
        telemetry.rebalance()
        calling = sum(partition.topic != settings.topics.changes for partition in held)
        share = calling / (settings.topics.partitions * len(settings.sources()))
        for limiter in limiters.values():
            limiter.share(min(1.0, share) or 1.0)
        tenancy.share(settings, tenants, assignment.shards)

    patience = settings.runtime.stop_deadline / 2
    assignment = Assignment(log, make_shard, telemetry, patience=patience, resized=resized)
    return App(
        log=log,
        assignment=assignment,
        pollers=pollers,
        limiters=limiters,
        slots=slots,
        standby=standby,
        telemetry=telemetry,
        stop_deadline=settings.runtime.stop_deadline,
    )
