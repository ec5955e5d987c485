"""Logs without secrets that never kill, in one form for us and the libraries."""

import asyncio
import contextvars
import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import structlog

from service.adapters.telemetry import configure_logging
from service.adapters.telemetry.logs import (
    _HEALING,
    PARTITION,
    REDACTED,
    HealingFilter,
    LineLimit,
    RateLimitFilter,
    locate,
    redact,
)

ROOT = Path(__file__).parents[5]


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_has_time_level_event_and_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    log = structlog.stdlib.get_logger("service.x").bind(correlation_id="k")
    contextvars.copy_context().run(lambda: (PARTITION.set("c-0"), log.info("done", command_id="c\r\n{}")))
    [line] = logged(capsys)
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"], line["event"]) == ("info", "service.x", "done")
    assert (line["correlation_id"], line["command_id"], line["partition"]) == ("k", "c\r\n{}", "c-0")


def test_secrets_and_payloads_are_redacted_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    structlog.stdlib.get_logger("service.x").info(
        "call", params="canary", deep=[{"sqlParameters": {"queryString": "canary"}, "fine": 1}], Password="canary"
    )
    [line] = logged(capsys)
    assert "canary" not in json.dumps(line)
    assert line["params"] == REDACTED
    assert line["deep"] == [{"sqlParameters": REDACTED, "fine": 1}]


@pytest.mark.parametrize("name", ["aiokafka.consumer", "botocore.auth", "aiobotocore.endpoint", "asyncio", "other"])
def test_libraries_do_not_debug(capsys: pytest.CaptureFixture[str], name: str) -> None:
    configure_logging("debug")
    logging.getLogger(name).debug("value=%s", "canary")
    assert logged(capsys) == []


def test_our_own_debug_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug")
    structlog.stdlib.get_logger("service.aws").debug("call")
    assert [line["event"] for line in logged(capsys)] == ["call"]


def test_libraries_warn_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    logging.getLogger("aiokafka").warning("broker %s left", 1)
    [line] = logged(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("broker 1 left", "warning", "aiokafka")


def test_exceptions_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    secret = "canary"
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.stdlib.get_logger("service.x").exception("failed", error=len(secret))
    [line] = logged(capsys)
    assert "ValueError: broken" in line["exception"]
    assert '"canary' not in line["exception"].replace('secret = "canary"', "")


def test_console(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(output="console")
    structlog.stdlib.get_logger("service.x").info("hello", who="world")
    assert "hello" in capsys.readouterr().out


def test_a_closed_stdout_kills_nothing() -> None:
    program = (
        "import structlog, sys\n"
        "from service.adapters.telemetry import configure_logging\n"
        "configure_logging()\n"
        "for number in range(3000): structlog.stdlib.get_logger('service').info('x' * 100)\n"
        "sys.stderr.write('alive')\n"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, cwd=ROOT, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"alive")


def test_a_clock_that_is_set_back_silences_no_library(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging()
    now = time.time()
    for second in (0, -86_400):
        monkeypatch.setattr(time, "time", lambda second=second: now + second)
        monkeypatch.setattr(time, "time_ns", lambda second=second: int((now + second) * 1e9), raising=False)
        logging.getLogger("aiokafka.conn").error("no node")
    assert [line["event"] for line in logged(capsys)] == ["no node", "no node"]


def test_what_a_library_repeats_is_said_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging()
    kafka, ours, now = logging.getLogger("aiokafka.conn"), logging.getLogger("service.x"), time.time()
    for second in (0, 1, 9, 11, 12):
        monkeypatch.setattr(time, "time", lambda second=second: now + second)
        monkeypatch.setattr(time, "time_ns", lambda second=second: int((now + second) * 1e9), raising=False)
        kafka.error("no node %s", 1)
        ours.warning("no node")
    events = [(line["logger"], line["event"]) for line in logged(capsys)]
    assert [event for name, event in events if name == "aiokafka.conn"] == [
        "no node 1",
        "no node 1 (2 more in between)",
    ]
    assert len(events) == 7


async def test_a_call_to_aws_names_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    async def call() -> None:
        structlog.stdlib.get_logger("service.aws").info("aws call")

    await asyncio.create_task(call(), name="call:c:1")
    await asyncio.create_task(call(), name="poller:default")
    of_command, of_poller = logged(capsys)
    assert of_command["command_id"] == "c:1"
    assert "command_id" not in of_poller
    assert list(of_command)[:3] == ["timestamp", "level", "event"]


def test_what_lies_too_deep_is_not_shown() -> None:
    deep: dict[str, Any] = {"fine": 1}
    for _ in range(8):
        deep = {"next": deep}
    assert REDACTED in str(redact(None, "", {"deep": deep}))
    assert "fine" not in str(redact(None, "", {"deep": deep}))


def test_keys_that_are_no_text_are_no_trouble() -> None:
    assert redact(None, "", {"counts": {1: 2, None: ("a", {"Token": "x"})}}) == {
        "counts": {1: 2, None: ["a", {"Token": REDACTED}]}
    }


def test_outside_of_an_event_loop_no_command_is_named() -> None:
    assert locate("", None, "", {"event": "x"}) == {"event": "x"}


def test_a_library_with_endless_different_words_fills_no_memory() -> None:
    limit = RateLimitFilter()
    for number in range(3000):
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, f"no node {number}", (), None)
        assert limit.filter(record)
    assert len(limit._last_logged) <= 1000


def group_error(after: float, name: str = "aiokafka.consumer.group_coordinator") -> logging.LogRecord:
    """As aiokafka reports it; a new Kafka answers so until it has made its topic of offsets."""
    record = logging.LogRecord(
        name, logging.ERROR, "", 0, "Group Coordinator Request failed: %s", ("[Error 15]",), None
    )
    record.created = 1_000.0 + after
    return record


def test_an_error_that_heals_by_itself_is_logged_only_if_it_goes_on() -> None:
    healing = HealingFilter()
    assert not any(healing.filter(group_error(each)) for each in (0, 0.1, 2.0, 15.0, 29.0))
    assert healing.filter(group_error(31.0)), "it does not heal"
    assert not healing.filter(group_error(500.0)), "another one: the former has healed"
    assert healing.filter(group_error(500.1, "aiokafka.producer"))
    other = logging.LogRecord("aiokafka.consumer.group_coordinator", logging.ERROR, "", 0, "Heartbeat failed", (), None)
    assert healing.filter(other)


def test_a_first_start_logs_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    logging.getLogger("aiokafka.consumer.group_coordinator").error("Group Coordinator Request failed: %s", "[Error 15]")
    assert logged(capsys) == []


def test_aiokafka_still_has_the_message_that_is_withheld() -> None:
    for name, text in _HEALING:
        source = importlib.util.find_spec(name)
        assert source is not None
        assert source.origin is not None
        assert f'"{text}"' in Path(source.origin).read_text(encoding="utf-8")


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(KeyError):
        configure_logging("loud")


def test_lines_about_one_thing_are_bounded_and_those_about_another_are_not_touched() -> None:
    limit = LineLimit(lines=2, seconds=10.0)
    assert [limit.take("a", now) for now in (0.0, 1.0, 2.0, 3.0)] == [0, 0, None, None]
    assert limit.take("b", 3.0) == 0
    assert [limit.take("a", now) for now in (10.0, 11.0, 30.0)] == [2, 0, 0]
