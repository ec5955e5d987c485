"""Time: what a resource goes through between its request and its end.

CREATE_PENDING -> CREATE_IN_PROGRESS -> ACTIVE | CREATE_FAILED
ACTIVE | CREATE_FAILED | DELETE_FAILED -> DELETE_PENDING -> DELETE_IN_PROGRESS -> (gone) | DELETE_FAILED
"""

import asyncio
import logging
import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from sandbox import described
from sandbox.cleanroomsml import resources
from sandbox.cleanroomsml.job_requests import WORK, JobContext, job
from sandbox.cleanroomsml.options import Timing
from sandbox.cleanroomsml.resources import Resource
from sandbox.cleanroomsml.store import Store
from sandbox.cleanroomsml.workers import UNFORESEEN, Failure, Job, Workers

_log: Final = logging.getLogger(__name__)
_ARMED: Final = Failure("SANDBOX_FAULT", "Failed by a fault switch")


class Lifecycle:
    """Moves resources through their states; one task each."""

    def __init__(self, store: Store, workers: Workers, timing: Timing, job_context: JobContext) -> None:
        self._store, self._workers, self._timing, self._context = store, workers, timing, job_context
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, resource: Resource, fault: str | None = None) -> None:
        """Start creating a resource, or fail, or never end, as the fault switch says."""
        self._spawn(self._create(resource, job(self._context, resource), fault), "create", resource)

    def remove(self, resource: Resource, fault: str | None = None) -> None:
        """Start deleting a resource; a creation under way is let end first, and its result not used."""
        creation = self._tasks.get(f"create {resource.arn}")
        self._move(resource, status=resources.DELETE_PENDING)
        self._spawn(self._delete(resource, fault, creation), "delete", resource)

    def resume(self) -> None:
        """Go on with what was under way when the process before ended: work is done again from its beginning."""
        for resource in [each for each in self._store if each.kind.lasting and each.lead]:
            if resource.status in resources.RUNNING:
                self._spawn(self._create(resource, job(self._context, resource), None, again=True), "create", resource)
            elif resource.status in resources.REMOVING:
                self._spawn(self._delete(resource, None, None), "delete", resource)

    async def reset(self) -> None:
        """Stop everything under way, and throw away the data of every model and audience."""
        await self.stop()
        for resource in self._store:
            await asyncio.to_thread(_discard, self._context.path(resource.arn))

    async def stop(self) -> None:
        """Stop everything under way, as it is."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, steps: Coroutine[Any, Any, None], what: str, resource: Resource) -> None:
        task = asyncio.create_task(steps, name=f"{what} {resource.arn}")
        self._tasks[task.get_name()] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._tasks.get(task.get_name()) is task:
            del self._tasks[task.get_name()]
        if not task.cancelled() and (error := task.exception()):
            _log.error(
                "%s broke: %s", task.get_name(), described(error), exc_info=error if sys.flags.dev_mode else None
            )

    def _move(self, resource: Resource, **members: Any) -> None:
        resource.change(**members)
        self._store.keep(resource)

    def _conclude(self, resource: Resource, **members: Any) -> None:
        """Move a resource that is still being created; its deletion may have begun."""
        if resource.status in resources.RUNNING:
            self._move(resource, **members)

    async def _create(self, resource: Resource, work: Job, fault: str | None, *, again: bool = False) -> None:
        if again:
            await asyncio.to_thread(_discard, self._context.path(resource.arn))
        await self._pass(self._timing.pending)
        self._conclude(resource, status=resources.IN_PROGRESS)
        if fault == "stuck" or resource.status != resources.IN_PROGRESS:
            return
        floor = asyncio.create_task(self._pass(self._timing.floor))
        try:
            result = _ARMED if fault == "create_failed" else await self._workers.run(work)
            await floor
        except Exception as error:
            self._conclude(resource, **_failed(Failure(UNFORESEEN, described(error))))
            raise
        finally:
            floor.cancel()
        if isinstance(result, Failure):
            if result.status_code == UNFORESEEN:
                _log.error("create %s broke: %s", resource.arn, result.message)
            self._conclude(resource, **_failed(result))
        else:
            members = WORK[resource.kind.name].members(self._context, resource, result)
            self._conclude(resource, status=resources.ACTIVE, **members)

    async def _delete(self, resource: Resource, fault: str | None, creation: asyncio.Task[None] | None) -> None:
        await self._pass(self._timing.pending)
        self._move(resource, status=resources.DELETE_IN_PROGRESS)
        await self._pass(self._timing.floor)
        if creation is not None:
            await asyncio.wait([creation])
        if fault == "stuck":
            return
        if fault == "delete_failed":
            self._move(resource, **_failed(_ARMED) | {"status": resources.DELETE_FAILED})
            return
        await asyncio.to_thread(_discard, self._context.path(resource.arn))
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
