"""What the page and its JSON say: every member that is shown, and its meaning. Times are RFC 3339, in UTC.

docs/page-api.md is generated from these types.
"""

from datetime import datetime

import msgspec

from service.core.command_state import CommandState, NextStep, ShownError


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What all answers have in common: camelCase members."""


class PartitionName(Answer, frozen=True, kw_only=True):
    """A partition.

    Attributes:
        topic: Its topic.
        number: Its number.
    """

    topic: str
    number: int


class CommandSummary(Answer, frozen=True, kw_only=True):
    """A command in a list.

    Attributes:
        id: Its id.
        source: Its source.
        tenant: Whose it is; empty for the default tenant.
        operation: What it asks for.
        target: Name of the AWS target.
        name: Name of the resource that it makes or is about, as far as it is known.
        correlation_id: As its publisher has set it.
        state: The kind of the reply that says how it stands.
        status: Last status of its resource.
        reason: Why it waits, as in the reply `waiting`.
        explanation: The same in a sentence; empty where the state says all.
        error: The error that ended it, or by which a search goes.
        resource_id: ARN of what it made or is about, or the stable id of what has none.
        accepted_at: When its acceptance was committed.
        since: Since when it stands as it does.
        ended_at: When it ended; null while it is open.
        attempts: Calls that may have left for AWS.
        next_step: What happens next without a person: `call`, `retry`, `search`, `poll`, or empty.
        next_at: When; null for now, and for what only the owner of its partition knows.
        seen_at: When this replica saw the resource last; null if it does not poll it.
        poll_seconds: About how often its resource is polled; null while it is not.
        position: In the queue for a concurrency slot, from 1; null when it waits for none.
        waiting: How many wait in that queue.
        usual_seconds: How long AWS usually takes for this operation; null while too few are known.
        partition: Where it is.
        owner: Name of the replica that owns the partition; empty when that is not known.
    """

    id: str
    source: str
    tenant: str
    operation: str
    target: str
    name: str
    correlation_id: str
    state: CommandState
    status: str
    reason: str
    explanation: str
    error: ShownError | None
    resource_id: str
    accepted_at: datetime | None
    since: datetime | None
    ended_at: datetime | None
    attempts: int
    next_step: NextStep
    next_at: datetime | None
    seen_at: datetime | None
    poll_seconds: float | None
    position: int | None
    waiting: int | None
    usual_seconds: float | None
    partition: PartitionName
    owner: str


class CommandPage(Answer, frozen=True, kw_only=True):
    """A page of commands.

    Attributes:
        commands: Open ones by age, then ended ones, the latest first.
        cursor: Give it to see what follows; null at the end.
        searched: Commands that were read for this page.
        exhausted: Whether the page ended because it had read enough, not because it was full: what follows may match.
    """

    commands: tuple[CommandSummary, ...]
    cursor: str | None
    searched: int
    exhausted: bool


class TimelineStep(Answer, frozen=True, kw_only=True):
    """One step in the life of a command.

    Attributes:
        at: When.
        what: `received`, the kind of a reply, `next`, or `unseen` for steps that this replica has not seen.
        status: Of the resource.
        reason: Why it waits.
        error: Code of the error.
        attempt: Calls that may have left by then; 0 where it says nothing.
    """

    at: datetime | None
    what: str
    status: str = ""
    reason: str = ""
    error: str = ""
    attempt: int = 0


class CommandName(Answer, frozen=True, kw_only=True):
    """A command, for a link.

    Attributes:
        id: Its id.
        source: Its source.
    """

    id: str
    source: str


class CommandAnswer(CommandSummary, frozen=True, kw_only=True):
    """Everything that is known of a command, and nothing of its payload.

    Attributes:
        account: The AWS account that its target stood for; empty if that was not known.
        region: The Region.
        priority: 0 to 9.
        not_before: As its publisher has set it.
        deadline: As its publisher has set it.
        marker: At the end of the description of what it makes; also in CloudTrail, as the name of the session.
        trace_id: Of its trace.
        replies: How many were published.
        searches: Searches for its outcome without a find.
        searched_for: What was searched and found, of a parked command.
        remedies: Command lines of which a person chooses one, for a parked command.
        holders: Commands that have the slots for which it waits, the first 20.
        slots_taken: Slots in use; null when it waits for none.
        slots_limit: Slots that there are; null when it waits for none.
        usual_of: How many durations `usualSeconds` is made of.
        timeline: What happened and what is next, as far as this replica knows.
        also_in: Other partitions that have a command of the same id and source: a mistake of its publisher.
    """

    account: str
    region: str
    priority: int
    not_before: datetime | None
    deadline: datetime | None
    marker: str
    trace_id: str
    replies: int
    searches: int
    searched_for: str
    remedies: tuple[str, ...]
    holders: tuple[CommandName, ...]
    slots_taken: int | None
    slots_limit: int | None
    usual_of: int
    timeline: tuple[TimelineStep, ...]
    also_in: tuple[PartitionName, ...]


class ResourceStateAnswer(Answer, frozen=True, kw_only=True):
    """What was published about a resource, its policy or its tags.

    Attributes:
        kind: Resource kind.
        status: In the last event.
        sequence: Number of that event.
        name: Its name, as far as it is known.
        observed_at: When that status was observed.
    """

    kind: str
    status: str
    sequence: int
    name: str
    observed_at: datetime | None


class ResourceAnswer(Answer, frozen=True, kw_only=True):
    """A resource.

    Attributes:
        id: ARN, or the stable id of what has none.
        console: The AWS console's page of the service in its Region; empty for what has no ARN.
        states: What was published about it, its policy and its tags.
        commands: The commands that made it or are about it.
    """

    id: str
    console: str
    states: tuple[ResourceStateAnswer, ...]
    commands: CommandPage


class BudgetAnswer(Answer, frozen=True, kw_only=True):
    """A rate budget of this replica.

    Attributes:
        calls: `reads` or `writes`.
        per_second: Calls per second now; AWS's throttles halve it.
        limit: Calls per second when AWS does not throttle: this replica's share.
        waiting: Calls that wait for it.
        oldest_seconds: How long the one has waited that waits longest.
        throttled: Whether throttles have slowed it down for long.
    """

    calls: str
    per_second: float
    limit: float
    waiting: int
    oldest_seconds: float
    throttled: bool


class SlotAnswer(Answer, frozen=True, kw_only=True):
    """A concurrency quota of AWS, counted over all replicas.

    Attributes:
        quota: Its name.
        taken: Slots in use.
        limit: Slots that there are.
        waiting: Commands that wait for one.
    """

    quota: str
    taken: int
    limit: int
    waiting: int


class TargetAnswer(Answer, frozen=True, kw_only=True):
    """An AWS account and Region, as this replica sees it.

    Attributes:
        name: Its name in the settings.
        account: The account, if the settings name it.
        region: The Region.
        address: Where Clean Rooms ML is called.
        budgets: Of this replica.
        slots: Over all replicas.
        polled: Resources that this replica polls.
        answered_at: The last answer of any kind; null before the first.
        succeeded_at: The last call that succeeded; null before the first.
        failed_at: The last call that failed; null before the first.
        error: Code of that failure.
        error_operation: What was called then.
        error_http_status: Of its answer; 0 when there was none.
        unanswered: Calls without an answer since the last answer.
        silent: Whether it has answered nothing for a minute although it was called.
        no_answer: Since when there is no answer, and why, in words; empty while it answers.
    """

    name: str
    account: str
    region: str
    address: str
    budgets: tuple[BudgetAnswer, ...]
    slots: tuple[SlotAnswer, ...]
    polled: int
    answered_at: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    error: str
    error_operation: str
    error_http_status: int
    unanswered: int
    silent: bool
    no_answer: str


class PartitionAnswer(Answer, frozen=True, kw_only=True):
    """A partition of a topic that replicas consume.

    Attributes:
        topic: Its topic.
        number: Its number.
        owner: Name of the replica that owns it; empty when that is not known.
        here: Whether that is this replica.
        state: Here: `opening`, `restoring`, `running`, `paused`, `halted`; of others: `copied`, `copying`, or `unknown`
            when this replica keeps no copy.
        open: Open commands in it.
        records: Commands and resources that are remembered of it.
        restored: Records that the last restore has read, if it is owned here.
        lag: Records of its topic that are not consumed yet; null when that is not known.
        reason: Why it is halted.
    """

    topic: str
    number: int
    owner: str
    here: bool
    state: str
    open: int
    records: int
    restored: int
    lag: int | None
    reason: str


class ReplicaAnswer(Answer, frozen=True, kw_only=True):
    """A member of the consumer group.

    Attributes:
        name: Its instance id, or the address from which it has connected to Kafka.
        here: Whether it is this one.
        partitions: How many partitions it owns.
    """

    name: str
    here: bool
    partitions: int


class Attention(Answer, frozen=True, kw_only=True):
    """Something that needs a person.

    Attributes:
        kind: `halted`, `parked`, `silent`, `kafka`, `superseded` or `held`.
        subject: A partition, the id of a command, a target, `Kafka`, or a reason.
        since: Since when; null when that is not known.
        message: What is wrong.
        remedies: Command lines to choose from.
        command: The command that it is about; null when it is about none.
    """

    kind: str
    subject: str
    since: datetime | None
    message: str
    remedies: tuple[str, ...] = ()
    command: CommandName | None = None


class Identity(Answer, frozen=True, kw_only=True):
    """Who answers.

    Attributes:
        replica: Its name.
        version: The release.
        group: The consumer group.
        targets: Each target with its account and Region.
        started_at: When the process began.
        now: The time of this answer.
    """

    replica: str
    version: str
    group: str
    targets: tuple[str, ...]
    started_at: datetime | None
    now: datetime | None


class Overview(Answer, frozen=True, kw_only=True):
    """The fleet in a few numbers.

    Attributes:
        identity: Who answers.
        ready: Whether this replica serves every partition that it owns.
        complete: Whether it knows every partition's commands: its copies have caught up.
        states: How many commands there are, by state.
        attention: What needs a person, most urgent first, up to 50 of each kind.
        parked: How many commands are parked in all.
        group_state: Kafka's word for the state of the group; empty when it is not known.
        group_error: Why it is not known.
        kafka_silent_since: Since when Kafka has not answered this replica; null while it answers.
        replicas: The members of the group.
        version: Grows with each change of a command.
    """

    identity: Identity
    ready: bool
    complete: bool
    states: dict[str, int]
    attention: tuple[Attention, ...]
    parked: int
    group_state: str
    group_error: str
    kafka_silent_since: datetime | None
    replicas: tuple[ReplicaAnswer, ...]
    version: int


class TargetsAnswer(Answer, frozen=True, kw_only=True):
    """All targets.

    Attributes:
        targets: By name.
    """

    targets: tuple[TargetAnswer, ...]


class PartitionsAnswer(Answer, frozen=True, kw_only=True):
    """All partitions.

    Attributes:
        partitions: By topic and number.
        asked_at: When Kafka was asked for owners and lags; null when it has not answered yet.
        error: Why it has not.
    """

    partitions: tuple[PartitionAnswer, ...]
    asked_at: datetime | None
    error: str


class ErrorAnswer(Answer, frozen=True, kw_only=True):
    """Why a request was not answered.

    Attributes:
        error: What was found, and what is expected.
    """

    error: str
