"""The port: who answers which request, what it is called, and what is left when a part does not start."""

import asyncio
import http.client
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox import server
from sandbox.cleanroomsml.faults import Stage
from sandbox.cleanroomsml.options import Options
from sandbox.cleanroomsml.resources import DATASET
from sandbox.server import SandboxServer
from tests.support.sandbox_account import World

ACCOUNT = "111122223333"


class FakeMoto:
    """The child process of S3, Glue, IAM and STS; fails to start if it is told to."""

    fails = False
    life: list[str]

    def __init__(self, journal: Path | None = None) -> None:
        self.journal, self.alive, self.url = journal, True, "http://127.0.0.1:1"

    async def start(self) -> None:
        self.life.append("moto starts")
        if self.fails:
            raise RuntimeError("the moto server did not start")

    async def stop(self) -> None:
        self.life.append("moto stops")


class FakeProxy:
    """Answers what is passed on with the account it is for."""

    def __init__(self, _moto: object, _accounts: object) -> None:
        self.resets = 0

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def reset(self) -> None:
        self.resets += 1

    async def pass_on(self, request: Any, caller: Any, body: bytes | None = None) -> Any:
        content = {"service": caller.service if caller else None, "read": body is not None}
        return aiohttp.web.json_response(content)


class FakeWorkers:
    """The pool of worker processes."""

    life: list[str]
    warmed = True

    def __init__(self, _module: str, _count: int) -> None:
        pass

    def warm(self) -> None:
        self.life.append("workers warm")

    def stop(self) -> None:
        self.life.append("workers stop")


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Play the parts that are processes; what they are told is listed."""
    told: list[str] = []
    monkeypatch.setattr(server, "MotoServer", type("Moto", (FakeMoto,), {"life": told}))
    monkeypatch.setattr(server, "Workers", type("Pool", (FakeWorkers,), {"life": told}))
    monkeypatch.setattr(server, "Proxy", FakeProxy)
    return told


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[SandboxServer, aiohttp.ClientSession]]:
    async with SandboxServer(Options(port=0, **options)) as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        yield sandbox, session


def scope(service: str, key: str = ACCOUNT) -> dict[str, str]:
    signed = f"Credential={key}/20261127/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    return {"Authorization": f"AWS4-HMAC-SHA256 {signed}"}


@pytest.mark.usefixtures("life", "folders")
async def test_requests_go_by_the_service_that_they_are_signed_for() -> None:
    async with serving() as (_, session):
        for service in ("s3", "glue", "iam", "sts"):
            async with session.get("/audience-model", headers=scope(service)) as answer:
                assert await answer.json() == {"service": service, "read": False}
        async with session.get("/audience-model", headers=scope("cleanrooms-ml")) as answer:
            assert await answer.json() == {"audienceModels": []}
        async with session.get("/bucket/key") as answer:
            assert await answer.json() == {"service": None, "read": False}
        async with session.get("/audience-model") as answer:
            assert answer.status == 403
        async with session.get("/no-such-operation", headers=scope("cleanrooms-ml")) as answer:
            assert (answer.status, answer.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


@pytest.mark.usefixtures("life", "folders")
async def test_a_target_without_a_path() -> None:
    """A client of a proxy sends the whole URL, which may have no path; `*` is for servers, and none of S3's."""
    async with serving() as (sandbox, _):
        place = sandbox.url.removeprefix("http://")
        for target, service, status in (
            (sandbox.url, "s3", 200),
            (f"{sandbox.url}?x=1", "s3", 200),
            (sandbox.url, "cleanrooms-ml", 404),
            ("*", "s3", 400),
        ):
            reader, writer = await asyncio.open_connection(*place.split(":"))
            lines = [f"OPTIONS {target} HTTP/1.1", "Host: h", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in scope(service).items()]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            assert int((await reader.read()).split()[1]) == status, target
            writer.close()


@pytest.mark.usefixtures("life", "folders")
async def test_what_is_no_http_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (sandbox, _):
        reader, writer = await asyncio.open_connection(*sandbox.url.removeprefix("http://").split(":"))
        writer.write(b"GET http://h:abc/canary HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 400 " in (await reader.readline())
        writer.close()
    assert "Error handling request" in caplog.text
    assert "Traceback" not in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.usefixtures("life", "folders")
async def test_the_admin_pages_belong_to_no_service() -> None:
    async with serving() as (_, session):
        async with session.get("/_sandbox", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (301, "/_sandbox/")
        async with session.get("/_sandbox/health", headers=scope("s3")) as answer:
            assert (await answer.json())["status"] == "ok"


@pytest.mark.usefixtures("life", "folders")
async def test_health_says_when_a_part_has_ended() -> None:
    async with serving(profile="aws") as (sandbox, session):
        async with session.get("/audience-model", headers=scope("cleanrooms-ml")) as answer:
            assert answer.status == 200
        assert sandbox._health() == {
            "status": "ok",
            "profile": "aws",
            "moto": True,
            "workers_warm": True,
            "requests": 1,
        }
        sandbox._moto.alive = False  # type: ignore[misc]
        async with session.get("/_sandbox/health") as answer:
            assert (await answer.json())["status"] == "degraded"


@pytest.mark.usefixtures("life", "folders")
async def test_a_reset_forgets_everything_of_every_part() -> None:
    async with serving() as (sandbox, session):
        sandbox._accounts.learn(
            "<AccessKey><AccessKeyId>AKIAX</AccessKeyId><SecretAccessKey>s</SecretAccessKey></AccessKey>", None
        )
        sandbox._faults.arm({"fault": "throttle", "operation": "GetAudienceModel"})
        sandbox._store.add(DATASET, ACCOUNT, "eu-west-1", {"name": "d", "status": "ACTIVE"})
        async with session.get("/audience-model", headers=scope("cleanrooms-ml")) as answer:
            assert answer.status == 200
        async with session.post("/_sandbox/reset") as answer:
            assert answer.status == 200
        assert list(sandbox._store) == []
        assert sandbox._accounts.secret_of("AKIAX") is None
        assert sandbox._faults.take(Stage.BEFORE, "GetAudienceModel", ACCOUNT) is None
        assert sandbox._health()["requests"] == 0
        assert sandbox._proxy.resets == 1  # type: ignore[attr-defined]


def test_the_largest_request_and_the_longest_line(world: World) -> None:
    """More than 4 MiB is refused by Clean Rooms ML only; a token of 60 kB in the query is read."""
    bucket = world.bucket()
    body = b"x" * (4 * 1024 * 1024 + 1)
    world.client("s3").put_object(Bucket=bucket, Key="large", Body=body)
    connection = http.client.HTTPConnection(world.url.removeprefix("http://"), timeout=5)
    try:
        connection.request("POST", "/training-dataset", body, scope("cleanrooms-ml", world.account))
        assert connection.getresponse().status == 413
    finally:
        connection.close()
    with pytest.raises(world.ml.exceptions.ValidationException, match="nextToken"):
        world.ml.list_audience_models(nextToken="t" * 10_000)


# --- its start and its end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
@pytest.mark.usefixtures("life", "folders")
async def test_its_url_can_be_reached(host: str, address: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6")
    async with serving(host=host) as (sandbox, session):
        assert sandbox.url.rpartition(":")[0] == f"http://{address}"
        async with session.get("/_sandbox/health") as answer:
            assert answer.status == 200


@pytest.mark.usefixtures("folders")
async def test_all_is_stopped_at_the_end_and_the_temporary_folder_is_gone(life: list[str], folders: Path) -> None:
    async with serving():
        assert life == ["workers warm", "moto starts"]
        assert len(os.listdir(folders)) == 1
    assert life[2:] == ["moto stops", "workers stop"]
    assert os.listdir(folders) == []


@pytest.fixture
def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def test_a_start_that_fails_leaves_nothing(
    life: list[str], folders: Path, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.server.MotoServer.fails", True)
    with pytest.raises(RuntimeError, match="moto server did not start"):
        await SandboxServer(Options(port=free)).__aenter__()
    assert life == ["workers warm", "moto starts", "moto stops", "workers stop"]
    assert os.listdir(folders) == []
    socket.create_server(("127.0.0.1", free)).close()


async def test_a_taken_port_is_found_before_anything_starts(life: list[str], folders: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await SandboxServer(Options(port=taken.getsockname()[1])).__aenter__()
    assert life == []
    assert os.listdir(folders) == []


@pytest.mark.usefixtures("life")
async def test_a_folder_of_ones_own_is_made_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    async with serving(data_dir=folder) as (sandbox, _):
        assert sandbox._moto.journal == folder / "moto.journal"  # type: ignore[attr-defined]
    assert [each.name for each in folder.iterdir()] == ["state.sqlite"]
