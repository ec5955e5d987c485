"""The Clean Rooms ML side of the port: reads a request, has it performed, writes the answer, keeps the log."""

import asyncio
import json
import uuid
from typing import Final

from aiohttp import web

from sandbox.cleanroomsml import api_model, faults, protocol
from sandbox.cleanroomsml.accounts import Caller
from sandbox.cleanroomsml.context import Context, Outcome
from sandbox.cleanroomsml.errors import ApiError, UnknownOperation
from sandbox.cleanroomsml.faults import BODIES, REFUSALS, Fault, Stage
from sandbox.cleanroomsml.operations import perform
from sandbox.cleanroomsml.rate_limit import RateLimit
from sandbox.cleanroomsml.request_log import Entry, RequestLog

_JSON: Final = "application/json"


class Gateway:
    """Serves Clean Rooms ML requests."""

    def __init__(self, context: Context, request_log: RequestLog) -> None:
        self._desk, self._request_log = context, request_log
        assume = context.options.assume
        self._throttle = RateLimit(assume.reads_per_second, assume.writes_per_second)

    async def serve(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Answer one request, or spoil the answer as the fault switches say."""
        body = await request.read()
        entry = self._request_log.open(None, caller.account, caller.region)
        entry.session = caller.session
        entry.invocation_id = request.headers.get("amz-sdk-invocation-id")
        entry.attempt = request.headers.get("amz-sdk-request")
        try:
            response, fault = self._act(request, body, caller, entry)
        except ApiError as error:
            response, fault = _refusal(error, entry), None
        finally:
            self._request_log.append(entry)
        if fault is not None:
            await _spoil(request, fault)
        return response

    def _act(
        self, request: web.Request, body: bytes, caller: Caller, entry: Entry
    ) -> tuple[web.Response, Fault | None]:
        """Do the work between reading and writing; nothing awaits here, so an effect is never half done."""
        found = api_model.match(request.method, api_model.origin_form(request.raw_path).partition("?")[0])
        if found is None:
            raise UnknownOperation(f"No operation is {request.method} {request.path}")
        operation, labels = found
        entry.operation = operation.name
        query = {name: request.query.getall(name) for name in request.query}
        assume = self._desk.options.assume
        params = protocol.parse(
            operation, labels, query, body, unknown=assume.unknown_members, unknown_query=assume.unknown_query
        )
        entry.describe(params)
        self._throttle.admit(caller.account, caller.region, read=request.method == "GET")
        if (fault := self._take(Stage.BEFORE, entry)) is not None:
            return self._before(fault), fault
        outcome = perform(self._desk, operation, params, caller)
        _note(entry, outcome)
        fault = self._take(Stage.AFTER, entry)
        content = protocol.serialise(operation, faults.distort(fault, outcome.result))
        return self._after(fault, content, entry), fault

    def _take(self, stage: Stage, entry: Entry) -> Fault | None:
        fault = self._desk.faults.take(stage, str(entry.operation), entry.account)
        if fault is not None:
            entry.fault = fault.fault
        return fault

    def _before(self, fault: Fault) -> web.Response:
        if fault.fault in REFUSALS:
            raise REFUSALS[fault.fault]()
        return web.Response()

    def _after(self, fault: Fault | None, content: bytes, entry: Entry) -> web.Response:
        if fault is not None and fault.fault in REFUSALS:
            raise REFUSALS[fault.fault]()
        if fault is not None and fault.fault in {"hang", "close_after_effect"}:
            return web.Response()
        entry.status = 200
        content_type = _JSON
        if fault is not None and fault.fault == "wrong_types":
            content = faults.mistyped(content)
        elif fault is not None:
            content_type, content = BODIES.get(fault.fault, (_JSON, content))
        return web.Response(body=content, content_type=content_type, headers=_headers())


def _note(entry: Entry, outcome: Outcome) -> None:
    entry.arn = outcome.resource.arn if outcome.resource else None
    entry.created = outcome.created
    entry.fault = outcome.fault


def _headers() -> dict[str, str]:
    return {"x-amzn-RequestId": str(uuid.uuid4())}


def _refusal(error: ApiError, entry: Entry) -> web.Response:
    entry.status, entry.error = error.status, error.code
    return web.Response(
        status=error.status,
        body=json.dumps(error.body).encode(),
        content_type=_JSON,
        headers=_headers() | {"x-amzn-ErrorType": error.code},
    )


async def _spoil(request: web.Request, fault: Fault) -> None:
    if fault.fault == "delay":
        await asyncio.sleep(fault.seconds)
    if fault.fault == "hang":
        await faults.wait_gone(request, fault.seconds)
    if fault.fault in {"hang", "close", "close_after_effect"}:
        faults.hang_up(request)
