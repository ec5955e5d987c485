"""The AsyncAPI 3.0 document: channels, operations, messages, bindings and examples, from the contract."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.docs import examples, json_schemas
from schemas.docs.client_examples import PARTITION_RULE
from schemas.docs.json_schemas import CONTRACT_VERSION, Schema
from schemas.events import Message, ReplyKind
from schemas.operations import COMMANDS, RESOURCES, SERVICE_COMMANDS, Kind
from schemas.service_commands import MODELS

_DEFAULT_PREFIX: Final = "cleanroomsml"
_BINDING: Final = "0.5.0"
_WEEK: Final = 7 * 86_400 * 1_000
_PARTITIONS: Final = 8
_RECORD_BYTES: Final = 2 * 1_048_576 + 65_536
_COMMAND_BYTES: Final = 1_048_576 + 65_536
_GROUP: Final = "cleanroomsml-service"

_ABOUT: Final = """\
Other services publish a command; this service calls AWS Clean Rooms ML, follows the job to its end, and publishes what
became of it. Messages are CloudEvents 1.0 in the Kafka binding: attributes in `ce_` headers, data in the value (binary
mode). Commands are read in structured mode too (`application/cloudevents+json`).

**Subscribers must read with `isolation.level=read_committed`.** What the service publishes is written in transactions;
others see what was rolled back.

A command's id and source are its idempotency key: sent again it gets its terminal reply again (shortened if it
was long), and AWS is not called.
Subscribers ignore members and headers that they do not know.
"""

_SUBSCRIBE: Final = "Written in transactions: read with isolation.level=read_committed."


def document() -> dict[str, Any]:
    """The whole document; deterministic."""
    contract = json_schemas.contract()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Clean Rooms ML service",
            "version": f"{CONTRACT_VERSION}.0.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "Your Kafka.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "Host and port of a broker."}},
            }
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "correlationIds": {
                "correlation": {
                    "description": "The command's correlationid, on all that follows from it.",
                    "location": "$message.header#/ce_correlationid",
                }
            },
            "parameters": _parameters(),
            "messages": {
                **_commands(contract),
                **_replies(contract),
                **_results(contract),
                **_events(contract),
                **_dead_letters(contract),
            },
        },
    }


# --- channels ------------------------------------------------------------------------------------------------------


def _parameters() -> dict[str, Any]:
    return {
        "prefix": {"default": _DEFAULT_PREFIX, "description": "Setting topics.prefix: one changes all names."},
        "tenant": {"description": "A tenant: a commands topic with a Write permission of its own."},
    }


_DONE: Final = ReplyKind.SUCCEEDED


def _channels() -> dict[str, Any]:
    return {
        "commands": _channel(
            "commands",
            f"What to do. Key: the publisher's choice; order is kept for equal keys. {PARTITION_RULE}",
            map(_command_id, COMMANDS),
            _COMMAND_BYTES,
        ),
        "tenantCommands": _channel(
            "{tenant}.commands",
            "The same for one tenant: a Kafka record does not carry its sender, so each has a topic of its own. "
            + PARTITION_RULE,
            map(_command_id, COMMANDS),
            _COMMAND_BYTES,
        ),
        "replies": _channel(
            "replies",
            f"What became of a command. {_SUBSCRIBE}",
            [*map(_reply_id, ReplyKind), *map(_result_id, COMMANDS)],
            _RECORD_BYTES,
        ),
        "events": _channel(
            "events",
            f"Status changes of resources; ce_sequence counts from 1 without gaps. {_SUBSCRIBE}",
            map(_event_id, RESOURCES),
            _RECORD_BYTES,
        ),
        "deadLetters": _channel(
            "dead-letters",
            f"Records that are no command, or not a valid one. {_SUBSCRIBE}",
            ["deadLetter"],
            _RECORD_BYTES,
        ),
    }


def _channel(suffix: str, description: str, messages: Iterable[str], record_bytes: int) -> dict[str, Any]:
    address = f"{{prefix}}.{suffix}"
    names = [name for name in ("prefix", "tenant") if f"{{{name}}}" in address]
    return {
        "address": address,
        "description": description,
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "partitions": _PARTITIONS,
                "replicas": 3,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": _WEEK,
                    "max.message.bytes": record_bytes,
                },
                "bindingVersion": _BINDING,
            }
        },
    }


# --- operations ----------------------------------------------------------------------------------------------------


def _operations() -> dict[str, Any]:
    receive = {f"receive{name}": _receive("commands", name, row.kind) for name, row in COMMANDS.items()}
    return {
        **receive,
        "receiveTenantCommands": {
            "action": "receive",
            "summary": "All commands, from a tenant's topic.",
            "channel": {"$ref": "#/channels/tenantCommands"},
            "bindings": _consumer(),
        },
        "sendReplies": _send("replies", "Exactly one terminal reply to every command that can be identified."),
        "sendEvents": _send("events", "Each change of a status that was seen, once and in order."),
        "sendDeadLetters": _send("deadLetters", "The original value and headers, and why."),
    }


def _receive(channel: str, name: str, kind: Kind) -> dict[str, Any]:
    return {
        "action": "receive",
        "summary": f"{name}: {_summary(name)}",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{_command_id(name)}"}],
        "bindings": _consumer(),
        "reply": {
            "channel": {"$ref": "#/channels/replies"},
            "messages": [
                {"$ref": f"#/channels/replies/messages/{_result_id(name) if reply is _DONE else _reply_id(reply)}"}
                for reply in replies_of(kind)
            ],
        },
    }


def replies_of(kind: Kind) -> tuple[ReplyKind, ...]:
    """The replies that a command of a kind may get, in the order in which they come."""
    long = kind in {Kind.JOB, Kind.REMOVAL, Kind.CANCEL}  # a cancellation may become a removal
    return tuple(reply for reply in ReplyKind if reply is not ReplyKind.STARTED or long)


def _consumer() -> dict[str, Any]:
    return {"kafka": {"groupId": {"type": "string", "default": _GROUP}, "bindingVersion": _BINDING}}


def _send(channel: str, summary: str) -> dict[str, Any]:
    return {"action": "send", "summary": summary, "channel": {"$ref": f"#/channels/{channel}"}}


_SUMMARIES: Final = {
    Kind.READ: "Asks AWS, and gives the answer as the result.",
    Kind.WRITE: "Changes something at once.",
    Kind.JOB: "Starts a long, billed job, and follows it to its end.",
    Kind.REMOVAL: "Starts a removal, and follows it until the resource is gone.",
}


def _summary(name: str) -> str:
    if name in SERVICE_COMMANDS:
        return str(MODELS[name].__doc__).splitlines()[0]
    return _SUMMARIES[COMMANDS[name].kind]


# --- messages ------------------------------------------------------------------------------------------------------


def _command_id(name: str) -> str:
    return f"command{name}"


def _reply_id(kind: ReplyKind) -> str:
    return f"reply{kind.value.title()}"


def _result_id(name: str) -> str:
    return f"{_reply_id(_DONE)}{name}"


def _event_id(kind: str) -> str:
    return "event" + "".join(word.title() for word in kind.split("-"))


def _commands(contract: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _command_id(name): _message(
            section,
            f"{name}: {_summary(name)}",
            "The publisher's choice.",
            examples.command_message(name),
        )
        for name, section in contract["commands"].items()
    }


def _replies(contract: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _reply_id(kind): _message(
            contract["replies"][kind.value],
            contract["replies"][kind.value]["data"]["description"],
            "The command's id.",
            examples.reply_message(kind),
        )
        for kind in ReplyKind
    }


def _results(contract: Mapping[str, Any]) -> dict[str, Any]:
    """The succeeded reply to each command: the reply of all, with the result of one."""
    return {
        _result_id(name): {
            "name": section["type"],
            "title": f"{section['type']} of {name}",
            "summary": f"{name} is done, with its result.",
            "correlationId": {"$ref": "#/components/correlationIds/correlation"},
            "headers": json_schemas.headers(section["attributes"]),
            "payload": section["data"],
            "bindings": _key("The command's id."),
        }
        for name, section in contract["results"].items()
    }


def _events(contract: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _event_id(kind): _message(
            contract["events"][kind],
            f"The status of one {kind} is another than before.",
            "The resource's ARN, or its stable id.",
            examples.event_message(resource),
        )
        for kind, resource in RESOURCES.items()
    }


def _dead_letters(contract: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "deadLetter": {
            "name": "deadLetter",
            "title": "dead letter",
            "summary": "A record that could not be a command, untouched, and dlq_ headers behind its own.",
            "headers": contract["deadLetters"]["dead-letter"]["headers"],
            "payload": {"description": "The original bytes, whatever they are."},
            "contentType": "application/octet-stream",
            "bindings": _key("The original's key."),
        }
    }


def _message(section: Schema, summary: str, key: str, example: Message) -> dict[str, Any]:
    return {
        "name": section["type"],
        "title": section["type"],
        "summary": summary,
        "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        "headers": json_schemas.headers(section["attributes"]),
        "payload": section["data"],
        "bindings": _key(key),
        "examples": [
            {
                "name": "example",
                "headers": {name: (value or b"").decode() for name, value in example.headers},
                "payload": json.loads(example.value or b"null"),
            }
        ],
    }


def _key(description: str) -> dict[str, Any]:
    return {"kafka": {"key": {"type": "string", "description": description}, "bindingVersion": _BINDING}}
