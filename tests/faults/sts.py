"""A small STS whose credentials live as long as a test says, and which can be down."""

from datetime import UTC, datetime, timedelta

from aiohttp import web

_ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/service/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>{account}</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"""


class Sts:
    """Gives credentials of one account; ``async with``.

    Attributes:
        lifetime: Seconds for which new credentials are valid.
        down: Every request is cut.
        asked: How many requests came.
    """

    def __init__(self, account: str) -> None:
        self.url = ""
        self.lifetime = 3600.0
        self.down = False
        self.asked = 0
        self._account = account
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Sts":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.down and request.transport is not None:
            request.transport.abort()
        expiration = (datetime.now(UTC) + timedelta(seconds=self.lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.Response(text=_ANSWER.format(account=self._account, expiration=expiration), content_type="text/xml")
