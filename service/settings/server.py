"""Settings of the process: rules, limits, HTTP, logging."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from service.settings.base import Count, Port, Seconds, SettingsGroup


class Rules(SettingsGroup):
    """Validation of a command's payload beyond AWS's own constraints."""

    assumed: bool = True
    """Whether to enforce rules that are an interpretation and that AWS does not document; violations and the reference
    call them assumed. Otherwise such a request is sent, and AWS decides: a job can start and then fail."""


class Runtime(SettingsGroup):
    """Limits of one partition, and the life cycle of the process."""

    inbox_limit: Count = 10_000
    """Commands and observations that may wait in one partition before its delivery is paused."""
    open_jobs_limit: Count = 2_000
    """Commands of one partition that may wait for AWS; more are rejected (`TooManyOpenCommands`), a source's before
    others'. Half as many may ask to wait (`notbefore`, `TrackResource`), or be callable before delivery is paused."""
    remembered_bytes: Annotated[Count, Field(ge=1_048_576)] = 64 * 1_048_576
    """Memory for the commands of one partition that have ended, in bytes. When it is full, the oldest reads and refused
    commands are forgotten before `timing.retention`, and changes are rejected (`TooManyEndedCommands`), a source's
    before others'."""
    max_batch: Count = 500
    """Inbox entries in one transaction, at most."""
    standby: bool = True
    """Whether a replica keeps copies of the others' partitions, for faster takeovers and the count of all slots."""
    stop_deadline: Seconds = 25.0
    """Time for an orderly stop; the remaining shards are closed dirty, which is safe. Below the pod's grace period."""
    heartbeat_limit: Seconds = 30.0
    """The liveness probe fails when the event loop has been late by more than this."""


def _host(value: Any) -> Any:
    """Accepts an IPv6 address in brackets, as in a URL."""
    return value[1:-1] if isinstance(value, str) and value.startswith("[") and value.endswith("]") else value


Host = Annotated[str, Field(min_length=1, pattern=r"^[^\s\[\]/]+$"), BeforeValidator(_host)]
"""An address or name to listen on; not empty, which would mean every address."""


class Http(SettingsGroup):
    """The server of probes, metrics and the fleet page."""

    host: Host = "127.0.0.1"
    """Address to listen on; in containers `0.0.0.0` (all IPv4 addresses) or `::` (all IPv6 and IPv4 addresses)."""
    port: Port = 8080
    """Port to listen on; with 0 the system chooses one."""
    page_host: Host = "127.0.0.1"
    """Address of the fleet page if it has a port of its own; by default only the local machine can reach it."""
    page_port: Port | None = None
    """Separate port for the fleet page, so that scrapers do not see it; the port of the probes if not set."""


class Logging(SettingsGroup):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""
    format: Literal["json", "console"] = "json"
    """`json` for log collectors, `console` for reading."""


class Tracing(SettingsGroup):
    """Traces for OpenTelemetry; where they go, the standard `OTEL_` variables say: howto/traces.md."""

    enabled: bool = False
    """Whether spans of commands are made and exported by OTLP over HTTP; needs the extra `traces`, which the image has.
    `OTEL_SDK_DISABLED=true` turns them off, too."""
