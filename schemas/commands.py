"""From a Kafka record to a command, a rejection or a dead letter: total, bounded, and all violations at once.

A record that names a command (its id and source are readable) is either a :class:`schemas.records.Command` or
:class:`Rejected`, to be answered; one that names none is :class:`NotACommand`. A message about a bad record says
what is allowed, and never repeats a value of the payload.

The digest covers the type, the target as the sender gave it and the canonical JSON of the data (members sorted, no
space), or the raw value when that cannot be read; so it distinguishes the same command from another one with the same
id, and is not changed by a new default target, by formatting or by the content mode. References to other commands count
as they were sent.
"""

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec
import orjson

from . import (
    chains,
    cloudevents,
    documented_rules,
    permissions,
    records,
    service_commands,
    shapes,
    sizes,
    strictjson,
    tracecontext,
)
from .cloudevents import Envelope, Headers, timestamp
from .operations import COMMAND_PREFIX, COMMANDS, SERVICE_COMMANDS
from .permissions import Grant, TargetFacts
from .references import PREFIX
from .shapes import Violation
from .tracecontext import TraceContext

__all__ = ["NotACommand", "Rejected", "TopicRules", "Violation", "read"]

MAX_VIOLATIONS: Final = 100
MAX_CORRELATION_ID: Final = 255


@dataclass(frozen=True, slots=True)
class TopicRules:
    """What a command may ask for on one commands topic.

    Attributes:
        grant: What the topic's tenant may use.
        default_target: The target of commands that name none.
        facts: What is known of the targets, by name.
        tenant: Name that distinguishes the tenant's commands from others' with the same id and source; empty for
            the default tenant.
        max_bytes: Longest value that is read.
        params: Members that creating requests get which do not give them, by target.
        assumed: Whether the rules that are our reading count; see :mod:`schemas.documented_rules`.
    """

    grant: Grant
    default_target: str
    facts: Mapping[str, TargetFacts] = field(default_factory=dict)
    tenant: str = ""
    max_bytes: int = sizes.MAX_VALUE
    assumed: bool = True
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that names a command which is invalid or not allowed.

    Attributes:
        command: What is known of it: id, source, digest; operation, target and topic for replies only if valid; no
            parameters.
        code: What kind of fault, for machines.
        message: What to change.
        violations: Everything that is wrong; of the payload, the first ``MAX_VIOLATIONS``, and of all of them as many
            as ``sizes.MAX_VIOLATIONS_BYTES`` hold.
    """

    command: records.Command
    code: str
    message: str
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class NotACommand:
    """A record that names no command, for the dead letters.

    Attributes:
        code: What kind of fault, for machines.
        message: What was found and what is expected, without content.
    """

    code: str
    message: str


def read(
    key: bytes | None, value: bytes | None, headers: Headers, limits: TopicRules, dropped: list[str] | None = None
) -> records.Command | Rejected | NotACommand:
    """Reads a record; never raises.

    Args:
        key: The record's key.
        value: The record's value.
        headers: The record's headers.
        limits: What is allowed here.
        dropped: Gets the names of trace attributes that were malformed.
    """
    size = len(value or b"")
    envelope = cloudevents.decode(key, value if size <= limits.max_bytes else None, headers)
    if dropped is not None:
        dropped += trace_of(envelope).dropped
    if size > limits.max_bytes:
        message = f"has {size} bytes; at most {limits.max_bytes} are read"
        return _refuse(envelope, value, limits, "TooLarge", message, "data")
    if isinstance(envelope, cloudevents.Undecodable):
        return _refuse(envelope, value, limits, envelope.code, envelope.message)
    return _command(envelope, limits)


def misuse(before: records.Command, command: records.Command) -> tuple[str, list[dict[str, str]]]:
    """What is said of a command whose id an earlier one has, and the violations: what differs, and no value of it."""
    pairs = {"type": (before.asked or before.operation, command.operation), "target": (before.target, command.target)}
    how = "differs from the earlier command's"
    differing = {path: how for path, (first, now) in pairs.items() if first and first != now}
    found = " and ".join(differing) or "data, or whether it names its target"
    message = (
        f"this id and source belong to an earlier command with other content ({found}); a new command needs a new id, "
        "a repeated one the same content"
    )
    differing = differing or {"data": f"{how}, or only one of the two names the target, which it would get anyway"}
    violations = [{"path": "id", "rule": "unique", "message": "already used with other content within the retention"}]
    return message, violations + [{"path": path, "rule": "unique", "message": text} for path, text in differing.items()]


def trace_of(envelope: Envelope | cloudevents.Undecodable) -> TraceContext:
    """The trace context that a command carries on, and what of it had to be dropped."""
    return tracecontext.read(*(envelope.extensions.get(name, "") for name in tracecontext.ATTRIBUTES))


def digest(command_type: str, target: str, content: bytes) -> str:
    """SHA-256, hex, of what a command says; see the module's text."""
    hashed = hashlib.sha256(orjson.dumps([command_type, target]))
    hashed.update(content)
    return hashed.hexdigest()


def bound(operation: str, data: Any, params: Mapping[str, Any]) -> Any:
    """A creating request with the members that are bound to its target, where it does not give them itself.

    Maps are filled up key by key. As the digest is that of what was sent, a repeat stays one when settings change.
    """
    if not (COMMANDS[operation].creates and isinstance(data, dict)):
        return data
    known = shapes.input_shape(operation).members
    added = {name: value for name, value in params.items() if name in known and name not in data}
    filled = {
        name: {**params[name], **value}
        for name, value in data.items()
        if isinstance(value, dict) and isinstance(params.get(name), Mapping)
    }
    return {**data, **added, **filled}


def canonical(data: Any) -> bytes:
    """The canonical JSON of parsed data: members sorted, no white space."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def _command(envelope: Envelope, limits: TopicRules) -> records.Command | Rejected:
    operation, named = _operation(envelope.type), tuple[str, ...]()
    found: list[tuple[str, Violation]] = []
    if not operation:
        found.append(("UnknownOperation", Violation("type", "enum", _unknown_operation(envelope.type))))
    try:
        data = strictjson.loads(envelope.data)
        content = canonical(data)
    except strictjson.JsonError as error:
        message = error.message if envelope.data else "is missing; send {} if there are no members"
        found.append((error.code, Violation("data", "json", message)))
        data, content, operation = {}, envelope.data, ""
    found.extend(_extension_violations(envelope.extensions, limits))
    if operation:
        target = envelope.extensions.get("target", limits.default_target)
        data = bound(operation, data, limits.params.get(target, {}))
        found.extend(judge(operation, data, target, limits))
        if named := _predecessors(envelope, operation, data, content):
            found.extend(_chain_violations(envelope, operation, data, named))
    if found:
        return _rejected(envelope, content, limits, common_code(found), tuple(violation for _, violation in found))
    known = _known(envelope, content, limits, data)
    return msgspec.structs.replace(known, predecessors=named) if named else known


def judge(operation: str, data: Any, target: str, limits: TopicRules) -> Iterator[tuple[str, Violation]]:
    """Codes and violations of a request: what the model, the rules and the tenant's grant refuse of it."""
    payload = islice(_payload_violations(operation, data, limits.assumed), MAX_VIOLATIONS)  # the rest is not reported
    yield from (("ValidationFailed", violation) for violation in payload)
    facts = limits.facts.get(target, TargetFacts()) if target in limits.grant.targets else TargetFacts()
    denied = islice(permissions.check(operation, data, facts, limits.grant), MAX_VIOLATIONS)
    yield from ((permissions.NOT_ALLOWED, violation) for violation in denied)


def _predecessors(envelope: Envelope, operation: str, data: Any, content: bytes) -> tuple[str, ...]:
    """The ids that a command names; most name none, and their members are not searched for them."""
    text, refers = envelope.extensions.get("after"), _REFERENCE in content
    if text is None and not refers:
        return ()
    return chains.predecessors(operation, data if refers else {}, chains.after(text or "[]") or ())


_REFERENCE: Final = f'"{PREFIX}'.encode()
"""In canonical JSON, begins a text that may be a reference."""


def _chain_violations(
    envelope: Envelope, operation: str, data: Any, named: tuple[str, ...]
) -> Iterator[tuple[str, Violation]]:
    """What is wrong with the commands that one names, as far as it alone shows it."""
    if len(named) > chains.MAX_PREDECESSORS:
        message = f"must name at most {chains.MAX_PREDECESSORS} other commands, those in the data included"
        yield "InvalidExtension", Violation("after", "max", message)
    if envelope.id not in named:
        return
    where = [each.path for each in chains.references(operation, data) if each.id == envelope.id]
    for path in where or ["after"]:
        yield "ValidationFailed", Violation(path, "reference", _OWN_ID)


_OWN_ID: Final = "must name an earlier command; it names this one"


def _unknown_operation(found: str) -> str:
    """What was found, and which operations have a name like it; the reference lists all of them."""
    name = sizes.printable(found, sizes.MAX_PATH)
    near = difflib.get_close_matches(found.removeprefix(COMMAND_PREFIX)[:_LONGEST_NAME], COMMANDS, n=3)
    listed = f"perhaps {' or '.join(near)}" if near else f"one of the {len(COMMANDS)} of docs/reference, such as {_ANY}"
    return f"found {name or 'none'}; expected {COMMAND_PREFIX}<operation>, with the operation {listed}"


_LONGEST_NAME: Final = 2 * max(map(len, COMMANDS))
_ANY: Final = next(iter(COMMANDS))


def common_code(found: Sequence[tuple[str, Violation]]) -> str:
    """One code for all: what kept the payload from being judged, or what all have in common."""
    codes = list(dict.fromkeys(code for code, _ in found))
    if len(codes) == 1 or codes[0] in {"UnknownOperation", "InvalidJson", "TooLarge"}:
        return codes[0]
    return "ValidationFailed"


def _operation(command_type: str) -> str:
    """The row's name, or nothing."""
    name = command_type.removeprefix(COMMAND_PREFIX)
    return name if name in COMMANDS and name != command_type else ""


def _payload_violations(operation: str, data: Any, assumed: bool) -> Iterator[Violation]:
    if operation in SERVICE_COMMANDS:
        yield from service_commands.violations(operation, data)
        return
    yield from shapes.violations(operation, data)
    yield from documented_rules.violations(operation, data, assumed=assumed)


# --- refusals ---------------------------------------------------------------------------------------------------------


def _refuse(
    envelope: Envelope | cloudevents.Undecodable,
    value: bytes | None,
    limits: TopicRules,
    code: str,
    message: str,
    path: str = "envelope",
) -> Rejected | NotACommand:
    if not (envelope.id and envelope.source):
        return NotACommand(code, message)
    return _rejected(envelope, value or b"", limits, code, (Violation(path, code, message),))


def _rejected(
    envelope: Envelope | cloudevents.Undecodable,
    content: bytes,
    limits: TopicRules,
    code: str,
    violations: tuple[Violation, ...],
) -> Rejected:
    reported = tuple(within_limits(violations))
    first = f"{reported[0].path}: {reported[0].message}"
    message = first if len(violations) == 1 else f"{len(violations)} violations; the first: {first}"
    return Rejected(_known(envelope, content, limits, {}), code, message, reported)


def within_limits(violations: tuple[Violation, ...]) -> Iterator[Violation]:
    """Paths may hold names that the sender made up, and messages list what settings allow: both may be long."""
    room = sizes.MAX_VIOLATIONS_BYTES
    for number, each in enumerate(violations):
        path = sizes.printable(each.path, sizes.MAX_PATH)
        short = Violation(path, each.rule, sizes.shortened(each.message, sizes.MAX_MESSAGE))
        room -= len(orjson.dumps([short.path, short.rule, short.message]))
        if room < 0 and number:
            return
        yield short


def _known(
    envelope: Envelope | cloudevents.Undecodable, content: bytes, limits: TopicRules, params: dict[str, Any]
) -> records.Command:
    """The command as far as its attributes are valid."""
    valid = {name: text for name, text in envelope.extensions.items() if not _extension_fault(name, text, limits)}
    sent_target = envelope.extensions.get("target", "")
    target = valid.get("target", "") if sent_target else limits.default_target
    trace = trace_of(envelope)
    return records.Command(
        id=envelope.id,
        source=envelope.source,
        operation=_operation(envelope.type),
        target=target,
        params=params,
        digest=digest(envelope.type, sent_target, content),
        correlation_id=valid.get("correlationid", ""),
        reply_to=valid.get("replyto", ""),
        not_before=timestamp(valid.get("notbefore", "")) or 0.0,
        deadline=timestamp(valid.get("deadline", "")) or 0.0,
        until=timestamp(valid.get("until", "")) or 0.0,
        priority=int(valid.get("priority", "0")),
        traceparent=trace.parent,
        tracestate=trace.state,
        tenant=limits.tenant,
    )


# --- extensions -------------------------------------------------------------------------------------------------------


def _extension_violations(extensions: Mapping[str, str], limits: TopicRules) -> Iterator[tuple[str, Violation]]:
    for name, text in extensions.items():
        if fault := _extension_fault(name, text, limits):
            code, rule, message = fault
            yield code, Violation(name, rule, message)
    if "target" not in extensions and limits.default_target not in limits.grant.targets:
        names = permissions.listed(limits.grant.targets)
        yield "UnknownTarget", Violation("target", "required", f"is required; one of: {names}")
    start = timestamp(extensions.get("notbefore", ""))
    for name in ("deadline", "until"):
        end = timestamp(extensions.get(name, ""))
        if start is not None and end is not None and start >= end:
            yield "InvalidExtension", Violation(name, "window", "must be after notbefore")


def _extension_fault(name: str, text: str, limits: TopicRules) -> tuple[str, str, str] | None:
    """Code, rule and message of what is wrong with an extension; unknown ones are let pass, as CloudEvents wants."""
    if name == "target":
        return permissions.target_fault(text, limits.grant)
    if name == "replyto":
        return permissions.reply_topic_fault(text, limits.grant)
    check = _SYNTAX.get(name)
    if check and not check[0](text):
        return "InvalidExtension", "syntax", check[1]
    return None


def _is_time(text: str) -> bool:
    return (timestamp(text) or 0.0) > 0.0  # 0 stands for "none" in the record


def _is_priority(text: str) -> bool:
    return len(text) == 1 and text in "0123456789"


def _is_after(text: str) -> bool:
    return chains.after(text) is not None


def _is_correlation_id(text: str) -> bool:
    return len(text) <= MAX_CORRELATION_ID


_TIME_MESSAGE: Final = "must be an RFC 3339 timestamp after 1970, such as 2025-01-31T12:00:00Z"
_SYNTAX: Final = {
    "correlationid": (_is_correlation_id, f"must have at most {MAX_CORRELATION_ID} characters"),
    "notbefore": (_is_time, _TIME_MESSAGE),
    "deadline": (_is_time, _TIME_MESSAGE),
    "until": (_is_time, _TIME_MESSAGE),
    "priority": (_is_priority, "must be a digit, 0 to 9"),
    "after": (_is_after, 'must be a JSON array of ids of commands, such as ["export-7"]'),
}
