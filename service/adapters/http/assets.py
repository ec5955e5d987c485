"""Files of the page: served by the service itself, under names that change with their content."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from aiohttp import web

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_NAMES: Final = ("fleet.css", "fleet.js", "icon.svg")


def _read(name: str) -> bytes:
    return files("service.adapters.http").joinpath("assets", name).read_bytes()


class Assets:
    """The files, read once.

    Attributes:
        addresses: By the file's name, where it is served.
    """

    def __init__(self) -> None:
        self._content = {name: _read(name) for name in _NAMES}
        self.addresses: Mapping[str, str] = MappingProxyType(
            {
                name: f"/assets/{hashlib.sha256(content).hexdigest()[:12]}-{name}"
                for name, content in self._content.items()
            }
        )

    def routes(self) -> list[web.RouteDef]:
        """A route for each file."""
        return [web.get(address, self._serve) for address in self.addresses.values()]

    async def _serve(self, request: web.Request) -> web.Response:
        name = request.path.rsplit("-", 1)[1]
        suffix = name[name.index(".") :]
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=self._content[name], content_type=_TYPES[suffix], charset="utf-8", headers=headers)
