"""The journal of moto: what is recorded, replayed and dropped. Behind it is a small store of objects."""

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.moto_api._internal import mock_random
from moto.s3 import models as s3

from sandbox.moto.journal import Recorded, changes, compacted


def write(path: str, method: str = "PUT", query: str = "", **more: str) -> tuple[dict[str, Any], bytes]:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": "h"}
    scope = "Credential=k/20260101/eu-west-1/s3/aws4_request"
    return {"sequence": 1, "environ": environ | {"HTTP_AUTHORIZATION": scope} | more}, b""


def test_the_journal_drops_what_was_overwritten_and_only_that() -> None:
    first, other, second = write("/b/k", HTTP_N="1"), write("/b/other"), write("/b/k", HTTP_N="2")
    assert compacted([first, other, second]) == [other, second]
    gone = write("/b/k", "DELETE")
    assert compacted([first, other, gone]) == [other, gone]
    for entangling in (
        write("/b", query="versioning"),
        write("/b/copy", HTTP_X_AMZ_COPY_SOURCE="/b/k"),
        write("/b", "DELETE"),
        write("/b/k", query="tagging"),
    ):
        assert compacted([first, entangling, second]) == [first, entangling, second]


class Objects:
    """A WSGI application: objects by path, each with a random number of moto's as its tag."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.asked: list[dict[str, Any]] = []
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.asked.append(environ)
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/broken":
            raise ZeroDivisionError
        if method == "PUT":
            self.objects[path] = environ["wsgi.input"].read(), mock_random.get_random_hex(8)
        elif method == "DELETE":
            self.objects.pop(path, None)
        elif path == "/moto-api/reset":
            self.objects.clear()
        found = path in self.objects or method != "GET"
        start_response("200 OK" if found and path != "/refused" else "404 Not Found", [])
        return Answer(self, [self.objects.get(path, (b"", ""))[0]])


class Answer:
    """A body that has to be closed."""

    def __init__(self, application: Objects, parts: list[bytes]) -> None:
        self._application, self._parts = application, parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        self._application.closed += 1


@pytest.fixture(autouse=True)
def upload_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the journal changes of moto is changed back."""
    monkeypatch.setattr(s3.FakeMultipart, "__init__", s3.FakeMultipart.__init__)


def ask(recorded: Recorded, method: str, path: str, body: bytes = b"", **more: Any) -> tuple[str, bytes]:
    environ = write(path, method)[0]["environ"] | {
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "SERVER_PORT": "1234",
        "REMOTE_ADDR": "127.0.0.1",
        **more,
    }
    seen: list[str] = []
    return (seen, b"".join(recorded(environ, lambda status, *_: seen.append(status))))[0][0], environ[
        "wsgi.input"
    ].read()


Life = Callable[[], tuple[Recorded, Objects]]


@pytest.fixture
def life(path: Path) -> Iterator[Life]:
    """Begin a new life of the application behind the journal; the file of the one before is closed."""
    made: list[Recorded] = []

    def begin() -> tuple[Recorded, Objects]:
        application = Objects()
        made.append(Recorded(application, path))
        for each in made[:-1]:
            each._file.close()
        return made[-1], application

    yield begin
    for each in made:
        each._file.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moto.journal"


def test_the_next_life_has_the_same_contents_to_the_random_number(life: Life, path: Path) -> None:
    recorded, first = life()
    for n in range(5):
        ask(recorded, "PUT", f"/b/{n}", b"%d" % n)
    ask(recorded, "DELETE", "/b/2")
    ask(recorded, "PUT", "/b/1", b"again\nwith lines\n")
    mock_random.seed(99)
    recorded, second = life()
    assert second.objects == first.objects
    assert len(first.objects) == 4
    ask(recorded, "PUT", "/b/new", b"")
    tags = [tag for _, tag in second.objects.values()]
    assert len(set(tags)) == len(tags), "a new life does not draw the numbers of the old one again"
    assert life()[1].objects == second.objects


def test_reads_and_refusals_are_not_recorded(life: Life, path: Path) -> None:
    recorded, application = life()
    assert ask(recorded, "GET", "/b/k")[0].startswith("404")
    assert ask(recorded, "PUT", "/refused")[0].startswith("404")
    assert path.read_bytes() == b""
    assert application.closed == 2, "answers are closed"


def test_an_application_that_breaks_leaves_no_record_and_no_lock(life: Life, path: Path) -> None:
    recorded, application = life()
    with pytest.raises(ZeroDivisionError):
        ask(recorded, "PUT", "/broken")
    assert path.read_bytes() == b""
    ask(recorded, "PUT", "/b/k", b"1")
    assert application.objects["/b/k"][0] == b"1"


def test_a_reset_empties_the_file_and_later_changes_are_kept(life: Life, path: Path) -> None:
    recorded, _ = life()
    ask(recorded, "PUT", "/b/old", b"1")
    ask(recorded, "POST", "/moto-api/reset")
    assert path.read_bytes() == b""
    ask(recorded, "PUT", "/b/new", b"2")
    assert list(life()[1].objects) == ["/b/new"]


def test_a_record_holds_the_request_and_nothing_of_the_machine(life: Life, path: Path) -> None:
    recorded, _ = life()
    ask(recorded, "PUT", "/b/k", b"body", HTTP_X_OWN="1", **{"werkzeug.socket": object(), "wsgi.url_scheme": "http"})
    header = json.loads(path.read_bytes().splitlines()[0])
    assert header["length"] == 4
    assert header["environ"].keys() == {
        "REQUEST_METHOD",
        "PATH_INFO",
        "QUERY_STRING",
        "HTTP_HOST",
        "HTTP_AUTHORIZATION",
        "CONTENT_LENGTH",
        "HTTP_X_OWN",
    }


def test_a_body_of_unknown_length_is_recorded_with_its_length(life: Life, path: Path) -> None:
    recorded, first = life()
    ask(recorded, "PUT", "/b/k", b"chunks", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="Chunked")
    assert "HTTP_TRANSFER_ENCODING" not in first.asked[0]
    assert first.asked[0]["CONTENT_LENGTH"] == "6"
    assert life()[1].objects == first.objects
    assert first.objects["/b/k"][0] == b"chunks"


def test_a_torn_record_is_left_out(life: Life, path: Path) -> None:
    """Wherever a kill has cut it; the life after it writes on, and the next one has both."""
    recorded, _ = life()
    ask(recorded, "PUT", "/b/whole", b"1")
    whole = path.stat().st_size
    ask(recorded, "PUT", "/b/torn", b"22\n22")
    content = path.read_bytes()
    for cut in (*range(whole, len(content), 29), *range(len(content) - 8, len(content) + 1)):
        path.write_bytes(content[:cut])
        recorded, application = life()
        kept = ["/b/whole", "/b/torn"] if cut == len(content) else ["/b/whole"]
        assert list(application.objects) == kept, cut
        ask(recorded, "PUT", "/b/after", b"3")
        assert list(life()[1].objects) == [*kept, "/b/after"], cut


def test_what_was_undone_is_gone_from_the_file_of_the_next_life(life: Life, path: Path) -> None:
    recorded, _ = life()
    for _ in range(50):
        ask(recorded, "PUT", "/b/k", b"x" * 1000)
    before = path.stat().st_size
    _, application = life()
    assert path.stat().st_size < before / 40
    assert not path.with_suffix(".new").exists()
    assert len(application.asked) == 1


def test_one_request_at_a_time(life: Life, path: Path) -> None:
    recorded, application = life()
    inside, together = threading.Semaphore(1), []
    plain = application.__call__

    class Slow(Objects):
        def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            together.append(inside.acquire(blocking=False))
            answer = list(plain(environ, start_response))
            inside.release()
            return answer

    recorded._application = Slow()
    threads = [threading.Thread(target=ask, args=(recorded, "PUT", f"/b/{n}", b"x" * 10_000)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert together == [True] * 8
    assert life()[1].objects.keys() == application.objects.keys()


def test_upload_ids_are_drawn_from_numbers_that_replay(life: Life, path: Path) -> None:
    life()

    def drawn(seed: int) -> str:
        mock_random.seed(seed)
        multipart: Any = s3.FakeMultipart
        made = multipart("k", {}, account_id="111122223333", region_name="eu-west-1", storage=None, tags=None, acl=None)
        return str(made.id)

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1).isalnum()


FORM = {"CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("method", "more", "body", "expected"),
    [
        ("GET", {}, b"", False),
        ("HEAD", {}, b"", False),
        ("PUT", {}, b"", True),
        ("DELETE", {}, b"", True),
        ("POST", {"PATH_INFO": "/moto-api/reset"}, b"", False),
        ("POST", {"HTTP_X_AMZ_TARGET": "AWSGlue.GetTable"}, b"{}", False),
        ("POST", {"HTTP_X_AMZ_TARGET": "AWSGlue.BatchGetPartition"}, b"{}", False),
        ("POST", {"HTTP_X_AMZ_TARGET": "AWSGlue.CreateTable"}, b"{}", True),
        ("POST", {"HTTP_X_AMZ_TARGET": "AWSGlue.BatchCreatePartition"}, b"{}", True),
        ("POST", {"HTTP_X_AMZ_TARGET": "AWSGlue.Getaway"}, b"{}", True),
        ("POST", FORM, b"Action=ListUsers&Version=1", False),
        ("POST", FORM, b"Version=1&Action=CreateUser", True),
        ("POST", FORM, b"Action=GetCallerIdentity", False),
        ("POST", FORM, b"Action=GetSessionToken", True),
        ("POST", FORM, b"Action=AssumeRole", True),
        ("POST", FORM, b"\xff", True),
        ("POST", {}, b"Action=ListUsers", True),
    ],
)
def test_what_may_change_something(method: str, more: dict[str, str], body: bytes, expected: bool) -> None:
    assert changes({"REQUEST_METHOD": method, "PATH_INFO": "/", **more}, body) is expected


def test_objects_of_accounts_and_buckets_are_apart() -> None:
    mine, other = write("/b/k", HTTP_X_MOTO_ACCOUNT_ID="1"), write("/b/k", HTTP_X_MOTO_ACCOUNT_ID="2")
    hosted = write("/b/k", HTTP_HOST="b.localhost")
    assert compacted([mine, other, hosted]) == [mine, other, hosted]


def test_what_is_not_of_s3_is_kept() -> None:
    glue = write("/", "POST")
    bucket = write("/b")
    unsigned = write("/b/k", HTTP_AUTHORIZATION="")
    assert compacted([glue, bucket, unsigned, glue, bucket, unsigned]) == [glue, bucket, unsigned] * 2


@given(st.lists(st.tuples(st.sampled_from(["PUT", "DELETE"]), st.sampled_from("abc")), max_size=20))
def test_compacting_changes_no_contents(steps: list[tuple[str, str]]) -> None:
    """Replayed whole or compacted, the same objects are there, and compacting again drops nothing more."""
    records = [
        (write(f"/b/{key}", method)[0] | {"sequence": number}, b"%d" % number)
        for number, (method, key) in enumerate(steps)
    ]

    def replayed(kept: list[Any]) -> dict[str, bytes]:
        objects: dict[str, bytes] = {}
        for header, body in kept:
            place = header["environ"]["PATH_INFO"]
            if header["environ"]["REQUEST_METHOD"] == "PUT":
                objects[place] = body
            else:
                objects.pop(place, None)
        return objects

    kept = compacted(records)
    assert replayed(kept) == replayed(records)
    assert len(kept) == len({key for _, key in steps})
    assert compacted(kept) == kept
