"""The reference pages: one for each command and an index, and the page of the table of operations."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas import results, shapes, strictjson
from schemas.aws_policies.iam import actions_of, passes_role
from schemas.docs import chains, client_examples, examples, json_schemas
from schemas.docs.asyncapi import replies_of
from schemas.docs.descriptions import SERVICE_ERRORS, aws_errors, event_statuses, events_of, operations, purpose, recipe
from schemas.docs.json_schemas import Schema
from schemas.documented_rules import MARKER_OPENING, MAX_DESCRIPTION, RULES, stamped
from schemas.events import ReplyKind
from schemas.operations import COMMANDS, OPERATIONS, RESOURCES, SERVICE_COMMANDS, Kind, Operation, Resolution
from schemas.references import PREFIX
from schemas.service_commands import statuses
from schemas.shape_schemas import UNSAID

_MADE: Final = "<!-- Written by `make render` from the code; changes here are lost. -->\n"

# --- pages ---------------------------------------------------------------------------------------------------------


def operations_page() -> str:
    """The table of operations, for people."""
    head = (
        "# Operations\n\n| operation | kind | command type | events | when an answer is lost | IAM action | errors |\n"
    )
    rows = [
        f"| {row['operation']} | {row['kind']} | `{row['commandType']}` | {_codes(row['events'])} | {row['reconcile']} "
        f"| {_codes([row['iamAction']] if row['iamAction'] else [])} | {_codes(row['errors'])} |"
        for row in operations()
    ]
    return _MADE + head + "|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _codes(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def index() -> str:
    """The first page."""
    lines = [
        _MADE + "# Reference",
        "",
        "One page for each command, in an order in which they can be sent. What holds for all of them:",
        "",
        f"- {client_examples.PARTITION_RULE}",
        "- A command is a CloudEvent on `cleanroomsml.commands` (the prefix is a setting), binary or structured.",
        "- Its `ce_id` and `ce_source` are the idempotency key. Sent again, it gets its terminal reply again, "
        "shortened if it was long.",
        "- Replies come on `cleanroomsml.replies` with the command's id as key, events on `cleanroomsml.events`.",
        "- Subscribers read with `isolation.level=read_committed`, and ignore members that they do not know.",
        "- A command that can't be read or is not valid is also in `cleanroomsml.dead-letters`, with the reason.",
        "",
        "For programs: [AsyncAPI](../../schemas/generated/asyncapi.yaml), "
        "[JSON Schemas](../../schemas/generated/jsonschema), [IAM policies](../../schemas/generated/iam), "
        "[table of operations](../../schemas/generated/operations.md).",
        "",
        "| command | kind | purpose |",
        "|---|---|---|",
    ]
    lines += [
        f"| [{name}]({name}.md) | {COMMANDS[name].kind.value} | {purpose(COMMANDS[name])} |"
        for name in examples.COMMANDS
    ]
    return "\n".join([*lines, "", *_attributes(), "", chains.section(), "", *_unsaid()]) + "\n"


def _attributes() -> Iterator[str]:
    yield from ("## Attributes of a command", "", "| attribute | needed | meaning |", "|---|---|---|")
    schema = json_schemas.command_attributes(next(iter(OPERATIONS)))
    for name, one in schema["properties"].items():
        needed = "yes" if name in schema["required"] else ""
        yield f"| `{json_schemas.header(name)}` | {needed} | {one.get('description', 'The kind of command.')} |"


def _unsaid() -> Iterator[str]:
    yield from (
        "## What no schema says",
        "",
        "The JSON Schema of a command accepts what the service accepts, but for this. Breaking one of these is "
        "rejected by the service alone. All lengths count Unicode code points.",
        "",
        "| rule | why no schema says it |",
        "|---|---|",
    )
    rows = {RULE_WORDS[rule.check.__name__]: rule.unsaid for rule in RULES if rule.unsaid}
    for rule, why in (rows | dict(UNSAID)).items():
        yield f"| {rule} | {why} |"
    names = [f"[{name}]({_OFF}/{name}.json)" for name in json_schemas.without_assumed(json_schemas.contract())]
    yield from (
        "",
        "Rules that are marked as assumed are in the schemas, each with a `$comment`. A deployment with "
        "`rules.assumed=false` does not enforce them; for its publishers there are schemas without them: "
        f"{', '.join(names)}.",
    )


_OFF: Final = "../../schemas/generated/jsonschema/commands-assumed-off"


def page(name: str) -> str:
    """The page of a command."""
    row = COMMANDS[name]
    parts = [
        f"{_MADE}# {name}",
        f"{purpose(row)} Type: `{row.command_type}`.",
        "## Members of `data`",
        *_members(row),
        "## Replies",
        _replies(row),
        "## Members of `result`",
        _result(row),
        "## Events",
        _events(row),
        "## Errors",
        *_errors(row),
        "## When the answer of AWS is lost",
        recipe(row),
        "## Rights of the service",
        _rights(row),
        "## Examples",
        "The world is that of `python -m sandbox up`; ids in ARNs are invented.",
        client_examples.PARTITION_RULE,
        *_programs(name),
    ]
    return "\n\n".join(parts) + "\n"


def _members(row: Operation) -> Iterator[str]:
    lines = ["| member | needed | constraints |", "|---|---|---|"]
    lines += [f"| `{path}` | {needed} | {text} |" for path, needed, text in _rows(json_schemas.command_data(row.name))]
    yield "\n".join(lines) if len(lines) > 2 else "None: send `{}`."
    rules = list(dict.fromkeys(_rules(row)))
    if rules:
        yield "Beyond that:\n\n" + "\n".join(f"- {text}" for text in rules)


def _rows(schema: Schema, above: str = "") -> Iterator[tuple[str, str, str]]:
    for name, member in schema.get("properties", {}).items():
        needed = "yes" if name in schema.get("required", ()) else ""
        meaning = f". {member['description']}" if "description" in member else ""
        yield f"{above}{name}", needed, constraints(member) + meaning
        yield from _inside(member, f"{above}{name}")


def _inside(schema: Schema, path: str) -> Iterator[tuple[str, str, str]]:
    """The rows below a value: members, items, and the keys and values of a map."""
    if "items" in schema:
        if "properties" not in schema["items"]:
            yield f"{path}[]", "", constraints(schema["items"])
        yield from _inside(schema["items"], f"{path}[]")
    elif "propertyNames" in schema:
        yield f"{path}.<key>", "", constraints(schema["propertyNames"])
        yield f"{path}.<value>", "", constraints(schema["additionalProperties"])
    else:
        yield from _rows(schema, f"{path}.")


_UNITS: Final = {"Length": "characters", "Items": "items", "Properties": "members"}


def constraints(schema: Schema) -> str:
    """A schema's own constraints, in words."""
    if "anyOf" in schema:
        arn, _ = schema["anyOf"]  # nothing else is a choice
        return f"{constraints(arn)}; or `{PREFIX}<id>`, [what an earlier command makes](README.md#chains)"
    parts = [str(schema["type"])]
    for noun, unit in _UNITS.items():
        parts += _range(schema.get(f"min{noun}"), schema.get(f"max{noun}"), unit)
    parts += _range(schema.get("minimum"), schema.get("maximum"), "")
    if "enum" in schema:
        parts.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
    if "pattern" in schema and "format" not in schema:
        parts.append(f"matches `{_plain(schema['pattern'])}`")
    if "examples" in schema:
        parts.append("such as " + ", ".join(f"`{value}`" for value in schema["examples"]))
    parts += [words for name, words in _WORDS.items() if name in schema]
    return "; ".join(parts)


_WORDS: Final = {
    "format": "an RFC 3339 timestamp, such as `2025-01-31T12:00:00Z`",
    "uniqueItems": "all different",
    "contentMediaType": "JSON text",
}


def _plain(pattern: str) -> str:
    """A pattern without the anchors that all have."""
    whole = pattern.removeprefix("^").removesuffix("$")
    return (whole[3:-1] if pattern.startswith("^(?:") and pattern.endswith(")$") else whole).replace("|", "\\|")


def _range(least: int | None, most: int | None, unit: str) -> list[str]:
    if most is None and not least:
        return []
    if most == 1:
        unit = unit.removesuffix("s")
    if least == most:
        return [f"exactly {least} {unit}".rstrip()]
    bounds = f"at least {least}" if most is None else f"{least} to {most}" if least else f"at most {most}"
    return [f"{bounds} {unit}".rstrip()]


_ASSUMED: Final = " (Assumed: AWS does not state it. The setting `rules.assumed` turns it off.)"

_ONLY_HERE: Final = " (Only the service checks this: see [what no schema says](README.md#what-no-schema-says).)"

_OWN_RULES: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.TRACK: tuple(
        f"`untilStatus` of `{row.arn_type}`: {', '.join(f'`{status}`' for status in statuses(row))}."
        for row in RESOURCES.values()
        if row.arn_type
    ),
    Kind.RESOLVE: (f"`resourceArn` is given only with the resolution `{Resolution.ADOPT.value}`.",),
}
"""Rules of the service's own commands, in words."""

RULE_WORDS: Final[Mapping[str, str]] = {
    "_name": "A name is not blank, and has no control, line or text direction characters.",
    "_tags": (
        "At most 50 tags; keys do not start with `aws:`, in any case; keys and values have no control, line or text "
        "direction characters."
    ),
    "_some_tag_keys": "At least one key.",
    "_features": "At most 10 columns are features.",
    "_column_names": "No two columns have names that differ only in case.",
    "_query": "Exactly one of `queryString` and `analysisTemplateArn` is given.",
    "_compute": "`sqlComputeConfiguration` is given only with `sqlParameters`.",
    "_tag_keys": "Keys do not start with `aws:`, in any case.",
    "_arn": "An ARN has no `..`, `?`, `#`, `%`, backslash, white space or control characters.",
    "_s3_uri": "An S3 address names a valid bucket, and has no `..` and no control characters.",
    "_size_bins": "Sizes are unique.",
    "_percentages": "Sizes are 1 to 100 when they are percentages.",
    "_percentage": "The size is 1 to 100 when it is a percentage.",
    "_columns": "The schema has exactly one column each of `USER_ID`, `ITEM_ID` and `TIMESTAMP`.",
    "_seed": "Exactly one of `dataSource` and `sqlParameters` is given: the seed is in S3, or the result of a query.",
    "_sql_needs_collaboration": "A query as seed needs `collaborationId`.",
    "_window": "The start is before the end.",
    "_policy": (
        "The policy is the text of a JSON object, read as a command's own: "
        f"at most {strictjson.DEFAULT.depth} objects and arrays within each other and {strictjson.DEFAULT.values:,} "
        f"values, numbers of at most {strictjson.MAX_NUMBER:,} characters that fit a double, each member once, no lone "
        "surrogate, no byte order mark."
    ),
}
"""The rules in words, by the name of their check."""


def _rules(row: Operation) -> Iterator[str]:
    if row.name in SERVICE_COMMANDS:
        yield from _OWN_RULES.get(row.kind, ())
        return
    inside = list(_below(shapes.input_shape(row.name)))
    for rule in RULES:
        if any(shape.name in rule.shapes or _has(shape, rule.members) for shape in inside):
            notes = (_ONLY_HERE if rule.unsaid else "") + (_ASSUMED if rule.assumed else "")
            yield RULE_WORDS[rule.check.__name__] + notes
    if stamped(row.name):
        yield (
            f"The description has at most {MAX_DESCRIPTION} characters, and no `{MARKER_OPENING}`: the service appends "
            "its marker, and removes it from what it publishes."
        )


def _has(shape: Any, members: frozenset[str]) -> bool:
    return bool(members) and members <= getattr(shape, "members", {}).keys()


def _below(shape: Any) -> Iterator[Any]:
    yield shape
    inner = [*getattr(shape, "members", {}).values()]
    inner += [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    for one in inner:
        yield from _below(one)


_MEANINGS: Final = {
    ReplyKind.ACCEPTED: "the intent is durable",
    ReplyKind.WAITING: "it waits, with the reason; not always",
    ReplyKind.STARTED: "AWS took it",
    ReplyKind.SUCCEEDED: "the end: done, with the result",
    ReplyKind.FAILED: "the end: not done, with the reason",
    ReplyKind.REJECTED: "the end: not valid or not allowed, with all violations; AWS was not called",
    ReplyKind.PARKED: "the end for now: what happened can't be known safely, a person decides",
}


def _replies(row: Operation) -> str:
    return "\n".join(f"- `{reply.value}`: {_MEANINGS[reply]}" for reply in replies_of(row.kind))


def _result(row: Operation) -> str:
    schema = results.result(row.name)
    lines = [f"| `{path}` | {always} | {text} |" for path, always, text in _rows(schema)]
    table = "\n".join(["| member | always there | form |", "|---|---|---|", *lines])
    parts = [table] if lines else [schema.get("description", "Empty.")]
    if row.kind is Kind.JOB:
        parts.append("The event of its last status has the same members in `resource`.")
    if lines and row.name in OPERATIONS:
        parts.append(
            "AWS may add members and values. A nested member that is always there is so within the one that holds it."
        )
    return "\n\n".join(parts)


def _events(row: Operation) -> str:
    names = events_of(row)
    return f"{_codes(names)}; statuses: {event_statuses(row)}." if names else "None."


def _errors(row: Operation) -> Iterator[str]:
    shown = aws_errors(row)
    if shown:
        yield "From AWS, in `failed` when they can't be waited for:\n\n" + "\n".join(
            f"- `{name}` ({status})" for name, status in shown.items()
        )
    if own := SERVICE_ERRORS.get(row.kind):
        yield "In `failed`:\n\n" + "\n".join(f"- `{code}`: {meaning}" for code, meaning in own.items())
    yield (
        "From the service: `ValidationFailed` and its like in `rejected`; `IdMisuse` when the id was used with other "
        "content, `WrongPartition` when another partition has it, or `TooManyOpenCommands` when too much of its source "
        "waits; `DeadlineExceeded` when it could not be issued in time; `UnknownPredecessor`, `PredecessorMismatch` "
        "or `PredecessorFailed` when it names others in a [chain](README.md#chains)."
    )


def _rights(row: Operation) -> str:
    text = ", ".join(f"`{action}`" for action in dict.fromkeys(actions_of(row))) or "None of its own"
    more = "; `iam:PassRole` for the roles that commands name" if passes_role(row) else ""
    return f"{text}{more}."


def _programs(name: str) -> Iterator[str]:
    for client, title in client_examples.TITLES.items():
        yield f"### {title}\n\n```{client_examples.LANGUAGES[client]}\n{client_examples.snippet(client, name)}```"
