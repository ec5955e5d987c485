"""AWS: performs any row of the operations table on any target, each request exactly once."""

from service.adapters.aws.api import AwsApi
from service.adapters.aws.clients import Clients

__all__ = ["AwsApi", "Clients"]
