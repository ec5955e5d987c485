"""AWS: performs any row of the operations table on any target, each request exactly once."""

from service.adapters.aws.api import AwsApi
from service.adapters.aws.probe import Finding, probe
from service.adapters.aws.sessions import Sessions

__all__ = ["AwsApi", "Finding", "Sessions", "probe"]
