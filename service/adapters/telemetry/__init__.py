"""What the service tells of itself: structured logs on stdout, metrics for Prometheus."""

from service.adapters.telemetry.logs import configure_logging
from service.adapters.telemetry.metrics import PrometheusTelemetry

__all__ = ["PrometheusTelemetry", "configure_logging"]
