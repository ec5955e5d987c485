"""Time: what a resource goes through between its request and its end.

CREATE_PENDING -> CREATE_IN_PROGRESS -> ACTIVE | CREATE_FAILED
ACTIVE | CREATE_FAILED | DELETE_FAILED -> DELETE_PENDING -> DELETE_IN_PROGRESS -> (gone) | DELETE_FAILED
"""

import asyncio
import logging
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from sandbox import resources
from sandbox.options import Timing
from sandbox.pool import Failure, Job, Workers
from sandbox.resources import Resource, Store
from sandbox.work import WORK, Shop, job

_log: Final = logging.getLogger(__name__)
_ARMED: Final = Failure("SANDBOX_FAULT", "Failed by a fault switch")


class Lifecycle:
    """Moves resources through their states; one task each."""

    def __init__(self, store: Store, workers: Workers, timing: Timing, shop: Shop) -> None:
        self._store, self._workers, self._timing, self._shop = store, workers, timing, shop
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, resource: Resource, fault: str | None = None) -> None:
        """Start creating a resource, or fail, or never end, as the fault switch says."""
        resource.change(status=resources.PENDING)
        self._spawn(self._create(resource, job(self._shop, resource), fault), f"create {resource.arn}")

    def remove(self, resource: Resource, fault: str | None = None) -> None:
        """Start deleting a resource."""
        resource.change(status=resources.DELETE_PENDING)
        self._spawn(self._delete(resource, fault), f"delete {resource.arn}")

    async def stop(self) -> None:
        """Stop everything under way, as it is."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, steps: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(steps, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("%s broke", task.get_name(), exc_info=error)

    async def _create(self, resource: Resource, work: Job, fault: str | None) -> None:
        await self._pass(self._timing.pending)
        resource.change(status=resources.IN_PROGRESS)
        if fault == "stuck":
            return
        floor = asyncio.create_task(self._pass(self._timing.floor))
        try:
            result = _ARMED if fault == "create_failed" else await self._workers.run(work)
            await floor
        except Exception as error:
            resource.change(**_failed(Failure("INTERNAL_ERROR", f"{type(error).__name__}: {error}")))
            raise
        finally:
            floor.cancel()
        if isinstance(result, Failure):
            resource.change(**_failed(result))
        else:
            members = WORK[resource.kind.name].members(resource, result)
            resource.change(status=resources.ACTIVE, **members)

    async def _delete(self, resource: Resource, fault: str | None) -> None:
        await self._pass(self._timing.pending)
        resource.change(status=resources.DELETE_IN_PROGRESS)
        await self._pass(self._timing.floor)
        if fault == "stuck":
            return
        if fault == "delete_failed":
            resource.change(**_failed(_ARMED) | {"status": resources.DELETE_FAILED})
            return
        await asyncio.to_thread(_discard, self._shop.path(resource.arn))
        self._store.remove(resource)

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._timing.scale)


def _failed(failure: Failure) -> dict[str, Any]:
    details = {"statusCode": failure.status_code, "message": failure.message}
    return {"status": resources.FAILED, "statusDetails": details}


def _discard(path: Path) -> None:
    """Remove the data of a model or an audience: a directory or a single file, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
