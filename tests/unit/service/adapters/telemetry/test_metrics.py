"""Logs without secrets that never kill, metrics whose labels can't grow."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
import structlog

from schemas.records import Command, Fault, Job, Phase
from service.adapters.telemetry import PrometheusTelemetry, configure_logging
from service.adapters.telemetry.labels import DEAD_LETTER_REASONS
from service.adapters.telemetry.logs import REDACTED
from service.runtime import ports
from service.runtime.errors import location
from service.runtime.problems import PROBLEMS, Problem
from service.settings.aws import is_loopback

ROOT = Path(__file__).parents[5]


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def job(phase: Phase, **more: Any) -> Job:
    params = {"seedAudience": {"sqlParameters": {"queryString": "canary-sql"}}}
    command = Command("c-1", "/s", "StartAudienceGenerationJob", "default", params, "0" * 64, correlation_id="k-1")
    return Job(command, phase, 0.0, **more)


def test_a_line_has_time_level_event_and_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    structlog.contextvars.bind_contextvars(correlation_id="k")
    structlog.stdlib.get_logger("service.x").info("done", command_id="c\r\n{}")
    [line] = logged(capsys)
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"], line["event"]) == ("info", "service.x", "done")
    assert (line["correlation_id"], line["command_id"]) == ("k", "c\r\n{}")


def test_secrets_and_payloads_are_redacted_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    structlog.stdlib.get_logger("service.x").info(
        "call", params="canary", deep=[{"sqlParameters": {"queryString": "canary"}, "fine": 1}], Password="canary"
    )
    [line] = logged(capsys)
    assert "canary" not in json.dumps(line)
    assert line["params"] == REDACTED
    assert line["deep"] == [{"sqlParameters": REDACTED, "fine": 1}]


@pytest.mark.parametrize("output", ["json", "console"])
@pytest.mark.parametrize("name", ["service.x", "aiobotocore.credentials"])
def test_no_line_shows_the_password_of_an_address(
    capsys: pytest.CaptureFixture[str], name: str, output: Literal["json", "console"]
) -> None:
    """Text, arguments, members that are no text, and each exception of a chain."""
    configure_logging(output=output)
    address = "http://user:canary@proxy:3128"
    log = logging.getLogger(name)
    try:
        try:
            raise OSError(f"407, url='{address}'")
        except OSError as error:
            raise ValueError("no credentials") from error
    except ValueError:
        log.warning("refused by %s", address, exc_info=True)
    structlog.stdlib.get_logger(name).warning("refused", deep=[{"address": address}], error=OSError(address))
    out = capsys.readouterr().out
    assert "canary" not in out
    assert out.count("[redacted]@proxy:3128") >= 4


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


def test_it_is_the_runtimes_telemetry() -> None:
    telemetry: ports.Telemetry = PrometheusTelemetry(["default"])
    telemetry.command("GetAudienceModel", "accepted")
    telemetry.reply("accepted")
    telemetry.event("audience-model", "ACTIVE")
    telemetry.dead_letter("not-json")
    telemetry.transition(None, job(Phase.INTENDED))
    telemetry.ignored("running", "SearchFailed")
    telemetry.call("default", "GetAudienceModel", "ok", 0.1)
    telemetry.poll("default", lists=1, gets=2, watched=5)
    telemetry.commit("commands-0", 3, 0.01)
    telemetry.shard("commands-0", "running")
    telemetry.restored("commands-0", 10, 0.5, copied=0)
    telemetry.problem("poll_failed", code="x")
    assert isinstance(telemetry, PrometheusTelemetry)
    text = telemetry.render().decode()
    for sample in (
        'crml_commands_total{operation="GetAudienceModel",outcome="accepted"} 1.0',
        'crml_events_total{resource_kind="audience-model",status="ACTIVE"} 1.0',
        'crml_aws_calls_total{operation="GetAudienceModel",outcome="ok",target="default"} 1.0',
        'crml_polls_total{method="get",target="default"} 2.0',
        'crml_shard_state{partition="commands-0",state="running"} 1.0',
        'crml_transitions_total{phase="intended"} 1.0',
        'crml_observations_ignored_total{observation="search_failed",phase="running"} 1.0',
    ):
        assert sample in text


def test_labels_from_outside_are_closed() -> None:
    telemetry = PrometheusTelemetry(["default"])
    for number in range(50):
        telemetry.command(f"Unknown{number}", "rejected")
        telemetry.call(f"t{number}", f"Unknown{number}", f"Strange{number}", 0.1)
        telemetry.event(f"kind{number}", f"STATUS_{number}\n")
    text = telemetry.render().decode()
    assert 'crml_commands_total{operation="other",outcome="rejected"} 50.0' in text
    assert 'crml_aws_calls_total{operation="other",outcome="other",target="other"} 50.0' in text
    assert 'crml_events_total{resource_kind="other",status="other"} 50.0' in text


def test_a_shard_is_in_one_state_and_leaves_nothing() -> None:
    telemetry = PrometheusTelemetry()
    for state in ("opening", "restoring", "running"):
        telemetry.shard("commands-0", state)
    telemetry.shard("commands-1", "halted")
    telemetry.restored("commands-0", 1, 0.1, copied=0)
    shards = [line for line in telemetry.render().decode().splitlines() if line.startswith("crml_shard_state{")]
    assert shards == [
        'crml_shard_state{partition="commands-0",state="running"} 1.0',
        'crml_shard_state{partition="commands-1",state="halted"} 1.0',
    ]
    telemetry.shard("commands-0", "closed")
    assert 'partition="commands-0"' not in telemetry.render().decode()


def test_a_gauge_and_a_counter_ask_for_their_values_at_each_scrape() -> None:
    telemetry = PrometheusTelemetry()
    jobs: dict[tuple[str, ...], float] = {("running",): 2.0}
    telemetry.gauge("jobs", "Jobs", ("phase",), lambda: jobs)
    telemetry.counter("seen", "Seen", ("phase",), lambda: jobs)
    assert 'crml_jobs{phase="running"} 2.0' in telemetry.render().decode()
    jobs["running",] = 1.0
    text = telemetry.render().decode()
    assert 'crml_jobs{phase="running"} 1.0' in text
    assert 'crml_seen_total{phase="running"} 1.0' in text


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


def test_a_waiting_command_is_logged_with_reason_and_position(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    PrometheusTelemetry(["eu"]).waiting("c-1", "eu", "ConcurrencyLimit", 3)
    [line] = logged(capsys)
    assert (line["event"], line["reason"], line["position"]) == ("waiting", "ConcurrencyLimit", 3)


def test_measures_of_others() -> None:
    telemetry = PrometheusTelemetry(["default"])
    telemetry.rebalance()
    telemetry.waited("default", "read", 0.2)
    telemetry.lag(0.3)
    text = telemetry.render().decode()
    assert "crml_rebalances_total 1.0" in text
    assert 'crml_budget_wait_seconds_count{lane="read",target="default"} 1.0' in text
    assert "crml_event_loop_lag_seconds 0.3" in text


def test_a_job_is_logged_without_its_payload(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    telemetry = PrometheusTelemetry(["default"])
    telemetry.transition(
        job(Phase.INTENDED), job(Phase.FAILED, attempt=2, fault=Fault("ConflictException", "canary-message"))
    )
    [line] = logged(capsys)
    assert "canary" not in json.dumps(line)
    assert (line["before"], line["phase"], line["fault"], line["attempt"]) == (
        "intended",
        "failed",
        "ConflictException",
        2,
    )
    assert (line["command_id"], line["correlation_id"]) == ("c-1", "k-1")
    assert (line["event"], line["level"]) == ("job failed", "info")


def test_a_job_that_a_person_must_look_at_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    telemetry = PrometheusTelemetry(["default"])
    telemetry.transition(job(Phase.UNCERTAIN), job(Phase.PARKED))
    telemetry.transition(job(Phase.RUNNING), job(Phase.RUNNING, status="CREATE_IN_PROGRESS"))
    parked, updated = logged(capsys)
    assert (parked["event"], parked["level"], parked["before"]) == ("job parked", "warning", "uncertain")
    assert (updated["event"], updated["phase"], updated["status"]) == ("job updated", "running", "CREATE_IN_PROGRESS")
    assert "before" not in updated


def test_a_command_that_only_calls_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """At info, and all of its life at debug."""
    life = (None, job(Phase.INTENDED), job(Phase.INTENDED, told=1), job(Phase.SUCCEEDED))
    for level, expected in (("info", ["job succeeded"]), ("debug", ["job intended", "job updated", "job succeeded"])):
        configure_logging(level)
        telemetry = PrometheusTelemetry(["default"])
        for before, after in pairwise(life):
            assert after is not None
            telemetry.transition(before, after)
        assert [line["event"] for line in logged(capsys)] == expected


async def test_a_call_to_aws_names_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    async def call() -> None:
        structlog.stdlib.get_logger("service.aws").info("aws call")

    await asyncio.create_task(call(), name="call:c:1")
    await asyncio.create_task(call(), name="poller:default")
    of_command, of_poller = logged(capsys)
    assert of_command["task"] == "call:c:1"
    assert "task" not in of_poller
    assert list(of_command)[:3] == ["timestamp", "level", "event"]


def test_a_defect_is_told_by_its_place_and_not_by_its_message() -> None:
    try:
        is_loopback(["canary"])  # type: ignore[arg-type]
    except AttributeError as error:
        told = location(error)
    assert re.fullmatch(r"AttributeError at service\.settings\.aws:\d+", told)
    assert location(ValueError("canary")) == "ValueError"


def test_what_alerts_count_begins_at_zero() -> None:
    """A series that first appears with 1 has never increased, as Prometheus sees it."""
    text = PrometheusTelemetry().render().decode()
    assert 'crml_dead_letters_total{reason="NotCloudEvent"} 0.0' in text
    assert 'crml_problems_total{problem="shard_closed_dirty"} 0.0' in text


def test_every_problem_is_known() -> None:
    """The names used in the sources are the label's closed set; each is explained in operate.md."""
    sources = "\n".join(file.read_text() for file in (ROOT / "service").rglob("*.py"))
    used = set(re.findall(r'\.problem\(\s*"([^"]+)"', sources))
    assert used == set(PROBLEMS) == set(get_args(Problem))
    operating = (ROOT / "docs/howto/operate.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \|", operating.partition("## Problems")[2], re.MULTILINE)) >= set(PROBLEMS)


def test_every_reason_of_a_dead_letter_in_the_tests_is_known() -> None:
    cases = (ROOT / "tests" / "badinput" / "cases.py").read_text()
    codes = set(re.findall(r'"((?:Not|In|Un|Miss|Too|Dup|Batch|Reply|Validation)[A-Z]?[a-z]+[A-Z][A-Za-z]*)"', cases))
    assert {"NotCloudEvent", "InvalidHeader"} <= codes
    assert codes <= DEAD_LETTER_REASONS


def test_values_from_outside_are_other() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.dead_letter("Invented")
    telemetry.problem("something new")  # type: ignore[arg-type]
    text = telemetry.render().decode()
    assert 'crml_dead_letters_total{reason="other"} 1.0' in text
    assert 'crml_problems_total{problem="other"} 1.0' in text
