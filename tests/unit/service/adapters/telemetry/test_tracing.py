"""Whether traces are exported: the setting, the standard variables, and what is refused with a remedy."""

import pytest
from opentelemetry.util.re import parse_env_headers

from service.adapters.telemetry import tracing
from service.adapters.telemetry.tracing import TracesUnavailable, exported


def refusal(**environment: str) -> str:
    with pytest.raises(TracesUnavailable) as caught:
        exported(enabled=True, environment=environment)
    return str(caught.value)


def test_only_the_setting_turns_them_on() -> None:
    assert exported(enabled=True, environment={})
    assert not exported(enabled=False, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    assert not exported(enabled=False, environment={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_SDK_DISABLED", "true"), ("OTEL_SDK_DISABLED", " TRUE"), ("OTEL_TRACES_EXPORTER", "none")],
)
def test_standard_variables_turn_them_off(name: str, value: str) -> None:
    assert not exported(enabled=True, environment={name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_SDK_DISABLED", "false"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_TRACES_EXPORTER", ""),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/v1/traces"),
    ],
)
def test_what_they_may_be(name: str, value: str) -> None:
    assert exported(enabled=True, environment={name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http:///v1/traces"),
    ],
)
def test_what_can_not_be_done_is_named(name: str, value: str) -> None:
    assert name in refusal(**{name: value})


def test_a_password_in_an_address_is_not_shown() -> None:
    assert "canary" not in refusal(OTEL_EXPORTER_OTLP_ENDPOINT="grpc://me:canary@collector:4317")


def test_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "PACKAGES", ("nowhere.sdk", *tracing.PACKAGES))
    text = refusal()
    assert "nowhere.sdk" in text
    assert "install cleanroomsml-service[traces]" in text
    assert "opentelemetry" not in text


@pytest.mark.parametrize("name", ["nowhere", "nowhere.trace", "opentelemetry.nowhere", "opentelemetry.nowhere.trace"])
def test_a_package_is_missing_when_one_above_it_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(tracing, "PACKAGES", (name,))
    assert f"({name})" in refusal()


@pytest.mark.parametrize("text", ["Authorization: Bearer canary", "canary", 'a=b,c="canary"', "=canary", "a=canary\n"])
def test_headers_that_would_be_logged_are_refused_without_their_text(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is refused is what OpenTelemetry's own package would quote in a warning."""
    said = refusal(OTEL_EXPORTER_OTLP_HEADERS=text)
    assert "OTEL_EXPORTER_OTLP_HEADERS" in said
    assert "canary" not in said
    parse_env_headers(text, liberal=True)
    assert "canary" in caplog.text or "\n" in text


@pytest.mark.parametrize(
    "text", ["Authorization=Bearer%20canary", "a=b, c = d e ,", "", "x-scope=1=2", "authorization=Basic Zm9v=="]
)
def test_headers_that_are_taken_are_not_logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert exported(enabled=True, environment={"OTEL_EXPORTER_OTLP_TRACES_HEADERS": text})
    parse_env_headers(text, liberal=True)
    assert caplog.text == ""
