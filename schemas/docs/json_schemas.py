"""JSON Schema of everything that goes over the topics, derived from the table and the models.

The schemas are written in a small, closed vocabulary without references, so that :mod:`schemas.docs.compatibility` can
compare them, and so that a reader needs one file only.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas import cloudevents, commands, events, results, service_commands, shape_schemas, tracecontext
from schemas.events import ReplyKind
from schemas.operations import COMMAND_PREFIX, COMMANDS, OPERATIONS, RESOURCES, SERVICE_COMMANDS, Change, Resource

CONTRACT_VERSION: Final = 1
"""To be raised when the contract is broken on purpose; see :mod:`schemas.docs.compatibility`."""

Schema = dict[str, Any]

ENDS: Final = (ReplyKind.SUCCEEDED, ReplyKind.FAILED, ReplyKind.REJECTED, ReplyKind.PARKED)
"""Kinds of terminal replies."""

_TEXT: Final[Schema] = {
    "type": "string",
    "maxLength": cloudevents.MAX_ATTRIBUTE,
    "not": {"pattern": cloudevents.CONTROL},
}
"""What any attribute may be."""
_FILLED: Final[Schema] = {**_TEXT, "minLength": 1}
"""What an attribute of CloudEvents itself may be; an extension may be empty."""
_NAME: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9]+$", "not": {"pattern": "^data$|[\\n\\r]"}}
_ID: Final[Schema] = {**_FILLED, "maxLength": cloudevents.MAX_ID}
_MEDIA: Final[Schema] = {**_FILLED, "pattern": f"^{cloudevents.JSON_MEDIA}$", "examples": [cloudevents.JSON_TYPE]}
_TRACE: Final[Schema] = {
    "type": "string",
    "description": "W3C trace context, continued on what follows; what is malformed is dropped, never the command.",
}

_ATTRIBUTES: Final[dict[str, Schema]] = {
    "specversion": {"const": cloudevents.SPEC_VERSION, "description": "Version of CloudEvents."},
    "id": _ID
    | {"description": "With source the idempotency key: make it once for each intention, keep it in repeats."},
    "source": _ID | {"description": "Who sends it, a URI reference."},
    "time": shape_schemas.TIME | {"description": "When it was made."},
    "subject": _FILLED | {"description": "What it is about; not read."},
    "dataschema": _FILLED | {"description": "A schema of the data, a URI; not read."},
    "datacontenttype": _MEDIA
    | {"description": "The data's media type, JSON in UTF-8; in binary mode it is the header `content-type`."},
    "target": _TEXT | {"description": "Name of a configured AWS target; absent for the default one."},
    "correlationid": _TEXT
    | {
        "maxLength": commands.MAX_CORRELATION_ID,
        "description": "Carried to every reply and event of this command.",
    },
    "replyto": _TEXT | {"description": "Topic for this command's replies; it must be allowed by a setting."},
    "notbefore": shape_schemas.TIMESTAMP | {"description": "The API is not called earlier."},
    "deadline": shape_schemas.TIMESTAMP
    | {"description": "Not issued to AWS by then, the command fails with DeadlineExceeded."},
    "until": _TEXT
    | {
        "description": "A TrackResource that has not reached its status by then fails with NotReady; of a command that "
        "started a job, one `waiting` reply with the reason Overdue is sent."
    },
    "priority": {
        "type": "string",
        "maxLength": 1,
        "pattern": "^[0-9]$",
        "description": "0 (default) to 9: order within a target's waiting queue.",
    },
    "after": _TEXT
    | {
        "contentMediaType": "application/json",
        "description": "JSON array of ids of earlier commands of this source and record key: it begins when they have "
        'succeeded, as in `["export-7"]`.',
    },
    **dict.fromkeys(tracecontext.ATTRIBUTES, _TRACE),
}

_DEAD_LETTER: Final = {
    "dlq_reason": "What kind of fault, a code.",
    "dlq_message": "What was found and what is expected.",
    "dlq_topic": "Topic of the original.",
    "dlq_partition": "Partition of the original.",
    "dlq_offset": "Offset of the original.",
    "dlq_time": "When it was written, RFC 3339.",
}

_OMITTED: Final = {
    "dlq_omitted": "What the dead letter lacks, because the record is too large to be wrapped.",
    "dlq_size": "Bytes of the original record, as it was read.",
    "dlq_sha256": "SHA-256 of the original value, hex.",
}
"""Headers of a dead letter without content."""

_COUNTED: Final[dict[str, Schema]] = {
    "attempts": {"type": "integer", "description": "Calls to AWS that may have happened."},
    "durationSeconds": {"type": "number", "description": "From acceptance to the end."},
}
_SEARCHED: Final[Schema] = {"type": "string", "description": "What was searched, and what was found."}


def command_data(name: str, *, assumed: bool = True) -> Schema:
    """The schema of a command's data: what the service takes, with or without the rules that are our reading."""
    if name in SERVICE_COMMANDS:
        return tidy(service_commands.MODELS[name].model_json_schema(), outgoing=False)
    return shape_schemas.request(name, assumed=assumed)


def command_attributes(name: str) -> Schema:
    """The schema of a command's CloudEvents attributes; further extensions are let pass."""
    return {
        "type": "object",
        "properties": _ATTRIBUTES | {"type": {"const": f"{COMMAND_PREFIX}{name}"}},
        "required": ["id", "source", "specversion", "type"],
        "propertyNames": _NAME,
        "additionalProperties": _TEXT,
    }


def reply_data(kind: ReplyKind) -> Schema:
    """The schema of the data of a kind of reply; subscribers ignore members that they do not know."""
    schema = tidy(events.REPLY_MODELS[kind].model_json_schema(mode="serialization"), outgoing=True)
    if kind in ENDS:
        schema["properties"] |= _COUNTED
        # A misused id is rejected without having been counted.
        schema["required"] += [] if kind is ReplyKind.REJECTED else list(_COUNTED)
    if kind is ReplyKind.PARKED:
        schema["properties"]["searched"] = _SEARCHED
        schema["required"].append("searched")
    return schema


def event_data(resource: Resource) -> Schema:
    """The schema of the data of a resource kind's events; the statuses are AWS's and may become more."""
    schema = tidy(events.StatusChangedData.model_json_schema(mode="serialization"), outgoing=True)
    schema["properties"]["status"]["examples"] = statuses(resource)
    full = results.description(resource) | {"type": ["object", "null"]}
    schema["properties"]["resource"] = {"description": schema["properties"]["resource"]["description"], **full}
    return schema


def statuses(resource: Resource) -> list[str]:
    """The statuses that events of a resource kind may show, as far as the table knows, in the order of a life."""
    if not resource.arriving:
        return [change.value for change in Change]
    ends = [*sorted(resource.done), *sorted(resource.failed)]
    return [*resource.arriving, *ends, *resource.leaving, *sorted(resource.undeleted), Change.DELETED.value]


def published_attributes(message_type: str, *, event: bool) -> Schema:
    """The schema of the CloudEvents attributes of what the service publishes."""
    schema = tidy(events.AttributesData.model_json_schema(mode="serialization"), outgoing=True)
    for name, member in schema["properties"].items():
        if isinstance(member.get("type"), list):  # what is not said has no header
            schema["properties"][name] = member | {"type": "string"}
    only_events = ("subject", "sequence", "sequencetype")
    if event:
        schema["required"] += only_events
    else:
        schema["properties"] = {name: one for name, one in schema["properties"].items() if name not in only_events}
    schema["properties"]["type"] = {"const": message_type}
    return schema


def dead_letter_headers() -> Schema:
    """The schema of the headers that a dead letter has beside those of the original."""
    members = {name: {"type": "string", "description": text} for name, text in (_DEAD_LETTER | _OMITTED).items()}
    return {"type": "object", "properties": members, "required": list(_DEAD_LETTER), "additionalProperties": True}


def headers(attributes: Schema) -> Schema:
    """A schema of attributes as one of Kafka headers, in binary mode."""
    members = {header(name): one for name, one in attributes["properties"].items()}
    media = {cloudevents.CONTENT_TYPE: {"type": "string", "examples": [cloudevents.JSON_TYPE]}}
    return {"type": "object", "properties": media | members, "required": [*map(header, attributes["required"])]}


def header(attribute: str) -> str:
    """The name of an attribute's header in binary mode."""
    return cloudevents.CONTENT_TYPE if attribute == "datacontenttype" else f"{cloudevents.PREFIX}{attribute}"


def contract() -> Schema:
    """The whole contract as one document: what is published as a version, and compared with it."""
    return {
        "version": CONTRACT_VERSION,
        "commands": {
            name: {
                "type": f"{COMMAND_PREFIX}{name}",
                "key": "any",
                "attributes": command_attributes(name),
                "data": command_data(name),
            }
            for name in (*OPERATIONS, *SERVICE_COMMANDS)
        },
        "replies": {kind.value: _reply(kind) for kind in ReplyKind},
        "results": {name: _result(name) for name in COMMANDS},
        "events": {resource.kind: _event(resource) for resource in RESOURCES.values()},
        "deadLetters": {"dead-letter": {"type": "", "key": "original key", "headers": dead_letter_headers()}},
    }


def without_assumed(contract: Schema) -> dict[str, Schema]:
    """The commands that a deployment with ``rules.assumed=false`` reads more leniently, as it reads them."""
    lenient = {name: command_data(name, assumed=False) for name in OPERATIONS}
    sections = contract["commands"]
    return {name: sections[name] | {"data": data} for name, data in lenient.items() if data != sections[name]["data"]}


def _reply(kind: ReplyKind) -> Schema:
    name = f"{events.REPLY_PREFIX}{kind.value}"
    attributes = published_attributes(name, event=False)
    return {"type": name, "key": "command id", "attributes": attributes, "data": reply_data(kind)}


def _result(name: str) -> Schema:
    """The ``succeeded`` reply to one command, with what this command gives."""
    section = _reply(ReplyKind.SUCCEEDED)
    members = section["data"]["properties"]
    members["operation"] = {"const": name}
    members["result"] = {"description": members["result"]["description"], **results.result(name)}
    return section


def _event(resource: Resource) -> Schema:
    name = event_type(resource)
    attributes = published_attributes(name, event=True)
    return {"type": name, "key": "resource id", "attributes": attributes, "data": event_data(resource)}


def event_type(resource: Resource) -> str:
    """CloudEvents type of a resource kind's events."""
    return f"{events.EVENT_PREFIX}{resource.kind}{events.EVENT_SUFFIX}"


def standalone(title: str, section: Mapping[str, Any]) -> Schema:
    """One message of the contract as a JSON Schema document of ``{attributes, data}`` or ``{headers}``."""
    parts = {name: section[name] for name in ("attributes", "data", "headers") if name in section}
    return {
        "$schema": shape_schemas.DIALECT,
        "title": title,
        "type": "object",
        "properties": parts,
        "required": list(parts),
        "additionalProperties": False,
    }


def tidy(schema: Schema, *, outgoing: bool) -> Schema:
    """Pydantic's JSON Schema without references, titles and defaults.

    Args:
        schema: As pydantic wrote it.
        outgoing: True for what the service writes: null is a type, and members may be added later. A command's null is
            no value, and its unknown members are refused.
    """
    return _tidy(schema, schema.get("$defs", {}), outgoing)


def _tidy(schema: Schema, definitions: Mapping[str, Schema], outgoing: bool) -> Schema:
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        return _tidy(
            {**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions, outgoing
        )
    if _nullable(schema):
        return _tidy(_merged(schema, outgoing), definitions, outgoing)
    result = {key: value for key, value in schema.items() if key not in {"title", "default", "$defs"}}
    if outgoing and result.get("additionalProperties") is False:
        del result["additionalProperties"]
    if "properties" in result:
        members = result["properties"].items()
        result["properties"] = {name: _tidy(member, definitions, outgoing) for name, member in members}
    for keyword in ("items", "additionalProperties"):
        if isinstance(result.get(keyword), dict):
            result[keyword] = _tidy(result[keyword], definitions, outgoing)
    return result


def _nullable(schema: Schema) -> bool:
    return any(one.get("type") == "null" for one in schema.get("anyOf", ()))


def _merged(schema: Schema, outgoing: bool) -> Schema:
    """A value or null, in one schema."""
    (choice,) = (one for one in schema["anyOf"] if one.get("type") != "null")
    merged = {**choice, **{key: value for key, value in schema.items() if key != "anyOf"}}
    if outgoing and "type" in merged:
        merged["type"] = [merged["type"], "null"]
    return merged
