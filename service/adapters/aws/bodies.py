"""Answers are read up to a limit: what sends more, a proxy or a wrong endpoint, must not fill a replica's memory.

The limit counts bytes as they arrive, whatever `Content-Length` says. Nothing is decompressed: every request asks for
``Accept-Encoding: identity``, and both sessions leave a body in gzip as it is, which is no JSON then.
"""

from typing import Any, Final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ConnectionClosedError, HTTPClientError, ReadTimeoutError

LARGEST: Final = 16 * 1024 * 1024
"""Bytes. The API's model allows 8.9 MB for a GetTrainingDataset of which every string is as long as it may be and every
character escaped in JSON; a page of any List is smaller."""
_PIECE: Final = 65_536


class TooLarge(ValueError):
    """An answer is longer than any that AWS gives."""

    def __init__(self) -> None:
        super().__init__(f"the answer is longer than {LARGEST} bytes, which no answer of AWS is; something in between")


class Body:
    """A body that was read, as botocore's response takes it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes:
        """All of it."""
        return self._content


async def whole(response: aiohttp.ClientResponse) -> Body:
    """Reads an answer to its end.

    Raises:
        TooLarge: It is too long. The connection of an answer that was not read to its end is closed.
    """
    content = bytearray()
    try:
        async for piece in response.content.iter_chunked(_PIECE):
            content += piece
            if len(content) > LARGEST:
                raise TooLarge
    except BaseException:
        response.close()
        raise
    return Body(bytes(content))


class BoundedSession(AIOHTTPSession):  # type: ignore[misc]
    """The HTTP session of the clients that fetch credentials: STS, SSO."""

    async def send(self, request: Any) -> Any:
        """Sends a request and reads its answer, up to the limit.

        Raises:
            BotoCoreError: As botocore's own session, also for an answer that is too long.
        """
        request.stream_output = True  # or it would be read here, whole
        answer = await super().send(request)
        try:
            answer.raw = await whole(answer.raw)
        except TooLarge as error:
            raise HTTPClientError(error=error) from error
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
        await answer.content
        return answer
