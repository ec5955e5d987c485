"""A file, the environment over it, and every problem at once with its place."""

from pathlib import Path

import pytest

from service.settings import SettingsError, load
from service.settings.loading import variable
from tests.unit.service.settings.test_model import LEAST, refused


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (["kafka", "group_id"], "CRML_KAFKA__GROUP_ID"),
        (["targets", "eu-west", "quotas", "audience-models"], "CRML_TARGETS__EU_WEST__QUOTAS__AUDIENCE_MODELS"),
        (["default_target"], "CRML_DEFAULT_TARGET"),
    ],
)
def test_the_variable_of_a_setting(path: list[str], name: str) -> None:
    assert variable(path) == name


def test_what_is_missing_is_named_with_its_meaning_and_its_variable() -> None:
    with pytest.raises(SettingsError) as raised:
        load(None, {})
    message = str(raised.value)
    assert message.startswith("2 problems in the settings:\n  - ")
    assert "kafka.bootstrap_servers: not set. Brokers to ask first" in message
    assert "Set it in the file or as CRML_KAFKA__BOOTSTRAP_SERVERS." in message
    assert "targets.default.region: not set. The Region" in message


def test_one_problem_is_one() -> None:
    assert refused(CRML_HTTP__PORT="high").startswith("1 problem in the settings:\n  - http.port: found 'high'")


def test_the_file_that_is_named_goes_before_the_variables(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"kafka: {{group_id: {name}}}")
    environ = LEAST | {"CRML_SETTINGS": str(tmp_path / "one")}
    assert load(None, environ).kafka.group_id == "one"
    assert load(tmp_path / "two", environ).kafka.group_id == "two"


def test_a_value_of_aws_own_variable_is_found_there() -> None:
    message = refused(AWS_REGION="nowhere")
    assert "targets.default.region: found 'nowhere' in AWS_REGION; expected: " in message


def test_a_long_value_is_cut_and_a_secret_is_not_shown() -> None:
    message = refused(CRML_LOG__LEVEL="x" * 5_000, CRML_TARGETS__A__PROXY="canary")
    assert len(message) < 2_000
    assert "xxx..." in message
    assert "targets.a.proxy: found a secret in CRML_TARGETS__A__PROXY; expected: " in message
    assert "canary" not in message


def test_what_is_expected_is_said_without_pythons_words() -> None:
    message = refused(CRML_TIMING__SETTLE="soon", CRML_TARGETS__A__VERIFY="maybe", CRML_RUNTIME__MAX_BATCH="1.5")
    assert "timing.settle: found 'soon' in CRML_TIMING__SETTLE; expected: a number" in message
    assert "targets.a.verify: found 'maybe' in CRML_TARGETS__A__VERIFY; expected: true or false" in message
    assert "runtime.max_batch: found '1.5' in CRML_RUNTIME__MAX_BATCH; expected: a whole number" in message


def test_the_processs_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LEAST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CRML_KAFKA__GROUP_ID", "mine")
    assert load().kafka.group_id == "mine"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("kafka: {group_id: file, client_id: file}\ntargets: {eu: {region: eu-central-1}}\n")
    loaded = load(None, LEAST | {"CRML_SETTINGS": str(file), "CRML_KAFKA__GROUP_ID": "environment"})
    assert (loaded.kafka.group_id, loaded.kafka.client_id) == ("environment", "file")
    assert loaded.targets["eu"].region == "eu-central-1"
    assert loaded.default_target == "eu"


def test_every_problem_at_once(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "kafka: {group_ids: x, session_timeout: -1}\ntiming: {settle: 1}\n"
        "targets: {eu: {account: 12345, endpoint_url: 'ftp://x'}}\n"
    )
    message = refused(file, CRML_FOO="1", CRML_HTTP__PORT="high")
    assert message.startswith("7 problems in the settings:")
    for part in (
        "kafka.group_ids: unknown setting",
        "did you mean kafka.group_id?",
        f"kafka.session_timeout: found -1 in {file}",
        "settle (1 s) must be longer than call_window (2 s)",
        "http.port: found 'high' in CRML_HTTP__PORT",
        "targets.eu.endpoint_url: found 'ftp://x'",
        "foo: unknown setting in CRML_FOO",
    ):
        assert part in message


@pytest.mark.parametrize("content", ["- a list", "a: [", b"\xff\xfe".decode("latin-1") + ": : :"])
def test_files_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    assert str(file) in refused(file)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("KAFKA__OAUTH", '{"client_secret": "canary"}'),
        ("TARGETS", '{"default": {"external_id": "canary"}}'),
        ("TARGETS__DEFAULT", '{"external_id": "canary"}'),
        ("TARGETS__DEFAULT__ENDPOINT_URL", "u:canary@host"),
        ("KAFKA__BOOTSTRAP_SERVERS", "SASL_SSL://u:canary@b:1"),
        ("KAFKA__SASL_PASSWORD__X", "canary"),
    ],
)
def test_no_error_quotes_what_may_hold_a_secret(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:1", "AWS_REGION": "eu-west-1", f"CRML_{name}": text})
    assert f"CRML_{name.removesuffix('__X')}" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_no_file() -> None:
    assert "can't be read" in refused(Path("/nonexistent/settings.yaml"))


def test_no_region() -> None:
    with pytest.raises(SettingsError, match=r"targets\.default\.region: not set.*CRML_TARGETS__DEFAULT__REGION"):
        load(None, {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:1"})
