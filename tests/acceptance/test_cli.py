"""The command line as an operator meets it: what it prints, and how it ends; never a traceback."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.kafka.broker import free_port
from tests.acceptance.harness import ServiceProcess, until

pytestmark = pytest.mark.acceptance

NAMES = ["commands", "jobs", "changes", "resources", "dead-letters", "events", "replies"]


class Said:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        assert "Traceback" not in out + err, out + err
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> Iterator[list[str]]:
        """Lines of an aligned table."""
        return (re.split(r"\s{2,}", line, maxsplit=2) for line in self.out.splitlines())

    def wrong(self) -> dict[str, str]:
        return {row[1]: row[2] for row in self.rows if row[0] == "wrong"}


async def said(service: ServiceProcess, *words: str, **environ: str) -> Said:
    changed = replace(service, environment={**service.environment, **environ})
    done = await asyncio.to_thread(changed.command, *words)
    return Said(done.returncode, done.stdout, done.stderr)


async def test_topics_twice(service: ServiceProcess) -> None:
    first = await said(service, "topics", CRML_TOPICS__PREFIX="cli-topics")
    again = await said(service, "topics", CRML_TOPICS__PREFIX="cli-topics")
    assert (first.code, first.err, again.code, again.err) == (0, "", 0, "")
    assert first.out.split() == [word for name in NAMES for word in ("created", f"cli-topics.{name}")]
    assert again.out.split() == [word for name in NAMES for word in ("exists", f"cli-topics.{name}")]


async def test_topics_that_are_wrong(service: ServiceProcess) -> None:
    await said(service, "topics", CRML_TOPICS__PREFIX="cli-small")
    told = await said(service, "topics", CRML_TOPICS__PREFIX="cli-small", CRML_TOPICS__MAX_MESSAGE_BYTES="9000000")
    assert told.code == 3
    assert "max.message.bytes is" in told.wrong()["cli-small.events"]
    assert "kafka-configs.sh --alter" in told.wrong()["cli-small.events"]


async def test_check_good(service: ServiceProcess) -> None:
    told = await said(service, "check")
    assert (told.code, told.err) == (0, ""), told.out
    *lines, last = told.out.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert last == f"all {len(lines)} ok: ready to run"
    assert len({len(line) - len(line.split("  ", 1)[1].lstrip()) for line in lines}) == 1


async def test_check_beside_a_running_service(running: ServiceProcess) -> None:
    assert (await said(running, "check")).code == 0
    assert running.get("/readyz") is not None
    assert not [line for line in running.lines() if line["level"] in {"warning", "error"}]


async def test_check_without_topics(service: ServiceProcess) -> None:
    told = await said(service, "check", CRML_TOPICS__PREFIX="cli-absent")
    assert told.code == 3
    assert set(told.wrong()) == {f"topic cli-absent.{name}" for name in NAMES}
    assert all("python -m service topics" in message for message in told.wrong().values())
    assert told.out.splitlines()[-1] == "7 of 12 wrong"


async def test_check_without_kafka(service: ServiceProcess) -> None:
    away = f"127.0.0.1:{free_port()}"
    told = await said(service, "check", CRML_KAFKA__BOOTSTRAP_SERVERS=away)
    assert (told.code, told.err) == (3, "")
    assert list(told.wrong()) == ["kafka"]
    wanted = f"no broker accepts the connection: {away} does not listen; check bootstrap_servers and the network"
    assert told.wrong()["kafka"] == wanted


async def test_check_without_aws(service: ServiceProcess) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    told = await said(service, "check", AWS_ENDPOINT_URL=away)
    assert (told.code, told.err) == (3, "")
    assert list(told.wrong()) == ["target default: identity", "target default: ListAudienceModels"]
    assert all(away in message for message in told.wrong().values())


async def test_check_from_a_pod_into_another_account(service: ServiceProcess, tmp_path: Path) -> None:
    """The sandbox's STS takes the pod's token, then lets the pod's role assume the target's."""
    token = put(tmp_path / "token", "web-identity-token-canary")
    url = service.environment["AWS_ENDPOINT_URL"]
    told = await said(
        service,
        "check",
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
        AWS_ROLE_ARN="arn:aws:iam::111122223333:role/pod",
        AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
        AWS_ENDPOINT_URL_STS=url,
        CRML_TARGETS__EU__ROLE_ARN="arn:aws:iam::444455556666:role/crml",
        CRML_TARGETS__EU__ENDPOINT_URL=url,
        CRML_TARGETS__EU__ACCOUNT="444455556666",
    )
    assert (told.code, told.err) == (0, ""), told.out
    rows = {row[1]: row[2] for row in told.rows if len(row) > 2}
    assert rows["target eu: credentials"].startswith("web identity (IRSA): role arn:aws:iam::111122223333:role/pod")
    assert "arn:aws:sts::444455556666:assumed-role/crml/cleanroomsml-service" in rows["target eu: identity"]
    assert "such as cleanroomsml-service-CHECK" in rows["target eu: sessions"]
    assert "canary" not in told.out


def put(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


async def test_iam_prints_documents(service: ServiceProcess) -> None:
    role = "arn:aws:iam::123456789012:role/crml"
    told = await said(service, "iam", "--principal", "arn:aws:iam::1:role/pod", CRML_TARGETS__DEFAULT__ROLE_ARN=role)
    assert (told.code, told.err) == (0, "")
    found = json.loads(told.out)
    assert found["targets"]["default"]["trust"]["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::1:role/pod"}
    assert found["own"]["Statement"][0]["Resource"] == [role]


async def test_check_of_another_account(service: ServiceProcess) -> None:
    url = service.environment["AWS_ENDPOINT_URL"]
    told = await said(service, "check", CRML_TARGETS__EU__ACCOUNT="999999999999", CRML_TARGETS__EU__ENDPOINT_URL=url)
    assert told.code == 3
    assert list(told.wrong()) == ["target eu: identity"]
    assert "expected 999999999999" in told.wrong()["target eu: identity"]


@pytest.mark.parametrize("command", ["run", "topics", "check"])
async def test_bad_settings(service: ServiceProcess, command: str) -> None:
    told = await said(service, command, CRML_KAFKA__BOOTSTRAP_SERVERS="", CRML_LOG__LEVL="x", AWS_REGION="[red]")
    assert (told.code, told.out) == (2, "")
    first, *problems = told.err.splitlines()
    assert first == "3 problems in the settings:"
    assert "log.levl: unknown setting in CRML_LOG__LEVL; did you mean log.level?" in told.err
    assert "targets.default.region: found '[red]' in AWS_REGION" in told.err
    assert "kafka.bootstrap_servers" in told.err
    assert all(line.startswith("  - ") for line in problems)


async def test_unusable_tls_files(service: ServiceProcess) -> None:
    told = await said(service, "check", CRML_KAFKA__SECURITY_PROTOCOL="SSL", CRML_KAFKA__SSL_CA_FILE="/nowhere.pem")
    assert (told.code, told.out) == (2, "")
    assert "ssl_ca_file /nowhere.pem" in told.err


async def test_settings_by_file(service: ServiceProcess, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("topics: {prefix: cli-file, partitions: 1}\nlog:\n")
    without_prefix = replace(
        service, environment={name: value for name, value in service.environment.items() if "TOPICS" not in name}
    )
    told = await said(without_prefix, "topics", "--settings", str(file))
    assert told.code == 0, told.err
    assert "created  cli-file.commands" in told.out


async def test_run_without_kafka(service: ServiceProcess) -> None:
    told = await said(service, "run", CRML_KAFKA__BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    assert told.code == 3
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert (lines[-1]["event"], lines[-1]["level"]) == ("Kafka can't be used", "error")
    assert "no broker accepts the connection" in lines[-1]["reason"]


async def test_run_without_topics(service: ServiceProcess) -> None:
    told = await said(service, "run", CRML_TOPICS__PREFIX="cli-none")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert told.code == 3
    assert [line["topic"] for line in lines] == [f"cli-none.{name}" for name in NAMES]


async def test_run_on_a_taken_port(service: ServiceProcess) -> None:
    with socket.create_server(("127.0.0.1", service.port)):
        told = await said(service, "run")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert (told.code, told.err) == (3, "")
    assert [line["event"] for line in lines if line["logger"] == "service"] == ["starting", "the port can't be used"]
    assert lines[-1]["reason"].startswith(f"127.0.0.1:{service.port} is in use by another process; ")


async def test_serving_is_logged_when_it_serves(running: ServiceProcess) -> None:
    """Not before: the HTTP server listens, and what the group gave is restored."""
    events = [line["event"] for line in running.lines() if line["logger"] == "service"]
    assert events == ["starting"] or events == ["starting", "serving"]
    await until(lambda: running.lines()[-1]["event"] == "serving", 5, running.tail)
    assert running.lines()[-1]["http"] == f"127.0.0.1:{running.port}"


async def test_check_and_probe_show_where_targets_are(running: ServiceProcess) -> None:
    url = running.environment["AWS_ENDPOINT_URL"]
    told = await said(running, "check", AWS_ENDPOINT_URL_CLEANROOMSML="http://127.0.0.1:9")
    rows = {row[1]: row[2] for row in told.rows if len(row) > 2}
    assert told.code == 0, told.out
    assert f"says {url}" in rows["target default: identity"]
    assert rows["target default: ListAudienceModels"].startswith(f"answers at {url}; ignored: AWS_ENDPOINT_URL_CLEAN")
    assert json.loads(running.get("/readyz") or "")["addresses"] == {"default": {"Clean Rooms ML": url, "STS": url}}


async def test_run_with_a_profile_that_does_not_exist(service: ServiceProcess) -> None:
    told = await said(service, "run", AWS_PROFILE="nope")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("AWS_PROFILE: The config profile (nope) could not be found")


async def test_help_and_version(service: ServiceProcess) -> None:
    told = await said(service, "--help")
    assert told.code == 0
    assert [word for word in re.findall(r"│ (\w+) ", told.out) if word in {"run", "topics", "check"}] == [
        "run",
        "topics",
        "check",
    ]
    assert "Exit codes" in told.out
    version = await said(service, "--version")
    assert version.code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", version.out.strip())
    unknown = await said(service, "frobnicate")
    assert unknown.code == 2
