"""Logs without secrets that never kill, metrics whose labels can't grow."""

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


def job(phase: Phase, **more: Any) -> Job:
    params = {"seedAudience": {"sqlParameters": {"queryString": "canary-sql"}}}
    command = Command("c-1", "/s", "StartAudienceGenerationJob", "default", params, "0" * 64, correlation_id="k-1")
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
    telemetry.dead_letter("Invented")
    telemetry.problem("something new")  # type: ignore[arg-type]
    text = telemetry.render().decode()
    assert 'crml_dead_letters_total{reason="other"} 1.0' in text
    assert 'crml_problems_total{problem="other"} 1.0' in text
