"""`python -m sandbox up`: everything around the service, and the service too if wanted, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from sandbox.console import FAILED, Port, python_command
from sandbox.demo.service import QUICK, ServiceError, running_service
from sandbox.processes import Child
from sandbox.stack import (
    START_ERRORS,
    Sandbox,
    StartError,
    all_or_nothing,
    download,
    environment,
    require_free,
    until_answers,
    until_interrupted,
)

KAFKA_PORT: Final = 9092
AWS_PORT: Final = 4599
PAGE_PORT: Final = 8080
_READY_SECONDS: Final = 60.0
_TEMPORARY: Final = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""Variables of a person's shell that would override those of the sandbox."""


AGAIN: Final = "make up, or python -m sandbox up"


class _Reported(Exception):
    """Something ended on its own, and why is written already."""


def up_command(
    *,
    kafka_port: Port = KAFKA_PORT,
    port: Port = AWS_PORT,
    data_dir: Path | None = None,
    service: bool = False,
    page_port: Port = PAGE_PORT,
) -> None:
    """Run Kafka and Clean Rooms ML with MovieLens-100k in S3 and Glue until Ctrl-C, and say how to use them.

    The service runs too with --service; without, `python -m service run` starts it in another terminal.

    Args:
        kafka_port: Loopback port of Kafka; 0 picks a free one.
        port: Loopback port of Clean Rooms ML, S3, Glue, IAM and STS; 0 picks a free one.
        data_dir: Keep logs, models and Kafka's data here; by default a temporary folder, removed at the end.
            The next start goes on with what Clean Rooms ML, S3 and Glue hold.
        service: Create the topics and run the service too, with quick polling.
        page_port: Loopback port of the service's page, with --service.
    """
    try:
        _print("starting Kafka and Clean Rooms ML")
        download(_print)
        sandbox = Sandbox(kafka_port=kafka_port, port=port, data_dir=data_dir, progress=_print)
        asyncio.run(_up(sandbox, page_port if service else None))
    except _Reported:
        raise SystemExit(FAILED) from None
    except (*START_ERRORS, ServiceError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def env_command(*, kafka_port: Port = KAFKA_PORT, port: Port = AWS_PORT) -> None:
    """Print the variables that point a shell at the sandbox that `up` started: eval "$(python -m sandbox env)".

    Args:
        kafka_port: Where Kafka of the sandbox listens.
        port: Where Clean Rooms ML of the sandbox listens.
    """
    variables = environment(f"127.0.0.1:{kafka_port}", f"http://127.0.0.1:{port}")
    _print("\n".join(shell_lines({**variables, **QUICK}, os.environ)))


def shell_lines(variables: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """What sets these variables in a shell, and unsets those that would override them."""
    return [
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        *(f"unset {name}" for name in _TEMPORARY if name in environ),
    ]


async def _up(sandbox: Sandbox, page_port: int | None) -> None:
    async def serve() -> None:
        if page_port is not None:
            require_free(page_port, "--page-port")
        async with sandbox, AsyncExitStack() as stack:
            ends = [sandbox.wait_broken()]
            if page_port is not None:
                _print("starting the service")
                service = await stack.enter_async_context(
                    running_service(sandbox.environment(), sandbox.data_dir, page_port)
                )
                ready = f"http://127.0.0.1:{page_port}/readyz"
                await until_answers(service, ready, _READY_SECONDS, "The service", lambda found: bool(found["ready"]))
                ends.append(_ended(service))
            _print(instructions(sandbox, page_port))
            try:
                await all_or_nothing(*ends)
            except (StartError, ServiceError) as error:  # why comes first: to stop takes its time
                sys.stderr.write(f"{error}\nTo go on, start again: {AGAIN}\n")
                raise _Reported from error
            finally:
                _print("stopping")

    await until_interrupted(serve())


async def _ended(service: Child) -> None:
    code = await service.wait_ended()
    raise ServiceError(f"The service ended with exit code {code}; the last lines of its log:\n{service.last_log()}")


def instructions(sandbox: Sandbox, page_port: int | None) -> str:
    """What to do with a running sandbox: where it can be seen, variables to set, commands to go on with.

    Args:
        sandbox: It runs.
        page_port: Of the service, if it runs too.
    """
    python, data = python_command(), sandbox.data
    pages = [f"  page of the sandbox   {sandbox.endpoint_url}/_sandbox/"]
    if page_port is None:
        first = [
            f'  eval "$({python} -m sandbox env{_ports(sandbox)})"',
            f"  {python} -m service topics    # create the topics",
            f"  {python} -m service run       # start the service",
        ]
    else:
        pages.insert(0, f"  page of the service   http://127.0.0.1:{page_port}/")
        first = [
            f'  eval "$({python} -m sandbox env{_ports(sandbox)})"',
            f"  {python} -m service send CreateTrainingDataset --example --wait",
        ]
    lines = [
        f"Kafka is on {sandbox.bootstrap}; Clean Rooms ML, S3, Glue, IAM and STS are on {sandbox.endpoint_url}.",
        "",
        *pages,
        "",
        "In another terminal:",
        "",
        *first,
        "",
        "To name in commands:",
        "",
        f"  training data   Glue table {data.database}.{data.table} (user_id, item_id, timestamp)",
        f"  seed            {data.seed_uri}: {len(sandbox.taste.seed)} people who liked {sandbox.taste.title}",
        f"  output          {data.output_uri}",
        f"  role            {sandbox.role_arn}",
        "",
        f"Logs are in {sandbox.data_dir}. Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _ports(sandbox: Sandbox) -> str:
    """Options that `env` needs to find this sandbox."""
    ports = (("kafka-port", sandbox.kafka_port, KAFKA_PORT), ("port", sandbox.port, AWS_PORT))
    return "".join(f" --{name} {port}" for name, port, usual in ports if port != usual)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
