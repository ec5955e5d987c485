"""What a page of this replica shows of the whole fleet: targets, partitions, replicas, and what needs a person."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.core import command_state
from service.core.command_state import CommandState, moment
from service.runtime.app import App
from service.runtime.catalogue import Catalogue
from service.runtime.context import Context
from service.runtime.fleet_answers import (
    Attention,
    BudgetAnswer,
    Identity,
    Overview,
    PartitionAnswer,
    PartitionsAnswer,
    ReplicaAnswer,
    SlotAnswer,
    TargetAnswer,
    TargetsAnswer,
)
from service.runtime.fleet_commands import FleetCommands, named, searched_for
from service.runtime.group_snapshot import GroupSnapshot
from service.runtime.history import History
from service.runtime.ports import TopicPartition
from service.runtime.standby import Standby
from service.runtime.target_health import TargetHealth

SHOWN: Final = 50
"""Entries of each kind that need a person, and are shown."""

KAFKA_SILENT: Final = 15.0
"""Seconds without an answer of Kafka after which the page says so: a restart of a broker takes a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaIdentity:
    """Who this process is.

    Attributes:
        replica: Its name.
        version: The release.
        group: The consumer group.
        accounts: Account (empty: not known) and Region by target.
        tenants: Names of the tenants; none when there is only the default one.
        addresses: Where Clean Rooms ML is called, by target.
    """

    replica: str
    version: str
    group: str
    accounts: Mapping[str, tuple[str, str]]
    tenants: tuple[str, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)


class FleetView:
    """Answers the questions about the fleet.

    Attributes:
        commands: Answers those about commands and resources.
        history: What was seen.

    Args:
        identity: Who this process is.
        app: What runs here.
        standby: Copies of what runs elsewhere.
        context: Clock and numbers.
        history: What was seen.
        health: How calls go, by target.
        group: What is known of the group.
        member_id: The group's name for this process.
    """

    def __init__(
        self,
        identity: ReplicaIdentity,
        app: App,
        standby: Standby,
        context: Context,
        history: History,
        health: Mapping[str, TargetHealth],
        group: Callable[[], GroupSnapshot],
        member_id: Callable[[], str] = str,
    ) -> None:
        self.history = history
        self._identity = identity
        self._app = app
        self._standby = standby
        self._clock = context.clock
        self._health = health
        self._group = group
        self._member_id = member_id
        self._started = self._clock.wall()
        self._catalogue = Catalogue(standby)
        self.commands = FleetCommands(identity.replica, app, self._catalogue, context, history, group)

    def overview(self) -> Overview:
        """The fleet in a few numbers."""
        group, member = self._group(), self._member_id()
        silent_since = self._kafka_silent_since(group)
        attention = [
            *self._superseded(),
            *self._kafka(group, silent_since),
            *self._halted(),
            *self._silent(),
            *self._held(),
            *self._parked(),
        ]
        states = self._catalogue.states()
        return Overview(
            identity=self.identity(),
            ready=self._app.ready,
            complete=self._complete(),
            states=states,
            attention=tuple(attention),
            parked=states[CommandState.PARKED],
            group_state=group.state,
            group_error=group.error,
            kafka_silent_since=silent_since,
            replicas=tuple(
                ReplicaAnswer(name=each.name, here=each.member_id == member, partitions=len(each.partitions))
                for each in sorted(group.replicas, key=lambda replica: replica.name)
            ),
            version=self.history.version,
        )

    @property
    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the targets, and of the tenants."""
        return tuple(sorted(self._identity.accounts)), self._identity.tenants

    def identity(self) -> Identity:
        """Who answers, and when."""
        known = self._identity
        return Identity(
            replica=known.replica,
            version=known.version,
            group=known.group,
            targets=tuple(_target_name(name, *facts) for name, facts in sorted(known.accounts.items())),
            started_at=moment(self._started),
            now=moment(self._clock.wall()),
        )

    def _complete(self) -> bool:
        if not self._standby.follows:
            return False
        restored = all(shard.state.value in ("running", "paused") for shard in self._app.shards.values())
        return self._app.started and restored and all(copy.current for copy in self._standby.copies().values())

    def _superseded(self) -> list[Attention]:
        why = self._app.superseded
        return [Attention(kind="superseded", subject=self._identity.replica, since=None, message=why)] if why else []

    def _kafka_silent_since(self, group: GroupSnapshot) -> datetime | None:
        return moment(self._clock.wall() - group.unanswered) if group.unanswered >= KAFKA_SILENT else None

    def _kafka(self, group: GroupSnapshot, silent_since: datetime | None) -> list[Attention]:
        if silent_since is None:
            return []
        reason = f" The last attempt: {group.error}." if group.error else ""
        message = (
            "Kafka does not answer this replica: it reads no commands and publishes nothing until Kafka answers, and"
            f" then continues by itself.{reason}"
        )
        return [
            Attention(
                kind="kafka",
                subject="Kafka",
                since=silent_since,
                message=message,
                remedies=("python -m service check",),
            )
        ]

    def _halted(self) -> list[Attention]:
        return [
            Attention(kind="halted", subject=f"{each.topic}-{each.partition}", since=None, message=why)
            for each, why in sorted(self._app.halted.items())[:SHOWN]
        ]

    def _silent(self) -> list[Attention]:
        now, wall = self._clock.monotonic(), self._clock.wall()
        return [
            Attention(
                kind="silent",
                subject=name,
                since=moment(wall - health.reachability.silent(now)),
                message=health.reachability.words(now),
                remedies=("python -m service check",),
            )
            for name, health in sorted(self._health.items())
            if health.silent(now)
        ]

    def _held(self) -> list[Attention]:
        return [
            Attention(
                kind="held",
                subject=reason,
                since=None,
                message=f"{count} commands on hold at this replica: its release or settings do not know a word of them",
            )
            for reason, count in sorted(self._app.held().items())
            if count
        ]

    def _parked(self) -> list[Attention]:
        found = []
        for each in self._catalogue.parked(SHOWN):
            job, error = each.job, command_state.error_of(each.job)
            text = f"{error.code}: {error.message}" if error is not None else "its outcome can't be known safely"
            searched = searched_for(job)
            found.append(
                Attention(
                    kind="parked",
                    subject=job.command.id,
                    since=moment(job.finished_at),
                    message=f"{text}; {searched}" if searched else text,
                    remedies=command_state.remedies(job),
                    command=named(each.key),
                )
            )
        return found

    def targets(self) -> TargetsAnswer:
        """Every target, as this replica sees it."""
        budgets, slots = self._app.budgets(), self._app.slots()
        slow, watched = self._app.slow(), self._app.watched()
        return TargetsAnswer(
            targets=tuple(
                self._target(name, budgets, slots, slow.get(name, []), watched.get(name, 0))
                for name in sorted(self._identity.accounts)
            )
        )

    def _target(
        self, name: str, budgets: Mapping[Any, Any], slots: Mapping[str, Any], slow: list[str], watched: int
    ) -> TargetAnswer:
        account, region = self._identity.accounts[name]
        health, now = self._health.get(name) or TargetHealth(), self._clock.monotonic()
        return TargetAnswer(
            name=name,
            account=account,
            region=region,
            address=self._identity.addresses.get(name, ""),
            budgets=tuple(
                BudgetAnswer(
                    calls=calls,
                    per_second=round(budget.rate, 3),
                    limit=round(budget.limit, 3),
                    waiting=budget.waiting,
                    oldest_seconds=round(budget.oldest, 1),
                    throttled=calls in slow,
                )
                for (target, calls), budget in sorted(budgets.items())
                if target == name
            ),
            slots=tuple(
                SlotAnswer(
                    quota=quota.split("/", 1)[1], taken=each["taken"], limit=each["limit"], waiting=each["waiting"]
                )
                for quota, each in sorted(slots.items())
                if quota.split("/", 1)[0] == name
            ),
            polled=watched,
            answered_at=moment(health.answered_at),
            succeeded_at=moment(health.succeeded_at),
            failed_at=moment(health.failed_at),
            error=health.error,
            error_operation=health.operation,
            error_http_status=health.http_status,
            unanswered=health.reachability.tries,
            silent=health.silent(now),
            no_answer=health.reachability.words(now),
        )

    def partitions(self) -> PartitionsAnswer:
        """Every partition that is known here."""
        group = self._group()
        shards, copies, halted = self._app.shards, self._standby.copies(), self._app.halted
        owned = frozenset[TopicPartition]().union(*(each.partitions for each in group.replicas))
        known = sorted({*shards, *copies, *halted, *group.ends, *owned})
        return PartitionsAnswer(
            partitions=tuple(self._one_partition(each, group) for each in known),
            asked_at=moment(group.asked_at),
            error=group.error,
        )

    def _one_partition(self, partition: TopicPartition, group: GroupSnapshot) -> PartitionAnswer:
        shard, copy = self._app.shards.get(partition), self._standby.copies().get(partition)
        consumed: int | None = None
        state, restored, kept = "unknown", 0, (0, 0)
        if shard is not None:
            state, restored, kept = shard.state.value, shard.records_restored, shard.kept
            consumed = shard.consumed if state in ("running", "paused") else None
        elif copy is not None:
            state, kept = "copied" if copy.current else "copying", (copy.store.going_on, len(copy.store))
            consumed = copy.store.position.offset if copy.store.position is not None else None
        why = self._app.halted.get(partition, "")
        end = group.ends.get(partition)
        return PartitionAnswer(
            topic=partition.topic,
            number=partition.partition,
            owner=self.commands.owner(partition, group),
            here=shard is not None or bool(why),
            state="halted" if why else state,
            open=kept[0],
            records=kept[1],
            restored=restored,
            lag=max(0, end - consumed) if end is not None and consumed is not None else None,
            reason=why,
        )


def _target_name(name: str, account: str, region: str) -> str:
    return " ".join(part for part in (name, account, region) if part)
