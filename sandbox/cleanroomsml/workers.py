"""The processes that train, generate and export, so that the event loop never does."""

import asyncio
import dataclasses
import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from sandbox import described


@dataclass(frozen=True, slots=True)
class Job:
    """Work to do, in plain data: the main process never imports numpy and friends."""

    function: str
    """Function of the jobs module."""
    request: str
    """Its request class."""
    fields: Mapping[str, Any]
    """The request's fields; `storage` is a mapping too."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Work that failed for a reason its requester should read."""

    status_code: str
    message: str


UNFORESEEN = "INTERNAL_ERROR"
WORKER_DIED = Failure(UNFORESEEN, "The worker process died")


def _warm(module: str, lifeline: Connection) -> None:
    """Begin a worker: die with the parent, leave Ctrl-C to it, and pay for the imports."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(lifeline,), name="follow-parent", daemon=True).start()
    importlib.import_module(module)


def _follow(lifeline: Connection) -> None:
    """Exit when the parent closes its end of the pipe, as the kernel does for it when it is killed."""
    multiprocessing.connection.wait([lifeline])
    os._exit(1)


def _perform(module: str, job: Job) -> dict[str, Any] | Failure:
    """Run one job inside a worker."""
    jobs = importlib.import_module(module)
    storage = jobs.Storage(**job.fields["storage"])
    request = getattr(jobs, job.request)(**{**job.fields, "storage": storage})
    try:
        return dataclasses.asdict(getattr(jobs, job.function)(request))
    except jobs.JobFailed as failed:
        return Failure(failed.status_code, failed.message)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return Failure(UNFORESEEN, described(error))  # without its message and traceback, which may quote data


def _ready() -> int:
    return os.getpid()


class Workers:
    """A process pool that is warmed at start and replaced when a worker dies."""

    def __init__(self, module: str, count: int) -> None:
        self._module, self._count = module, count
        self._context = multiprocessing.get_context("spawn")
        self._worker_end, self._parent_end = self._context.Pipe(duplex=False)
        self._pool = self._make()
        self._warming: list[Future[int]] = []

    def _make(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._count,
            mp_context=self._context,
            initializer=_warm,
            initargs=(self._module, self._worker_end),
        )

    def warm(self) -> None:
        """Start the workers in the background."""
        self._warming = [self._pool.submit(_ready) for _ in range(self._count)]

    @property
    def warmed(self) -> bool:
        """Whether the imports are paid."""
        return all(each.done() for each in self._warming)

    async def run(self, job: Job) -> dict[str, Any] | Failure:
        """Do a job; a worker's death fails it."""
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _perform, self._module, job)
        except BrokenProcessPool:
            if pool is self._pool:
                self._pool = self._make()
                pool.shutdown(wait=False, cancel_futures=True)
            return WORKER_DIED

    def stop(self) -> None:
        """End the workers now; unfinished work is dropped."""
        self._parent_end.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._worker_end.close()
