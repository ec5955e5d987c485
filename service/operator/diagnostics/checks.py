"""``python -m service check``: checks Kafka, topics, permissions and AWS targets, and says what to correct."""

from collections import Counter
from collections.abc import Awaitable

from aiokafka.errors import KafkaConnectionError
from rich.console import Console
from rich.text import Text

from schemas.records import CorruptRecord
from service.adapters.aws.api import AwsApi
from service.adapters.aws.clients import Clients
from service.adapters.kafka.topic_reader import partitions
from service.adapters.kafka.topics import TopicProblem, differences, foreign_producers, verify
from service.core.job import ended
from service.core.position import Disagreement
from service.operator.access.kafka_acls import SERVICE, acls
from service.operator.diagnostics.aws_target import probe
from service.operator.diagnostics.finding import Finding
from service.operator.diagnostics.kafka_access import probe_rights
from service.operator.diagnostics.kafka_connection import why_unreachable
from service.operator.diagnostics.kafka_denials import explain
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, read_snapshot
from service.operator.repair.partition_standing import Standing, halted
from service.runtime.ports import LogError, TopicPartition
from service.settings import Settings, SettingsError
from service.topology import changelogs as consumed
from service.topology import former_changelogs, kafka_settings, topic_specs


async def check(settings: Settings) -> list[Finding]:
    """Checks everything that the service needs; changes nothing and leaves nothing behind.

    Raises:
        SettingsError: The settings, or what the environment says of AWS, can't be used: nothing could be run with it.
    """
    sessions = Clients(settings.targets)
    kafka = await _findings_of("kafka", check_kafka(settings))
    answers = any(line.ok for line in kafka)
    usable = all(line.ok or line.differs for line in kafka)
    return [
        *kafka,
        *(await _findings_of("partitions", halted_partitions(settings)) if usable else ()),
        *(await _findings_of("tenants", former_tenants(settings)) if answers else ()),
        *await _findings_of("targets", _check_targets(settings, sessions)),
    ]


async def _findings_of(subject: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    """The findings; an unexpected exception is a finding too."""
    try:
        return await check
    except SettingsError:
        raise
    except Exception as error:
        return [Finding(subject, False, f"can't be checked: {type(error).__name__}: {error}")]


async def check_kafka(settings: Settings) -> list[Finding]:
    """Whether Kafka answers, the topics are configured correctly, and the service may use them."""
    kafka, specs = kafka_settings(settings), topic_specs(settings)
    try:
        findings = await verify(kafka, specs)
        answers = Finding("kafka", True, f"{kafka.bootstrap_servers} answers")
        found = {finding: Finding(f"topic {finding.topic}", False, explained(finding)) for finding in findings}
        if any(finding.setting != "right" for finding in findings):
            return [answers, *found.values()]
        differing = await differences(kafka, specs, replication=settings.kafka.replication_factor)
        clashing = await foreign_producers(kafka, consumed(settings))
        rights = await probe_rights(kafka, [row for row in acls(settings) if row.component == SERVICE])
    except LogError as error:
        return [Finding("kafka", False, await unusable(error, settings))]
    lines = [*rights, *(Finding(f"group {kafka.group_id}", False, why) for why in clashing)]
    # An invisible topic is reported by what was tried with it: that is the permission that is really missing.
    tried = {line.subject.partition(":")[0] for line in lines}
    lacking = [line for finding, line in found.items() if finding.is_ != "Describe" or line.subject not in tried]
    good = [] if found else [Finding("topics", True, f"{len(specs)} topics are configured correctly")]
    return [answers, *good, *lacking, *(_difference(each) for each in differing), *lines]


def _difference(found: TopicProblem) -> Finding:
    """A topic that is not as it would be created; one thing of that is dangerous."""
    if found.setting == "min.insync.replicas":
        why = "a record that only one broker has can be lost with it: what was started is forgotten, and started again"
        message = f"{found.setting} is {found.is_}, must be at least {found.must_be}: {why}; {found.remedy}"
        return Finding(f"topic {found.topic}", False, message, differs=True)
    message = (
        f"{found.setting} is {found.is_}, and would be {found.must_be} by the settings; leave it, or {found.remedy}"
    )
    return Finding(f"topic {found.topic}", True, message, differs=True)


async def halted_partitions(settings: Settings) -> list[Finding]:
    """Partitions that are halted, as far as Kafka shows; the rest only their replica knows, and its `/readyz` shows."""
    try:
        count, found = await halted(kafka_settings(settings), consumed(settings))
    except LogError as error:
        return [Finding("partitions", False, f"which are halted can't be seen: {await unusable(error, settings)}")]
    except CorruptRecord as error:
        return [Finding("partitions", False, f"which are halted can't be seen: {error}; see skip-corrupt")]
    if not found:
        return [Finding("partitions", True, f"{count} partitions: none is halted, as far as Kafka shows")]
    logs = consumed(settings)
    return [
        Finding(f"partition {tp.topic}-{tp.partition}", False, _halted(tp, logs[tp.topic], standing))
        for tp, standing in sorted(found.items())
    ]


def _halted(tp: TopicPartition, changelog: str, found: Standing) -> str:
    if found.unreadable:
        where = f"--topic {changelog} --partition {tp.partition}"
        remedy = f"run the release that wrote it; if there is none: python -m service skip-corrupt {where}"
    else:
        lost = isinstance(found.decided, Disagreement) and found.decided.lost
        rebuilt = "python -m service backfill, if the changelog is empty; or " if lost else ""
        where = f"--topic {tp.topic} --partition {tp.partition}"
        remedy = f"stop the service; {rebuilt}python -m service offsets set {where} --to OFFSET says what it would mean"
    why = f"is halted, or will be when it is opened next: {found.halts}"
    return f"{why}. Nothing is skipped, and other partitions go on. Next: {remedy}"


async def former_tenants(settings: Settings) -> list[Finding]:
    """Open commands of tenants that the settings do not have: no replica reads their topics, so nothing else shows."""
    kafka = kafka_settings(settings)
    try:
        former = former_changelogs(settings, await partitions(kafka))
        ledger = await read_snapshot(kafka, former) if former else ChangelogSnapshot()
    except LogError as error:
        return [Finding("tenants", False, f"what tenants of before have left open can't be read: {error}")]
    theirs = {tp for tp, position in ledger.positions.items() if position.group not in ("", kafka.group_id)}
    count = Counter(
        held.topic_partition.topic for held in ledger.jobs if not ended(held.job) and held.topic_partition not in theirs
    )
    return [
        Finding(
            f"topic {commands}",
            False,
            f"{open_jobs} commands are open in {former[commands]}, but no tenant of the settings has it: nothing polls"
            " what they made, and it may be billed. Restore the tenant until they have ended; they continue then",
        )
        for commands, open_jobs in sorted(count.items())
    ]


def explained(finding: TopicProblem) -> str:
    """What is wrong with a topic, and how to correct it."""
    if finding.setting == "topic":
        return f"is missing; {finding.remedy}"
    if finding.setting == "right":
        return str(finding)
    return f"{finding.setting} is {finding.is_}, must be {finding.must_be}; {finding.remedy}"


async def unusable(error: LogError, settings: Settings, component: str = "service") -> str:
    """Why Kafka can't be used, for an operator; if no broker accepted the connection, each is asked once more."""
    if refusal := explain(error, settings, component):
        return refusal
    if not isinstance(error.__cause__, KafkaConnectionError):
        return str(error)
    reasons = await why_unreachable(kafka_settings(settings))
    return "no broker accepts the connection: " + "; ".join(f"{server} {reason}" for server, reason in reasons.items())


async def _check_targets(settings: Settings, sessions: Clients) -> list[Finding]:
    api = AwsApi(sessions)
    try:
        return [finding for name in settings.targets for finding in await probe(sessions, api, name)]
    finally:
        await sessions.close()


def show(lines: list[Finding], console: Console) -> bool:
    """Prints a line for each finding, and a last one for all; True when everything is right."""
    width = max(len(line.subject) for line in lines)
    for line in lines:
        verdict = Text("note ", "yellow") if line.differs else Text("ok   ", "green")
        verdict = verdict if line.ok else Text("wrong", "red")
        message = " ".join(line.message.split())
        console.print(Text.assemble(verdict, f"  {line.subject:{width}}  {message}"), soft_wrap=True, highlight=False)
    wrong = sum(not line.ok for line in lines)
    summary = f"{wrong} of {len(lines)} wrong" if wrong else f"all {len(lines)} ok: ready to run"
    if differing := sum(line.ok and line.differs for line in lines):
        summary += f"; {differing} not as the settings say"
    console.print(summary, soft_wrap=True, highlight=False)
    return not wrong
