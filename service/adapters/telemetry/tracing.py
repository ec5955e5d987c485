"""Whether traces are exported, as the settings and the standard OTEL_ variables say; knows nothing of OpenTelemetry.

Everything that needs its packages is in :mod:`service.adapters.telemetry.traces`, which is imported only if they are.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from service.core.redaction import without_userinfo

PACKAGES: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
"""What the extra ``traces`` brings."""

_REMEDY: Final = "install cleanroomsml-service[traces], or leave tracing.enabled off"
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_HEADER: Final = re.compile(r"[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ !#-+\--:<-\[\]-~]*[ \t]*")
"""As OpenTelemetry's package takes it; it logs one that it does not take, and with it a token."""


class TracesUnavailable(ValueError):
    """Traces are wanted and can't be exported as the variables ask; the message has the remedy."""


def exported(*, enabled: bool, environment: Mapping[str, str]) -> bool:
    """Whether spans are made; ``OTEL_SDK_DISABLED=true`` and ``OTEL_TRACES_EXPORTER=none`` turn them off, too.

    Raises:
        TracesUnavailable: They can't be exported so.
    """
    if not enabled or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if exporter == "none":
        return False
    if problems := [*_problems(exporter, environment)]:
        raise TracesUnavailable("; ".join(problems))
    return True


def _problems(exporter: str, environment: Mapping[str, str]) -> list[str]:
    found = []
    if missing := [name for name in PACKAGES if not _installed(name)]:
        found.append(f"tracing.enabled needs packages that are not installed ({', '.join(missing)}): {_REMEDY}")
    if exporter != "otlp":
        found.append(f"OTEL_TRACES_EXPORTER is {exporter!r}; this service exports by otlp alone: set otlp or none")
    found.extend(
        f"{name} is {given!r}; this service speaks http/protobuf alone: set that, and port 4318 of the collector"
        for name in _PROTOCOLS
        if (given := environment.get(name, "").strip()) not in ("", "http/protobuf")
    )
    found.extend(
        f"{name} must be an address such as http://collector:4318, it is {without_userinfo(given)!r}"
        for name in _ENDPOINTS
        if name in environment and not _is_address(given := environment[name])
    )
    found.extend(
        f"{name} must be a list of name=value, separated by commas, each value URL-encoded; its text is not shown here"
        for name in _HEADERS
        if not all(_HEADER.fullmatch(each) for each in environment.get(name, "").split(",") if each.strip())
    )
    return found


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:  # not even the package that holds it
        return False


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
