"""The root of the settings: all groups, and what must hold between them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from service.settings.aws import Target
from service.settings.base import Group
from service.settings.kafka import Kafka, Replies, Topics
from service.settings.running import Http, Log, Polling, Runtime, Timing

TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class Settings(Group):
    """Every knob of the service."""

    kafka: Kafka
    """How to reach Kafka, and who we are there."""
    topics: Topics = Topics()
    """Names and shape of the topics."""
    targets: Annotated[dict[TargetName, Target], Field(min_length=1)]
    """Accounts and Regions that commands may name, by name."""
    default_target: str = "default"
    """Target of commands that name none; not needed when there is only one."""
    timing: Timing = Timing()
    """The durations on which correctness rests, and a few others."""
    polling: Polling = Polling()
    """How often AWS is asked how things stand."""
    replies: Replies = Replies()
    """Where replies may go."""
    runtime: Runtime = Runtime()
    """How much is done at once."""
    http: Http = Http()
    """The server of probes, metrics and the status page."""
    log: Log = Log()
    """What is logged, and how."""

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default_target not in self.targets:
            raise ValueError(
                f"default_target is {self.default_target!r}, which is not among the targets: {', '.join(self.targets)}"
            )
        return self
