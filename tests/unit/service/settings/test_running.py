"""Settings of the service's own conduct: durations that must fit, paces by kind, and where it listens."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.settings.polling import DEFAULT_PACES, Polling
from service.settings.server import Http, Runtime
from service.settings.timing import Timing
from tests.unit.service.settings.test_model import refused, settings


def test_the_defaults_keep_law_2() -> None:
    assert Timing().settle > Timing().call_window


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"settle": 2.0}, "settle (2 s) must be longer than call_window (2 s)"),
        ({"settle": 5.0, "call_window": 6.0}, "settle (5 s) must be longer than call_window (6 s)"),
        ({"retry_base": 10.0, "retry_cap": 9.0}, "retry_cap must not be below retry_base"),
    ],
)
def test_durations_that_do_not_fit(given: dict[str, float], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Timing.model_validate(given)
    assert words in str(raised.value)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    with pytest.raises(ValidationError, match=r"settle \(1 s\) must be longer .*; retry_cap must not be below"):
        Timing(settle=1.0, retry_base=10.0, retry_cap=9.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("call_window", 0.4),
        ("settle", float("inf")),
        ("settle", -1.0),
        ("search_delays", []),
        ("search_delays", [-1.0]),
        ("retention", 0.0),
    ],
)
def test_what_is_no_duration_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Timing.model_validate({name: value})


def test_a_search_may_begin_at_once() -> None:
    assert Timing.model_validate({"search_delays": "0, 2.5"}).search_delays == (0.0, 2.5)


def test_a_pace_is_completed_by_the_one_of_its_kind() -> None:
    kinds = Polling.model_validate({"kinds": {"audience_export_job": {"first": 1}}}).kinds
    assert kinds["audience-export-job"] == DEFAULT_PACES["audience-export-job"].model_copy(update={"first": 1.0})
    assert kinds["audience-model"] == DEFAULT_PACES["audience-model"]


def test_a_kind_that_has_no_pace_yet_may_get_one() -> None:
    assert Polling.model_validate({"kinds": {"training-dataset": {"first": 7}}}).kinds["training-dataset"].first == 7


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError, match="unknown: moon; known: audience-export-job"):
        Polling.model_validate({"kinds": {"moon": {"first": 1}}})


@pytest.mark.parametrize("name", ["inbox_limit", "open_jobs_limit", "max_batch", "remembered_bytes", "heartbeat_limit"])
def test_nothing_can_be_done_with_no_room(name: str) -> None:
    with pytest.raises(ValidationError):
        Runtime.model_validate({name: 0})


@pytest.mark.parametrize("port", [-1, 65_536, 80.5])
def test_what_is_no_port_is_refused(port: float) -> None:
    with pytest.raises(ValidationError):
        Http.model_validate({"port": port})


def test_paces_are_completed() -> None:
    kinds = settings(CRML_POLLING__KINDS__AUDIENCE_MODEL__FIRST="1").polling.kinds
    assert kinds["audience-model"].first == 1
    assert kinds["audience-model"].later == DEFAULT_PACES["audience-model"].later
    assert set(kinds) == set(DEFAULT_PACES)


@pytest.mark.parametrize(("text", "wanted"), [("::", "::"), ("[::]", "::"), ("[::1]", "::1"), ("0.0.0.0", "0.0.0.0")])
def test_listeners(text: str, wanted: str) -> None:
    assert settings(CRML_HTTP__HOST=text, CRML_HTTP__PAGE_HOST=text).http.host == wanted


@pytest.mark.parametrize("text", ["[::1]:8080", "http://0.0.0.0", "a b"])
def test_malformed_listeners_are_refused(text: str) -> None:
    assert "http.host: found" in refused(CRML_HTTP__HOST=text)
