"""The page of one replica's internals: plain tables, every value escaped, no script."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;"
    "padding:0 1rem;overflow-wrap:anywhere}table{border-collapse:collapse;margin:0 0 1.5rem;display:block;"
    "overflow-x:auto}td,th{text-align:left;font-weight:normal;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #8888}"
    "h2{font-size:1rem;margin:1.5rem 0 .3rem}.no{color:light-dark(#a00,#f99)}"
)

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy: nothing may be loaded or run but this page's own style."""


LEGEND: Final[Mapping[str, str]] = {
    "ready, not ready (red)": "every partition that this replica owns is served, or not all are yet",
    "superseded (red)": "another process uses this replica's instance id; stop one of them",
    "started": "whether it has joined the group once",
    "jobs": "open and remembered commands, by phase",
    "intended": "the call may leave, or will when it is due",
    "queued": "waits for a concurrency slot of AWS",
    "uncertain": "the call may have happened; a search finds out",
    "accepted": "AWS has said yes; what it has made is not known yet",
    "running": "the resource is known, and polled until it is final",
    "succeeded, failed, rejected": "ended; remembered, so that a repeat gets the same answer",
    "parked": "the outcome can't be found out; a person decides, with python -m service parked",
    "held": "jobs that this replica cannot serve, by reason; they wait for one that can",
    "shards": "the partitions of commands that this replica owns",
    "state": "opening and restoring: not serving yet; running; paused: no new calls while it is handed over; closed",
    "restored": "records read from the changelog when the partition was taken over",
    "position": "the next offset of the changelog",
    "inbox": "records and answers that wait to be handled",
    "delivery": "open: commands are read; held: none are, until fewer calls wait",
    "throttled": "targets that AWS has slowed down for long",
    "callable": "jobs whose call can leave now",
    "asked, decisions, blocked": "waiting: for a time that was asked for, cancellations and resolutions, and what is "
    "behind a job of the same key that waits; calls: for a slot, a retry or a search",
    "remembered, remembered_bytes": "ended commands that are still known, and the room they take",
    "calls, in_line, searches, watches, timers": "calls under way, calls that wait for the rate, searches for lost "
    "answers, polled resources, and times that are waited for",
    "unpermitted": "commands that wait until they may be called, for the rate budget or for a connection",
    "halted": "partitions that are not served, and why; see the runbooks",
    "targets": "accounts and Regions of AWS: calls a second that are allowed now, and calls that wait for them",
    "answers": "whether AWS answers; if not, for how long, with which error, and how often it was tried",
    "reads_per_second, reads_waiting": "of Gets and Lists",
    "writes_per_second, writes_waiting": "of all other calls",
    "slots": "AWS's concurrency quotas",
    "limit, taken, waiting": "of a quota: how many at once, how many now, and jobs that wait for one",
    "taken_here, waiting_here": "those of the partitions that this replica owns",
    "standby": "copies of partitions that other replicas own; current: the copy has caught up",
    "entries, current": "of a copy",
    "addresses": "where the calls of each target go",
}
"""What the words of the page mean."""


def render(status: Mapping[str, Any]) -> str:
    """The page as HTML."""
    ready = bool(status.get("ready"))
    superseded = f'<p class="no">{escape(str(status["superseded"]))}</p>' if status.get("superseded") else ""
    word = "ready" if ready else '<span class="no">not ready</span>'
    sections = "".join(_section(name, value) for name, value in status.items() if isinstance(value, Mapping))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Clean Rooms ML service</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>Clean Rooms ML service: {word}</h1>{superseded}{sections}{_section('legend', LEGEND)}"
        '<p><a href="/readyz">readyz</a> <a href="/livez">livez</a> <a href="/metrics">metrics</a></p>'
        "</main></body></html>"
    )


def _section(name: str, rows: Mapping[str, Any]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() if isinstance(row, Mapping) for key in row))
    head = _row(*(_cell("th", name, "col") for name in ("name", *columns))) if columns else ""
    body = "".join(_row(_cell("th", key, "row"), *_cells(value, columns)) for key, value in rows.items())
    return f"<h2>{escape(str(name))}</h2><table>{head}{body or _row(_cell('td', 'none'))}</table>"


def _cells(value: Any, columns: list[str]) -> Iterable[str]:
    values = [value.get(column, "") for column in columns] if isinstance(value, Mapping) else [value]
    return [_cell("td", each) for each in values]


def _cell(tag: str, value: Any, scope: str = "") -> str:
    mark = f' scope="{scope}"' if scope else ""
    return f"<{tag}{mark}>{escape(str(value))}</{tag}>"


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"
