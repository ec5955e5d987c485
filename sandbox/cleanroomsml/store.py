"""The store: all resources, per account and Region."""

import itertools
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.cleanroomsml.errors import AccessDenied, NotFound
from sandbox.cleanroomsml.persistence import InMemory, Persistence
from sandbox.cleanroomsml.resources import KINDS, Kind, Resource


class Store:
    """All resources of all accounts, in order of creation."""

    def __init__(self, persistence: Persistence | None = None, *, exports_vanish: bool = True) -> None:
        """Begin with what was stored.

        Args:
            persistence: where resources outlive the process; none by default.
            exports_vanish: whether export jobs go with their generation job.
        """
        self._persistence = persistence or InMemory()
        self._exports_vanish = exports_vanish
        self._by_arn = {each.arn: each for each in self._persistence.load()}
        self._sequence = itertools.count(1 + max((each.sequence for each in self), default=0))

    def add(self, kind: Kind, account: str, region: str, attributes: Mapping[str, Any], **own: Any) -> Resource:
        """Create a resource with its times and identity; `own` sets the sandbox's own fields. `keep` it when done."""
        now = datetime.now(UTC)
        identity = own.pop("identity", None) or str(uuid.uuid4())
        resource = Resource(kind, account, region, identity, next(self._sequence), dict(attributes), **own)
        resource.attributes |= {"createTime": now, "updateTime": now, kind.identity: resource.arn}
        resource.history.append((resource.status, now))
        self._by_arn[resource.arn] = resource
        return resource

    def remove(self, resource: Resource) -> None:
        """Forget a resource, its other view, and what it owns."""
        gone = list(resource.views)
        if self._exports_vanish:
            gone += [each for view in resource.views for each in self.children(view) if each.kind.owned]
        for each in gone:
            self._by_arn.pop(each.arn, None)
        self._persistence.remove(*gone)

    def keep(self, resource: Resource) -> None:
        """Have a resource and its other view outlive the process as they are now, unless they are gone."""
        self._persistence.save(*(view for view in resource.views if self.holds(view)))

    def clear(self) -> None:
        """Forget everything."""
        self._by_arn.clear()
        self._persistence.clear()

    def holds(self, resource: Resource) -> bool:
        """Whether the resource still exists."""
        return self._by_arn.get(resource.arn) is resource

    def get(self, arn: str, account: str, region: str, kinds: Mapping[str, Kind] = KINDS) -> Resource:
        """Return a resource of the caller's account.

        Raises:
            AccessDenied: The ARN is another account's.
            NotFound: There is none, or it is in another Region.
        """
        if arn.split(":")[4] != account:
            raise AccessDenied(f"Account {account} is not authorized to access {arn}")
        resource = self._by_arn.get(arn)
        if resource is None or resource.region != region or resource.kind.name not in kinds:
            raise NotFound(f"Resource {arn} does not exist")
        return resource

    def find(self, arn: str) -> Resource | None:
        """Return a resource of whatever account."""
        return self._by_arn.get(arn)

    def of(self, kind: Kind, account: str, region: str) -> Iterator[Resource]:
        """Yield the resources of a kind in one account and Region, oldest first."""
        for each in self._by_arn.values():
            if each.kind is kind and (each.account, each.region) == (account, region):
                yield each

    def children(self, resource: Resource) -> Iterator[Resource]:
        """Yield the resources made from this one."""
        return (each for each in self._by_arn.values() if each.parent_arn == resource.arn)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_arn.values())
