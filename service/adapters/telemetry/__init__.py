"""Observability: structured logs on stdout and Prometheus metrics."""

from service.adapters.telemetry.logs import configure_logging
from service.adapters.telemetry.metrics import PrometheusTelemetry

__all__ = ["PrometheusTelemetry", "configure_logging"]
