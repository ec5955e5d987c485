"""The pages of one command and of one resource, and of what is not known."""

from datetime import datetime
from typing import Final

from service.adapters.http.fleet_pages import commands_table
from service.adapters.http.fleet_parts import (
    age,
    clock,
    command_lines,
    duration,
    link_to_command,
    link_to_resource,
    meter,
    partition_name,
    pill,
    reasons,
    timeline,
)
from service.adapters.http.markup import Child, Markup, address, tag
from service.runtime.fleet_answers import CommandAnswer, ResourceAnswer

_UNPUBLISHED: Final = "No event was published about it, or it is no longer remembered."


def command_page(command: CommandAnswer, now: datetime | None) -> list[Markup]:
    """A command's content."""
    lines = command_lines(command.remedies)
    decide = tag("section", tag("h2", "Decide"), lines, class_="card attention") if lines else None
    twice = [partition_name(each) for each in command.also_in]
    note = f"The same command is in another partition, too: {', '.join(twice)}. Its publisher partitions wrongly."
    return [
        _back(),
        tag("h1", tag("span", command.id, class_="id"), " ", pill(command.state), id="title", data_live=True),
        tag(
            "div",
            tag(
                "div",
                tag("p", note, class_="note") if twice else None,
                tag("div", *reasons(command, now), _error(command), class_="card"),
                decide,
                tag("section", tag("h2", "Timeline"), timeline(command.timeline, now), class_="card"),
                _holders(command),
                class_="column",
            ),
            tag("section", tag("h2", "Facts"), tag("dl", _facts(command, now), class_="facts"), class_="card"),
            id="command",
            data_live=True,
        ),
    ]


def _error(command: CommandAnswer) -> Markup | None:
    if command.error is None or not command.error.message:
        return None
    status = f" (HTTP {command.error.http_status})" if command.error.http_status else None
    searched = tag("p", command.searched_for) if command.searched_for else None
    return tag("div", tag("p", command.error.message, status), searched, class_="message")


def _holders(command: CommandAnswer) -> Markup | None:
    if not command.holders:
        return None
    slots = f"{command.slots_taken} of {command.slots_limit} slots are in use, by:"
    return tag(
        "section",
        tag("h2", "Who has the slots"),
        tag("p", slots),
        tag("ul", [tag("li", link_to_command(each.id, each.source)) for each in command.holders]),
        class_="card",
    )


def _facts(command: CommandAnswer, now: datetime | None) -> list[Child]:
    usual = f"{duration(command.usual_seconds)} (median of {command.usual_of})" if command.usual_seconds else None
    same = tag("a", command.correlation_id, href=address("/", state="all", q=command.correlation_id))
    target = " ".join(part for part in (command.target, command.account, command.region) if part)
    facts: list[tuple[str, Child]] = [
        ("name", command.name),
        ("operation", command.operation),
        ("source", command.source),
        ("tenant", command.tenant),
        ("target", target),
        ("resource", link_to_resource(command.resource_id) if command.resource_id else None),
        ("correlation id", same if command.correlation_id else None),
        ("accepted", clock(command.accepted_at)),
        ("ended", clock(command.ended_at)),
        ("not before", clock(command.not_before)),
        ("deadline", clock(command.deadline)),
        ("priority", str(command.priority) if command.priority else None),
        ("calls", str(command.attempts)),
        ("searches", str(command.searches) if command.searches else None),
        ("replies", str(command.replies)),
        ("usual duration", usual),
        ("marker", command.marker),
        ("trace", command.trace_id),
        ("partition", partition_name(command.partition)),
        ("owner", command.owner or "unknown"),
    ]
    return [meter(name, value) for name, value in facts if value]


def resource_page(resource: ResourceAnswer, now: datetime | None) -> list[Markup]:
    """A resource's content."""
    states = [
        tag(
            "tr",
            tag("th", each.kind, scope="row"),
            tag("td", each.status, data_label="status"),
            tag("td", each.name, data_label="name"),
            tag("td", f"{each.sequence}", data_label="events"),
            tag("td", age(each.observed_at, now), " ago", data_label="observed"),
            data_key=each.kind,
        )
        for each in resource.states
    ]
    head = tag("tr", [tag("th", name, scope="col") for name in ("Kind", "Status", "Name", "Events", "Observed")])
    caption = tag("caption", "What was published about it", class_="visually-hidden")
    table = tag("table", caption, tag("thead", head), tag("tbody", states)) if states else None
    commands = commands_table(resource.commands, {"q": resource.id, "state": "all"}, now)
    console = None
    if resource.console:
        console = tag("p", tag("a", "AWS console of its Region", href=resource.console, rel="noreferrer noopener"))
    return [
        _back(),
        tag("h1", tag("span", resource.id, class_="id")),
        tag(
            "div",
            console,
            tag("section", tag("h2", "Published"), table or tag("p", _UNPUBLISHED), class_="card"),
            tag("section", tag("h2", "Commands"), commands, class_="card"),
            id="resource",
            data_live=True,
        ),
    ]


def _back() -> Markup:
    return tag("p", tag("a", "Fleet", href="/"), class_="back")


def missing_page(what: str) -> list[Markup]:
    """Something that is not known here."""
    return [
        tag("h1", "Not known here"),
        tag("p", what),
        tag("p", tag("a", "All commands", href="/")),
    ]
