"""Settings of the process: rules, limits, HTTP, logging."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from service.settings.base import Count, Port, Seconds, SettingsGroup


class Rules(SettingsGroup):
    """What a command's payload must satisfy beyond AWS's own constraints."""

    assumed: bool = True
    """Whether rules count that are our reading and that AWS does not state; violations and the pages of the commands
    call them assumed. If not, such a request is sent, and AWS judges it: a job may start and fail."""


class Runtime(SettingsGroup):
    """How much is done at once."""

    inbox_limit: Count = 10_000
    """Commands and observations waiting in one partition before its delivery is paused."""
    open_jobs_limit: Count = 2_000
    """Commands of one partition that may wait for AWS; more are rejected (`TooManyOpenCommands`), a source's before
    others'. Half as many may ask to wait (`notbefore`, `TrackResource`), or be callable before delivery is paused."""
    remembered_bytes: Annotated[Count, Field(ge=1_048_576)] = 64 * 1_048_576
    """Memory for the commands of one partition that have ended, in bytes. When it is full, the oldest reads and refused
    commands are forgotten before `timing.retention`, and changes are rejected (`TooManyEndedCommands`), a source's
    before others'."""
    max_batch: Count = 500
    """Inbox entries that one transaction may take."""
    standby: bool = True
    """Whether a replica keeps copies of what the others own: take-over without reading all, slots counted over all."""
    stop_deadline: Seconds = 25.0
    """Time to stop in order; what is left after it is closed dirty, which is safe. Below the pod's grace period."""
    heartbeat_limit: Seconds = 30.0
    """The liveness probe fails when the event loop has been late by more than this."""


def _host(value: Any) -> Any:
    """An IPv6 address may be written as in a URL, in brackets."""
    return value[1:-1] if isinstance(value, str) and value.startswith("[") and value.endswith("]") else value


Host = Annotated[str, Field(min_length=1, pattern=r"^[^\s\[\]/]+$"), BeforeValidator(_host)]
"""An address or name to listen on; empty would mean every address."""


class Http(SettingsGroup):
    """The server of probes, metrics and the status page."""

    host: Host = "127.0.0.1"
    """Address to listen on; `0.0.0.0` is every one of IPv4, `::` every one of IPv6 and IPv4, for containers."""
    port: Port = 8080
    """Port to listen on; 0 lets the system choose."""
    page_host: Host = "127.0.0.1"
    """Address of the status page when it has a port of its own: only this machine, or who forwards the port."""
    page_port: Port | None = None
    """Port of the status page alone, so that who may scrape does not see it; beside the probes if not set."""


class Logging(SettingsGroup):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""
    format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
