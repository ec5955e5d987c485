"""Clients in Python: boto3, aiobotocore, and the AWS CLI, which is a process for each step."""

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiobotocore.session
import boto3
from botocore.exceptions import ClientError

from tests.clients.harness import Result, Stage, steps

Params = Mapping[str, Any]


def snake(operation: str, joint: str = "_") -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", joint, operation).lower()


def filled(value: Any, known: Mapping[str, str], date: Callable[[str], Any]) -> Any:
    """A step's parameters with variables and dates put in."""
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda found: known.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [filled(each, known, date) for each in value]
    if isinstance(value, dict) and "$date" in value:
        return date(value["$date"])
    if isinstance(value, dict):
        return {name: filled(each, known, date) for name, each in value.items()}
    return value


def told(value: Any) -> Any:
    """A result with its dates marked."""
    if isinstance(value, datetime):
        return {"$date": value.isoformat()}
    if isinstance(value, dict):
        return {name: told(each) for name, each in value.items() if name not in {"ResponseMetadata", "nextToken"}}
    return [told(each) for each in value] if isinstance(value, list) else value


def at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, list):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            value = (value or {}).get(name)
    return value


def is_done(step: Params, result: Result) -> bool:
    path, wanted = step["until"]
    return bool(wanted == (result.get("error", {}).get("code") if path == "error" else at(result.get("output"), path)))


async def play(stage: Stage, ask: Callable[[Params, Mapping[str, str]], Awaitable[Result]]) -> list[Result]:
    """Go through the scenario."""
    known, results = dict(stage.known), []
    for step in steps():
        result = await ask(step, known)
        deadline = time.monotonic() + 60
        while "until" in step and not is_done(step, result) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            result = await ask(step, known)
        known |= {name: at(result.get("output"), path) for name, path in step.get("keep", {}).items()}
        results.append({"id": step["id"], **result})
    return results


def _answered(output: dict[str, Any], metadata: dict[str, Any]) -> Result:
    return {"output": told(output), "status": metadata["HTTPStatusCode"], "requestId": metadata["RequestId"]}


def _refused(error: ClientError) -> Result:
    response: Any = error.response
    own = {name: response[name] for name in ("quotaName", "quotaValue") if name in response}
    problem = {"code": response["Error"]["Code"], "message": response["Error"]["Message"], **own}
    metadata = response["ResponseMetadata"]
    return {"error": problem, "status": metadata["HTTPStatusCode"], "requestId": metadata["RequestId"]}


def _parameters(step: Params, known: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters, and those of the paginator if the step wants pages."""
    params = filled(step["with"], known, datetime.fromisoformat)
    return params, {"PageSize": params.pop("maxResults", None)} if step.get("pages") else {}


async def play_boto3(stage: Stage) -> list[Result]:
    keys = stage.credentials
    client: Any = boto3.client(
        "cleanroomsml",
        endpoint_url=stage.url,
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )

    async def ask(step: Params, known: Mapping[str, str]) -> Result:
        params, paging = _parameters(step, known)
        try:
            if not step.get("pages"):
                output = getattr(client, snake(step["call"]))(**params)
                return _answered(output, output["ResponseMetadata"])
            paginator = client.get_paginator(snake(step["call"]))
            pages = list(paginator.paginate(**params, PaginationConfig=paging))
            return _answered(_merged(pages), pages[-1]["ResponseMetadata"])
        except ClientError as error:
            return _refused(error)

    results = await play(stage, ask)
    client.close()
    return results


async def play_aiobotocore(stage: Stage) -> list[Result]:
    keys = stage.credentials
    async with aiobotocore.session.get_session().create_client(
        "cleanroomsml",
        endpoint_url=stage.url,
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    ) as typed:
        client: Any = typed

        async def ask(step: Params, known: Mapping[str, str]) -> Result:
            params, paging = _parameters(step, known)
            try:
                if not step.get("pages"):
                    output = await getattr(client, snake(step["call"]))(**params)
                    return _answered(output, output["ResponseMetadata"])
                paginator = client.get_paginator(snake(step["call"]))
                pages = [page async for page in paginator.paginate(**params, PaginationConfig=paging)]
                return _answered(_merged(pages), pages[-1]["ResponseMetadata"])
            except ClientError as error:
                return _refused(error)

        return await play(stage, ask)


def _merged(pages: list[dict[str, Any]]) -> dict[str, Any]:
    [name] = [each for each, value in pages[0].items() if isinstance(value, list)]
    return {name: [each for page in pages for each in page[name]]}


_FAILED = re.compile(r"An error occurred \((\w+)\) when calling the (\w+) operation[^:]*: (.*)", re.DOTALL)
_HEADERS = re.compile(r"Response headers:.*?'x-amzn-RequestId': '([^']+)'", re.IGNORECASE | re.DOTALL)
_STATUS = re.compile(r'"[A-Z]+ \S+ HTTP/1.1" (\d{3}) ')


async def play_cli(stage: Stage, aws: Path, folder: Path) -> list[Result]:
    """The AWS CLI; it prints request ids and HTTP statuses only when it debugs."""
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text("[default]\ncli_timestamp_format = iso8601\n", "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= stage.credentials | {"AWS_PAGER": "", "HOME": str(folder), "PYTHONUTF8": "1"}

    async def ask(step: Params, known: Mapping[str, str]) -> Result:
        params, paging = _parameters_of_cli(step, known)
        words = [snake(step["call"], "-"), "--cli-input-json", json.dumps(params), *paging, "--debug"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            aws, "cleanroomsml", *words, env=environment, stdout=pipe, stderr=pipe
        )
        output, log = (text.decode() for text in await process.communicate())
        headers, statuses = _HEADERS.findall(log), _STATUS.findall(log)
        told_by_log = {"status": int(statuses[-1]), "requestId": headers[-1]}
        if process.returncode == 0:
            return {"output": _dated(json.loads(output or "{}")), **told_by_log}
        failed = _FAILED.search(log[log.rindex("An error occurred") :])
        assert failed, log[-2000:]
        return {"error": {"code": failed[1], "message": failed[3].strip()}, **told_by_log}

    return await play(stage, ask)


def _parameters_of_cli(step: Params, known: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    params = filled(step["with"], known, str)
    return params, ["--page-size", str(params.pop("maxResults", 100))] if step.get("pages") else []


def _dated(value: Any, name: str = "") -> Any:
    """The CLI prints dates as text; what it has parsed as a date ends with an offset, which our answers don't have."""
    if isinstance(value, dict):
        return {key: _dated(each, key) for key, each in value.items() if key != "nextToken"}
    if isinstance(value, list):
        return [_dated(each) for each in value]
    return {"$date": value} if name.endswith("Time") and str(value).endswith("+00:00") else value
