"""The command `serve`."""

import asyncio
import errno
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.options import AccessKey, Options, Profile, Quotas, Timing
from sandbox.cleanroomsml.persistence import PersistenceError
from sandbox.console import Count, Port, Seconds, port_taken
from sandbox.server import SandboxServer

_ASSUMED: Final = Assumptions()


def serve_command(
    *,
    host: str = "127.0.0.1",
    port: Port = 4599,
    profile: Profile = "demo",
    time_scale: Seconds = 1.0,
    pending: Seconds = 0.2,
    floor: Seconds = 0.5,
    quota_audience_models: Count = 2,
    quota_generation_jobs: Count = 10,
    quota_export_jobs: Count = 20,
    quota_exports_per_generation_job: Count = 25,
    workers: Count = 1,
    random_seed: int = 7,
    request_log: Path | None = None,
    data_dir: Path | None = None,
    access_key: tuple[str, ...] = (),
    check_signatures: bool = False,
    assume: Annotated[Assumptions, Parameter(name="*", group="Assumptions (docs/sandbox/assumptions.md)")] = (_ASSUMED),
) -> None:
    """Serve Clean Rooms ML, S3, Glue, IAM and STS on one port until SIGTERM or Ctrl-C.

    Point any AWS SDK at it by AWS_ENDPOINT_URL; any credentials do. An access key of 12 digits is that account.
    http://HOST:PORT/_sandbox/ shows what it holds and what it was asked.

    Args:
        host: Address to listen on; the admin endpoints are unprotected, so keep it on loopback.
        port: Port to listen on; 0 picks a free one.
        profile: "aws" enforces the real minimum sizes of training data, "demo" lowers them.
        time_scale: Multiplies `pending` and `floor`.
        pending: Seconds in CREATE_PENDING and DELETE_PENDING.
        floor: Least seconds in CREATE_IN_PROGRESS and DELETE_IN_PROGRESS.
        quota_audience_models: Audience models pending or in progress.
        quota_generation_jobs: Generation jobs pending or in progress.
        quota_export_jobs: Export jobs pending or in progress.
        quota_exports_per_generation_job: Export jobs of one generation job.
        workers: Processes that train, generate and export.
        random_seed: Makes results repeatable.
        request_log: Append each request to this file as a JSON line.
        data_dir: Keep everything here, and go on with it at the next start; by default nothing outlives the sandbox.
        access_key: KEY:SECRET:ACCOUNT, a key pair of an account; may be given several times.
        check_signatures: Refuse requests whose SigV4 signature is wrong or more than five minutes off. The secret of an
            access key of 12 digits is "sandbox"; other keys must be given, or come from STS or IAM.
        assume: What is assumed where AWS documents nothing.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        keys = tuple(AccessKey.parse(each) for each in access_key)
    except ValueError as error:
        sys.exit(f"sandbox: {error}")
    options = Options(
        host=host,
        port=port,
        profile=profile,
        timing=Timing(pending, floor, time_scale),
        quotas=Quotas(
            quota_audience_models, quota_generation_jobs, quota_export_jobs, quota_exports_per_generation_job
        ),
        workers=workers,
        random_seed=random_seed,
        request_log=request_log,
        data_dir=data_dir,
        access_keys=keys,
        check_signatures=check_signatures,
        assume=assume,
    )
    try:
        asyncio.run(_serve(options))
    except PersistenceError as error:
        sys.exit(f"sandbox: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(port_taken(port, "--port"))
        what = error.filename or f"cannot serve on {host}:{port}"
        sys.exit(f"sandbox: {what}: {error.strerror or error}")


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    async with SandboxServer(options) as sandbox:
        sys.stdout.write(f"sandbox ready on {sandbox.url} (profile {options.profile})\n")
        sys.stdout.flush()
        await stop.wait()
