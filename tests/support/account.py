"""What an account of the tiny Clean Rooms ML holds: resources with a schedule of statuses, policies, tags."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from schemas.operations import Resource


@dataclass
class Item:
    """A resource: what the request said, and a schedule of statuses."""

    resource: Resource
    key: str
    members: dict[str, Any]
    created: float
    schedule: list[tuple[float, str]]
    updated: float = 0.0
    details: dict[str, str] | None = None
    gone: float | None = None

    def status(self, now: float) -> str:
        return next(status for at, status in reversed(self.schedule) if at <= now or at == self.schedule[0][0])

    def exists(self, now: float) -> bool:
        return self.created <= now and (self.gone is None or now < self.gone)


@dataclass
class World:
    """One account and Region."""

    account: str = "111122223333"
    region: str = "eu-west-1"
    items: dict[str, Item] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def arn(self, resource: Resource, number: int) -> str:
        return f"arn:aws:cleanrooms-ml:{self.region}:{self.account}:{resource.arn_type or resource.kind}/{number:08d}"
