"""AWS: performs any row of the operations table on any target, each request exactly once."""

from service.adapters.aws.api import AwsApi
from service.operator.diagnostics.aws_target import Finding, probe
from service.adapters.aws.clients import Sessions

__all__ = ["AwsApi", "Finding", "Sessions", "probe"]
