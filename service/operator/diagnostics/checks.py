"""``python -m service check``: checks Kafka, topics, permissions and AWS targets, and says what to correct."""

from collections import Counter
from collections.abc import Awaitable

from aiokafka.errors import KafkaConnectionError
from rich.console import Console
from rich.text import Text

from service.adapters.aws.api import AwsApi
from service.adapters.aws.clients import Clients
from service.adapters.kafka.topic_reader import partitions
from service.adapters.kafka.topics import TopicProblem, foreign_producers, verify
from service.core.job import ended
from service.operator.access.kafka_acls import SERVICE, acls
from service.operator.diagnostics.aws_target import probe
from service.operator.diagnostics.finding import Finding
from service.operator.diagnostics.kafka_access import probe_rights
from service.operator.diagnostics.kafka_connection import why_unreachable
from service.operator.diagnostics.kafka_denials import explain
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, read_snapshot
from service.runtime.ports import LogError
from service.settings import Settings, SettingsError
from service.topology import changelogs as consumed
from service.topology import former_changelogs, kafka_settings, topic_specs


async def check(settings: Settings) -> list[Finding]:
    """Checks everything that the service needs; changes nothing and leaves nothing behind.

    Raises:
        SettingsError: The settings, or what the environment says of AWS, can't be used: nothing could be run with it.
    """
    sessions = Clients(settings.targets)
    kafka = await _told("kafka", check_kafka(settings))
    answers = any(line.ok for line in kafka)
    return [
        *kafka,
        *(await _told("tenants", former_tenants(settings)) if answers else ()),
        *await _told("targets", _check_targets(settings, sessions)),
    ]


async def _told(subject: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
    """The findings; an unexpected exception is a finding too."""
    try:
        return await looking
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
        clashing = await foreign_producers(kafka, consumed(settings))
        rights = await probe_rights(kafka, [row for row in acls(settings) if row.component == SERVICE])
    except LogError as error:
        return [Finding("kafka", False, await unusable(error, settings))]
    lines = [*rights, *(Finding(f"group {kafka.group_id}", False, why) for why in clashing)]
    # A topic that is not to be seen is told of by what was tried with it: that is the right that is really missing.
    tried = {line.subject.partition(":")[0] for line in lines}
    lacking = [line for finding, line in found.items() if finding.is_ != "Describe" or line.subject not in tried]
    good = [] if found else [Finding("topics", True, f"{len(specs)} topics are configured correctly")]
    return [answers, *good, *lacking, *lines]


async def former_tenants(settings: Settings) -> list[Finding]:
    """Open commands of tenants that the settings do not have: no replica reads their topics, so nothing else shows."""
    kafka = kafka_settings(settings)
    try:
        former = former_changelogs(settings, await partitions(kafka))
        ledger = await read_snapshot(kafka, former) if former else ChangelogSnapshot()
    except LogError as error:
        return [Finding("tenants", False, f"what tenants of before have left open can't be read: {error}")]
    theirs = {place for place, position in ledger.positions.items() if position.group not in ("", kafka.group_id)}
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
        verdict = Text("ok   ", "green") if line.ok else Text("wrong", "red")
        message = " ".join(line.message.split())
        console.print(Text.assemble(verdict, f"  {line.subject:{width}}  {message}"), soft_wrap=True, highlight=False)
    wrong = sum(not line.ok for line in lines)
    summary = f"{wrong} of {len(lines)} wrong" if wrong else f"all {len(lines)} ok: ready to run"
    console.print(summary, soft_wrap=True, highlight=False)
    return not wrong
