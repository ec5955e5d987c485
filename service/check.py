"""``python -m service check``: reaches Kafka and AWS, verifies topics, rights and settings, and says what to mend."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from service.adapters.aws.api import AwsApi
from service.adapters.aws.probe import probe
from service.adapters.aws.sessions import Sessions
from service.adapters.kafka.rights import probe_rights
from service.adapters.kafka.topics import verify
from service.bootstrap import consumed, kafka_settings, topic_specs
from service.runtime.ports import LogError
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at, whether it is right, and what was found."""

    subject: str
    ok: bool
    message: str


async def check(settings: Settings) -> list[Line]:
    """Looks at everything the service needs; nothing is changed, and nothing stays behind."""
    return [*await check_kafka(settings), *await _check_targets(settings)]


async def check_kafka(settings: Settings) -> list[Line]:
    """Whether Kafka answers, the topics are as they must be, and we may use them."""
    servers = ",".join(settings.kafka.bootstrap_servers)
    try:
        findings = await verify(kafka_settings(settings), topic_specs(settings))
        if not findings:
            findings_lines = [Line("topics", True, f"{len(topic_specs(settings))} topics are as they must be")]
        else:
            findings_lines = [Line(f"topic {finding.topic}", False, str(finding)) for finding in findings]
            return [Line("kafka", True, f"{servers} answers"), *findings_lines]
        rights = await probe_rights(kafka_settings(settings), consumed(settings), _outputs(settings))
    except LogError as error:
        return [Line("kafka", False, f"{servers}: {error}; check bootstrap_servers, security_protocol and the network")]
    lines = [Line(right.subject, right.ok, right.message) for right in rights]
    return [Line("kafka", True, f"{servers} answers"), *findings_lines, *lines]


def _outputs(settings: Settings) -> list[str]:
    topics = settings.topics
    return sorted({topics.replies, topics.events, topics.dead_letters, *settings.replies.allowed_topics})


async def _check_targets(settings: Settings) -> list[Line]:
    sessions = Sessions(settings.targets)
    api = AwsApi(sessions)
    try:
        findings = [finding for name in settings.targets for finding in await probe(sessions, api, name)]
    finally:
        await sessions.close()
    return [Line(finding.subject, finding.ok, finding.message) for finding in findings]


def show(lines: list[Line], console: Console) -> bool:
    """Prints the result as a table; True when everything is right."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=5)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row("[green]ok[/]" if line.ok else "[red]wrong[/]", line.subject, line.message)
    console.print(table)
    return all(line.ok for line in lines)
