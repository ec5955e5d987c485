"""``python -m service send``: commands from a file, from standard input or from the command line itself."""

import hashlib
import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from cyclopts import Parameter

from schemas.cloudevents import format_time
from schemas.operations import COMMANDS
from service import tenancy
from service.cli import console, following
from service.cli.browse import component
from service.cli.console import EXIT_USAGE, SettingsFile, print_error, print_line
from service.cli.following import EXIT_REJECTED, Wait, Watched, follow, hint, screen
from service.cli.usage import unknown
from service.operator.commands import building, documents
from service.operator.commands.documents import CommandDocument, DocumentsError
from service.operator.commands.reading import ROLE, published
from service.operator.dead_letters.dead_letter import moment
from service.operator.repair.command_sender import Outgoing, operator_source, sender
from service.settings import Settings, SettingsError
from service.settings.yaml_file import StrictLoader
from service.topology import kafka_settings

STDIN: Final = "-"

Tenant = Annotated[str | None, Parameter(help="Whose commands topic; needed if there are several tenants.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class SentAttributes:
    """What is set for every command that is sent; it wins over the documents."""

    key: Annotated[str | None, Parameter(help="Kafka key; by default the command's id. A repeat needs the same.")] = (
        None
    )
    source: Annotated[str | None, Parameter(help="CloudEvents source: who sends it, part of its identity.")] = None
    target: Annotated[str | None, Parameter(help="Name of an AWS target; the default one if not given.")] = None
    correlation: Annotated[str | None, Parameter(help="Correlation id, carried to all replies and events.")] = None
    not_before: Annotated[
        str | None, Parameter(help="AWS is not called before: 2025-01-31T12:00:00Z, or +2h from now.")
    ] = None
    deadline: Annotated[str | None, Parameter(help="AWS is not called after; same format as --not-before.")] = None
    priority: Annotated[int | None, Parameter(help="0 to 9: order among commands that wait; 9 goes first.")] = None

    def extensions(self, now: float) -> dict[str, str]:
        """Those that are given.

        Raises:
            ValueError: A time is none.
        """
        found = {
            "target": self.target,
            "correlationid": self.correlation,
            "notbefore": None if self.not_before is None else instant(self.not_before, now),
            "deadline": None if self.deadline is None else instant(self.deadline, now),
            "priority": None if self.priority is None else str(self.priority),
        }
        return {name: text for name, text in found.items() if text is not None}


_NONE: Final = SentAttributes()


def send(
    what: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    attributes: SentAttributes = _NONE,
    *,
    id: str | None = None,  # noqa: A002 - it is the option's name
    data: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    example: bool = False,
    set: tuple[str, ...] = (),  # noqa: A002 - it is the option's name
    run: str | None = None,
    dry_run: bool = False,
    wait: Annotated[Wait, Parameter(name=("--wait", "--watch"), metavar="[TIME]")] = False,
    json: bool = False,
    tenant: Tenant = None,
    settings: SettingsFile = None,
) -> int:
    """Send commands; with --wait, follow them to their end. The exit code says the outcome.

    They are checked as the service checks them before any is sent. The same id, source and key again is the same
    command: nothing is done twice.

    Args:
        what: A file of commands, an operation such as CreateAudienceModel, or - for standard input.
        attributes: What is set for every command.
        id: Id, if there is one command; with source its identity. An operation that is typed gets one.
        data: Members of an operation: JSON or YAML, @FILE, or - for standard input.
        example: Take the members from the operation's page, with a name of its own for what is created.
        set: A value for ${name} in the documents, as name=value; may be repeated.
        run: Name of a scheduled run: ${run} in the documents, and the id of commands that have none.
        dry_run: Check, and print what would be sent; connects to nothing.
        wait: Follow replies and events until all have ended, or for a time: --wait, --wait 90, --wait 2h. --watch is
            the same option.
        json: One JSON object per line, for other programs.
        tenant: See --help.
        settings: Settings file.
    """
    try:
        seconds = following.seconds_of(wait)
        typed = _Typed(what, id, data, example, run)
        found = prepared(typed.read(_variables(set, run)), typed, attributes, time.time())
    except ValueError as error:
        for problem in error.args:
            print_error(str(problem))
        return EXIT_USAGE
    bare = what if typed.operation and data is None and not example else ""
    work = _Sending(found, tenant, dry_run=dry_run, seconds=seconds if wait else 0.0, as_json=json, bare=bare)
    return console.run(settings, work.perform, component(tenant))


@dataclass(frozen=True, slots=True)
class _Typed:
    """What the command line names."""

    what: str
    id: str | None
    data: str | None
    example: bool
    run: str | None

    @property
    def operation(self) -> bool:
        """Whether it names an operation."""
        return self.what in COMMANDS

    def read(self, variables: Mapping[str, str]) -> list[CommandDocument]:
        """The commands as they are written.

        Raises:
            ValueError: They can't be read, or are no commands; the arguments are the problems.
        """
        if self.operation:
            return [self._typed(variables)]
        if self.data is not None or self.example:
            raise ValueError(
                f"--data and --example are for an operation; {unknown('operation', self.what, list(COMMANDS))}"
            )
        if self.what != STDIN and not Path(self.what).is_file():
            if _is_path(self.what):
                raise ValueError(f"{self.what}: no such file")
            raise ValueError(f"{unknown('operation', self.what, list(COMMANDS))}; nor is there a file of that name")
        try:
            return documents.parse(_content(self.what), variables)
        except DocumentsError as error:
            where = "standard input" if self.what == STDIN else self.what
            raise ValueError(*(f"{where}: {problem}" for problem in error.args)) from error

    def _typed(self, variables: Mapping[str, str]) -> CommandDocument:
        if self.example:
            from schemas.docs import examples

            if self.data is not None:
                raise ValueError("choose one of --data and --example")
            shown = examples.COMMANDS[self.what]
            data = {**shown.data, **self._own_name(shown.data)}
            return CommandDocument(operation=self.what, data=data, extensions=dict(shown.extensions))
        text = self.data if self.data is not None else "{}"
        if text == STDIN or text.startswith("@"):
            text = _content(text.removeprefix("@"))
        return CommandDocument(operation=self.what, data=documents.parse_data(text, variables))

    def _own_name(self, data: Mapping[str, Any]) -> dict[str, str]:
        """A name that no other example has, as AWS refuses a second training dataset of one name.

        The same id gives the same name: a repeat has the same content.
        """
        if not COMMANDS[self.what].creates or "name" not in data:
            return {}
        known = self.id or self.run
        seed = known.encode(errors="surrogateescape") if known else secrets.token_bytes(8)
        return {"name": f"{data['name']}-{hashlib.sha256(seed).hexdigest()[:8]}"}


def _content(name: str) -> str:
    """A file's text.

    Raises:
        ValueError: It can't be read.
    """
    if name == STDIN and sys.stdin is None:
        raise ValueError("standard input is closed; give it something to read, or name a file")
    try:
        return sys.stdin.read() if name == STDIN else Path(name).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ValueError(f"{name}: no such file") from error
    except OSError as error:
        raise ValueError(f"{name} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} can't be read: found a byte that is not UTF-8 at position {error.start}") from error


def _is_path(text: str) -> bool:
    """Names of operations have neither folder nor ending."""
    return "/" in text or "." in text


def _variables(pairs: Sequence[str], run: str | None) -> dict[str, str]:
    """Values by name.

    Raises:
        ValueError: One is no pair.
    """
    found = {documents.RUN: run} if run is not None else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ValueError(f"--set: found {pair!r}; expected name=value")
        found[name] = value
    return found


def instant(text: str, now: float) -> str:
    """RFC 3339 of a time that may be given from now on.

    Raises:
        ValueError: It is neither.
    """
    if not text.startswith("+"):
        return text  # the contract's own check says what is wrong with it
    try:
        return format_time(2 * now - moment(text.removeprefix("+"), now))
    except ValueError as error:
        raise ValueError(f"found {text!r}; expected 2025-01-31T12:00:00Z, or +90s, +30m, +2h, +7d from now") from error


def prepared(
    found: Sequence[CommandDocument], typed: _Typed, attributes: SentAttributes, now: float
) -> list[CommandDocument]:
    """The commands with what the command line adds, and with their identities.

    Raises:
        ValueError: An identity is missing, or something is wrong between the commands.
    """
    if typed.id is not None and len(found) > 1:
        raise ValueError(f"--id is for one command; there are {len(found)}: give each its id, or use --run")
    extensions, complete, problems = attributes.extensions(now), list[CommandDocument](), list[str]()
    for number, command in enumerate(found, 1):
        own = typed.id or command.id or _id(command, typed, number if len(found) > 1 else 0)
        source = attributes.source or command.source or (operator_source() if typed.operation else "")
        for name, text in (("id", own), ("source", source)):
            if not text:
                problems.append(
                    f"{command.where}: {name} is not given. Id and source are a command's identity: choose them so that"
                    f" a repeat has the same, in the file or with --{name}"
                )
        complete.append(
            replace(
                command,
                id=own,
                source=source,
                key=attributes.key or command.key or own,
                extensions={**command.extensions, **extensions},
            )
        )
    problems += documents.chain_problems(complete) if not problems else []
    if problems:
        raise ValueError(*problems)
    return complete


def _id(command: CommandDocument, typed: _Typed, number: int) -> str:
    if typed.run:
        return f"{typed.run}-{number}" if number else typed.run
    return f"{command.operation}-{secrets.token_hex(4)}" if typed.operation else ""


class _DryRunDumper(yaml.SafeDumper):
    """Puts quotes around every text that YAML 1.2 takes for something else, such as 1e3, not 1.1 only."""


for _first, _resolvers in StrictLoader.yaml_implicit_resolvers.items():
    for _tag, _pattern in _resolvers:
        _DryRunDumper.add_implicit_resolver(_tag, _pattern, [_first])


@dataclass(frozen=True, slots=True)
class _Sending:
    """Checks, sends and follows."""

    commands: Sequence[CommandDocument]
    tenant: str | None
    dry_run: bool
    seconds: float | None
    as_json: bool
    bare: str = ""
    """The operation that was typed without members."""

    async def perform(self, settings: Settings) -> int:
        """Does it; the exit code."""
        every = settings.tenant_topics()
        if self.tenant not in every and (self.tenant is not None or len(every) > 1):
            raise SettingsError(f"--tenant: found {self.tenant}; expected one of {', '.join(every)}")
        topic = every[self.tenant or next(iter(every))].commands
        records = [building.outgoing(command, topic) for command in self.commands]
        rules = tenancy.limits(settings)[topic]
        wrong = 0
        for command, record in zip(self.commands, records, strict=True):
            for violation in building.violations(record, rules):
                wrong += 1
                print_error(f"{command.id}: {violation.path}: {violation.message}")
        if wrong:
            print_error("The service would reject this; nothing was sent.")
            if self.bare:
                print_error(f"What it takes, as an example: {hint('send', self.bare, '--example', '--dry-run')}")
            return EXIT_REJECTED
        if self.dry_run:
            self._show(topic)
            return 0
        return await self._send(settings, records)

    def _show(self, topic: str) -> None:
        shown = [documents.as_document(command) for command in self.commands]
        if self.as_json:
            sys.stdout.writelines(f"{json.dumps(each)}\n" for each in shown)
            return
        console.print_line(f"# would be sent to {topic}; nothing was sent", "dim")
        sys.stdout.write(yaml.dump_all(shown, Dumper=_DryRunDumper, sort_keys=False, allow_unicode=True, width=80))

    async def _send(self, settings: Settings, records: Sequence[Outgoing]) -> int:
        kafka = kafka_settings(settings)
        if self.seconds == 0:
            await self._send_all(kafka, records)
            if not self.as_json:
                ids = [record.command_id for record in records]
                print_line(f"To follow: {hint('watch', *ids)}", "dim")
            return 0
        watched = Watched({(command.source, command.id): command.operation for command in self.commands})
        async with published(settings, self.tenant) as source:
            starts = await source.ends()
            await self._send_all(kafka, records)
            return await follow(source, starts, watched, screen(watched, as_json=self.as_json), self.seconds)

    async def _send_all(self, kafka: Any, records: Sequence[Outgoing]) -> None:
        async with sender(kafka, ROLE) as sending:
            for command, record in zip(self.commands, records, strict=True):
                sent = await sending.send(record)
                if self.as_json:
                    described = {"kind": "sent", "command_id": command.id, "source": command.source}
                    more = {"operation": command.operation, "topic": sent.topic, "partition": sent.partition}
                    sys.stdout.write(f"{json.dumps({**described, 'key': command.key, **more})}\n")
                else:
                    print_line(f"sent {command.id} ({command.operation}) to {sent.topic}, partition {sent.partition}")
        sys.stdout.flush()
