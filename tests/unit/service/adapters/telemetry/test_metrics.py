"""Logs without secrets that never kill, metrics whose labels can't grow."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
import structlog

from schemas.records import Command, Fault, Job, Phase
from service.adapters.telemetry import PrometheusTelemetry, configure_logging
from service.core.job import CHAINED, replace
from service.runtime import ports
from service.runtime.problems import PROBLEMS, Problem

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


PARAMS = {"seedAudience": {"sqlParameters": {"queryString": "canary-sql"}}}
COMMAND = Command("c-1", "/s", "StartAudienceGenerationJob", "default", PARAMS, "0" * 64, correlation_id="k-1")


def job(phase: Phase, command: Command = COMMAND, **more: Any) -> Job:
    return Job(command, phase, 0.0, **more)


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


def test_it_is_the_runtimes_telemetry() -> None:
    telemetry: ports.Telemetry = PrometheusTelemetry(["default"])
    telemetry.command("GetAudienceModel", "accepted")
    telemetry.reply("accepted")
    telemetry.event("audience-model", "ACTIVE")
    telemetry.dead_letter("not-json", "commands-0", 7)
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


def test_a_halted_shard_that_is_tried_again_is_halted_until_it_runs() -> None:
    """Or an alert that waits for a minute would begin anew with each attempt, every 30 s."""
    telemetry = PrometheusTelemetry()

    def states() -> list[str]:
        lines = telemetry.render().decode().splitlines()
        return [line.split('"')[3] for line in lines if line.startswith("crml_shard_state{") and line.endswith(" 1.0")]

    seen = []
    for state in ("halted", "opening", "restoring", "halted", "opening", "running", "restoring", "halted", "closed"):
        telemetry.shard("commands-0", state)
        seen.append(sorted(states()))
    assert seen == [
        ["halted"],
        ["halted", "opening"],
        ["halted", "restoring"],
        ["halted"],
        ["halted", "opening"],
        ["running"],
        ["restoring"],
        ["halted"],
        [],
    ]
    telemetry.shard("commands-0", "opening")
    assert states() == ["opening"]


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


def test_a_failed_job_is_a_warning_with_its_message_and_without_its_payload(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, whatever AWS sends; texts of the request are taken out, also when the job has none left."""
    configure_logging()
    telemetry = PrometheusTelemetry(["default"])
    message = f"denied: canary-sql on arn:aws:s3:::films\n\x1b[2J{'x' * 2000}"
    failed = job(Phase.FAILED, attempt=2, fault=Fault("AccessDeniedException", message, http_status=403))
    telemetry.transition(job(Phase.RUNNING), replace(failed, command=replace(failed.command, params={})))
    [line] = logged(capsys)
    assert "canary" not in json.dumps(line)
    assert line["message"].startswith("denied: [withheld] on arn:aws:s3:::films\\x0a\\x1b[2Jx")
    assert len(line["message"]) < 600
    assert (line["before"], line["state"], line["fault"], line["http_status"], line["attempt"]) == (
        "started",
        "failed",
        "AccessDeniedException",
        403,
        2,
    )
    assert (line["command_id"], line["correlation_id"]) == ("c-1", "k-1")
    assert (line["event"], line["level"]) == ("job failed", "warning")


def test_what_aws_says_of_an_invalid_request_may_quote_it_and_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    fault = Fault("ValidationException", "value 'SELECT cana...' is not valid", http_status=400)
    PrometheusTelemetry(["default"]).transition(job(Phase.INTENDED), job(Phase.FAILED, fault=fault))
    [line] = logged(capsys)
    assert "cana" not in json.dumps(line)
    assert line["message"].endswith("the command's reply has it)")


def test_why_aws_could_not_do_a_job_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """It names what the job has met, and nothing of the request."""
    configure_logging()
    told = "Unable to read from s3://films/ratings"
    fault = Fault("CREATE_FAILED", told, status_details={"statusCode": "ACCESS", "message": told})
    before = job(Phase.RUNNING, command=Command("c-1", "/s", "CreateAudienceModel", "default", {}, ""))
    PrometheusTelemetry(["default"]).transition(before, replace(before, phase=Phase.FAILED, fault=fault))
    [line] = logged(capsys)
    assert (line["fault"], line["message"]) == ("CREATE_FAILED", told)


def test_a_command_that_a_predecessor_has_failed_is_logged_with_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    """What its record holds while it waits is no text of the request; the request within it is."""
    configure_logging()
    params = {"request": {**PARAMS, "audienceModelArn": "see canary-sql"}, "open": ["model-1"], "made": {}}
    waiting = Command("c-1", "/s", CHAINED, "default", params, "", asked="StartAudienceGenerationJob")
    ended = replace(waiting, operation=waiting.asked, asked="", params={})
    fault = Fault("PredecessorFailed", "command 'model-1', which this one names, was failed: canary-sql")
    before = job(Phase.QUEUED, command=waiting)
    PrometheusTelemetry(["default"]).transition(before, replace(before, command=ended, phase=Phase.FAILED, fault=fault))
    [line] = logged(capsys)
    assert line["message"] == "command 'model-1', which this one names, was failed: [withheld]"


def test_a_job_that_a_person_must_look_at_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """States are the words of replies."""
    configure_logging()
    telemetry = PrometheusTelemetry(["default"])
    telemetry.transition(job(Phase.UNCERTAIN), job(Phase.PARKED, fault=Fault("AmbiguousOutcome", "2 carry its marker")))
    telemetry.transition(job(Phase.RUNNING), job(Phase.RUNNING, status="CREATE_IN_PROGRESS"))
    telemetry.transition(job(Phase.INTENDED), job(Phase.UNCERTAIN, due=1_764_254_000.25))
    parked, updated, searched = logged(capsys)
    assert (parked["event"], parked["level"], parked["before"]) == ("job parked", "warning", "accepted")
    assert parked["message"] == "2 carry its marker"
    assert (updated["event"], updated["state"], updated["status"]) == ("job updated", "started", "CREATE_IN_PROGRESS")
    assert "before" not in updated
    assert (searched["event"], searched["state"], searched["next"]) == ("job updated", "accepted", "search")
    assert searched["due"] == "2025-11-27T14:33:20.250Z"


def test_each_dead_letter_is_a_line_with_its_position_but_a_flood_is_not_one_of_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging()
    telemetry, now = PrometheusTelemetry(["default"]), [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for offset in range(500):
        telemetry.dead_letter("InvalidJson", "commands-0", offset)
    telemetry.dead_letter("an invented one", "commands-1", 7)
    now[0] += 61.0
    telemetry.dead_letter("InvalidJson", "commands-0", 500)
    lines = logged(capsys)
    assert [line["offset"] for line in lines] == [*range(10), 7, 500]
    assert {line["event"] for line in lines} == {"record is a dead letter"}
    assert {line["level"] for line in lines} == {"warning"}
    assert (lines[10]["partition"], lines[10]["reason"]) == ("commands-1", "other")
    assert lines[11]["omitted"] == 490


def test_retries_of_a_full_quota_are_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who begins to wait is logged as waiting; that it still does is not, command by command."""
    configure_logging()
    telemetry, now = PrometheusTelemetry(["default"]), [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    full: dict[str, Any] = {"reason": "ServiceQuotaExceededException"}
    telemetry.transition(job(Phase.INTENDED), job(Phase.QUEUED, **full))
    assert logged(capsys) == []
    for _ in range(3):
        for _ in range(40):
            telemetry.transition(job(Phase.QUEUED, **full), job(Phase.INTENDED, **full))
            telemetry.transition(job(Phase.INTENDED, **full), job(Phase.QUEUED, **full))
        now[0] += 301.0
    assert [(line["event"], line["target"], line["tries"]) for line in logged(capsys)] == [
        ("quota is still full", "default", 1),
        ("quota is still full", "default", 40),
        ("quota is still full", "default", 40),
    ]


async def test_a_line_says_which_partition_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(replica="crml-1")
    telemetry = PrometheusTelemetry(["default"])

    async def shard(name: str) -> None:
        telemetry.within(name)
        await asyncio.sleep(0)
        telemetry.transition(job(Phase.RUNNING), job(Phase.SUCCEEDED))

    await asyncio.gather(*(asyncio.create_task(shard(f"commands-{number}")) for number in range(2)))
    telemetry.problem("poll_failed", code="x")
    lines = logged(capsys)
    assert [line.get("partition") for line in lines] == ["commands-0", "commands-1", None]
    assert {line["replica"] for line in lines} == {"crml-1"}


def test_a_command_that_only_calls_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """At info, and all of its life at debug."""
    life = (None, job(Phase.INTENDED), job(Phase.INTENDED, told=1), job(Phase.SUCCEEDED))
    for level, expected in (("info", ["job succeeded"]), ("debug", ["job accepted", "job updated", "job succeeded"])):
        configure_logging(level)
        telemetry = PrometheusTelemetry(["default"])
        for before, after in pairwise(life):
            assert after is not None
            telemetry.transition(before, after)
        assert [line["event"] for line in logged(capsys)] == expected


def test_what_alerts_count_begins_at_zero() -> None:
    """A series that first appears with 1 has never increased, as Prometheus sees it."""
    text = PrometheusTelemetry().render().decode()
    assert 'crml_dead_letters_total{reason="NotCloudEvent"} 0.0' in text
    assert 'crml_problems_total{problem="shard_closed_dirty"} 0.0' in text
    assert 'crml_replies_total{kind="failed"} 0.0' in text


def test_a_refusal_of_the_caller_is_counted_from_zero(capsys: pytest.CaptureFixture[str]) -> None:
    """By target only: by operation too, a thousand targets would have far more series than anything else has."""
    telemetry = PrometheusTelemetry(["eu"])
    series = 'crml_aws_refused_total{outcome="AccessDeniedException",target="eu"}'
    assert f"{series} 0.0" in telemetry.render().decode()
    telemetry.call("eu", "CreateAudienceModel", "AccessDeniedException", 0.1)
    telemetry.call("eu", "CreateAudienceModel", "ConflictException", 0.1)
    text = telemetry.render().decode()
    assert f"{series} 1.0" in text
    assert 'outcome="ConflictException"' not in "".join(line for line in text.splitlines() if "refused" in line)


def test_every_problem_is_known() -> None:
    """The names used in the sources are the label's closed set; each is explained in operate.md."""
    sources = "\n".join(file.read_text() for file in (ROOT / "service").rglob("*.py"))
    used = set(re.findall(r'\.problem\(\s*"([^"]+)"', sources))
    assert used == set(PROBLEMS) == set(get_args(Problem))
    operating = (ROOT / "docs/howto/operate.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \|", operating.partition("## Problems")[2], re.MULTILINE)) >= set(PROBLEMS)


def test_values_from_outside_are_other() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.dead_letter("Invented", "commands-0", 7)
    telemetry.problem("something new")  # type: ignore[arg-type]
    text = telemetry.render().decode()
    assert 'crml_dead_letters_total{reason="other"} 1.0' in text
    assert 'crml_problems_total{problem="other"} 1.0' in text
