"""Settings of the process: its limits, and where it listens."""

import pytest
from pydantic import ValidationError

from service.settings.server import Http, Runtime
from tests.unit.service.settings.test_model import refused, settings


@pytest.mark.parametrize("name", ["inbox_limit", "open_jobs_limit", "max_batch", "remembered_bytes", "heartbeat_limit"])
def test_nothing_can_be_done_with_no_room(name: str) -> None:
    with pytest.raises(ValidationError):
        Runtime.model_validate({name: 0})


@pytest.mark.parametrize("port", [-1, 65_536, 80.5])
def test_what_is_no_port_is_refused(port: float) -> None:
    with pytest.raises(ValidationError):
        Http.model_validate({"port": port})


@pytest.mark.parametrize(("text", "wanted"), [("::", "::"), ("[::]", "::"), ("[::1]", "::1"), ("0.0.0.0", "0.0.0.0")])
def test_listeners(text: str, wanted: str) -> None:
    assert settings(CRML_HTTP__HOST=text, CRML_HTTP__PAGE_HOST=text).http.host == wanted


@pytest.mark.parametrize("text", ["[::1]:8080", "http://0.0.0.0", "a b"])
def test_malformed_listeners_are_refused(text: str) -> None:
    assert "http.host: found" in refused(CRML_HTTP__HOST=text)
