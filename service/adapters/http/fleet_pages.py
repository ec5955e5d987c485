"""The page of the fleet, and the frame of every page. All in them is text, escaped; the script only refreshes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from schemas.operations import COMMANDS
from service.adapters.http.fleet_parts import (
    age,
    command_lines,
    command_row,
    duration,
    link_to_command,
    meter,
    pill,
)
from service.adapters.http.markup import Child, Markup, address, tag
from service.core.command_state import ENDED, OPEN, CommandState
from service.runtime.fleet_answers import (
    Attention,
    CommandPage,
    Identity,
    Overview,
    PartitionAnswer,
    PartitionsAnswer,
    SlotAnswer,
    TargetAnswer,
    TargetsAnswer,
)

TITLE: Final = "Clean Rooms ML"

_COLUMNS: Final = ("Command", "Operation", "State", "Age", "Why, and what is next", "Owner")

NO_MATCH: Final = "No command matches."

_WORDS: Final = {
    CommandState.ACCEPTED: "the command is durable; its call is next, or its answer was lost and is searched for",
    CommandState.WAITING: "waits for a slot, a budget, a time or another command; the reason is beside it",
    CommandState.STARTED: "AWS works on it; its resource is polled until it is final",
    CommandState.PARKED: "its outcome can't be known safely: a person decides, with the command lines shown",
    CommandState.SUCCEEDED: "done",
    CommandState.FAILED: "AWS refused it, its job failed, or it was cancelled or too late",
    CommandState.REJECTED: "invalid or not permitted; AWS was never called",
}


def document(title: str, identity: Identity, assets: Mapping[str, str], *content: Child) -> str:
    """A whole page: who answers, and its content."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title} · {identity.replica}"),
        tag("link", rel="stylesheet", href=assets["fleet.css"]),
        tag("link", rel="icon", href=assets["icon.svg"], type="image/svg+xml"),
        tag("script", src=assets["fleet.js"], defer=True),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        _header(identity),
        tag("main", *content, id="content", tabindex="-1"),
        _footer(),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en', data_now=_iso(identity.now))}"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _header(identity: Identity) -> Markup:
    facts = (
        ("replica", tag("strong", identity.replica)),
        ("version", identity.version),
        ("up", age(identity.started_at, identity.now)),
        ("group", identity.group),
        ("targets", ", ".join(identity.targets)),
    )
    shown = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts]
    live = tag("p", "not live: reload to refresh", id="connection", role="status", class_="still")
    return tag(
        "header",
        tag("p", tag("a", TITLE, href="/"), class_="title"),
        tag("dl", shown, class_="identity", id="identity", data_live=True),
        live,
    )


def _footer() -> Markup:
    links = (("/", "Fleet"), ("/replica", "This replica's internals"), ("/api", "JSON"))
    return tag("footer", tag("nav", [tag("a", text, href=href) for href, text in links], aria_label="Pages"))


# The fleet


def fleet(
    overview: Overview,
    commands: CommandPage,
    targets: TargetsAnswer,
    partitions: PartitionsAnswer,
    asked: Mapping[str, str],
    names: tuple[tuple[str, ...], tuple[str, ...]],
) -> list[Markup]:
    """The main page's content."""
    now = overview.identity.now
    return [
        tag("h1", "Fleet", class_="visually-hidden"),
        _attention(overview, now),
        tag(
            "section",
            tag("h2", "Commands", id="commands-title"),
            _states(overview, asked),
            _filters(asked, *names),
            _incomplete(overview),
            commands_table(commands, asked, now, _no_command(overview, commands, asked)),
            aria_labelledby="commands-title",
            class_="card",
        ),
        _targets(targets, now),
        _partitions(overview, partitions, now),
        _words(),
    ]


def _attention(overview: Overview, now: datetime | None) -> Markup:
    shown = [_one_attention(each, now) for each in overview.attention]
    if not shown:
        calm = tag("p", tag("span", "✓", aria_hidden="true"), " Nothing needs your attention.", class_="calm")
        return tag("section", calm, id="attention", class_="card", data_live=True, aria_label="Needs a person")
    hidden = overview.parked - sum(each.kind == "parked" for each in overview.attention)
    more = tag("p", tag("a", f"{hidden} more parked", href=address("/", state="parked"))) if hidden > 0 else None
    return tag(
        "section",
        tag("h2", f"Needs a person ({len(shown) + max(0, hidden)})"),
        tag("ul", shown),
        more,
        id="attention",
        class_="card attention",
        data_live=True,
    )


def _one_attention(each: Attention, now: datetime | None) -> Markup:
    subject = link_to_command(each.command.id, each.command.source) if each.command else tag("strong", each.subject)
    since = (" for ", age(each.since, now)) if each.since else None
    kind = {"silent": "no answer from", "kafka": "no answer from", "held": "on hold:", "superseded": "superseded:"}.get(
        each.kind, each.kind
    )
    return tag(
        "li",
        tag("p", tag("span", kind, class_="kind"), " ", subject, since),
        tag("p", each.message, class_="message"),
        command_lines(each.remedies),
        data_key=f"{each.kind} {each.subject} {each.command.source if each.command else ''}",
    )


def _states(overview: Overview, asked: Mapping[str, str]) -> Markup:
    counts = overview.states
    under_way = sum(counts[state] for state in OPEN)
    entries: list[tuple[str, str, int]] = [("open", "under way", under_way)]
    entries += [(state.value, state.value, counts[state]) for state in (*OPEN, *ENDED)]
    chosen = asked.get("state") or "open"
    links = [
        tag(
            "a",
            tag("span", text),
            " ",
            tag("span", f"{count:,}", class_="count"),
            href=address("/", **{**asked, "state": name, "cursor": ""}),
            aria_current="page" if name == chosen else None,
            class_=f"tab {name}",
            data_key=name,
        )
        for name, text, count in entries
    ]
    return tag("nav", links, aria_label="States", class_="tabs", id="states", data_live=True)


def _filters(asked: Mapping[str, str], targets: tuple[str, ...], tenants: tuple[str, ...]) -> Markup:
    text = tag(
        "input",
        type="search",
        name="q",
        id="q",
        value=asked.get("q", ""),
        placeholder="id, name, ARN, correlation id, source",
        autocomplete="off",
        aria_keyshortcuts="/",
        maxlength=300,
    )
    fields: list[Child] = [
        tag("label", tag("span", "Search"), text, class_="search"),
        _choice("operation", "Operation", asked, COMMANDS),
    ]
    if len(targets) > 1:
        fields.append(_choice("target", "Target", asked, targets))
    if tenants:
        fields.append(_choice("tenant", "Tenant", asked, tenants))
    fields.append(_choice("order", "Order", asked, ("oldest", "newest"), every=False))
    state = tag("input", type="hidden", name="state", value=asked.get("state", "open"))
    fields.append(tag("button", "Apply", type="submit"))
    return tag("form", state, fields, action="/", method="get", role="search", class_="filters")


def _choice(name: str, label: str, asked: Mapping[str, str], values: Iterable[str], *, every: bool = True) -> Markup:
    chosen = asked.get(name, "")
    options = [tag("option", "all", value="")] if every else []
    options += [tag("option", value, value=value, selected=value == chosen) for value in values]
    return tag("label", tag("span", label), tag("select", options, name=name))


def _incomplete(overview: Overview) -> Markup:
    text = None if overview.complete else "Some partitions are still being read here: commands may be missing below."
    return tag("div", tag("p", text, class_="note") if text else None, id="incomplete", data_live=True)


def _no_command(overview: Overview, page: CommandPage, asked: Mapping[str, str]) -> str:
    """What an empty list says: after a first success, that all has ended, and not that nothing matches."""
    filtered = any(value for name, value in asked.items() if name not in ("state", "order"))
    if filtered or page.exhausted or not overview.complete or asked.get("state", "open") not in ("", "open"):
        return NO_MATCH
    ended = sum(overview.states[state] for state in ENDED)
    if not ended:
        return "No command was sent yet, or all of them are forgotten."
    return f"Nothing is under way; {ended:,} {'has' if ended == 1 else 'have'} ended."


def commands_table(page: CommandPage, asked: Mapping[str, str], now: datetime | None, none: str = NO_MATCH) -> Markup:
    """Commands, a row each, and a link to those that follow."""
    rows = [command_row(command, now) for command in page.commands]
    if not rows:
        text = none if not page.exhausted else "Nothing found yet."
        rows = [tag("tr", tag("td", text, colspan=len(_COLUMNS), class_="none"), data_key="none")]
    head = tag("tr", [tag("th", name, scope="col") for name in _COLUMNS])
    table = tag(
        "table",
        tag("caption", _caption(page, asked), class_="visually-hidden"),
        tag("thead", head),
        tag("tbody", rows),
        class_="commands",
    )
    return tag("div", table, _more(page, asked), id="commands", data_live=True)


def _caption(page: CommandPage, asked: Mapping[str, str]) -> str:
    order = "newest first" if asked.get("order") == "newest" else "oldest first, then the latest ends"
    return f"{len(page.commands)} commands, {order}"


def _more(page: CommandPage, asked: Mapping[str, str]) -> Markup | None:
    if page.cursor is not None:
        further = f"Search further: {page.searched:,} commands were read for this page"
        href = address("/", **{**asked, "cursor": page.cursor})
        return tag("p", tag("a", further if page.exhausted else "Next page", href=href, rel="next"), class_="more")
    if asked.get("cursor"):
        return tag("p", tag("a", "Back to the first page", href=address("/", **{**asked, "cursor": ""})), class_="more")
    return None


def _targets(answer: TargetsAnswer, now: datetime | None) -> Markup:
    cards = [_target(target, now) for target in answer.targets]
    return tag(
        "section",
        tag("h2", "Targets"),
        tag("p", "Slots are counted over all replicas; budgets and calls are this replica's.", class_="faint"),
        tag("ul", cards, class_="cards"),
        id="targets",
        class_="card",
        data_live=True,
    )


def _target(target: TargetAnswer, now: datetime | None) -> Markup:
    budgets: list[Child] = [
        meter(
            each.calls,
            f"up to {each.per_second:g} calls a second",
            f" (the limit is {each.limit:g})" if each.per_second < each.limit else None,
            tag("span", " throttled", class_="over") if each.throttled or each.per_second < each.limit else None,
            f", {each.waiting} waiting for up to {duration(each.oldest_seconds)}" if each.waiting else None,
        )
        for each in target.budgets
    ]
    slots: list[Child] = [
        meter(
            each.quota,
            _used(each),
            f" {each.taken} of {each.limit} slots",
            (", ", tag("a", f"{each.waiting} waiting", href=address("/", state="waiting", target=target.name)))
            if each.waiting
            else None,
        )
        for each in target.slots
    ]
    calls: list[Child] = [
        meter("last answer", age(target.answered_at, now) or "none yet", " ago" if target.answered_at else None),
        meter(
            "last error",
            tag("span", f"{target.error} at {target.error_operation}", class_="code"),
            (" ", age(target.failed_at, now), " ago"),
        )
        if target.error
        else None,
        meter("polled here", f"{target.polled} resources"),
        meter("address", target.address),
    ]
    state = tag("span", target.no_answer, class_="pill parked") if target.silent else None
    title = tag(
        "h3", target.name, " ", tag("span", f"{target.account} {target.region}".strip(), class_="faint"), " ", state
    )
    return tag("li", title, tag("dl", slots, budgets, calls), data_key=target.name)


def _used(slots: SlotAnswer) -> Markup:
    """Slots in use as a bar, which changes its colour when all are."""
    limit = max(slots.limit, 1)
    bar = {"min": 0, "max": limit, "low": limit - 0.5, "optimum": 0}
    return tag("meter", **bar, value=min(slots.taken, limit), aria_hidden="true")


def _partitions(overview: Overview, answer: PartitionsAnswer, now: datetime | None) -> Markup:
    replicas = [
        tag(
            "li",
            tag("strong", each.name),
            f" {each.partitions} partitions",
            tag("span", " (this page)", class_="faint") if each.here else None,
            data_key=each.name,
        )
        for each in overview.replicas
    ]
    error = tag("p", f"Kafka does not say who owns what: {answer.error}", class_="note") if answer.error else None
    columns = ("Partition", "Owner", "State here", "Open", "Remembered", "Lag")
    head = tag("tr", [tag("th", name, scope="col") for name in columns])
    rows = [_partition(each) for each in answer.partitions]
    state = _group_state(overview, answer, now) if overview.group_state else None
    table = tag("table", tag("caption", "Partitions", class_="visually-hidden"), tag("thead", head), tag("tbody", rows))
    return tag(
        "section",
        tag("h2", "Replicas and partitions"),
        tag("p", f"{len(replicas)} {'replica' if len(replicas) == 1 else 'replicas'}", state, class_="faint")
        if replicas
        else None,
        tag("ul", replicas, class_="replicas") if replicas else None,
        error,
        tag("details", tag("summary", f"{len(rows)} partitions"), table, id="partition-list"),
        id="partitions",
        class_="card",
        data_live=True,
    )


def _group_state(overview: Overview, answer: PartitionsAnswer, now: datetime | None) -> Child:
    """Kafka's word for the group, and how old it is."""
    asked = (age(answer.asked_at, now), " ago") if answer.asked_at else ("at an unknown time",)
    if overview.kafka_silent_since is None:
        return (f"; Kafka calls the group {overview.group_state} (asked ", *asked, ")")
    return (
        "; Kafka has not answered this replica for ",
        age(overview.kafka_silent_since, now),
        ": owners, group and lag are as it said ",
        *asked,
    )


def _partition(each: PartitionAnswer) -> Markup:
    restored = f" ({each.restored:,} records read)" if each.state == "restoring" else ""
    bad = "over" if each.state == "halted" else None
    return tag(
        "tr",
        tag("th", f"{each.topic}-{each.number}", scope="row"),
        tag("td", each.owner or "unknown", " (this page)" if each.here else None, data_label="owner"),
        tag("td", tag("span", f"{each.state}{restored}", class_=bad), data_label="state here"),
        tag("td", f"{each.open:,}", data_label="open"),
        tag("td", f"{each.records:,}", data_label="remembered"),
        tag("td", "unknown" if each.lag is None else f"{each.lag:,}", data_label="lag"),
        data_key=f"{each.topic}-{each.number}",
    )


def _words() -> Markup:
    rows = [tag("div", tag("dt", pill(state)), tag("dd", meaning)) for state, meaning in _WORDS.items()]
    return tag("details", tag("summary", "What the words mean"), tag("dl", rows, class_="words"), class_="card")
