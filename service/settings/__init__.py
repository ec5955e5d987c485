"""Every knob of the service: type, default, unit, one sentence; loaded from a file and the environment."""

from service.settings.aws import Rate, Target
from service.settings.base import SettingsError
from service.settings.kafka import Kafka, Replies, Topics
from service.settings.loading import load
from service.settings.model import Settings
from service.settings.polling import Polling, PollInterval
from service.settings.reference import reference
from service.settings.server import Http, Logging, Rules, Runtime, Tracing
from service.settings.tenants import Tenant, TenantRate
from service.settings.timing import Timing

__all__ = [
    "Http",
    "Kafka",
    "Logging",
    "PollInterval",
    "Polling",
    "Rate",
    "Replies",
    "Rules",
    "Runtime",
    "Settings",
    "SettingsError",
    "Target",
    "Tenant",
    "TenantRate",
    "Timing",
    "Topics",
    "Tracing",
    "load",
    "reference",
]
