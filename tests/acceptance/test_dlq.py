"""Dead letters as an operator meets them: list, show, and send back."""

import asyncio
import json
import re
from subprocess import CompletedProcess
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.acceptance.harness import Client, ServiceProcess, until
from tests.support.sandbox_account import World

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SECRET = "hunter2-is-the-password"


async def _three_bad(client: Client) -> None:
    """One that names no command, one rejected, and one with things in it that a terminal would obey."""
    await client.send_raw(b"\xff\xfe not json " + SECRET.encode(), {"x": "1"}, key=b"first")
    await client.send("CreateAudienceModel", {"name": "", "secret": SECRET}, command_id="bad", key="second")
    evil = "\x1b[2J\u202egnp.exe\r\n[red]"
    await client.send_raw(evil.encode(), {"evil": evil.encode()}, key=evil.encode())
    await until(lambda: len(client.dead_letters()) == 3, 15, lambda: str(client.dead_letters()))


async def _dlq(service: ServiceProcess, *words: str) -> CompletedProcess[str]:
    """In a thread: the test's own clients go on meanwhile."""
    return await asyncio.to_thread(service.command, "dlq", *words)


async def _listed(service: ServiceProcess, *words: str) -> list[dict[str, Any]]:
    done = await _dlq(service, "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_an_operator_lists_filters_and_shows(running: ServiceProcess, client: Client, world: World) -> None:
    await _three_bad(client)
    letters = await _listed(running)
    assert [letter["time"] for letter in letters] == sorted(letter["time"] for letter in letters)
    by_key = {letter["key"]: letter for letter in letters}
    assert len(by_key) == 3
    rejected = by_key["second"]
    assert (rejected["reason"], rejected["command_id"], rejected["topic"]) == (
        "ValidationFailed",
        "bad",
        f"{client.prefix}.commands",
    )
    assert by_key["first"]["command_id"] is None
    assert SECRET not in str(letters)

    assert [one["key"] for one in await _listed(running, "--reason", "validationfailed")] == ["second"]
    assert [one["key"] for one in await _listed(running, "--key", "first")] == ["first"]
    assert [one["key"] for one in await _listed(running, "--limit", "1")] == [letters[-1]["key"]]
    assert len(await _listed(running, "--since", "10m", "--topic", f"{client.prefix}.commands")) == 3
    assert await _listed(running, "--until", "10m") == []
    assert await _listed(running, "--since", "2099-01-01T00:00:00Z") == []
    assert await _listed(running, "--topic", "somewhere.else") == []

    table = (await _dlq(running, "list")).stdout
    assert not CONTROL.search(table), "nothing in a letter reaches the terminal as a command"
    assert "ValidationFailed" in table
    assert "[red]" in table, "shown, not obeyed"

    place = (str(rejected["partition"]), str(rejected["offset"]))
    shown = (await _dlq(running, "show", *place)).stdout
    assert "ce_type" in shown
    assert "cleanroomsml.command.CreateAudienceModel" in shown
    assert SECRET not in shown, "the value is printed only when asked for"
    assert SECRET in (await _dlq(running, "show", *place, "--value")).stdout
    evil = next(letter for letter in letters if letter["key"] not in {"first", "second"})
    full = (await _dlq(running, "show", str(evil["partition"]), str(evil["offset"]), "--value")).stdout
    assert not CONTROL.search(full)
    missing = await _dlq(running, "show", "0", "999999")
    assert missing.returncode == 1
    assert "has no dead letter" in missing.stderr


async def test_words_that_make_no_sense_are_refused(service: ServiceProcess) -> None:
    for words in (["--since", "yesterday"], ["--limit", "0"]):
        done = await _dlq(service, "list", *words)
        assert done.returncode == 2, done
        assert words[0].removeprefix("--") in done.stderr or words[1] in done.stderr
        assert "Traceback" not in done.stderr
    empty = await _dlq(service, "list")
    assert empty.returncode == 0
    assert "No dead letters" in empty.stdout


async def test_replay_sends_back_what_it_can_and_says_what_it_cannot(
    running: ServiceProcess, client: Client, world: World
) -> None:
    await _three_bad(client)
    foreign = {"dlq_topic": "somebody.else", "dlq_partition": "0", "dlq_reason": "Foreign"}
    nowhere = {"dlq_reason": "Foreign"}
    gone = {"dlq_topic": f"{client.prefix}.commands", "dlq_partition": "77", "dlq_reason": "Foreign"}
    async with AIOKafkaProducer(bootstrap_servers=client.bootstrap) as producer:
        for headers in (foreign, nowhere, gone):
            encoded = [(name, text.encode()) for name, text in headers.items()]
            await producer.send_and_wait(f"{client.prefix}.dead-letters", b"{}", key=b"f", headers=encoded)
    await until(lambda: len(client.dead_letters()) == 6, 15, lambda: str(client.dead_letters()))

    dry = await _dlq(running, "replay")
    assert dry.returncode == 0, dry.stderr
    assert re.search(rf"3 +would go to {client.prefix}\.commands", dry.stdout), dry.stdout
    for why in ("no configured command topic", "no dlq_topic", "no partition 77"):
        assert why in dry.stdout, dry.stdout
    assert "--apply" in dry.stdout
    assert len(await _listed(running)) == 6, "nothing was sent"

    before = client.replies("bad")
    applied = await _dlq(running, "replay", "--reason", "ValidationFailed", "--apply")
    assert applied.returncode == 0, applied.stderr
    assert re.search(rf"1 +sent to {client.prefix}\.commands", applied.stdout), applied.stdout
    await until(lambda: len(client.replies("bad")) == len(before) + 1, 15, lambda: str(client.replies("bad")))
    again = client.replies("bad")[-1]
    assert again.data == before[-1].data, "the stored rejection"
    assert again.headers["ce_id"] == before[-1].headers["ce_id"]
    await until(lambda: len(client.dead_letters()) == 7, 15, lambda: str(client.dead_letters()))
    twice = client.dead_letters()[-1]
    first = next(one for one in client.dead_letters() if one.key == "second")
    assert {name for name in twice.headers if name.startswith("dlq_")} == {
        name for name in first.headers if name.startswith("dlq_")
    }
    assert (twice.key, twice.data) == (first.key, first.data)
    assert twice.headers["dlq_partition"] == first.headers["dlq_partition"], "back to where its id is remembered"
    assert world.requests("CreateAudienceModel") == []
